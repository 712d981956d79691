import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { defaultLimits, ReplyFormat } from '../../../src/resp/decoder.js'
import { compareWithKnown, knowArray } from '../../../src/resp/known-array.js'
import { run } from './recorder.js'

const element = fc.oneof(
  fc.integer({ min: -9, max: 9 }).map(n => `:${n}\r\n`),
  fc.string({ maxLength: 6, unit: 'grapheme-ascii' }).map(text => `$${text.length}\r\n${text}\r\n`),
  fc
    .array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 })
    .map(items => `*${items.length}\r\n${items.map(n => `:${n}\r\n`).join('')}`),
)
const elements = fc.array(element, { maxLength: 12 })
const wire = (items: readonly string[]) => Buffer.from(`*${items.length}\r\n${items.join('')}`)
const know = (items: readonly string[]) => {
  const known = knowArray(wire(items), 3, defaultLimits)
  if (known === null) throw new Error('not an array')
  return known
}
/** Two arrays, the second made from the first by replacing a run of its elements. */
const pair = fc.tuple(elements, elements, fc.nat(12), fc.nat(12)).map(([before, inserted, at, removed]) => {
  const after = [...before]
  after.splice(Math.min(at, before.length), removed, ...inserted)
  return [before, after] as const
})

describe('known arrays', () => {
  it('cuts an array into its elements', () => {
    const items = [':1\r\n', '*2\r\n:1\r\n:2\r\n', '$0\r\n\r\n']
    const { bytes, offsets } = know(items)
    expect(items.map((_, i) => bytes.subarray(offsets[i], offsets[i + 1]).toString())).toEqual(items)
  })

  it.each(['', ':1\r\n', '*1\r\n', '*1\r\n:1\r\n:2\r\n', '$1\r\na\r\n', '*'])('does not know %j', text => {
    expect(knowArray(Buffer.from(text), 3, defaultLimits)).toBeNull()
  })

  it('tells what is kept at both ends and where everything in between stands', () => {
    fc.assert(
      fc.property(pair, fc.string({ maxLength: 5 }), fc.string({ maxLength: 5 }), ([before, after], ahead, behind) => {
        const bytes = Buffer.concat([Buffer.from(ahead), wire(after), Buffer.from(behind)])
        const pos = Buffer.byteLength(ahead)
        const delta = compareWithKnown(know(before), bytes, pos, bytes.length, 3, defaultLimits)
        expect(delta).not.toBeNull()
        if (delta === null) return
        const { keptFirst, keptLast, between, end } = delta
        expect(end).toBe(pos + wire(after).length)
        const middle = between.slice(0, -1).map((from, i) => bytes.subarray(from, between[i + 1]).toString())
        const rebuilt = [...before.slice(0, keptFirst), ...middle, ...before.slice(before.length - keptLast)]
        expect(rebuilt).toEqual(after)
        expect(keptFirst + keptLast).toBeLessThanOrEqual(before.length)
      }),
    )
  })

  it('gives up on an array that is not all there', () => {
    fc.assert(
      fc.property(pair, fc.nat(), ([before, after], cut) => {
        const bytes = wire(after)
        const short = bytes.subarray(0, cut % bytes.length)
        expect(compareWithKnown(know(before), short, 0, short.length, 3, defaultLimits)).toBeNull()
      }),
    )
  })

  it('gives up on an array that is mostly new', () => {
    const before = Array.from({ length: 100 }, (_, i) => `:${i}\r\n`)
    const after = Array.from({ length: 100 }, (_, i) => `:${i + 100}\r\n`)
    expect(compareWithKnown(know(before), wire(after), 0, wire(after).length, 3, defaultLimits)).toBeNull()
  })

  it.each([2, 3] as const)(
    'lets the RESP%i decoder find the exact bytes at any chunking, and the replies around them',
    protocol => {
      fc.assert(
        fc.property(
          pair,
          fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 }),
          ([before, after], sizes) => {
            const stream = Buffer.concat([Buffer.from(':1\r\n'), wire(after), Buffer.from('+OK\r\n')])
            const formats = [ReplyFormat.plain, ReplyFormat.raw, ReplyFormat.plain]
            const { events, error } = run(protocol, stream, { formats, sizes, expected: wire(before) })
            expect(error).toBeUndefined()
            expect(events).toEqual([
              ['reply', 1],
              ['reply', wire(after)],
              ['reply', 'OK'],
            ])
          },
        ),
      )
    },
  )
})
