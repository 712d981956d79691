import assert from 'node:assert/strict'
import fc from 'fast-check'
import { afterEach, expect, it, vi } from 'vitest'
import { ByteCollector } from '../../../src/resp/byte-collector.js'

const mebibyte = 1024 * 1024

afterEach(() => {
  vi.restoreAllMocks()
})

/** Sizes of the memory that is asked for from now on. */
function watchMemory(): number[] {
  const sizes: number[] = []
  for (const name of ['allocUnsafe', 'allocUnsafeSlow'] as const) {
    const allocate = Buffer[name]
    vi.spyOn(Buffer, name).mockImplementation((size: number) => {
      sizes.push(size)
      return allocate(size)
    })
  }
  return sizes
}

it('gives the pieces joined, in memory of its own, and starts afresh', () => {
  // Sizes on both sides of the blocks that small pieces are copied to, and of what is referred to.
  const length = fc.oneof(fc.nat(40), fc.integer({ min: 1000, max: 1050 }), fc.integer({ min: 16_000, max: 17_000 }))
  const piece = fc.record({ length, byte: fc.nat(255), refers: fc.boolean() })
  const batch = fc.record({ pieces: fc.array(piece, { maxLength: 12 }), announced: fc.option(fc.nat(40_000)) })
  fc.assert(
    fc.property(fc.array(batch, { minLength: 1, maxLength: 3 }), batches => {
      const collector = new ByteCollector()
      const taken: [whole: Buffer, expected: Buffer][] = []
      for (const { pieces, announced } of batches) {
        if (announced !== null) collector.announce(announced)
        const referred: Buffer[] = []
        const parts = pieces.map(({ length, byte, refers }) => {
          const part = Buffer.alloc(length, byte)
          // A byte before and one behind, which are no part of it.
          const source = Buffer.concat([Buffer.of(1), part, Buffer.of(2)])
          if (refers) {
            collector.refer(source, 1, length + 1)
            referred.push(source)
          } else {
            collector.append(source, 1, length + 1)
            source.fill(0x58)
          }
          return part
        })
        const expected = Buffer.concat(parts)
        assert.equal(collector.length, expected.length)
        taken.push([collector.take(), expected])
        assert.equal(collector.length, 0)
        for (const source of referred) source.fill(0x58)
      }
      for (const [whole, expected] of taken) assert.ok(whole.equals(expected))
    }),
    { numRuns: 300 },
  )
})

it('copies what was announced and came as announced once', () => {
  const piece = Buffer.alloc(25_000, 'x')
  const sizes = watchMemory()
  const collector = new ByteCollector()
  collector.announce(100_000)
  for (let i = 0; i < 4; i++) collector.append(piece, 0, piece.length)
  const whole = collector.take()
  expect(sizes).toEqual([100_000])
  expect(whole.equals(Buffer.alloc(100_000, 'x'))).toBe(true)
})

it('takes no more memory for what is announced than 1 MiB, and then for what has come', () => {
  const piece = Buffer.alloc(mebibyte / 2, 'abcd')
  const sizes = watchMemory()
  const collector = new ByteCollector()
  collector.announce(2 ** 40)
  expect(sizes).toEqual([mebibyte])
  for (let i = 0; i < 6; i++) collector.append(piece, 0, piece.length)
  expect(Math.max(...sizes)).toBe(mebibyte)
  const whole = collector.take()
  expect(whole.equals(Buffer.alloc(3 * mebibyte, 'abcd'))).toBe(true)
})

it('takes little memory for little, and for many bytes seldom', () => {
  const byte = Buffer.from('a')
  const sizes = watchMemory()
  const collector = new ByteCollector()
  collector.append(byte, 0, 1)
  expect(Math.max(...sizes)).toBeLessThanOrEqual(1024)
  for (let i = 1; i < 100_000; i++) collector.append(byte, 0, 1)
  expect(sizes.length).toBeLessThan(10)
  expect(sizes.reduce((sum, size) => sum + size)).toBeLessThan(120_000)
  const whole = collector.take()
  expect(whole.equals(Buffer.alloc(100_000, 'a'))).toBe(true)
})
