import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Argument, resolveCommand, slotOf, slotOfCommand, specOf } from '../../../src/command/command.js'
import { CommandFlag } from '../../../src/command/flags.js'
import { keyIndexes } from '../../../src/command/keys.js'
import { commandLines } from '../../../src/command/table.generated.js'
import { commandNames, findSpec, parseCommandLine, subcommandNames } from '../../../src/command/table.js'
import { keyExamples, laterKeyExamples } from './key-examples.js'

function keysOf(name: string, args: readonly Argument[]): Argument[] {
  return keyIndexes(specOf(resolveCommand(name), args), args).map(index => args[index] as Argument)
}

describe('keyIndexes', () => {
  it.each([...keyExamples, ...laterKeyExamples])('$text', ({ name, args, keys }) => {
    expect(keysOf(name, args)).toEqual(keys)
  })

  it('has an example of every command of the generated table that takes keys', () => {
    const shown = new Set(keyExamples.map(({ name, args }) => specOf(resolveCommand(name), args).name))
    const missing = commandLines
      .map(line => line.slice(0, line.indexOf(' ')))
      .filter(name => ((findSpec(name)?.flags ?? 0) & CommandFlag.keyless) === 0 && !shown.has(name))
    expect(missing).toEqual([])
  })

  it.each(keyExamples)('reads Uint8Array arguments alike: $text', ({ name, args }) => {
    const bytes = args.map(word => new Uint8Array(Buffer.from(word)))
    const spec = specOf(resolveCommand(name), args)
    expect(specOf(resolveCommand(name), bytes)).toBe(spec)
    expect(keyIndexes(spec, bytes)).toEqual(keyIndexes(spec, args))
  })

  it('reads counts given as number, bigint or bytes', () => {
    for (const count of [2, 2n, '2', Buffer.from('2')]) {
      expect(keysOf('EVAL', ['script', count, 'a', 'b', 'c'])).toEqual(['a', 'b'])
    }
  })

  it('compares keywords without regard to ASCII letter case, and only that', () => {
    expect(keysOf('XREAD', ['sTrEaMs', 'a', '0'])).toEqual(['a'])
    expect(keysOf('XREAD', [Buffer.from('streams'), 'a', '0'])).toEqual(['a'])
    expect(keysOf('SORT', ['a', 'LıMIT', 'STORE', 'b'])).toEqual(['a', 'b'])
    expect(keysOf('XREAD', ['STREAM\u0133', 'a', '0'])).toEqual([])
    expect(keysOf('XREAD', [7, 7n, 'a', '0'])).toEqual([])
  })

  it('takes the last STORE of SORT, as the server does', () => {
    expect(keysOf('SORT', ['a', 'STORE', 'b', 'STORE', 'c'])).toEqual(['a', 'c'])
    expect(keysOf('SORT', ['a', 'STORE'])).toEqual(['a'])
    expect(keysOf('SORT', ['a', 'BY', 'STORE', 'c'])).toEqual(['a'])
  })

  it('reads the key of MIGRATE: empty, a number, or one that is missing', () => {
    expect(keysOf('MIGRATE', ['h', 1, '', 0, 10])).toEqual([''])
    expect(keysOf('MIGRATE', ['h', 1, '', 0, 10, 'KEYS'])).toEqual([''])
    expect(keysOf('MIGRATE', ['h', 1, new Uint8Array(), 0, 10, 'KEYS', 'a'])).toEqual(['a'])
    expect(keysOf('MIGRATE', ['h', 1, 17, 0, 10])).toEqual([17])
    expect(keysOf('MIGRATE', ['h', 1])).toEqual([])
  })

  it('takes the first argument of an unknown command for its key', () => {
    expect(keysOf('NOVEL.COMMAND', ['a', 'b'])).toEqual(['a'])
    expect(keysOf('NOVEL.COMMAND', [])).toEqual([])
  })

  it.each([
    ['EVAL without a count', 'EVAL', ['script'], []],
    ['EVAL with a count that is no number', 'EVAL', ['script', 'two', 'a'], []],
    ['EVAL with an empty count', 'EVAL', ['script', '', 'a'], []],
    ['EVAL with a fraction', 'EVAL', ['script', '1.5', 'a'], []],
    ['EVAL with a negative count', 'EVAL', ['script', -3, 'a'], []],
    ['EVAL with too large a count', 'EVAL', ['script', '9007199254740991', 'a', 'b'], []],
    ['EVAL with a count of one too many', 'EVAL', ['script', '3', 'a', 'b'], []],
    ['EVAL with an endless count', 'EVAL', ['script', Number.POSITIVE_INFINITY, 'a'], []],
    ['EVAL with a bigint beyond numbers', 'EVAL', ['script', 10n ** 400n, 'a'], []],
    ['EVAL with a long count', 'EVAL', ['script', '1'.repeat(100), 'a'], []],
    ['ZUNIONSTORE without sources', 'ZUNIONSTORE', ['a', 3], ['a']],
    ['ZUNIONSTORE with too few sources', 'ZUNIONSTORE', ['a', 3, 'b', 'c'], ['a']],
    ['MSET without the last value', 'MSET', ['a', '1', 'b'], ['a', 'b']],
    ['XREAD without STREAMS', 'XREAD', ['COUNT', 1], []],
    ['XREAD ending with STREAMS', 'XREAD', ['COUNT', 1, 'STREAMS'], []],
    ['XREAD with an id missing', 'XREAD', ['STREAMS', 'a', 'b', '0'], ['a']],
    ['BLPOP with only a timeout', 'BLPOP', [0], []],
    ['RENAME with one name', 'RENAME', ['a'], ['a']],
    ['BITOP with only an operation', 'BITOP', ['AND'], []],
    ['GET without a key', 'GET', [], []],
    ['XGROUP without a subcommand', 'XGROUP', [], []],
    ['XGROUP with an unknown subcommand', 'XGROUP', ['NOVEL', 'a'], []],
    ['OBJECT ENCODING without a key', 'OBJECT', ['ENCODING'], []],
  ] as [string, string, Argument[], Argument[]][])('bears %s', (_, name, args, keys) => {
    expect(keysOf(name, args)).toEqual(keys)
  })

  it('never throws, and gives distinct indexes within the arguments for any command and arguments', () => {
    const words = [
      'STORE',
      'STREAMS',
      'KEYS',
      'LIMIT',
      'BY',
      'GET',
      'AUTH',
      'AUTH2',
      'COUNT',
      '',
      '0',
      '1',
      '2',
      '99',
      'x',
    ]
    const argument = fc.oneof(
      fc.constantFrom(...words),
      fc.string(),
      fc.uint8Array({ maxLength: 8 }),
      fc.double(),
      fc.bigInt(),
    )
    const names = [...commandNames(), ...subcommandNames()]
    fc.assert(
      fc.property(fc.constantFrom(...names), fc.array(argument, { maxLength: 12 }), (name, rest) => {
        const [container, subcommand] = name.split('|') as [string, string?]
        const args = subcommand === undefined ? rest : [subcommand, ...rest]
        const spec = specOf(resolveCommand(container), args)
        expect(spec).toBe(spec.flags & CommandFlag.container ? findSpec(container) : findSpec(spec.name))
        const indexes = keyIndexes(spec, args)
        for (const index of indexes) expect(index >= 0 && index < args.length).toBe(true)
        if (!name.startsWith('GEORADIUS')) expect(new Set(indexes).size).toBe(indexes.length)
        const slots = new Set(indexes.map(index => slotOf(args[index] as Argument)))
        if (slots.size > 1) expect(() => slotOfCommand(spec, args)).toThrow('hash to different slots')
        else expect(slotOfCommand(spec, args)).toBe([...slots][0] ?? -1)
      }),
      { numRuns: 3000 },
    )
  })
})

describe('key specs', () => {
  function indexesOf(keySpec: string, args: Argument[]): number[] {
    return keyIndexes(parseCommandLine(`NOVEL 0 - ${keySpec}`), args)
  }

  it.each([
    ['index, one key', '1', 'a b c', [0]],
    ['index, one key further on', '3', 'a b c', [2]],
    ['range up to the end', '2:-1', 'a b c d', [1, 2, 3]],
    ['range up to the last but one', '1:-2', 'a b c d', [0, 1, 2]],
    ['range of a fixed length', '1:1', 'a b c d', [0, 1]],
    ['range with a step', '1:-1/3', 'a b c d e f', [0, 3]],
    ['range with a limit of one half', '1:-1/1/2', 'a b c d', [0, 1]],
    ['range with a limit of one third', '1:-1/1/3', 'a b c d e f', [0, 1]],
    ['range with a limit of 1, which is none', '1:-1/1/1', 'a b c', [0, 1, 2]],
    ['count', '2#', 'x 2 a b c', [2, 3]],
    ['count with the first key further on', '1#0/2', '2 x a b c', [2, 3]],
    ['count that does not come first', '1#1/2', 'x 2 a b c', [2, 3]],
    ['count with a step', '1#0/1/2', '2 a x b y', [1, 3]],
    ['keyword', 'FOO@1', 'x foo a b', [2]],
    ['keyword searched from further on', 'FOO@3', 'foo x foo a', [3]],
    ['keyword with a range', 'FOO@1:-1', 'foo a b', [1, 2]],
    ['keyword with a count', 'FOO@1#', 'foo 2 a b c', [2, 3]],
    ['keyword searched backwards', 'FOO@-2', 'foo a foo b', [3]],
    ['keyword searched backwards, not found', 'FOO@-2', 'a b', []],
    ['keyword that is not there', 'FOO@1', 'a b', []],
    ['two specs', '1 3', 'a b c', [0, 2]],
    ['a spec the server does not know', '?', 'a b c', []],
  ] as [string, string, string, number[]][])('%s', (_, keySpec, words, indexes) => {
    expect(indexesOf(keySpec, words.split(' '))).toEqual(indexes)
  })
})
