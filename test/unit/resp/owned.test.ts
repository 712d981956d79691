// What a push is given as, and what is kept of it.

import { expect, it } from 'vitest'
import { createDecoder } from '../../../src/resp/create-decoder.js'
import { defaultLimits, type Reply } from '../../../src/resp/decoder.js'
import { owned } from '../../../src/resp/text.js'

function pushesOf(chunks: readonly Buffer[]): Reply[][] {
  const pushes: Reply[][] = []
  const sink = {
    nextFormat: () => 0,
    expectedRaw: () => null,
    onReply: () => undefined,
    onError: () => undefined,
    onPush: (items: Reply[]) => void pushes.push(items),
  }
  const decoder = createDecoder(3, sink, defaultLimits, { pushBuffers: true })
  for (const chunk of chunks) decoder.execute(chunk)
  return pushes
}

const message = Buffer.from('>3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$5\r\nhello\r\n')

it('strings of a push lie in the chunk, and owned ones do not', () => {
  const chunk = Buffer.concat([message])
  const [items = []] = pushesOf([chunk])
  const kept = items.map(owned)
  chunk.fill(0)
  expect(String(items[2])).toBe('\0'.repeat(5))
  expect(kept).toEqual([Buffer.from('message'), Buffer.from('news'), Buffer.from('hello')])
})

it('strings that were cut have memory of their own, wherever the cut is', () => {
  for (let cut = 1; cut < message.length; cut++) {
    const chunks = [Buffer.from(message.subarray(0, cut)), Buffer.from(message.subarray(cut))]
    expect(pushesOf(chunks)).toEqual([[Buffer.from('message'), Buffer.from('news'), Buffer.from('hello')]])
  }
})

it('owns what is nested, and leaves what is no Buffer', () => {
  const inner = Buffer.from('key')
  const value = owned([inner, 1, null, ['text']]) as Reply[]
  expect(value).toEqual([inner, 1, null, ['text']])
  expect(value[0]).not.toBe(inner)
})
