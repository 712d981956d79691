import { describe, expect, it } from 'vitest'
import { CachePolicy, cacheableCommands, disjointPrefixes, Kind } from '../../../src/cache/policy.js'
import { trackingArguments } from '../../../src/cache/tracking.js'
import { cacheDefaults, resolveCache } from '../../../src/client/cache-options.js'
import { resolveOptions } from '../../../src/client/options.js'
import { type Argument, nameFor, resolveCommand } from '../../../src/command/command.js'

const everything = new CachePolicy({ commands: null, prefixes: null })

function keyOf(name: string, args: readonly Argument[], policy = everything): string | null {
  const { spec } = nameFor(resolveCommand(name), args)
  const kind = policy.kindOf(spec)
  return kind === Kind.firstKey || kind === Kind.someKey ? policy.keyOf(kind, spec, args) : null
}

function kindOf(name: string, args: readonly Argument[] = []): number {
  return everything.kindOf(nameFor(resolveCommand(name), args).spec)
}

describe('what may be cached', () => {
  it.each([
    ['GET', ['k']],
    ['JSON.GET', ['k', '$']],
    ['get', ['k']],
    ['HGETALL', ['k']],
    ['HMGET', ['k', 'a', 'b']],
    ['ZRANGE', ['k', 0, -1, 'WITHSCORES']],
    ['EXISTS', ['k']],
    ['ZUNION', [1, 'k']],
    ['PEXPIRETIME', ['k']],
    ['GET', [Buffer.from('k')]],
  ] as [string, Argument[]][])('%s %j, under its key', (name, args) => expect(keyOf(name, args)).toBe('k'))

  it.each([
    ['EXISTS', ['k', 'l']],
    ['SDIFF', ['k', 'l']],
    ['TTL', ['k']],
    ['PTTL', ['k']],
    ['SRANDMEMBER', ['k']],
    ['HRANDFIELD', ['k']],
    ['HSCAN', ['k', 0]],
    ['SORT_RO', ['k', 'BY', 'other_*']],
    ['EVAL_RO', ['return 1', 1, 'k']],
    ['TOUCH', ['k']],
    ['OBJECT', ['FREQ', 'k']],
    ['MEMORY', ['USAGE', 'k']],
    ['XINFO', ['STREAM', 'k']],
    ['XPENDING', ['k', 'group']],
    ['XREAD', ['STREAMS', 'k', '$']],
    ['KEYS', ['*']],
    ['DBSIZE', []],
    ['SET', ['k', 'v']],
    ['MODULE.READ', ['k']],
    ['GET', []],
    ['GET', [Buffer.from([0xff, 0xfe])]],
  ] as [string, Argument[]][])('not %s %j', (name, args) => expect(keyOf(name, args)).toBeNull())

  it('keeps to the commands and prefixes that are given', () => {
    const policy = new CachePolicy({ commands: ['GET'], prefixes: ['user:', 'item:'] })
    expect(keyOf('get', ['user:1'], policy)).toBe('user:1')
    expect(keyOf('GET', [Buffer.from('item:1')], policy)).toBe('item:1')
    expect(keyOf('GET', ['other'], policy)).toBeNull()
    expect(keyOf('STRLEN', ['user:1'], policy)).toBeNull()
  })

  it('names only commands that it would cache', () => {
    const names = cacheableCommands()
    expect(names).toEqual(expect.arrayContaining(['GET', 'HGETALL', 'LRANGE', 'MGET', 'SMEMBERS', 'ZSCORE']))
    expect(names.filter(name => [Kind.none, Kind.change, Kind.changeAll].includes(kindOf(name) as 0))).toEqual([])
  })
})

describe('what changes keys', () => {
  it.each([
    ['SET', ['a', 'v'], ['a']],
    ['MSET', ['a', 1, 'b', 2], ['a', 'b']],
    ['RENAME', ['a', 'b'], ['a', 'b']],
    ['EVAL', ['return 1', 2, 'a', 'b', 'c'], ['a', 'b']],
    ['JSON.SET', ['a', '$', '1'], ['a']],
    ['BLPOP', ['a', 0], ['a']],
  ] as [string, Argument[], string[]][])('%s %j: %j', (name, args, keys) => {
    expect(kindOf(name, args)).toBe(Kind.change)
    expect(everything.keysOf(nameFor(resolveCommand(name), args).spec, args)).toEqual(keys)
  })

  it('is all of them with FLUSHALL', () => {
    expect(kindOf('FLUSHALL')).toBe(Kind.changeAll)
    expect(kindOf('FLUSHDB')).toBe(Kind.changeAll)
  })

  it.each(['PING', 'INFO', 'PUBLISH', 'DBSIZE'])('is none with %s', name => expect(kindOf(name)).toBe(Kind.none))
})

describe('CLIENT TRACKING', () => {
  it('asks for what the mode needs', () => {
    expect(trackingArguments({ mode: 'tracking', prefixes: ['a'] })).toEqual(['TRACKING', 'ON'])
    expect(trackingArguments({ mode: 'optin', prefixes: null })).toEqual(['TRACKING', 'ON', 'OPTIN'])
    expect(trackingArguments({ mode: 'broadcast', prefixes: null })).toEqual(['TRACKING', 'ON', 'BCAST'])
    expect(trackingArguments({ mode: 'broadcast', prefixes: ['b:', 'a:1', 'a:'] })).toEqual(
      'TRACKING ON BCAST PREFIX a: PREFIX b:'.split(' '),
    )
  })

  it('names no prefix that another covers: the server would refuse them', () => {
    expect(disjointPrefixes(['ab', 'a', 'b', 'abc', 'b'])).toEqual(['a', 'b'])
  })
})

describe('options', () => {
  const resolve = (cache: unknown, more: object = {}) => resolveOptions({ server: 'h', cache, ...more } as never)
  const invalid = (option: string) =>
    expect.objectContaining({ code: 'SLOTWISE_INVALID_OPTION', message: expect.stringContaining(`Option ${option} `) })

  it('has no cache by default, and every default in one', () => {
    expect(resolveOptions({ server: 'h' }).cache).toBeNull()
    expect(resolve({}).cache).toEqual(cacheDefaults)
    expect(cacheDefaults).toMatchObject({ maxBytes: 33_554_432, maxEntries: 100_000, ttlMs: 0, mode: 'tracking' })
  })

  it('takes what is given', () => {
    expect(resolveCache({ ttlMs: 5, prefixes: ['a'], commands: ['get', 'MGET'], mode: 'optin' }, 3)).toMatchObject({
      ttlMs: 5,
      prefixes: ['a'],
      commands: ['GET', 'MGET'],
      mode: 'optin',
    })
  })

  it.each([
    ['cache', true],
    ['cache', null],
    ['cache', []],
    ['cache.size', { size: 1 }],
    ['cache.maxBytes', { maxBytes: 1023 }],
    ['cache.maxBytes', { maxBytes: '1' }],
    ['cache.maxEntries', { maxEntries: 0 }],
    ['cache.ttlMs', { ttlMs: -1 }],
    ['cache.ttlMs', { ttlMs: null }],
    ['cache.mode', { mode: 'optout' }],
    ['cache.mode', { mode: null }],
    ['cache.prefixes', { prefixes: 'a' }],
    ['cache.prefixes', { prefixes: [] }],
    ['cache.prefixes[1]', { prefixes: ['a', ''] }],
    ['cache.prefixes[0]', { prefixes: [1] }],
    ['cache.commands[0]', { commands: ['SET'] }],
    ['cache.commands[1]', { commands: ['GET', 'TTL'] }],
    ['cache.commands[0]', { commands: ['MODULE.READ'] }],
  ])('refuses a wrong %s: %j', (option, cache) => expect(() => resolve(cache)).toThrow(invalid(option)))

  it('refuses RESP2, which has no invalidations on the connection of the reads', () => {
    expect(() => resolve({}, { protocol: 2 })).toThrow(invalid('cache'))
  })
})
