// What a push is given as, and what is kept of it.

import { expect, it } from 'vitest'
import { createDecoder } from '../../../src/resp/create-decoder.js'
import { defaultLimits, type Reply } from '../../../src/resp/decoder.js'
import { owned } from '../../../src/resp/text.js'
import { canonical, run } from './recorder.js'

function pushesOf(chunk: Buffer): Reply[][] {
  const pushes: Reply[][] = []
  const sink = {
    nextFormat: () => 0,
    expectedRaw: () => null,
    onReply: () => undefined,
    onError: () => undefined,
    onPush: (items: Reply[]) => void pushes.push(items),
  }
  createDecoder(3, sink, defaultLimits, { pushBuffers: true }).execute(chunk)
  return pushes
}

const message = Buffer.from('>3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$5\r\nhello\r\n')

it('strings of a push lie in the chunk, and owned ones do not', () => {
  const chunk = Buffer.concat([message])
  const [items = []] = pushesOf(chunk)
  const kept = items.map(owned)
  chunk.fill(0)
  expect(String(items[2])).toBe('\0'.repeat(5))
  expect(kept).toEqual([Buffer.from('message'), Buffer.from('news'), Buffer.from('hello')])
})

it('strings of a push that was cut are right when it is given, wherever the cut is', () => {
  for (let cut = 1; cut < message.length; cut++) {
    const { events } = run(3, message, { pushBuffers: true, sizes: [cut, message.length - cut] })
    expect(events).toEqual([['push', [Buffer.from('message'), Buffer.from('news'), Buffer.from('hello')]]])
  }
})

it('owns what is nested, and leaves what is no Buffer', () => {
  const inner = Buffer.from('key')
  const value = owned([inner, 1, null, ['text']]) as Reply[]
  expect(value).toEqual([inner, 1, null, ['text']])
  expect(value[0]).not.toBe(inner)
})

it('owns what is nested in a push, wherever it was cut, among replies that are text', () => {
  const nested = '*2\r\n$2\r\nab\r\n%1\r\n$1\r\nk\r\n~2\r\n$1\r\nx\r\n:1\r\n'
  const stream = Buffer.from(`*2\r\n+OK\r\n>2\r\n${nested}$4\r\nlast\r\n$4\r\ntext\r\n`)
  const b = Buffer.from
  const push = [[b('ab'), new Map([[b('k'), new Set<Reply>([b('x'), 1])]])], b('last')]
  for (let cut = 1; cut < stream.length; cut++) {
    for (const sizes of [[cut, stream.length], [cut]]) {
      const { events } = run(3, stream, { pushBuffers: true, sizes })
      expect(canonical(events)).toEqual(
        canonical([
          ['push', push],
          ['reply', ['OK', 'text']],
        ]),
      )
    }
  }
})

it('there is no push within a push, however deep it stands', () => {
  for (const nested of ['>1\r\n:1\r\n', '*1\r\n>1\r\n:1\r\n', '|1\r\n+a\r\n>1\r\n:1\r\n']) {
    expect(() => pushesOf(Buffer.from(`>2\r\n+kind\r\n${nested}`))).toThrow(
      expect.objectContaining({ code: 'SLOTWISE_PROTOCOL' }),
    )
  }
})
