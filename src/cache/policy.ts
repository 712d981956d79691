// Policy: which commands and which keys may be cached, and what makes two reads the same. Pure.
// Source: CLIENT TRACKING command page; the pages of the commands named here.

import { isUtf8 } from 'node:buffer'
import { type Argument, CommandFlag, type CommandSpec, keyIndexes, resolveCommand } from '../command/command.js'
import type { CacheConfig } from './options.js'

/** Read-only commands whose reply changes while the value of their key does not, or depends on more than that. */
const never = new Set([
  // Time goes on.
  ...['TTL', 'PTTL', 'HTTL', 'HPTTL', 'XPENDING', 'XINFO|STREAM', 'XINFO|GROUPS', 'XINFO|CONSUMERS'],
  // Chosen at random, or a step of a walk.
  ...['SRANDMEMBER', 'HRANDFIELD', 'ZRANDMEMBER', 'VRANDMEMBER', 'HSCAN', 'SSCAN', 'ZSCAN'],
  // How the value is stored, which no server reports.
  ...['OBJECT|ENCODING', 'OBJECT|FREQ', 'OBJECT|IDLETIME', 'OBJECT|REFCOUNT', 'MEMORY|USAGE', 'VINFO', 'VLINKS'],
  // Reads other keys, too: BY and GET name patterns.
  'SORT_RO',
  // Is sent for what it does.
  'TOUCH',
])

/** One read of one key. Two reads with the same fields have the same reply. */
export interface Asked {
  readonly key: string
  readonly spec: CommandSpec
  /** Number of arguments, the key included. */
  readonly argc: number
  /** The arguments behind the key, as `tailOf` puts them. */
  readonly tail: string
  readonly buffers: boolean
}

/** The arguments behind the first one as one text, the same only for the same arguments; null when one is no text. */
export function tailOf(args: readonly Argument[]): string | null {
  if (args.length === 1) return ''
  if (args.length === 2) return textOf(args[1] as Argument)
  let tail = ''
  for (let i = 1; i < args.length; i++) {
    const text = textOf(args[i] as Argument)
    if (text === null) return null
    // The length keeps ['a b', 'c'] and ['a', 'b c'] apart.
    tail += `${text.length} ${text}`
  }
  return tail
}

/** An argument as text that stands for its bytes and no others; null when there is none. */
export function textOf(argument: Argument): string | null {
  if (typeof argument === 'string') {
    // Each half of a surrogate pair without the other is sent as the same three bytes.
    return (argument as string & { isWellFormed(): boolean }).isWellFormed() ? argument : null
  }
  if (typeof argument === 'object') {
    if (!isUtf8(argument)) return null
    return Buffer.from(argument.buffer, argument.byteOffset, argument.byteLength).toString()
  }
  return String(argument)
}

/** True for commands whose only key is their first argument. */
function hasOneKeyFirst(spec: CommandSpec, argc: number): boolean {
  if ((spec.flags & CommandFlag.singleKey) !== 0) return argc > 0
  // EXISTS, SUNION, … of one key.
  const [key, second] = spec.keys
  return argc === 1 && key !== undefined && second === undefined && key.index === 0 && key.last === -1
}

/** True when the command may be cached at all, with the right arguments. */
export function isCacheable(spec: CommandSpec): boolean {
  // The first argument of FT commands is an index over many keys.
  if (never.has(spec.name) || spec.name.startsWith('FT.')) return false
  // A command nobody here knows is what the user who lists it says it is.
  if ((spec.flags & CommandFlag.unknown) !== 0) return true
  const readOnly = (spec.flags & CommandFlag.readonly) !== 0 && (spec.flags & CommandFlag.blocking) === 0
  return readOnly && hasOneKeyFirst(spec, 1)
}

const maxNames = 1024

export class Policy {
  readonly #commands: ReadonlySet<string> | null
  readonly #prefixes: readonly string[]
  /** Commands by the name that a caller gives; null for those that are not kept. */
  readonly #names = new Map<string, CommandSpec | null>()
  readonly #verdicts = new WeakMap<CommandSpec, boolean>()

  constructor({ commands, prefixes }: Pick<CacheConfig, 'commands' | 'prefixes'>) {
    this.#commands = commands === null ? null : new Set(commands)
    this.#prefixes = prefixes
  }

  /** Whether replies of the command are kept. */
  covers(spec: CommandSpec): boolean {
    let verdict = this.#verdicts.get(spec)
    if (verdict === undefined) {
      // A module says itself when a key has changed: whoever relies on that names its commands.
      const usual = (spec.flags & CommandFlag.unknown) === 0 && !spec.name.includes('.')
      verdict = isCacheable(spec) && (this.#commands?.has(spec.name) ?? usual)
      this.#verdicts.set(spec, verdict)
    }
    return verdict
  }

  /** The command by the name that a caller gives; null when its replies are not kept whole. */
  named(name: string): CommandSpec | null {
    return this.#names.get(name) ?? this.#learn(name)
  }

  #learn(name: string): CommandSpec | null {
    if (this.#names.has(name) || typeof name !== 'string') return null
    let spec: CommandSpec | null = null
    try {
      spec = resolveCommand(name).spec
    } catch {
      // Whoever makes the call finds the same, and says so.
    }
    if (spec !== null && (spec.name === 'MGET' || !this.covers(spec))) spec = null
    if (this.#names.size >= maxNames) this.#names.clear()
    this.#names.set(name, spec)
    return spec
  }

  coversKey(key: string): boolean {
    const prefixes = this.#prefixes
    if (prefixes.length === 0) return true
    for (let i = 0; i < prefixes.length; i++) if (key.startsWith(prefixes[i] as string)) return true
    return false
  }

  /** What the command asks of its only key; null when its reply is not kept. */
  read(spec: CommandSpec, args: readonly Argument[], buffers: boolean): Asked | null {
    if (!this.covers(spec) || !hasOneKeyFirst(spec, args.length)) return null
    const key = textOf(args[0] as Argument)
    if (key === null || !this.coversKey(key)) return null
    const tail = tailOf(args)
    return tail === null ? null : { key, spec, argc: args.length, tail, buffers }
  }

  /** The keys of an MGET, each one that may be kept as text and the others as null; null when MGET is not kept. */
  manyKeys(spec: CommandSpec, args: readonly Argument[]): (string | null)[] | null {
    if (spec.name !== 'MGET' || !this.covers(spec)) return null
    return args.map(arg => {
      const key = textOf(arg)
      return key !== null && this.coversKey(key) ? key : null
    })
  }
}

/** Prefixes without those that another one covers: the server refuses prefixes that overlap. */
export function leastPrefixes(prefixes: readonly string[]): string[] {
  const kept: string[] = []
  for (const prefix of [...new Set(prefixes)].sort()) {
    if (!kept.some(shorter => prefix.startsWith(shorter))) kept.push(prefix)
  }
  return kept
}

/** Arguments of CLIENT that have the server report what is cached; `redirectTo` is the connection that hears of it, null for the own one. */
export function trackingArguments(config: Pick<CacheConfig, 'mode' | 'prefixes'>, redirectTo: number | null): string[] {
  const args = ['TRACKING', 'ON']
  if (redirectTo !== null) args.push('REDIRECT', String(redirectTo))
  if (config.mode === 'optin') args.push('OPTIN')
  if (config.mode === 'broadcast') {
    args.push('BCAST')
    for (const prefix of leastPrefixes(config.prefixes)) args.push('PREFIX', prefix)
  }
  return args
}

/** Keys that a command may change, as far as something may be kept about them. */
export function changedKeys(spec: CommandSpec, args: readonly Argument[]): string[] {
  const keys: string[] = []
  for (const i of keyIndexes(spec, args)) {
    const key = textOf(args[i] as Argument)
    if (key !== null) keys.push(key)
  }
  return keys
}
