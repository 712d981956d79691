// Command: a name as a caller spells it, what is known about it, and the slot that its keys lead to.
// Owns    the names resolved so far, each with its bytes on the wire.
// Born    with the module; dies with the process.
// Holds   at most `maxNames` names, whatever callers pass in.

import { SlotwiseError } from '../errors.js'
import { type Argument, shortText } from './argument.js'
import { CommandFlag } from './flags.js'
import { keyIndexes, lastOfRange, onlyRange } from './keys.js'
import { slotOf } from './slot.js'
import { type CommandSpec, FindKeys, findSpec } from './table.js'

export type { Argument } from './argument.js'
export { blockingTimeoutMs, hasOwnLane, isBlocking } from './blocking.js'
export { CommandFlag } from './flags.js'
export { firstKeyIndex, keyIndexes } from './keys.js'
export { slotOf } from './slot.js'
export { type CommandSpec, commandNames } from './table.js'

/** A command name as a caller spelled it. */
export interface CommandName {
  /** Of the command; `specOf` finds that of the subcommand. */
  readonly spec: CommandSpec
  /** The name as a RESP bulk string: `$3\r\nget\r\n`. */
  readonly head: string
}

/** Room for every known name in upper and in lower case, and for the unknown ones an application uses. */
const maxNames = 2048
const maxKeptNameLength = 64
const names = new Map<string, CommandName>()

/**
 * The command of that name, in any letter case. A name that is not in the table is taken for a module's command whose
 * first argument is its key.
 *
 * @throws SlotwiseError SLOTWISE_INVALID_ARGUMENT when the name is not a non-empty string of printable ASCII without spaces
 */
export function resolveCommand(name: string): CommandName {
  return names.get(name) ?? resolveNewName(name)
}

function resolveNewName(name: string): CommandName {
  if (typeof name !== 'string' || !/^[!-~]+$/.test(name)) {
    throw new SlotwiseError(
      'SLOTWISE_INVALID_ARGUMENT',
      'a command name must be a non-empty string of printable ASCII characters without spaces',
    )
  }
  const upper = name.toUpperCase()
  // 'XGROUP|CREATE' names a spec but is no command.
  const spec = (upper.includes('|') ? undefined : findSpec(upper)) ?? unknownSpec(upper)
  const command: CommandName = { spec, head: `$${name.length}\r\n${name}\r\n` }
  if (name.length <= maxKeptNameLength) {
    // Starting over costs each name in use one more pass here, and needs no bookkeeping in the hit path.
    if (names.size >= maxNames) names.clear()
    names.set(name, command)
  }
  return command
}

const firstArgument = [
  { index: 0, keyword: '', startFrom: 0, find: FindKeys.range, last: 0, step: 1, limit: 0, countAt: 0, firstAt: 0 },
]

function unknownSpec(name: string): CommandSpec {
  const flags = CommandFlag.unknown | CommandFlag.singleKey
  return { name, arity: 0, flags, keys: firstArgument, requestPolicy: null, responsePolicy: null }
}

/**
 * The spec to use for this call: the subcommand's where `args[0]` names one, else the command's. Flags, keys and tips of
 * a container such as XGROUP or CLIENT are those of its subcommands, so ask this before looking at any of them.
 */
export function specOf(command: CommandName, args: readonly Argument[]): CommandSpec {
  const spec = command.spec
  if ((spec.flags & CommandFlag.container) === 0) return spec
  return findSpec(spec.name + '|' + shortText(args[0]).toUpperCase()) ?? spec
}

const subcommands = new WeakMap<CommandName, Map<CommandSpec, CommandName>>()

/** The name with the spec to use for this call in place: `CLUSTER` with that of `CLUSTER|SLOTS`. */
export function nameFor(command: CommandName, args: readonly Argument[]): CommandName {
  const spec = specOf(command, args)
  if (spec === command.spec) return command
  let known = subcommands.get(command)
  if (known === undefined) subcommands.set(command, (known = new Map()))
  let name = known.get(spec)
  if (name === undefined) known.set(spec, (name = { spec, head: command.head }))
  return name
}

/** True when the server may run the command on a replica and running it twice changes nothing. */
export function isReadonly(spec: CommandSpec): boolean {
  return (spec.flags & CommandFlag.readonly) !== 0
}

/** Stands for a slot: the keys are in different ones. */
export const severalSlots = -2

/**
 * The slot of a command's keys, 0 to 16383, -1 when it has none, or `severalSlots`.
 *
 * @param spec what `specOf` gave for this command
 */
export function findSlot(spec: CommandSpec, args: readonly Argument[]): number {
  if ((spec.flags & CommandFlag.singleKey) !== 0) return args.length === 0 ? -1 : slotOf(args[0] as Argument)
  if ((spec.flags & CommandFlag.keyless) !== 0) return -1
  const range = onlyRange(spec)
  if (range !== null) return slotOfRange(args, range.index, lastOfRange(range, args, range.index), range.step)
  const indexes = keyIndexes(spec, args)
  let slot = -1
  for (let i = 0; i < indexes.length; i++) {
    const next = slotOf(args[indexes[i] as number] as Argument)
    if (slot === -1) slot = next
    else if (next !== slot) return severalSlots
  }
  return slot
}

function slotOfRange(args: readonly Argument[], first: number, last: number, step: number): number {
  if (first > last) return -1
  const slot = slotOf(args[first] as Argument)
  for (let i = first + step; i <= last; i += step) if (slotOf(args[i] as Argument) !== slot) return severalSlots
  return slot
}

/**
 * The slot of a command's keys, 0 to 16383, or -1 when it has none.
 *
 * @param spec what `specOf` gave for this command
 * @throws SlotwiseError SLOTWISE_CROSS_SLOT when the keys are in different slots
 */
export function slotOfCommand(spec: CommandSpec, args: readonly Argument[]): number {
  const slot = findSlot(spec, args)
  if (slot !== severalSlots) return slot
  throw crossSlotError(spec.name)
}

export function crossSlotError(command: string): SlotwiseError {
  return new SlotwiseError('SLOTWISE_CROSS_SLOT', `the keys of ${command} hash to different slots`, { command })
}
