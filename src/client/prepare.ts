// Prepare: a call as its caller states it, checked, with the slot it goes to. Pure.

import {
  type Argument,
  CommandFlag,
  type CommandName,
  nameFor,
  resolveCommand,
  slotOfCommand,
} from '../command/command.js'
import { SlotwiseError } from '../errors.js'
import {
  type CallOptions,
  checkArguments,
  defaultCallOptions,
  type ResolvedCallOptions,
  resolveCallOptions,
} from './call-options.js'

/** A call checked and routed, not yet made. */
export interface Prepared {
  command: CommandName
  args: readonly Argument[]
  slot: number
  options: ResolvedCallOptions
}

/**
 * @param clustered whether its slot matters
 * @param inSession the connection is the caller's own, to make of it what he likes
 * @throws SlotwiseError SLOTWISE_INVALID_ARGUMENT, SLOTWISE_CROSS_SLOT, SLOTWISE_SESSION_ONLY
 */
export function prepare(
  clustered: boolean,
  name: string,
  args: readonly Argument[],
  options: CallOptions | undefined,
  inSession = false,
): Prepared {
  const resolved = resolveCommand(name)
  checkArguments(args, resolved.spec.name)
  const command = nameFor(resolved, args)
  const { spec } = command
  if (!inSession && (spec.flags & CommandFlag.session) !== 0) {
    const message = `${spec.name} changes the state of its connection, which all calls of a client share`
    throw new SlotwiseError('SLOTWISE_SESSION_ONLY', message, { command: spec.name })
  }
  const slot = clustered ? slotOfCommand(spec, args) : -1
  return {
    command,
    args,
    slot,
    options: options === undefined ? defaultCallOptions : resolveCallOptions(options),
  }
}
