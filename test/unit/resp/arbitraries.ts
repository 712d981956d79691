// Arbitrary replies, streams and ways to cut them.

import fc from 'fast-check'
import type { WireReply } from '../../support/resp-encode.js'

const word = fc.string({ unit: 'binary', maxLength: 40 }).map(text => Buffer.from(text).toString())
const ascii = fc.string({ maxLength: 40 })
const text = fc.oneof(ascii, word)
const lineText = text.map(value => value.replace(/[\r\n]/g, ' '))
const errorText = fc.oneof(
  fc.constantFrom('ERR no', 'WRONGTYPE Operation against a key', 'LOADING'),
  lineText.map(value => `E${value}`),
)

function leaf<T extends WireReply>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<WireReply> {
  return arbitrary
}

const simple = leaf(fc.record({ type: fc.constant('simple' as const), text: lineText }))
const bulk = leaf(fc.record({ type: fc.constant('bulk' as const), text }))
const longBulk = leaf(
  fc.record({
    type: fc.constant('bulk' as const),
    text: fc.string({ unit: 'grapheme', minLength: 1200, maxLength: 3000 }),
  }),
)
const error = leaf(fc.record({ type: fc.constant('error' as const), text: errorText }))
const integer = leaf(fc.record({ type: fc.constant('integer' as const), value: fc.maxSafeInteger().map(n => n + 0) }))
const missing = (forms: ('_' | '$-1' | '*-1')[]) =>
  leaf(fc.record({ type: fc.constant('null' as const), form: fc.constantFrom(...forms) }))

export const resp2Reply: fc.Arbitrary<WireReply> = fc.letrec<{ reply: WireReply }>(tie => ({
  reply: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    bulk,
    simple,
    integer,
    error,
    missing(['$-1', '*-1']),
    { arbitrary: longBulk, weight: 1 },
    leaf(
      fc.record({
        type: fc.constant('array' as const),
        items: fc.array(tie('reply'), { maxLength: 6 }),
        streamed: fc.constant(false),
      }),
    ),
  ),
})).reply

const pairsOf = (reply: fc.Arbitrary<WireReply>) => fc.array(fc.tuple(reply, reply), { maxLength: 4 })

export const resp3Reply: fc.Arbitrary<WireReply> = fc.letrec<{ reply: WireReply }>(tie => ({
  reply: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    bulk,
    simple,
    integer,
    error,
    longBulk,
    missing(['_', '$-1', '*-1']),
    leaf(fc.record({ type: fc.constantFrom('verbatim' as const, 'blobError' as const), text })),
    leaf(fc.record({ type: fc.constant('double' as const), value: fc.double() })),
    leaf(fc.record({ type: fc.constant('bigNumber' as const), value: fc.bigInt() })),
    leaf(fc.record({ type: fc.constant('boolean' as const), value: fc.boolean() })),
    leaf(fc.record({ type: fc.constant('streamedString' as const), parts: fc.array(text, { maxLength: 4 }) })),
    leaf(
      fc.record({
        type: fc.constantFrom('array' as const, 'set' as const),
        items: fc.array(tie('reply'), { maxLength: 6 }),
        streamed: fc.boolean(),
      }),
    ),
    leaf(fc.record({ type: fc.constant('map' as const), pairs: pairsOf(tie('reply')), streamed: fc.boolean() })),
    leaf(
      fc.record({
        type: fc.constant('attributed' as const),
        pairs: pairsOf(tie('reply')),
        streamed: fc.boolean(),
        of: tie('reply'),
      }),
    ),
  ),
})).reply

export const push: fc.Arbitrary<WireReply & { type: 'push' }> = fc.record({
  type: fc.constant('push' as const),
  items: fc.array(resp3Reply, { maxLength: 3 }),
  streamed: fc.boolean(),
})

/** Sizes of chunks: byte by byte, small ones, or ones that hold whole replies. */
export const sizes: fc.Arbitrary<number[]> = fc.oneof(
  fc.constant<number[]>([1]),
  fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 8 }),
  fc.array(fc.integer({ min: 1, max: 2500 }), { minLength: 1, maxLength: 8 }),
)

/** Bytes that are RESP by the piece, but not as a whole. */
export const garbage: fc.Arbitrary<Buffer> = fc
  .array(
    fc.oneof(
      {
        weight: 6,
        arbitrary: fc.constantFrom(
          ...'+-:$*_#,(!=~%>|;.?0123'.split(''),
          '\r\n',
          '\r\n',
          '\r\n',
          '-1',
          '?\r\n',
          'txt:',
          '\r',
          '\n',
        ),
      },
      {
        weight: 3,
        arbitrary: fc.constantFrom(
          '*2\r\n',
          '$3\r\nabc\r\n',
          ':1\r\n',
          '%1\r\n',
          '|1\r\n',
          '*?\r\n',
          '.\r\n',
          '$?\r\n;1\r\na\r\n;0\r\n',
        ),
      },
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 6 }).map(bytes => Buffer.from(bytes).toString('latin1')) },
    ),
    { maxLength: 40 },
  )
  .map(parts => Buffer.from(parts.join(''), 'latin1'))
