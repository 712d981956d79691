// OwnConnection: commands that give their connection a state of its own. Pure.

import { SlotwiseError } from '../core.js'
import type { Command } from './command.js'

const ownConnection = new Set(
  'multi exec discard watch unwatch monitor reset quit subscribe psubscribe ssubscribe unsubscribe punsubscribe sunsubscribe'.split(
    ' ',
  ),
)

/** On a connection that others share it would disturb them. */
export function needsOwnConnection({ name, args }: Command): boolean {
  const lower = name.toLowerCase()
  return ownConnection.has(lower) || (lower === 'client' && String(args[0]).toLowerCase() === 'reply')
}

/** The error for such a command where connections are shared. */
export function sessionOnly(command: Command): Error {
  const name = command.name.toUpperCase()
  const message = `${name} changes the state of its connection, which all commands of a Cluster share`
  return new SlotwiseError('SLOTWISE_SESSION_ONLY', message, { command: name })
}
