// CacheOptions: the check of option `cache`. Pure.

import type { CacheConfig, CacheMode } from '../cache/options.js'
import { isCacheable } from '../cache/policy.js'
import { resolveCommand } from '../command/command.js'
import { invalidOption as invalid } from './address.js'

const numberRules = {
  maxBytes: { default: 32 * 1024 * 1024, min: 4096, max: 2 ** 40 },
  maxEntries: { default: 100_000, min: 1, max: 16_000_000 },
  ttlMs: { default: 0, min: 0, max: 86_400_000 },
} as const

const modes: readonly unknown[] = ['tracking', 'broadcast', 'optin'] satisfies CacheMode[]
const known = new Set([...Object.keys(numberRules), 'commands', 'prefixes', 'mode'])

/**
 * Checks option `cache` and fills in its defaults; null when it is not given.
 * @throws SlotwiseError SLOTWISE_INVALID_OPTION, naming the option
 */
export function resolveCacheOptions(given: unknown): CacheConfig | null {
  if (given === undefined) return null
  if (typeof given !== 'object' || given === null || Array.isArray(given)) throw invalid('cache', 'must be an object')
  for (const name of Object.keys(given)) if (!known.has(name)) throw invalid(`cache.${name}`, 'is not a known option')
  const options = given as Record<string, unknown>
  const mode = options.mode === undefined ? 'tracking' : options.mode
  if (!modes.includes(mode)) throw invalid('cache.mode', `must be one of ${modes.join(', ')}`)
  return {
    maxBytes: number(options, 'maxBytes'),
    maxEntries: number(options, 'maxEntries'),
    ttlMs: number(options, 'ttlMs'),
    commands: resolveCommands(options.commands),
    prefixes: resolvePrefixes(options.prefixes),
    mode: mode as CacheMode,
  }
}

function number(options: Record<string, unknown>, name: keyof typeof numberRules): number {
  const rule = numberRules[name]
  const value = options[name] === undefined ? rule.default : options[name]
  if (!Number.isInteger(value) || (value as number) < rule.min || (value as number) > rule.max)
    throw invalid(`cache.${name}`, `must be a whole number from ${rule.min} to ${rule.max}`)
  return value as number
}

function resolveCommands(given: unknown): string[] | null {
  if (given === undefined) return null
  if (!Array.isArray(given) || given.length === 0) throw invalid('cache.commands', 'must be an array of command names')
  return given.map((name: unknown, i) => {
    const option = `cache.commands[${i}]`
    if (typeof name !== 'string' || !/^[!-~]+$/.test(name)) throw invalid(option, 'must be a command name')
    const { spec } = resolveCommand(name)
    if (!isCacheable(spec))
      throw invalid(option, 'must be a read-only command with one key, whose reply follows from the value of that key')
    return spec.name
  })
}

function resolvePrefixes(given: unknown): string[] {
  if (given === undefined) return []
  if (!Array.isArray(given) || given.length === 0) throw invalid('cache.prefixes', 'must be an array of prefixes')
  return given.map((prefix: unknown, i) => {
    const wellFormed = typeof prefix === 'string' && (prefix as string & { isWellFormed(): boolean }).isWellFormed()
    if (!wellFormed || prefix === '') throw invalid(`cache.prefixes[${i}]`, 'must be a non-empty string')
    return prefix
  })
}
