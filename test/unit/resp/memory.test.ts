import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { createDecoder } from '../../../src/resp/create-decoder.js'
import { type Reply, ReplyFormat } from '../../../src/resp/decoder.js'
import { Recorder } from './recorder.js'

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void

const mebibyte = 1024 * 1024
const chunkBytes = 64 * 1024
const chunks = 1000

function bulk(text: string): string {
  return `$${Buffer.byteLength(text)}\r\n${text}\r\n`
}

/** A chunk of 64 KiB with the reply in it, twice, as the first and the later strings of a chunk are made differently. */
function chunkWith(reply: string): Buffer {
  const text = `*3\r\n${reply}${reply}`
  const rest = chunkBytes - Buffer.byteLength(text)
  const filler = rest - bulk('x'.repeat(rest)).length + rest
  return Buffer.from(text + bulk('x'.repeat(filler)))
}

function used(): number {
  gc()
  gc()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

describe.each([2, 3] as const)('strings of the RESP%i decoder', protocol => {
  const rows: [string, number, (i: number) => string][] = [
    ['32 ASCII characters', ReplyFormat.plain, i => `value ${i}`.padEnd(32, '.')],
    ['13 ASCII characters', ReplyFormat.plain, i => String(i).padStart(13, '0')],
    ['5 ASCII characters', ReplyFormat.plain, i => String(i).padStart(5, '0')],
    ['32 other characters', ReplyFormat.plain, i => `välue ${i}`.padEnd(32, '.')],
    ['32 bytes', ReplyFormat.buffers, i => `value ${i}`.padEnd(32, '.')],
  ]

  it.each(rows)('of %s keep no chunk alive', (_, format, textOf) => {
    const sink = new Recorder(Array(2 * chunks).fill(format))
    const kept: Reply[] = []
    sink.onReply = value => {
      const [first, second] = value as Reply[]
      kept.push(first as Reply, second as Reply)
    }
    const decoder = createDecoder(protocol, sink)
    decoder.execute(chunkWith(bulk(textOf(0))))
    const before = used()
    for (let i = 0; i < chunks; i++) {
      const chunk = chunkWith(bulk(textOf(i)))
      expect(chunk.length).toBe(chunkBytes)
      decoder.execute(chunk)
    }
    const grown = used() - before
    expect(kept.length).toBe(2 * chunks + 2)
    expect(String(kept.at(-1))).toBe(textOf(chunks - 1))
    // The chunks are 62 MiB, and the 2 KiB of text that short strings are cut from would be 2 MiB.
    expect(grown).toBeLessThan(mebibyte)
  })

  it('that came in pieces keep no chunk alive', () => {
    const sink = new Recorder()
    const kept: Reply[] = []
    sink.onReply = value => kept.push(value)
    const decoder = createDecoder(protocol, sink)
    const before = used()
    for (let i = 0; i < chunks; i++) {
      const text = `value ${i}`.padEnd(32, '.')
      const large = Buffer.alloc(chunkBytes, 'x')
      const filler = chunkBytes - 12 - bulk('').length - 6
      const chunk = Buffer.concat([
        Buffer.from(`$${filler}\r\n`),
        large.subarray(0, filler),
        Buffer.from(`\r\n$32\r\n`),
      ])
      decoder.execute(Buffer.concat([chunk, Buffer.from(text.slice(0, 7))]))
      decoder.execute(Buffer.from(`${text.slice(7)}\r\n`))
      expect(kept.splice(-2, 1)[0]).toHaveLength(filler)
      expect(kept.at(-1)).toBe(text)
    }
    expect(used() - before).toBeLessThan(mebibyte)
  })
})

describe.each([2, 3] as const)('the RESP%i decoder', protocol => {
  it('keeps no reply that it has given, however that was cut', () => {
    const sink = new Recorder()
    const given: WeakRef<Reply[]>[] = []
    sink.onReply = value => given.push(new WeakRef(value as Reply[]))
    const decoder = createDecoder(protocol, sink)
    const reply = Buffer.from(`*3\r\n*2\r\n${bulk('a')}*1\r\n:1\r\n*1\r\n${bulk('b')}${bulk('c')}`)
    for (let cut = 1; cut < reply.length; cut++) {
      decoder.execute(reply.subarray(0, cut))
      decoder.execute(reply.subarray(cut))
    }
    // References within the turn that they are made in do not count.
    return new Promise(resolve => setImmediate(resolve)).then(() => {
      gc()
      expect(given.length).toBe(reply.length - 1)
      expect(given.filter(each => each.deref() !== undefined)).toEqual([])
      // It is alive for as long.
      decoder.execute(reply)
    })
  })
})
