import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ReplyError, SlotwiseError } from '../../../src/errors.js'
import { createDecoder } from '../../../src/resp/create-decoder.js'
import { decodeReply } from '../../../src/resp/decode-reply.js'
import { type Reply, ReplyFormat } from '../../../src/resp/decoder.js'
import { decoded, encode, type WireReply } from '../../support/resp-encode.js'
import { garbage, push, resp2Reply, resp3Reply, sizes } from './arbitraries.js'
import { canonical, type Event, feed, Recorder, run } from './recorder.js'

const anyFormat = fc.constantFrom(ReplyFormat.plain, ReplyFormat.buffers)

/** What a sink must be told of a reply at top level. */
function eventOf(reply: WireReply, format: number): Event {
  if (reply.type === 'push') return ['push', decoded(reply) as Reply[]]
  const value = decoded(reply, format === ReplyFormat.buffers)
  if (value instanceof ReplyError) return ['error', value]
  return ['reply', format === ReplyFormat.raw ? encode(bare(reply)) : value]
}

/** The reply without the attributes in front of it, which are not part of it. */
function bare(reply: WireReply): WireReply {
  return reply.type === 'attributed' ? bare(reply.of) : reply
}

describe('RESP3 decoder', () => {
  it('decodes any reply to what was encoded, wherever the stream is cut', () => {
    fc.assert(
      fc.property(fc.array(resp3Reply, { maxLength: 4 }), sizes, anyFormat, (replies, chunkSizes, format) => {
        const bytes = Buffer.concat(replies.map(encode))
        const formats = replies.map(() => format)
        const whole = run(3, bytes, { formats })
        const chunked = run(3, bytes, { formats, sizes: chunkSizes })
        const events = replies.map(reply => eventOf(reply, format))
        assert.deepEqual(canonical([whole.events, whole.error]), canonical([events, undefined]))
        assert.deepEqual(canonical([chunked.events, chunked.error]), canonical([events, undefined]))
        assert.equal(chunked.asked, replies.length)
      }),
      { numRuns: 400 },
    )
  })

  it('gives raw replies byte for byte, among plain replies and pushes', () => {
    const item = fc.tuple(
      fc.oneof({ weight: 3, arbitrary: resp3Reply }, { weight: 1, arbitrary: push }),
      fc.constantFrom(ReplyFormat.plain, ReplyFormat.buffers, ReplyFormat.raw, ReplyFormat.raw),
    )
    fc.assert(
      fc.property(fc.array(item, { maxLength: 6 }), sizes, (items, chunkSizes) => {
        const bytes = Buffer.concat(items.map(([reply]) => encode(reply)))
        const formats = items.filter(([reply]) => reply.type !== 'push').map(([, format]) => format)
        const events = items.map(([reply, format]) => eventOf(reply, format))
        for (const options of [{ formats }, { formats, sizes: chunkSizes }]) {
          const { events: seen, error, asked } = run(3, bytes, options)
          assert.deepEqual(canonical([seen, error]), canonical([events, undefined]))
          assert.equal(asked, formats.length)
        }
      }),
      { numRuns: 400 },
    )
  })

  it('decodes strings that are not UTF-8 alike, wherever the stream is cut', () => {
    const byte = fc.constantFrom(0x41, 0x80, 0xa0, 0xbf, 0xc3, 0xe2, 0x82, 0xed, 0xf0, 0x9f, 0xf4, 0x90, 0xff)
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 30 }), sizes, (body, chunkSizes) => {
        const bytes = Buffer.concat([
          Buffer.from(`*2\r\n:1\r\n$${body.length}\r\n`),
          Buffer.from(body),
          Buffer.from('\r\n'),
        ])
        const expected = [['reply', [1, Buffer.from(body).toString()]]]
        assert.deepEqual(run(3, bytes, { sizes: chunkSizes }).events, expected)
      }),
      { numRuns: 400 },
    )
  })
})

describe('RESP2 decoder', () => {
  it('decodes any RESP2 reply as the RESP3 decoder does, wherever the stream is cut', () => {
    const anyRaw = fc.constantFrom(ReplyFormat.plain, ReplyFormat.buffers, ReplyFormat.raw)
    fc.assert(
      fc.property(fc.array(fc.tuple(resp2Reply, anyRaw), { maxLength: 5 }), sizes, (items, chunkSizes) => {
        const bytes = Buffer.concat(items.map(([reply]) => encode(reply)))
        const formats = items.map(([, format]) => format)
        const events = canonical(items.map(([reply, format]) => eventOf(reply, format)))
        for (const protocol of [2, 3] as const) {
          for (const options of [{ formats }, { formats, sizes: chunkSizes }]) {
            const { events: seen, error, asked } = run(protocol, bytes, options)
            assert.deepEqual([canonical(seen), error], [events, undefined])
            assert.equal(asked, items.length)
          }
        }
      }),
      { numRuns: 400 },
    )
  })
})

describe('decodeReply', () => {
  it('decodes raw replies, and no part of one', () => {
    fc.assert(
      fc.property(resp3Reply, fc.boolean(), fc.nat(), (reply, buffers, position) => {
        const bytes = encode(reply)
        assert.deepEqual(canonical(decodeReply(bytes, { buffers })), canonical(decoded(reply, buffers)))
        const part = bytes.subarray(0, position % bytes.length)
        assert.throws(() => decodeReply(part), { code: 'SLOTWISE_PROTOCOL' })
      }),
    )
  })
})

describe.each([2, 3] as const)('RESP%i decoder, given garbage', protocol => {
  const format = fc.constantFrom(ReplyFormat.plain, ReplyFormat.buffers, ReplyFormat.raw)

  it('throws nothing but a SlotwiseError, at the same place wherever the stream is cut, and then again', () => {
    let failures = 0
    fc.assert(
      fc.property(fc.oneof(garbage, fc.uint8Array().map(Buffer.from)), sizes, format, (bytes, chunkSizes, kind) => {
        const formats = Array(bytes.length).fill(kind)
        const limits = { maxDepth: 4, maxBulkBytes: 1000, maxAggregateLength: 100 }
        const whole = run(protocol, bytes, { formats, limits })
        const chunked = run(protocol, bytes, { formats, limits, sizes: chunkSizes })
        assert.deepEqual(canonical([chunked.events, chunked.error]), canonical([whole.events, whole.error]))
        if (whole.error === undefined) return
        failures++
        assert.ok(whole.error instanceof SlotwiseError)
        assert.match(whole.error.code, /^SLOTWISE_(PROTOCOL|LIMIT_(DEPTH|BULK|AGGREGATE))$/)
      }),
      { numRuns: 3000 },
    )
    expect(failures).toBeGreaterThan(1000)
  })

  it('stays dead', () => {
    fc.assert(
      fc.property(garbage, bytes => {
        const sink = new Recorder()
        const decoder = createDecoder(protocol, sink)
        let first: unknown
        try {
          feed(decoder, bytes)
        } catch (error) {
          first = error
        }
        fc.pre(first !== undefined)
        const told = sink.events.length
        for (const chunk of [Buffer.from('+OK\r\n'), Buffer.alloc(0)]) {
          assert.throws(
            () => feed(decoder, chunk),
            (error: unknown) => error === first,
          )
        }
        assert.equal(sink.events.length, told)
      }),
    )
  })
})
