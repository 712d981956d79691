import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { pack, packedBytes, sameArguments, unpack } from '../../../src/cache/value.js'
import { replyError } from '../../../src/errors.js'
import type { Reply } from '../../../src/resp/decoder.js'

const scalar: fc.Arbitrary<Reply> = fc.oneof(
  fc.string(),
  fc.double(),
  fc.bigInt(),
  fc.boolean(),
  fc.constant(null),
  fc.uint8Array().map(bytes => Buffer.from(bytes)),
)
const { reply } = fc.letrec<{ reply: Reply }>(tie => ({
  reply: fc.oneof(
    { maxDepth: 4 },
    scalar,
    fc.array(tie('reply')),
    fc.array(tie('reply')).map(items => new Set(items)),
    fc.array(fc.tuple(tie('reply'), tie('reply'))).map(pairs => new Map(pairs)),
  ),
}))

describe('values', () => {
  it('come out as they went in', () => {
    fc.assert(
      fc.property(reply, value => {
        expect(unpack(pack(value))).toEqual(value)
      }),
    )
  })

  it('have a size, and one that grows with what they hold', () => {
    fc.assert(
      fc.property(reply, value => {
        const bytes = packedBytes(value)
        expect(bytes).toBeGreaterThan(0)
        expect(packedBytes([value])).toBeGreaterThan(bytes)
        expect(packedBytes(new Set([value]))).toBeGreaterThan(bytes)
        expect(packedBytes(new Map([[value, value]]))).toBeGreaterThan(2 * bytes)
      }),
    )
    expect(packedBytes('a'.repeat(1000))).toBeGreaterThanOrEqual(1000)
    expect(packedBytes('\u20ac'.repeat(1000))).toBeGreaterThanOrEqual(2000)
    expect(packedBytes(Buffer.alloc(1000))).toBeGreaterThanOrEqual(1000)
  })

  it('share nothing with what went in, nor with one another', () => {
    const value: Reply = [Buffer.from('ab'), new Map<Reply, Reply>([['k', ['v']]]), new Set(['m'])]
    const packed = pack(value)
    const first = unpack(packed) as [Buffer, Map<string, string[]>, Set<string>]
    for (const copy of [value as typeof first, first]) {
      copy[0][0] = 0x7a
      copy[1].get('k')?.push('more')
      copy[2].clear()
    }
    expect(unpack(packed)).toEqual([Buffer.from('ab'), new Map([['k', ['v']]]), new Set(['m'])])
  })

  it('are not kept with an error in them, nor when they are nested without end', () => {
    expect(packedBytes([1, [replyError('ERR no')]])).toBe(Infinity)
    let deep: Reply = 1
    for (let i = 0; i < 100; i++) deep = [deep]
    expect(packedBytes(deep)).toBe(Infinity)
  })
})

describe('sameArguments()', () => {
  it('compares bytes as bytes', () => {
    expect(sameArguments(['a', 1, Buffer.from('x')], ['a', 1, Uint8Array.from([0x78])])).toBe(true)
    expect(sameArguments(['a', Buffer.from('x')], ['a', Buffer.from('y')])).toBe(false)
    expect(sameArguments(['a'], ['a', 'b'])).toBe(false)
    expect(sameArguments(['1'], [1])).toBe(false)
  })
})
