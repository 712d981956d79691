import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { nameFor, resolveCommand } from '../../../src/command/command.js'
import { findSpec } from '../../../src/command/table.js'
import type { Reply } from '../../../src/resp/decoder.js'
import { fanOutOf, mergeReplies, successorOf, targetsOf } from '../../../src/routing/fan-out.js'

const fanOut = (words: string) => {
  const [name, ...args] = words.split(' ') as [string, ...string[]]
  return fanOutOf(nameFor(resolveCommand(name), args).spec)
}

describe('fanOutOf()', () => {
  it.each([
    ['DBSIZE', 'shards', 'sum'],
    ['dbsize', 'shards', 'sum'],
    ['FLUSHALL', 'shards', 'same'],
    ['FLUSHDB ASYNC', 'shards', 'same'],
    ['KEYS *', 'shards', 'concat'],
    ['RANDOMKEY', 'shards', 'some'],
    ['WAIT 1 100', 'shards', 'min'],
    ['WAITAOF 1 1 100', 'shards', 'min'],
    ['SCRIPT LOAD x', 'nodes', 'same'],
    ['SCRIPT FLUSH', 'nodes', 'same'],
    ['SCRIPT EXISTS x', 'shards', 'and'],
    ['SCRIPT KILL', 'shards', 'one'],
    ['FUNCTION LOAD x', 'shards', 'same'],
    ['FUNCTION DELETE x', 'shards', 'same'],
    ['FUNCTION FLUSH', 'shards', 'same'],
    ['FUNCTION RESTORE x', 'shards', 'same'],
    ['FUNCTION KILL', 'shards', 'one'],
    ['CONFIG SET a b', 'nodes', 'same'],
    ['CONFIG REWRITE', 'nodes', 'same'],
    ['CONFIG RESETSTAT', 'nodes', 'same'],
    ['SLOWLOG GET', 'nodes', 'concat'],
    ['SLOWLOG LEN', 'nodes', 'sum'],
    ['SLOWLOG RESET', 'nodes', 'same'],
    ['LATENCY RESET', 'nodes', 'sum'],
    ['MEMORY PURGE', 'shards', 'same'],
    ['CLUSTER SLOT-STATS SLOTSRANGE 0 1', 'shards', 'concat'],
  ])('%s goes to all %s, merged by %s', (words, reach, merge) => {
    expect(fanOut(words)).toEqual({ reach, merge })
  })

  it.each([
    ...['PING', 'ECHO x', 'TIME', 'INFO', 'CLUSTER INFO', 'CLUSTER NODES', 'CONFIG GET x', 'SCAN 0', 'FUNCTION LIST'],
    ...['FUNCTION STATS', 'MEMORY STATS', 'MEMORY DOCTOR', 'LATENCY LATEST', 'PUBLISH a b', 'ACL WHOAMI', 'COMMAND'],
    ...['GET a', 'MGET a b', 'DEL a', 'MSETNX a 1', 'UNKNOWN.COMMAND', 'TS.MGET FILTER a', 'SCRIPT', 'CONFIG NOSUCH'],
  ])('%s goes to one server', words => {
    expect(fanOut(words)).toBeNull()
  })

  it('knows of no override that the table does not', () => {
    for (const name of ['PING', 'RANDOMKEY', 'LATENCY|RESET', 'CONFIG|REWRITE', 'CONFIG|RESETSTAT'])
      expect(findSpec(name)).toBeDefined()
  })
})

describe('targetsOf()', () => {
  const a = { primary: 'a', replicas: ['a1', 'a2'] }
  const b = { primary: 'b', replicas: ['b1'] }
  const shardOf = (slot: number) =>
    slot < 3 ? a : slot === 5 ? null : slot < 7 || slot > 16_380 ? b : slot === 9 ? a : null

  it('gives each primary once, with its slots', () => {
    expect(targetsOf('shards', shardOf)).toEqual([
      { node: 'a', slots: [0, 1, 2, 9] },
      { node: 'b', slots: [3, 4, 6, 16_381, 16_382, 16_383] },
    ])
  })

  it('gives replicas behind them', () => {
    expect(targetsOf('nodes', shardOf).slice(2)).toEqual(['a1', 'a2', 'b1'].map(node => ({ node, slots: null })))
    // Two views may differ for a moment: one server is asked once.
    const odd = { primary: 'c', replicas: ['b'] }
    expect(targetsOf('nodes', slot => (slot === 0 ? odd : slot === 1 ? b : null)).map(({ node }) => node)).toEqual([
      'c',
      'b',
      'b1',
    ])
  })

  it('gives nobody when nobody serves anything', () => {
    expect(targetsOf('nodes', () => null)).toEqual([])
  })
})

describe('successorOf()', () => {
  const target = { node: 'a', slots: [1, 2, 3] }
  it.each([
    ['itself while it serves a slot', ['b', 'a', 'c'], ['b'], 'a'],
    ['itself while nobody serves a slot', ['b', null, 'c'], ['b'], 'a'],
    ['who has taken its place', ['n', 'n', 'n'], ['b'], 'n'],
    ['the first that is not asked anyway', ['b', 'n', 'm'], ['a', 'b'], 'n'],
    ['nobody when all are', ['b', 'c', 'b'], ['a', 'b', 'c'], null],
  ] as const)('gives %s', (_, owners, asked, expected) => {
    expect(successorOf<string>(target, slot => owners[slot - 1] as string | null, new Set(asked))).toBe(expected)
  })

  it('has nobody else for a replica', () => {
    expect(successorOf<string>({ node: 'r', slots: null }, () => 'x', new Set())).toBe('r')
  })
})

describe('mergeReplies()', () => {
  it.each<[Parameters<typeof mergeReplies>[0], Reply[], Reply]>([
    ['same', ['OK', 'OK'], 'OK'],
    ['one', [7], 7],
    ['sum', [1, 2, 0], 3],
    ['sum', ['1', '9007199254740993'], '9007199254740994'],
    ['min', [2, 1, 3], 1],
    ['min', ['10', '9'], '9'],
    ['max', [2, 1, 3], 3],
    // WAITAOF: local and replicas, each the least.
    [
      'min',
      [
        [1, 2],
        [0, 5],
      ],
      [0, 2],
    ],
    [
      'and',
      [
        [1, 1, 0],
        [1, 0, 0],
      ],
      [1, 0, 0],
    ],
    [
      'or',
      [
        [1, 1, 0],
        [1, 0, 0],
      ],
      [1, 1, 0],
    ],
    ['and', [true, false], false],
    ['concat', [['a'], [], ['b', 'c']], ['a', 'b', 'c']],
    ['concat', [new Set(['a']), ['b']], ['a', 'b']],
    ['some', [null, 'a', null], 'a'],
    ['some', [null, null], null],
  ])('%s of %o is %o', (merge, replies, expected) => {
    expect(mergeReplies(merge, replies)).toEqual(expected)
  })

  it('some: any of them, as the number says', () => {
    expect([0, 0.4, 0.5, 0.99].map(random => mergeReplies('some', ['a', null, 'b'], random))).toEqual([
      'a',
      'a',
      'b',
      'b',
    ])
  })

  it.each<[Parameters<typeof mergeReplies>[0], Reply[]]>([
    ['sum', [1, null]],
    ['sum', [1, 'OK']],
    ['min', [[1], [1, 2]]],
    ['min', [[1], 1]],
    ['concat', [['a'], 'b']],
  ])('refuses %s of %o', (merge, replies) => {
    expect(() => mergeReplies(merge, replies)).toThrow(expect.objectContaining({ code: 'SLOTWISE_PROTOCOL' }))
  })

  it('does not depend on the order of the servers', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('sum' as const, 'min' as const, 'max' as const),
        fc.array(fc.integer({ min: 0, max: 2 ** 40 }), { minLength: 1 }),
        fc.boolean(),
        (merge, numbers, asStrings) => {
          const replies: Reply[] = asStrings ? numbers.map(String) : numbers
          expect(mergeReplies(merge, [...replies].reverse())).toEqual(mergeReplies(merge, replies))
        },
      ),
    )
  })
})
