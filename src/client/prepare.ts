// Prepare: a call as its caller states it, checked, with the slot it goes to. Pure.

import { type Call, CallFlag, noTimeoutMs } from '../command/call.js'
import {
  type Argument,
  CommandFlag,
  type CommandName,
  crossSlotError,
  findSlot,
  hasOwnLane,
  nameFor,
  resolveCommand,
  severalSlots,
} from '../command/command.js'
import { SlotwiseError } from '../errors.js'
import type { Node } from '../node/node.js'
import { hasAllValues, mayBeSplit } from '../routing/split.js'
import {
  type CallOptions,
  checkArguments,
  defaultCallOptions,
  invalid,
  type ResolvedCallOptions,
  resolveCallOptions,
} from './call-options.js'

/** A call checked and routed, not yet made. */
export interface Prepared {
  command: CommandName
  args: readonly Argument[]
  /** `severalSlots` when it is to be split. */
  slot: number
  options: ResolvedCallOptions
  /** The only node to send it to, with CallFlag.pinned; null for whoever serves the slot. */
  node: Node | null
}

/**
 * @param clustered whether its slot matters
 * @param inSession the connection is the caller's own, to make of it what he likes
 * @param splits whether keys of several slots are welcome where the options do not say
 * @throws SlotwiseError SLOTWISE_INVALID_ARGUMENT, SLOTWISE_CROSS_SLOT, SLOTWISE_SESSION_ONLY
 */
export function prepare(
  clustered: boolean,
  name: string,
  args: readonly Argument[],
  options: CallOptions | undefined,
  inSession = false,
  splits = false,
): Prepared {
  const resolved = resolveCommand(name)
  checkArguments(args, resolved.spec.name)
  const command = nameFor(resolved, args)
  const { spec } = command
  if (!inSession && (spec.flags & CommandFlag.session) !== 0) {
    const message = `${spec.name} changes the state of its connection, which all calls of a client share`
    throw new SlotwiseError('SLOTWISE_SESSION_ONLY', message, { command: spec.name })
  }
  const slot = clustered ? findSlot(spec, args) : -1
  const resolvedOptions = options === undefined ? defaultCallOptions : resolveCallOptions(options)
  if (slot === severalSlots) {
    if (!((resolvedOptions.split ?? splits) && mayBeSplit(spec))) throw crossSlotError(spec.name)
    if (!hasAllValues(spec, args)) throw invalid(`${spec.name} needs a value for each key`, spec.name)
  }
  return { command, args, slot, options: resolvedOptions, node: null }
}

/**
 * What a call has from being made to being settled, in milliseconds; `noTimeoutMs` for no deadline.
 *
 * @param blockingMs how long the command may block on the server: it gets that on top of the default; 0 for ever, null for not at all
 * @param defaultMs the client's deadline; 0 for none
 */
export function timeoutOf({ timeoutMs }: ResolvedCallOptions, blockingMs: number | null, defaultMs: number): number {
  if (timeoutMs !== -1) return timeoutMs
  if (defaultMs === 0 || blockingMs === 0) return noTimeoutMs
  return Math.min(defaultMs + (blockingMs ?? 0), noTimeoutMs)
}

/** @param blockingMs how long the server may hold the reply, in milliseconds; 0 for ever */
export function markBlocking(call: Call, blockingMs: number): void {
  call.extras = { ...call.extras, blockingMs: blockingMs === 0 ? Infinity : blockingMs }
  if (hasOwnLane(call.spec)) call.flags |= CallFlag.ownLane
}
