// BlockingLimit: how long a command that blocks on its server is waited for.

import type { Command } from './command.js'
import { commandFlags } from './command-flags.js'

const blocking = new Set(commandFlags.BLOCKING_COMMANDS)

/**
 * @param blockingTimeout milliseconds for a command that would block for ever, or waits for a connection
 * @param blockingTimeoutGrace milliseconds beyond the time that the command names itself
 * @param blocks whether it is on its way to a server
 */
export function limitBlocking(
  command: Command,
  { blockingTimeout, blockingTimeoutGrace }: { blockingTimeout?: number; blockingTimeoutGrace?: number },
  blocks: boolean,
): void {
  if (typeof blockingTimeout !== 'number' || blockingTimeout <= 0 || !blocking.has(command.name)) return
  const own = command.extractBlockingTimeout()
  if (own === undefined) return
  command.setBlockingTimeout(own && blocks ? own + (blockingTimeoutGrace ?? 100) : blockingTimeout)
}
