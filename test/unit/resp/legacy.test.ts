import { describe, expect, it } from 'vitest'
import { ReplyError } from '../../../src/errors.js'
import { defaultLimits, type Reply, ReplyFormat, type ReplySink } from '../../../src/resp/decoder.js'
import { Resp3Decoder } from '../../../src/resp/resp3-decoder.js'
import { owned } from '../../../src/resp/text.js'
import { feed } from './recorder.js'

function decode(
  text: string,
  format: number,
  options = {},
  cut = text.length,
): { replies: Reply[]; pushes: Reply[][] } {
  const replies: Reply[] = []
  const pushes: Reply[][] = []
  const sink: ReplySink = {
    nextFormat: () => format,
    expectedRaw: () => null,
    onReply: value => replies.push(value),
    onError: error => replies.push(error),
    onPush: items => pushes.push(items.map(owned)),
  }
  const decoder = new Resp3Decoder(sink, defaultLimits, options)
  const bytes = Buffer.from(text)
  for (let i = 0; i < bytes.length; i += cut) feed(decoder, bytes.subarray(i, i + cut))
  return { replies, pushes }
}

const map = '%2\r\n+a\r\n,1.50\r\n+b\r\n~2\r\n#t\r\n#f\r\n'
const others = '(12345678901234567890\r\n=6\r\ntxt:ab\r\n_\r\n*-1\r\n%0\r\n,inf\r\n'

describe('replies in the shapes of RESP2', () => {
  it.each([1, 3, 1000])('come of RESP3, %i bytes at a time', cut => {
    const { replies } = decode(map + others, ReplyFormat.legacy, {}, cut)
    expect(replies).toEqual([['a', '1.50', 'b', [1, 0]], '12345678901234567890', 'ab', null, null, [], 'inf'])
  })

  it('have Buffers for doubles, too, and never for big numbers', () => {
    const { replies } = decode(map + others, ReplyFormat.legacy | ReplyFormat.buffers)
    expect(replies[0]).toEqual([Buffer.from('a'), Buffer.from('1.50'), Buffer.from('b'), [1, 0]])
    expect(replies[1]).toBe('12345678901234567890')
  })

  it('are for the reply that asked for them, and not for the next', () => {
    let asked = 0
    const replies: Reply[] = []
    const sink: ReplySink = {
      nextFormat: () => (asked++ === 0 ? ReplyFormat.legacy : ReplyFormat.plain),
      expectedRaw: () => null,
      onReply: value => replies.push(value),
      onError: error => replies.push(error),
      onPush: () => undefined,
    }
    feed(new Resp3Decoder(sink, defaultLimits), Buffer.from('%1\r\n+a\r\n:1\r\n%1\r\n+a\r\n:1\r\n'))
    expect(replies).toEqual([['a', 1], new Map([['a', 1]])])
  })

  it('keep errors as values within', () => {
    const { replies } = decode('*2\r\n-ERR no\r\n+OK\r\n', ReplyFormat.legacy)
    expect(replies).toEqual([[expect.any(ReplyError), 'OK']])
  })
})

describe('numbers as strings', () => {
  it('are doubles and big numbers, too', () => {
    const { replies } = decode(':12\r\n,1.50\r\n(9\r\n', ReplyFormat.plain, { stringNumbers: true })
    expect(replies).toEqual(['12', '1.50', '9'])
  })
})

describe('pushes', () => {
  const push = '>3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$2\r\nhi\r\n'
  it('have Buffers where they are wanted, whatever the format of replies', () => {
    const { pushes, replies } = decode(`${push}+OK\r\n`, ReplyFormat.plain, { pushBuffers: true })
    expect(pushes).toEqual([[Buffer.from('message'), Buffer.from('c'), Buffer.from('hi')]])
    expect(replies).toEqual(['OK'])
    expect(decode(push, ReplyFormat.buffers).pushes).toEqual([['message', 'c', 'hi']])
  })
})
