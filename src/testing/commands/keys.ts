// Keys of any type, and the keyspace as a whole. Source: redis.io/docs, commands of the group "generic".

import { type Answer, Failure, ok, Simple, syntaxError } from '../answer.js'
import { globToRegExp } from '../glob.js'
import type { Call, Commands } from '../host.js'
import { parseInteger } from '../integer.js'
import { expiryAt } from './expiry.js'

const countOf = (keys: readonly string[], test: (key: string) => boolean) => keys.filter(test).length

function expiryCondition(words: readonly string[]): Set<string> | Failure {
  const flags = new Set<string>()
  for (const word of words) {
    const flag = word.toUpperCase()
    if (!['NX', 'XX', 'GT', 'LT'].includes(flag)) return new Failure(`ERR Unsupported option ${word}`)
    flags.add(flag)
  }
  if (flags.has('NX') && flags.size > 1) {
    return new Failure('ERR NX and XX, GT or LT options at the same time are not compatible')
  }
  if (flags.has('GT') && flags.has('LT')) {
    return new Failure('ERR GT and LT options at the same time are not compatible')
  }
  return flags
}

function expire(name: string, unit: string, words: readonly string[], { data, now }: Call): Answer {
  const [key, amount, ...more] = words as [string, string, ...string[]]
  const flags = expiryCondition(more)
  if (flags instanceof Failure) return flags
  const at = expiryAt(amount, unit, now, name)
  if (at instanceof Failure) return at
  const entry = data.get(key, now)
  if (entry === undefined) return 0
  const before = entry.expiresAt
  if (flags.has('NX') && before !== Number.POSITIVE_INFINITY) return 0
  if (flags.has('XX') && before === Number.POSITIVE_INFINITY) return 0
  // No expiry counts as one that is infinitely late.
  if (flags.has('GT') && at <= before) return 0
  if (flags.has('LT') && at >= before) return 0
  if (at <= now) data.delete(key)
  else {
    entry.expiresAt = at
    data.touch(key)
  }
  return 1
}

function timeLeft(key: string, { data, now }: Call, render: (ms: number) => number): number {
  const entry = data.get(key, now)
  if (entry === undefined) return -2
  return entry.expiresAt === Number.POSITIVE_INFINITY ? -1 : render(entry.expiresAt - now)
}

function scan(words: readonly string[], { data, now }: Call): Answer {
  const cursor = /^\d+$/.test(words[0] as string) ? Number(words[0]) : null
  if (cursor === null) return new Failure('ERR invalid cursor')
  let count = 10
  let pattern: RegExp | null = null
  let type: string | null = null
  for (let i = 1; i < words.length; i += 2) {
    const [option, value] = [(words[i] as string).toUpperCase(), words[i + 1]]
    if (value === undefined) return syntaxError
    if (option === 'COUNT') {
      const number = parseInteger(value)
      if (number === null) return new Failure('ERR value is not an integer or out of range')
      if (number < 1n) return syntaxError
      count = Number(number)
    } else if (option === 'MATCH') pattern = globToRegExp(value)
    else if (option === 'TYPE') type = value.toLowerCase()
    else return syntaxError
  }
  const { cursor: next, keys } = data.scan(cursor, count, now)
  const shown = keys.filter(
    key => (pattern === null || pattern.test(key)) && (type === null || data.get(key, now)?.type === type),
  )
  return [String(next), shown]
}

function flush(words: readonly string[], clear: () => void): Answer {
  const mode = words[0]?.toUpperCase()
  if (words.length > 1 || (mode !== undefined && mode !== 'SYNC' && mode !== 'ASYNC')) return syntaxError
  clear()
  return ok
}

export const keys: Commands = {
  'DEL -2 w 1:-1': (names, { data, now }) =>
    countOf(names, key => data.get(key, now) !== undefined && data.delete(key)),
  'UNLINK -2 w 1:-1': (names, { data, now }) =>
    countOf(names, key => data.get(key, now) !== undefined && data.delete(key)),
  'EXISTS -2 - 1:-1': (names, { data, now }) => countOf(names, key => data.get(key, now) !== undefined),
  'TOUCH -2 - 1:-1': (names, { data, now }) => countOf(names, key => data.get(key, now) !== undefined),
  'TYPE 2 - 1': ([key], { data, now }) => new Simple(data.get(key, now)?.type ?? 'none'),
  'EXPIRE -3 w 1': (words, call) => expire('expire', 'EX', words, call),
  'PEXPIRE -3 w 1': (words, call) => expire('pexpire', 'PX', words, call),
  'EXPIREAT -3 w 1': (words, call) => expire('expireat', 'EXAT', words, call),
  'PEXPIREAT -3 w 1': (words, call) => expire('pexpireat', 'PXAT', words, call),
  'PERSIST 2 w 1': ([key], { data, now }) => {
    const entry = data.get(key, now)
    if (entry === undefined || entry.expiresAt === Number.POSITIVE_INFINITY) return 0
    entry.expiresAt = Number.POSITIVE_INFINITY
    data.touch(key)
    return 1
  },
  'TTL 2 - 1': ([key], call) => timeLeft(key, call, ms => Math.floor((ms + 500) / 1000)),
  'PTTL 2 - 1': ([key], call) => timeLeft(key, call, ms => ms),
  'KEYS 2 -': ([pattern], { data, now }) => {
    const test = globToRegExp(pattern)
    return [...data.keys(now)].filter(key => test.test(key))
  },
  'SCAN -2 -': scan,
  'DBSIZE 1 -': (_, { data, now }) => {
    data.removeExpired(now)
    return data.size
  },
  'FLUSHDB -1 w': (words, { data }) => flush(words, () => data.clear()),
  'FLUSHALL -1 w': (words, { host }) =>
    flush(words, () => {
      for (let i = 0; i < host.databases; i++) host.keyspace(i).clear()
    }),
}
