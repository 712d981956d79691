import { describe, expect, it } from 'vitest'
import {
  type Argument,
  CommandFlag,
  commandNames,
  isReadonly,
  resolveCommand,
  slotOf,
  slotOfCommand,
  specOf,
} from '../../../src/command/command.js'
import { SlotwiseError } from '../../../src/errors.js'

function codeOf(run: () => unknown): unknown {
  try {
    run()
  } catch (error) {
    return error instanceof SlotwiseError ? error.code : error
  }
  return undefined
}

describe('resolveCommand', () => {
  it.each([
    ['GET', '$3\r\nGET\r\n'],
    ['get', '$3\r\nget\r\n'],
    ['gEt', '$3\r\ngEt\r\n'],
    ['zrevrangebyscore', '$16\r\nzrevrangebyscore\r\n'],
    ['json.get', '$8\r\njson.get\r\n'],
  ])('keeps the spelling %s on the wire', (name, head) => {
    expect(resolveCommand(name).head).toBe(head)
    expect(resolveCommand(name).spec).toBe(resolveCommand(name.toUpperCase()).spec)
    expect(resolveCommand(name).spec.name).toBe(name.toUpperCase())
  })

  it('resolves a name once', () => {
    expect(resolveCommand('hset')).toBe(resolveCommand('hset'))
    expect(resolveCommand('Novel.Command')).toBe(resolveCommand('Novel.Command'))
  })

  it('takes unknown names for commands with one key, neither read nor write', () => {
    const { spec, head } = resolveCommand('novel.command')
    expect(head).toBe('$13\r\nnovel.command\r\n')
    expect(spec).toMatchObject({ name: 'NOVEL.COMMAND', arity: 0, flags: CommandFlag.unknown | CommandFlag.singleKey })
    expect(isReadonly(spec)).toBe(false)
  })

  it('takes a name with a bar for what it is: no subcommand', () => {
    expect(resolveCommand('XGROUP|CREATE').spec.flags & CommandFlag.unknown).not.toBe(0)
  })

  it.each(['', ' ', 'GET ', 'CONFIG GET', 'GET\r\n', 'G\nET', 'GÉT', 'get\x7f', 'get\0'])('refuses %j', name => {
    expect(codeOf(() => resolveCommand(name))).toBe('SLOTWISE_INVALID_ARGUMENT')
  })

  it.each([undefined, null, 1, 1n, {}, [], Buffer.from('GET')])('refuses %s, which is no string', name => {
    expect(codeOf(() => resolveCommand(name as unknown as string))).toBe('SLOTWISE_INVALID_ARGUMENT')
  })

  it('keeps a bounded number of names', () => {
    const first = resolveCommand('bounded.0')
    expect(resolveCommand('bounded.0')).toBe(first)
    for (let i = 1; i <= 3000; i++)
      expect(resolveCommand(`bounded.${i}`).head).toBe(`$${`bounded.${i}`.length}\r\nbounded.${i}\r\n`)
    expect(resolveCommand('bounded.0')).not.toBe(first)
    expect(resolveCommand('GET').spec.name).toBe('GET')
    const long = 'x'.repeat(65)
    expect(resolveCommand(long)).not.toBe(resolveCommand(long))
  })
})

describe('specOf', () => {
  it.each([
    ['XGROUP', ['CREATE', 'k', 'g', '$'], 'XGROUP|CREATE'],
    ['xgroup', ['createconsumer'], 'XGROUP|CREATECONSUMER'],
    ['client', [Buffer.from('No-Evict'), 'on'], 'CLIENT|NO-EVICT'],
    ['COMMAND', [], 'COMMAND'],
    ['COMMAND', ['COUNT'], 'COMMAND|COUNT'],
    ['CLIENT', ['NOVEL'], 'CLIENT'],
    ['CLIENT', [1], 'CLIENT'],
    ['CLIENT', ['x'.repeat(1_000_000)], 'CLIENT'],
    ['GET', ['CREATE'], 'GET'],
  ] as [string, Argument[], string][])('%s %j', (name, args, expected) => {
    expect(specOf(resolveCommand(name), args).name).toBe(expected)
  })
})

describe('slotOfCommand', () => {
  function slot(name: string, ...args: Argument[]): number {
    return slotOfCommand(specOf(resolveCommand(name), args), args)
  }

  it('is the slot of the only key', () => {
    expect(slot('GET', 'a')).toBe(slotOf('a'))
    expect(slot('get', Buffer.from('a'))).toBe(slotOf('a'))
    expect(slot('GET', 12)).toBe(slotOf('12'))
    expect(slot('XGROUP', 'CREATE', 'a', 'g', '$')).toBe(slotOf('a'))
    expect(slot('novel.command', 'a', 'b')).toBe(slotOf('a'))
    expect(slot('SPUBLISH', 'a', 'm')).toBe(slotOf('a'))
  })

  it('is the one slot of several keys', () => {
    expect(slot('MGET', '{a}1', '{a}2', 'a')).toBe(slotOf('a'))
    expect(slot('EVAL', 'script', 2, '{a}1', '{a}2', 'b')).toBe(slotOf('a'))
  })

  it('is -1 without keys', () => {
    for (const [name, ...args] of [
      ['PING'],
      ['GET'],
      ['EVAL', 's', 0],
      ['CONFIG', 'GET', 'a'],
      ['PUBLISH', 'c', 'm'],
      ['MGET'],
    ]) {
      expect(slot(name as string, ...(args as Argument[]))).toBe(-1)
    }
  })

  it('refuses keys of different slots without naming them', () => {
    expect(codeOf(() => slot('MGET', 'a', 'b'))).toBe('SLOTWISE_CROSS_SLOT')
    expect(codeOf(() => slot('SORT', 'a', 'STORE', 'b'))).toBe('SLOTWISE_CROSS_SLOT')
    expect(codeOf(() => slot('SORT', 'a', 'STORE', '{a}b'))).toBeUndefined()
    try {
      slot('MSET', 'secret1', 'v', 'secret2', 'v')
      expect.unreachable()
    } catch (error) {
      expect(error).toMatchObject({ command: 'MSET', message: 'the keys of MSET hash to different slots' })
    }
  })
})

describe('commandNames', () => {
  it('lists commands of the table and of overrides, without subcommands', () => {
    const names = commandNames()
    expect(names).toEqual(expect.arrayContaining(['GET', 'XGROUP', 'HEXPIRE', 'VADD', 'JSON.MGET', 'RESTORE-ASKING']))
    expect(names.every(name => /^[A-Z_.-]+$/.test(name))).toBe(true)
    expect(names).toEqual([...names].sort())
  })
})
