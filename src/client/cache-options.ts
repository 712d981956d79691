// CacheOptions: what a user may say about the cache, the defaults, and the check. Pure.

import { type CacheConfig, type CacheMode, cacheableCommands } from '../cache/policy.js'
import { invalidOption as invalid } from './address.js'

/** Replies kept in this process until the server tells that their key has changed; see docs/caching.md. Needs RESP3. */
export interface CacheOptions {
  /** Bytes of all entries, overhead included, by an estimate that errs upwards; 1,024 to 2^40. Default 33,554,432 (32 MiB). */
  maxBytes?: number
  /** Entries, 1 to 16,777,216. Default 100,000. */
  maxEntries?: number
  /** Longest time an entry is used, in milliseconds, up to 86,400,000; 0 for as long as it is right. Default 0. */
  ttlMs?: number
  /** Caches only keys that begin with one of these. Default: every key. */
  prefixes?: readonly string[]
  /** Caches only these commands. Default: every read-only command of one key whose reply depends on its value alone, and MGET. */
  commands?: readonly string[]
  /**
   * What servers tell of: `tracking` keys that this client has read, `broadcast` every key with one of the prefixes, `optin` keys
   * that it has read to cache them. Default `tracking`.
   */
  mode?: CacheMode
}

const numberRules = {
  maxBytes: { default: 32 * 1024 * 1024, min: 1024, max: 2 ** 40 },
  maxEntries: { default: 100_000, min: 1, max: 2 ** 24 },
  ttlMs: { default: 0, min: 0, max: 86_400_000 },
} as const
const modes: readonly unknown[] = ['tracking', 'broadcast', 'optin']

/** Each option with its default; null for all. */
export const cacheDefaults: Readonly<Record<keyof CacheOptions, number | string | null>> = {
  maxBytes: numberRules.maxBytes.default,
  maxEntries: numberRules.maxEntries.default,
  ttlMs: numberRules.ttlMs.default,
  prefixes: null,
  commands: null,
  mode: 'tracking',
}

/**
 * @param protocol the client's option of that name
 * @returns null for no cache
 * @throws SlotwiseError SLOTWISE_INVALID_OPTION, naming the option, never its value
 */
export function resolveCache(value: unknown, protocol: 'auto' | 2 | 3): CacheConfig | null {
  if (value === undefined) return null
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid('cache', 'must be an object')
  const given = value as Record<string, unknown>
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(cacheDefaults, name)) throw invalid(`cache.${name}`, 'is not a known option')
  }
  if (protocol === 2) throw invalid('cache', 'needs protocol 3 or auto')
  const mode = given.mode === undefined ? cacheDefaults.mode : given.mode
  if (!modes.includes(mode)) throw invalid('cache.mode', `must be one of ${modes.join(', ')}`)
  return {
    maxBytes: wholeNumber(given, 'maxBytes'),
    maxEntries: wholeNumber(given, 'maxEntries'),
    ttlMs: wholeNumber(given, 'ttlMs'),
    prefixes: resolvePrefixes(given.prefixes),
    commands: resolveCommands(given.commands),
    mode: mode as CacheMode,
  }
}

function wholeNumber(given: Record<string, unknown>, name: keyof typeof numberRules): number {
  const { min, max, default: otherwise } = numberRules[name]
  const value = given[name] === undefined ? otherwise : given[name]
  if (!Number.isInteger(value) || (value as number) < min || (value as number) > max) {
    throw invalid(`cache.${name}`, `must be a whole number from ${min} to ${max}`)
  }
  return value as number
}

function resolvePrefixes(value: unknown): string[] | null {
  if (value === undefined) return null
  const prefixes = texts(value, 'cache.prefixes')
  const empty = prefixes.indexOf('')
  if (empty !== -1) throw invalid(`cache.prefixes[${empty}]`, 'must not be empty: without prefixes every key is cached')
  return prefixes
}

function resolveCommands(value: unknown): string[] | null {
  if (value === undefined) return null
  const names = texts(value, 'cache.commands').map(name => name.toUpperCase())
  const allowed = new Set(cacheableCommands())
  for (const [i, name] of names.entries()) {
    if (allowed.has(name)) continue
    throw invalid(`cache.commands[${i}]`, 'must be a read-only command whose reply depends on the value of one key')
  }
  return names
}

function texts(value: unknown, option: string): string[] {
  if (!Array.isArray(value) || value.length === 0) throw invalid(option, 'must be an array of at least one string')
  for (const [i, text] of value.entries()) {
    if (typeof text !== 'string') throw invalid(`${option}[${i}]`, 'must be a string')
  }
  return [...value]
}
