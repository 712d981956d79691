// OwnConnection: commands that give their connection a state of its own. Pure.

import { SlotwiseError } from '../core.js'
import type { Command } from './command.js'

/** On a connection that others share it would disturb them. */
export function needsOwnConnection({ kind, args }: Command): boolean {
  return kind.isStateful || (kind.isClient && String(args[0]).toLowerCase() === 'reply')
}

/** The error for such a command where connections are shared. */
export function sessionOnly(command: Command): Error {
  const name = command.name.toUpperCase()
  const message = `${name} changes the state of its connection, which all commands of a Cluster share`
  return new SlotwiseError('SLOTWISE_SESSION_ONLY', message, { command: name })
}
