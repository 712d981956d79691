import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ArrayMatcher, compareWithKnown } from '../../../src/resp/array-matcher.js'
import { defaultLimits, ReplyFormat } from '../../../src/resp/decoder.js'
import { type ArrayDelta, knowArray, knowDifferent } from '../../../src/resp/known-array.js'
import { run } from './recorder.js'

const element = fc.oneof(
  fc.integer({ min: -9, max: 9 }).map(n => `:${n}\r\n`),
  fc.string({ maxLength: 6, unit: 'grapheme-ascii' }).map(text => `$${text.length}\r\n${text}\r\n`),
  fc
    .array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 })
    .map(items => `*${items.length}\r\n${items.map(n => `:${n}\r\n`).join('')}`),
)
const wire = (items: readonly string[]) => Buffer.from(`*${items.length}\r\n${items.join('')}`)
const know = (items: readonly string[]) => {
  const known = knowArray(wire(items), 3, defaultLimits)
  if (known === null) throw new Error('not an array')
  return known
}
/** Two arrays, the second made from the first by replacing runs of its elements. */
const edit = fc.tuple(fc.nat(60), fc.nat(5), fc.array(element, { maxLength: 4 }))
const pair = fc.tuple(fc.array(element, { maxLength: 60 }), fc.array(edit, { maxLength: 4 })).map(([before, edits]) => {
  const after = [...before]
  for (const [at, removed, inserted] of edits) after.splice(Math.min(at, after.length), removed, ...inserted)
  return [before, after] as const
})
const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 })

/** What comes of taking a difference at its word. */
function rebuilt(before: readonly string[], bytes: Buffer, delta: ArrayDelta): string[] {
  const items: string[] = []
  let known = 0
  for (const { from, to, starts } of delta) {
    expect(from).toBeGreaterThanOrEqual(known)
    expect(to).toBeGreaterThanOrEqual(from)
    items.push(...before.slice(known, from))
    for (let i = 0; i + 1 < starts.length; i++) items.push(bytes.subarray(starts[i], starts[i + 1]).toString())
    known = to
  }
  return [...items, ...before.slice(known)]
}

describe('known arrays', () => {
  it('cuts an array into its elements', () => {
    const items = [':1\r\n', '*2\r\n:1\r\n:2\r\n', '$0\r\n\r\n']
    const { bytes, offsets } = know(items)
    expect(items.map((_, i) => bytes.subarray(offsets[i], offsets[i + 1]).toString())).toEqual(items)
  })

  it.each(['', ':1\r\n', '*1\r\n', '*1\r\n:1\r\n:2\r\n', '$1\r\na\r\n', '*'])('does not know %j', text => {
    expect(knowArray(Buffer.from(text), 3, defaultLimits)).toBeNull()
  })

  it('tells what is new, and where it stands, at any chunking', () => {
    fc.assert(
      fc.property(pair, fc.string({ maxLength: 5 }), sizes, ([before, after], ahead, lengths) => {
        const known = know(before)
        const stream = Buffer.concat([Buffer.from(ahead), wire(after), Buffer.from('+OK\r\n')])
        const start = Buffer.byteLength(ahead)
        const matcher = new ArrayMatcher(known, 3, defaultLimits)
        let pos = start
        for (let i = 0; matcher.reply === null; i++) {
          // Only a header must not be cut.
          const length = Math.max(lengths[i % lengths.length] as number, pos === start ? 6 : 0)
          const chunk = stream.subarray(pos, pos + length)
          const at = pos === start ? matcher.begin(chunk, 0, chunk.length) : 0
          expect(at).not.toBe(-1)
          pos += matcher.read(chunk, at, chunk.length)
        }
        expect(pos).toBe(start + wire(after).length)
        expect(matcher.reply).toEqual(wire(after))
        expect(matcher.reply === known.bytes).toBe(String(before) === String(after))
        const delta = matcher.delta as ArrayDelta
        expect(rebuilt(before, matcher.reply, delta)).toEqual(after)
        const { offsets } = knowDifferent(known, matcher.reply, delta)
        expect(offsets).toEqual(know(after).offsets)
      }),
      { numRuns: 2000 },
    )
  })

  it('finds changes far apart one by one, and takes nothing else for new', () => {
    const before = Array.from({ length: 5000 }, (_, i) => `*2\r\n:${i}\r\n$4\r\nnode\r\n`)
    const after = [...before]
    // From behind, so that places stay: one removed, one in place of another, two inserted.
    after.splice(4000, 1)
    after.splice(2500, 1, ':1\r\n')
    after.splice(100, 0, ':2\r\n', ':3\r\n')
    const delta = compareWithKnown(know(before), wire(after), 3, defaultLimits)
    expect(delta?.map(({ from, to, starts }) => [from, to, starts.length - 1])).toEqual([
      [100, 100, 2],
      [2500, 2501, 1],
      [4000, 4001, 0],
    ])
  })

  it('gives up on an array that is not all there', () => {
    fc.assert(
      fc.property(pair, fc.nat(), ([before, after], cut) => {
        const bytes = wire(after)
        const short = bytes.subarray(0, cut % bytes.length)
        expect(compareWithKnown(know(before), short, 3, defaultLimits)).toBeNull()
      }),
    )
  })

  it.each([
    ['mostly new', Array.from({ length: 200 }, (_, i) => `:${i + 200}\r\n`)],
    ['new in its first half', Array.from({ length: 200 }, (_, i) => `:${i < 100 ? i + 200 : i}\r\n`)],
  ])('takes the rest for new where an array is %s', (_, after) => {
    const before = Array.from({ length: 200 }, (_, i) => `:${i}\r\n`)
    const delta = compareWithKnown(know(before), wire(after), 3, defaultLimits) as ArrayDelta
    expect(rebuilt(before, wire(after), delta)).toEqual(after)
    expect(delta).toMatchObject([{ from: 0, to: 200 }])
    expect(knowDifferent(know(before), wire(after), delta).offsets).toEqual(know(after).offsets)
  })

  it.each([
    ['a push', '*2\r\n:1\r\n>1\r\n:1\r\n', 3],
    ['a length that is none', '*2\r\n:1\r\n$x\r\n', 3],
    ['a type of RESP3', '*2\r\n:1\r\n#t\r\n', 2],
  ] as const)('refuses %s among its elements', (_, text, protocol) => {
    const { error } = run(protocol, text, { formats: [ReplyFormat.raw], expected: wire([':1\r\n', ':2\r\n']) })
    expect(error).toMatchObject({ code: 'SLOTWISE_PROTOCOL' })
  })

  it.each([
    [{ maxDepth: 3 }, `*1\r\n${'*1\r\n'.repeat(3)}:1\r\n`, 'SLOTWISE_LIMIT_DEPTH'],
    [{ maxAggregateLength: 1 }, '*2\r\n:1\r\n:3\r\n', 'SLOTWISE_LIMIT_AGGREGATE'],
    [{ maxBulkBytes: 2 }, '*1\r\n$3\r\nabc\r\n', 'SLOTWISE_LIMIT_BULK'],
  ])('keeps the limits %j, also of what differs', (limits, text, code) => {
    const options = { formats: [ReplyFormat.raw], expected: wire([':1\r\n']), limits: { ...defaultLimits, ...limits } }
    expect(run(3, text, options).error).toMatchObject({ code })
  })

  it.each([2, 3] as const)(
    'lets the RESP%i decoder find the exact bytes at any chunking, and the replies around them',
    protocol => {
      fc.assert(
        fc.property(pair, sizes, ([before, after], lengths) => {
          const stream = Buffer.concat([Buffer.from(':1\r\n'), wire(after), Buffer.from('+OK\r\n')])
          const formats = [ReplyFormat.plain, ReplyFormat.raw, ReplyFormat.plain]
          const { events, error } = run(protocol, stream, { formats, sizes: lengths, expected: wire(before) })
          expect(error).toBeUndefined()
          expect(events).toEqual([
            ['reply', 1],
            ['reply', wire(after)],
            ['reply', 'OK'],
          ])
        }),
      )
    },
  )
})
