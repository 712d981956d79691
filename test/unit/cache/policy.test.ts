import { describe, expect, it } from 'vitest'
import type { CacheMode } from '../../../src/cache/options.js'
import {
  changedKeys,
  isCacheable,
  leastPrefixes,
  Policy,
  tailOf,
  trackingArguments,
} from '../../../src/cache/policy.js'
import { type Argument, commandNames, isReadonly, resolveCommand } from '../../../src/command/command.js'

const spec = (name: string) => resolveCommand(name).spec
const policy = (commands: string[] | null = null, prefixes: string[] = []) => new Policy({ commands, prefixes })
const keyOf = (name: string, args: Argument[], of = policy()) => of.read(spec(name), args, false)?.key

describe('isCacheable()', () => {
  it('takes commands that only read one key', () => {
    const names = commandNames().filter(name => isCacheable(spec(name)))
    expect(names).toEqual(expect.arrayContaining(['GET', 'HGETALL', 'HGET', 'ZRANGE', 'SMEMBERS', 'STRLEN', 'EXISTS']))
    expect(names.filter(name => !isReadonly(spec(name)))).toEqual([])
  })

  it.each([
    'SET',
    'GETDEL',
    'TTL',
    'PTTL',
    'SRANDMEMBER',
    'HSCAN',
    'SORT_RO',
    'TOUCH',
    'XREAD',
    'EVAL_RO',
    'KEYS',
    'SCAN',
    'DBSIZE',
  ])('refuses %s', name => {
    expect(isCacheable(spec(name))).toBe(false)
  })
})

describe('Policy', () => {
  it('finds the key as text, whatever it is given as', () => {
    expect(keyOf('GET', ['k'])).toBe('k')
    expect(keyOf('GET', [7])).toBe('7')
    expect(keyOf('GET', [7n])).toBe('7')
    expect(keyOf('GET', [Buffer.from('ключ')])).toBe('ключ')
  })

  it('takes no key that is not the text of its bytes, as reports would name another', () => {
    expect(keyOf('GET', ['\ud800'])).toBeUndefined()
    expect(keyOf('GET', [Buffer.from([0xff])])).toBeUndefined()
    expect(keyOf('HGET', ['k', Buffer.from([0xff])])).toBeUndefined()
  })

  it('takes commands of one key only where there is one', () => {
    expect(keyOf('EXISTS', ['a'])).toBe('a')
    expect(keyOf('EXISTS', ['a', 'b'])).toBeUndefined()
    expect(keyOf('GET', [])).toBeUndefined()
  })

  it('keeps to the commands and prefixes given', () => {
    expect(keyOf('HGET', ['k', 'f'], policy(['GET']))).toBeUndefined()
    expect(keyOf('GET', ['k'], policy(['GET']))).toBe('k')
    expect(keyOf('GET', ['user:1'], policy(null, ['item:', 'user:']))).toBe('user:1')
    expect(keyOf('GET', ['other'], policy(null, ['item:', 'user:']))).toBeUndefined()
    expect(policy(['GET']).manyKeys(spec('MGET'), ['a'])).toBeNull()
    expect(policy(null, ['a']).manyKeys(spec('MGET'), ['a1', 'b'])).toEqual(['a1', null])
  })

  it('takes commands of modules, known or not, when they are named', () => {
    expect(keyOf('MOD.READ', ['k', '$'])).toBeUndefined()
    expect(keyOf('JSON.GET', ['k', '$'])).toBeUndefined()
    expect(keyOf('JSON.GET', ['k', '$'], policy(['JSON.GET']))).toBe('k')
    expect(keyOf('MOD.READ', ['k', '$'], policy(['MOD.READ']))).toBe('k')
  })

  it('finds commands by the name of the caller, and none for nonsense', () => {
    const of = policy()
    expect(of.named('get')).toBe(spec('GET'))
    for (const name of ['SET', 'MGET', 'XINFO', 'two words', '']) expect(of.named(name)).toBeNull()
    expect(of.named(undefined as unknown as string)).toBeNull()
  })
})

it('tailOf() is the same for the same arguments only', () => {
  const tails = [
    ['k', 'a b', 'c'],
    ['k', 'a', 'b c'],
    ['k', 'a', 'b', 'c'],
    ['k', '', 'ab c'],
    ['k', '1 a', ''],
  ].map(args => tailOf(args))
  expect(new Set(tails).size).toBe(tails.length)
  expect(tailOf(['k', 1, 'x'])).toBe(tailOf(['k', '1', Buffer.from('x')]))
})

it('leastPrefixes() leaves no two that overlap', () => {
  expect(leastPrefixes(['user:1', 'user:', 'item', 'user:', 'items'])).toEqual(['item', 'user:'])
})

it.each<[CacheMode, number | null, string]>([
  ['tracking', null, 'TRACKING ON'],
  ['optin', null, 'TRACKING ON OPTIN'],
  ['broadcast', null, 'TRACKING ON BCAST PREFIX a PREFIX b'],
  ['tracking', 7, 'TRACKING ON REDIRECT 7'],
  ['broadcast', 7, 'TRACKING ON REDIRECT 7 BCAST PREFIX a PREFIX b'],
])('CLIENT in mode %s, reports to %s: %s', (mode, redirectTo, words) => {
  expect(trackingArguments({ mode, prefixes: ['b', 'a', 'ab'] }, redirectTo).join(' ')).toBe(words)
})

it('changedKeys() names the keys of a write', () => {
  expect(changedKeys(spec('MSET'), ['a', '1', Buffer.from('b'), '2'])).toEqual(['a', 'b'])
  expect(changedKeys(spec('EVAL'), ['return 1', '2', 'a', 'b', 'x'])).toEqual(['a', 'b'])
})
