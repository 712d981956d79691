import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import {
  type CapturedCommand,
  isTableCurrent,
  renderCapture,
  renderTable,
} from '../../../scripts/generate-command-table.mjs'
import { CommandFlag } from '../../../src/command/flags.js'
import { overrideLines, sessionCommands } from '../../../src/command/overrides.js'
import { commandLines } from '../../../src/command/table.generated.js'
import { commandNames, findSpec, subcommandNames } from '../../../src/command/table.js'

const captureText = readFileSync('scripts/data/command-7.0.15.generated.json', 'utf8')
const capture = JSON.parse(captureText) as Parameters<typeof renderTable>[0]
const everyLine = [...commandLines, ...overrideLines]
const everyName = [...commandNames(), ...subcommandNames()]

describe('the generator', () => {
  it('finds the table current (--check)', async () => {
    expect(await isTableCurrent('.')).toBe(true)
  })

  it('would notice a change of the server', () => {
    const [first, ...others] = capture.commands as [CapturedCommand, ...CapturedCommand[]]
    const changed = { ...capture, commands: [{ ...first, arity: first.arity + 1 }, ...others] }
    expect(renderTable(changed)).not.toBe(readFileSync('src/command/table.generated.ts', 'utf8'))
  })

  it('keeps the capture in a stable form', () => {
    expect(renderCapture(capture)).toBe(captureText)
    const names = capture.commands.map(command => command.name)
    expect(names).toEqual([...names].sort())
  })

  it('writes ASCII lines without characters that would need escaping', () => {
    expect(everyLine.filter(line => !/^[ -~]+$/.test(line) || /['\\]/.test(line))).toEqual([])
    expect([...commandLines]).toEqual([...commandLines].sort())
  })

  it('leaves no command whose keys the server calls incomplete without an override', () => {
    // SORT_RO is 'unknown' only for the keys that BY and GET make up, which no client can know.
    const partial = capture.commands.filter(({ keys }) =>
      keys.some(key => key.begin.type === 'unknown' || key.find.type === 'unknown' || key.flags.includes('incomplete')),
    )
    const overridden = overrideLines.map(line => line.split(' ')[0])
    expect(partial.map(command => command.name.toUpperCase()).filter(name => !overridden.includes(name))).toEqual([
      'SORT_RO',
    ])
  })
})

describe('the table', () => {
  it.each(everyLine)('%s is well formed', line => {
    const [name, arity, flags, ...rest] = line.split(' ') as [string, string, string, ...string[]]
    expect(name).toBe(name.toUpperCase())
    expect(arity).toMatch(/^-?\d+$/)
    for (const flag of flags.split(',')) expect(flag === '-' || flag in CommandFlag, flag).toBe(true)
    for (const word of rest) {
      expect(word).toMatch(
        /^(\?|=sort|=migrate|[<>][a-z_]+|([1-9]|[A-Z]+@-?[1-9])(:-?\d(\/[1-9](\/\d)?)?|#(\d(\/\d(\/[1-9])?)?)?)?)$/,
      )
    }
    const container = name.split('|')[0] as string
    if (name !== container) expect((findSpec(container)?.flags ?? 0) & CommandFlag.container).not.toBe(0)
  })

  it('has numbers wherever a spec has a number', () => {
    for (const name of everyName) {
      const spec = findSpec(name)
      expect(Number.isInteger(spec?.arity), name).toBe(true)
      for (const key of spec?.keys ?? []) {
        for (const value of [
          key.index,
          key.startFrom,
          key.find,
          key.last,
          key.step,
          key.limit,
          key.countAt,
          key.firstAt,
        ]) {
          expect(Number.isInteger(value), name).toBe(true)
        }
        expect(key.step, name).toBeGreaterThan(0)
        expect(key.index >= 0 || key.keyword !== '', name).toBe(true)
      }
    }
  })

  it('knows each name once', () => {
    expect(new Set(everyName).size).toBe(everyName.length)
    const overridden = overrideLines.map(line => line.split(' ')[0])
    expect(new Set(overridden).size).toBe(overridden.length)
  })

  it('has every session command, flagged as such, and no other', () => {
    const flagged = everyName.filter(name => ((findSpec(name)?.flags ?? 0) & CommandFlag.session) !== 0)
    expect(flagged.sort()).toEqual([...sessionCommands].sort())
  })

  it('marks as keyless exactly what has no key specs, and never as write and readonly at once', () => {
    for (const name of everyName) {
      const spec = findSpec(name)!
      expect((spec.flags & CommandFlag.keyless) !== 0, name).toBe(spec.keys.length === 0)
      const both = CommandFlag.write | CommandFlag.readonly
      expect(spec.flags & both, name).not.toBe(both)
    }
  })

  it.each([
    ['GET', 'readonly fast singleKey'],
    ['SET', 'write singleKey'],
    ['MGET', 'readonly fast'],
    ['BLPOP', 'write blocking noscript'],
    ['WAIT', 'blocking noscript keyless'],
    ['PING', 'fast keyless'],
    ['SORT', 'write movablekeys'],
    ['SORT_RO', 'readonly movablekeys singleKey'],
    ['SUBSCRIBE', 'session keyless pubsub noscript loading'],
    ['XGROUP', 'keyless container'],
    ['XGROUP|CREATE', 'write'],
    ['CLIENT|SETNAME', 'session keyless noscript loading'],
    ['CLIENT|ID', 'keyless noscript loading'],
  ])('flags %s as %s', (name, flags) => {
    const spec = findSpec(name)!
    const set = Object.entries(CommandFlag).filter(([, bit]) => (spec.flags & bit) !== 0)
    expect(set.map(([flag]) => flag).sort()).toEqual(flags.split(' ').sort())
  })

  it('keeps the tips on policies', () => {
    expect(findSpec('DBSIZE')).toMatchObject({ arity: 1, requestPolicy: 'all_shards', responsePolicy: 'agg_sum' })
    expect(findSpec('MSET')).toMatchObject({ requestPolicy: 'multi_shard', responsePolicy: 'all_succeeded' })
    expect(findSpec('SCRIPT|LOAD')).toMatchObject({ requestPolicy: 'all_nodes', responsePolicy: 'all_succeeded' })
    expect(findSpec('GET')).toMatchObject({ requestPolicy: null, responsePolicy: null })
  })

  it('gives the same object each time', () => {
    expect(findSpec('GET')).toBe(findSpec('GET'))
    expect(findSpec('get')).toBeUndefined()
    expect(findSpec('__PROTO__')).toBeUndefined()
  })
})
