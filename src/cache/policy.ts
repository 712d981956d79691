// Policy: which calls may be answered from the cache, and under which key. Pure.
// Source: redis.io/docs, "Client-side caching in Redis"; COMMAND flags; CLIENT TRACKING command page.

import {
  type Argument,
  CommandFlag,
  type CommandSpec,
  commandNames,
  keyIndexes,
  resolveCommand,
} from '../command/command.js'

export type CacheMode = 'tracking' | 'broadcast' | 'optin'

/** Everything about the cache, checked and resolved. */
export interface CacheConfig {
  /** Estimated bytes of all entries. */
  maxBytes: number
  maxEntries: number
  /** Longest time an entry is used, in milliseconds; 0 for no limit. */
  ttlMs: number
  /** Only keys that begin with one of these; null for all. */
  prefixes: readonly string[] | null
  /** Upper-case names; null for every command that may be cached. */
  commands: readonly string[] | null
  mode: CacheMode
}

/** What a command means to the cache. */
export const Kind = {
  /** Nothing: it is sent as if there were no cache. */
  none: 0,
  /** A read whose one key is its first argument. */
  firstKey: 1,
  /** A read that may have one key, somewhere. */
  someKey: 2,
  /** MGET: as many reads as it has keys. */
  manyKeys: 3,
  /** It may change its keys. */
  change: 4,
  /** It may change any key. */
  changeAll: 5,
} as const

/** Read-only, one key, and yet the reply depends on more than the key's value: time, chance, other keys, or what was asked before. */
const unsteady = new Set([
  'EVALSHA_RO',
  'EVAL_RO',
  'FCALL_RO',
  'HPTTL',
  'HRANDFIELD',
  'HSCAN',
  'HTTL',
  'PTTL',
  'SORT_RO',
  'SRANDMEMBER',
  'SSCAN',
  'TOUCH',
  'TTL',
  'XPENDING',
  'ZRANDMEMBER',
  'ZSCAN',
])

const wipes = new Set(['FLUSHALL', 'FLUSHDB', 'SWAPDB'])

const uncached = CommandFlag.container | CommandFlag.blocking | CommandFlag.keyless | CommandFlag.unknown

/** True when replies of the command may be cached: read-only, with a key, and determined by that key's value. */
export function isCacheable(spec: CommandSpec): boolean {
  if ((spec.flags & CommandFlag.readonly) === 0 || (spec.flags & uncached) !== 0) return false
  // MEMORY USAGE, OBJECT FREQ, XINFO STREAM: nothing is announced when what they tell changes.
  return !spec.name.includes('|') && !unsteady.has(spec.name)
}

/** Names of the commands that may be cached, upper case, sorted. */
export function cacheableCommands(): string[] {
  return commandNames().filter(name => isCacheable(resolveCommand(name).spec))
}

/** Sorted, and without those that another one covers: a server refuses prefixes that overlap. */
export function disjointPrefixes(prefixes: readonly string[]): string[] {
  const kept: string[] = []
  for (const prefix of [...prefixes].sort()) if (!kept.some(other => prefix.startsWith(other))) kept.push(prefix)
  return kept
}

export class CachePolicy {
  readonly #commands: ReadonlySet<string> | null
  readonly #prefixes: readonly string[] | null
  readonly #kinds = new Map<CommandSpec, number>()
  // Most calls are of the same command as the call before: one comparison in place of a look-up.
  #lastSpec: CommandSpec | null = null
  #lastKind: number = Kind.none

  constructor({ commands, prefixes }: Pick<CacheConfig, 'commands' | 'prefixes'>) {
    this.#commands = commands === null ? null : new Set(commands)
    this.#prefixes = prefixes
  }

  /** One of {@link Kind}. */
  kindOf(spec: CommandSpec): number {
    if (spec === this.#lastSpec) return this.#lastKind
    let kind = this.#kinds.get(spec)
    if (kind === undefined) {
      kind = this.#judge(spec)
      // Specs of unknown names are made anew for each new spelling, so they are not kept.
      if ((spec.flags & CommandFlag.unknown) === 0) this.#kinds.set(spec, kind)
    }
    this.#lastSpec = spec
    this.#lastKind = kind
    return kind
  }

  #judge(spec: CommandSpec): number {
    if ((spec.flags & CommandFlag.readonly) === 0) {
      if (wipes.has(spec.name)) return Kind.changeAll
      return (spec.flags & CommandFlag.keyless) === 0 ? Kind.change : Kind.none
    }
    if (!isCacheable(spec) || this.#commands?.has(spec.name) === false) return Kind.none
    if (spec.name === 'MGET') return Kind.manyKeys
    return (spec.flags & CommandFlag.singleKey) !== 0 ? Kind.firstKey : Kind.someKey
  }

  /** The key under which a read of that kind is cached; null when it is not. */
  keyOf(kind: number, spec: CommandSpec, args: readonly Argument[]): string | null {
    if (kind === Kind.firstKey) return args.length === 0 ? null : this.keyText(args[0] as Argument)
    const indexes = keyIndexes(spec, args)
    return indexes.length === 1 ? this.keyText(args[indexes[0] as number] as Argument) : null
  }

  /** The keys of a command that may change them, as far as entries may be kept under them. */
  keysOf(spec: CommandSpec, args: readonly Argument[]): string[] {
    const keys: string[] = []
    for (const index of keyIndexes(spec, args)) {
      const key = this.keyText(args[index] as Argument)
      if (key !== null) keys.push(key)
    }
    return keys
  }

  /** The key as text, if entries may be kept under it. */
  keyText(key: Argument): string | null {
    const text = typeof key === 'string' ? key : keyText(key)
    if (text === null || this.#prefixes === null) return text
    for (const prefix of this.#prefixes) if (text.startsWith(prefix)) return text
    return null
  }
}

/**
 * Bytes as text that stands for these bytes alone; null where there is none. Keys that are not UTF-8 are not cached: an
 * invalidation names bytes, and two such keys could not be told apart.
 */
function keyText(key: Exclude<Argument, string>): string | null {
  if (!(key instanceof Uint8Array)) return String(key)
  const text = Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString()
  return text.includes('\ufffd') ? null : text
}
