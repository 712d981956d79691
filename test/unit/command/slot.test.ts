import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { slotOf } from '../../../src/command/slot.js'

/** The cluster spec's algorithm, bit by bit and without tables: slow, and easy to compare with the text. */
function referenceSlot(key: Uint8Array): number {
  const open = key.indexOf(0x7b)
  const close = open === -1 ? -1 : key.indexOf(0x7d, open + 1)
  const hashed = close > open + 1 ? key.slice(open + 1, close) : key
  let crc = 0
  for (const byte of hashed) {
    for (let bit = 7; bit >= 0; bit--) {
      const carry = ((crc >> 15) ^ (byte >> bit)) & 1
      crc = (crc << 1) & 0xffff
      if (carry === 1) crc ^= 0x1021
    }
  }
  return crc % 16384
}

describe('slotOf', () => {
  it('gives the check value of CRC16/XMODEM', () => {
    expect(slotOf('123456789')).toBe(0x31c3)
    expect(slotOf('')).toBe(0)
  })

  it.each([
    ['{user1000}.following', 'user1000'],
    ['{user1000}.followers', 'user1000'],
    ['foo{bar}{zap}', 'bar'],
    ['foo{{bar}}zap', '{bar'],
    ['a}b{c}', 'c'],
    ['{é}:x', 'é'],
    ['€{b}', 'b'],
  ])('hashes only the tag of %s', (key, tag) => {
    expect(slotOf(key)).toBe(referenceSlot(Buffer.from(tag)))
    expect(slotOf(Buffer.from(key))).toBe(slotOf(key))
  })

  it.each(['foo{}{bar}', '{}', 'a{b', 'a}b', '}{', '{', '{}é', 'a~b|c\x7f', '😀', '\ud800', 'x\udc00y'])(
    'hashes the whole of %j',
    key => {
      const { buffer } = new Uint8Array(Buffer.concat([Buffer.from(key)]))
      expect(slotOf(key)).toBe(referenceSlot(new Uint8Array(buffer)))
      expect(slotOf(Buffer.from(key))).toBe(slotOf(key))
    },
  )

  it('hashes numbers and bigints as their decimal strings', () => {
    expect(slotOf(123456789)).toBe(0x31c3)
    expect(slotOf(123456789n)).toBe(0x31c3)
    expect(slotOf(-1.5)).toBe(slotOf('-1.5'))
    expect(slotOf(10n ** 30n)).toBe(slotOf('1000000000000000000000000000000'))
  })

  it('takes a view of a larger buffer', () => {
    const view = new Uint8Array(Buffer.from('xx{tag}yy').buffer.slice(0))
    expect(slotOf(view)).toBe(referenceSlot(view))
    expect(slotOf(Buffer.from('..{tag}..').subarray(2, 7))).toBe(slotOf('tag'))
  })

  it('equals the reference for any string and any bytes', () => {
    const key = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: 'grapheme' }),
      fc.string({ unit: fc.constantFrom('{', '}', 'a', 'é', '~') }),
      fc.uint8Array({ maxLength: 64 }),
      fc.array(fc.constantFrom(0x7b, 0x7d, 0x61, 0xff)).map(bytes => new Uint8Array(bytes)),
      fc.array(fc.integer({ min: 0, max: 0xffff })).map(codes => String.fromCharCode(...codes)),
    )
    fc.assert(
      fc.property(key, value => {
        const bytes = typeof value === 'string' ? Buffer.from(value) : value
        expect(slotOf(value)).toBe(referenceSlot(bytes))
      }),
      { numRuns: 5000 },
    )
  })
})
