// Keys: which arguments of a command are its keys (redis.io/docs, "Command key specifications").
//
// A cluster node finds keys by the same rules, so a well-formed command is routed where the node would have it. Of a
// malformed one, the keys that can be told are given, and the server answers with its error.

import { type Argument, isKeyword, numberOf } from './argument.js'
import { CommandFlag } from './flags.js'
import { type CommandSpec, FindKeys, type KeySpec } from './table.js'

/**
 * The indexes into `args` that hold keys, in the order in which COMMAND GETKEYS lists them. Shard channels (SPUBLISH)
 * count as keys: they are routed alike.
 *
 * @param spec what `specOf` gave for this command: the subcommand's spec where there is one
 * @param args the arguments after the command name; a subcommand is `args[0]`
 */
export function keyIndexes(spec: CommandSpec, args: readonly Argument[]): number[] {
  if ((spec.flags & CommandFlag.singleKey) !== 0) return args.length === 0 ? [] : [0]
  const found: number[] = []
  for (const key of spec.keys) {
    if (key.find === FindKeys.sort) addSortKeys(args, found)
    else if (key.find === FindKeys.migrate) addMigrateKeys(args, found)
    else {
      const begin = key.index === -1 ? findKeyword(key, args) : key.index
      if (begin === -1) continue
      if (key.find === FindKeys.range) addRange(key, args, begin, found)
      else addCounted(key, args, begin, found)
    }
  }
  return found
}

/** The index after the keyword, or -1. A keyword that is the last argument has no keys after it. */
function findKeyword(key: KeySpec, args: readonly Argument[]): number {
  if (key.startFrom >= 0) {
    for (let i = key.startFrom; i < args.length - 1; i++) if (isKeyword(args[i], key.keyword)) return i + 1
    return -1
  }
  for (let i = args.length + key.startFrom; i >= 0; i--) if (isKeyword(args[i], key.keyword)) return i + 1
  return -1
}

function addRange(key: KeySpec, args: readonly Argument[], begin: number, found: number[]): void {
  const last = lastOfRange(key, args, begin)
  for (let i = begin; i <= last; i += key.step) found.push(i)
}

/** Index of the last argument that may be a key of the range. */
export function lastOfRange(key: KeySpec, args: readonly Argument[], begin: number): number {
  let last: number
  if (key.last >= 0) last = begin + key.last
  else if (key.limit <= 1) last = args.length + key.last
  else last = begin + Math.floor((args.length - begin) / key.limit) + key.last
  return Math.min(last, args.length - 1)
}

/** The only rule for a command's keys, where that is a range that begins at a certain argument, as of MGET or RENAME; else null. */
export function onlyRange(spec: CommandSpec): KeySpec | null {
  const key = spec.keys[0]
  return spec.keys.length === 1 && key !== undefined && key.find === FindKeys.range && key.index !== -1 ? key : null
}

/** The index of the first key, as `keyIndexes` has it; -1 when there is none. */
export function firstKeyIndex(spec: CommandSpec, args: readonly Argument[]): number {
  const key = onlyRange(spec)
  if (key !== null) return key.index <= lastOfRange(key, args, key.index) ? key.index : -1
  return keyIndexes(spec, args)[0] ?? -1
}

function addCounted(key: KeySpec, args: readonly Argument[], begin: number, found: number[]): void {
  const count = numberOf(args[begin + key.countAt])
  const first = begin + key.firstAt
  // With a count beyond what is there nobody can tell keys from other arguments. Taking none lets the server answer with
  // its error; taking all could raise a cross-slot error that has nothing to do with the caller's mistake.
  if (!Number.isInteger(count) || first + (count - 1) * key.step >= args.length) return
  for (let n = 0; n < count; n++) found.push(first + n * key.step)
}

/** SORT key [BY p] [LIMIT o c] [GET p …] [STORE dest]: the last STORE counts, as in the server's own look-up. */
function addSortKeys(args: readonly Argument[], found: number[]): void {
  if (args.length === 0) return
  found.push(0)
  let destination = -1
  for (let i = 1; i < args.length; i++) {
    if (isKeyword(args[i], 'LIMIT')) i += 2
    else if (isKeyword(args[i], 'BY') || isKeyword(args[i], 'GET')) i++
    else if (isKeyword(args[i], 'STORE') && i + 1 < args.length) destination = i + 1
  }
  if (destination !== -1) found.push(destination)
}

/** MIGRATE host port key|"" db timeout [COPY] [REPLACE] [AUTH p | AUTH2 u p] [KEYS key …]. */
function addMigrateKeys(args: readonly Argument[], found: number[]): void {
  const key = args[2]
  if (key === undefined) return
  if (typeof key !== 'number' && typeof key !== 'bigint' && key.length === 0) {
    for (let i = 5; i < args.length - 1; i++) {
      // The values of AUTH and AUTH2 must not be taken for KEYS.
      if (isKeyword(args[i], 'AUTH')) i++
      else if (isKeyword(args[i], 'AUTH2')) i += 2
      else if (isKeyword(args[i], 'KEYS')) {
        for (let k = i + 1; k < args.length; k++) found.push(k)
        return
      }
    }
  }
  // Without KEYS, an empty key is a key of that name.
  found.push(2)
}
