import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Argument, resolveCommand } from '../../../src/command/command.js'
import { slotOf } from '../../../src/command/slot.js'
import type { Reply } from '../../../src/resp/decoder.js'
import { hasAllValues, mayBeSplit, mergeSplit, splitBySlot, sumOf } from '../../../src/routing/split.js'

const spec = (name: string) => resolveCommand(name).spec

/** What a server with these keys does with one command; keys are kept as text. */
function serve(store: Map<string, string>, name: string, args: readonly Argument[]): Reply {
  const keys = args.map(String)
  switch (name) {
    case 'MGET':
      return keys.map(key => store.get(key) ?? null)
    case 'MSET':
      for (let i = 0; i < keys.length; i += 2) store.set(keys[i] as string, keys[i + 1] as string)
      return 'OK'
    case 'DEL':
    case 'UNLINK':
      return keys.filter(key => store.delete(key)).length
    default:
      return keys.filter(key => store.has(key)).length
  }
}

describe('mayBeSplit()', () => {
  it.each(['MGET', 'MSET', 'DEL', 'UNLINK', 'EXISTS', 'TOUCH', 'mget'])('%s may', name => {
    expect(mayBeSplit(spec(name))).toBe(true)
  })
  it.each(['MSETNX', 'SUNION', 'PFCOUNT', 'RENAME', 'GET', 'SINTERCARD', 'JSON.MGET', 'constructor'])(
    '%s may not',
    name => {
      expect(mayBeSplit(spec(name))).toBe(false)
    },
  )
})

describe('splitBySlot()', () => {
  it('makes one part for each slot, in the order of their first keys', () => {
    const parts = splitBySlot(spec('MSET'), ['{a}1', 1, '{b}1', 2, '{a}2', 3, '{a}1', 4])
    expect(parts).toEqual([
      { slot: slotOf('a'), args: ['{a}1', 1, '{a}2', 3, '{a}1', 4], places: [0, 2, 3] },
      { slot: slotOf('b'), args: ['{b}1', 2], places: [1] },
    ])
    expect(hasAllValues(spec('MSET'), ['a', 1, 'b'])).toBe(false)
    expect(hasAllValues(spec('MGET'), ['a', 'b', 'c'])).toBe(true)
  })

  it('with mergeSplit() gives what one server gives, for any keys, named once or more', () => {
    const key = fc.constantFrom('a', 'b', 'c', '{a}x', '{b}x', 'd', 'e', '{e}x')
    fc.assert(
      fc.property(
        fc.constantFrom('MGET', 'MSET', 'DEL', 'UNLINK', 'EXISTS', 'TOUCH'),
        fc.array(key, { minLength: 1, maxLength: 12 }),
        fc.array(key),
        (name, keys, present) => {
          const args = name === 'MSET' ? keys.flatMap((key, i) => [key, `value ${i}`]) : keys
          const [whole, split] = [0, 1].map(() => new Map(present.map(key => [key, `old ${key}`] as const)))
          const expected = serve(whole as Map<string, string>, name, args)
          const parts = splitBySlot(spec(name), args)
          const replies = parts.map(part => serve(split as Map<string, string>, name, part.args))
          expect(mergeSplit(spec(name), parts, replies)).toEqual(expected)
          expect(new Map([...(split as Map<string, string>)].sort())).toEqual(
            new Map([...(whole as Map<string, string>)].sort()),
          )
          for (const part of parts) for (const at of part.places) expect(slotOf(keys[at] as string)).toBe(part.slot)
        },
      ),
    )
  })
})

describe('sumOf()', () => {
  it('adds numbers, and strings exactly', () => {
    expect(sumOf([1, 2, 3])).toBe(6)
    expect(sumOf(['9007199254740993', '9007199254740993'])).toBe('18014398509481986')
  })
})
