// Link: what a Redis object sends its commands through: a connection of its own, or a node of a Cluster's. And how they are sent.

import { CallFlag, type CommandName, noTimeoutMs } from '../core.js'
import type { Command } from './command.js'
import { AbortError, withCause } from './errors.js'
import type { Parts, Sender } from './sender.js'

/** One server, as a Redis object sees it. */
export interface Link extends Sender {
  readonly state: string
  readonly socket: unknown
  readonly protocol: 2 | 3 | null
  readonly subscribed: number
  /** SELECT has been carried out. */
  database: number
  /** False until a connection has been asked for. */
  readonly dialled: boolean
  count(): { queued: number; inFlight: number }
  /** @param delayMs before the first attempt, in milliseconds */
  open(delayMs?: number): void
  finish(): void
  reconnect(): void
  failWaiting(error: Error): void
}

const longestTimeoutMs = 86_400_000
// Looked up once, not at each command.
const noLimitMs = noTimeoutMs
const { errorAsValue } = CallFlag

function deadlineMs(command: Command): number {
  const { timeoutMs, blockingTimeoutMs } = command
  const limits = [timeoutMs, blockingTimeoutMs].filter(limit => limit > 0)
  return limits.length === 0 ? noTimeoutMs : Math.min(Math.ceil(Math.min(...limits)), longestTimeoutMs)
}

/**
 * Sends the command; its promise is settled by what comes back.
 * @param watched somebody may yet replace the command's resolve and reject
 */
export function launch(command: Command, sender: Sender, watched = false): void {
  let name: CommandName
  try {
    name = command.resolved()
  } catch (error) {
    command.reject(error as Error)
    return
  }
  const timeoutMs = command.timeoutMs === 0 && command.blockingTimeoutMs === 0 ? noLimitMs : deadlineMs(command)
  if (command.isDirect && !watched) {
    const flags = command.hasSink ? command.callFlags | errorAsValue : command.callFlags
    sender.submit(name, command.argsToSend, flags, timeoutMs, command.receiver, command.slotHint)
  } else {
    const flags = command.callFlags | errorAsValue
    sender.submit(name, command.argsToSend, flags, timeoutMs, outcome => command.deliver(outcome), command.slotHint)
  }
}

/** MULTI, its commands and EXEC: collected as each is sent, then sent as one. */
export class TransactionGroup {
  readonly #size: number
  readonly #commands: Command[] = []

  /** @param size commands it will have, MULTI and EXEC included */
  constructor(size: number) {
    this.#size = size
  }

  add(command: Command, sender: Sender): void {
    if (this.#commands.push(command) === this.#size) this.#launch(sender)
  }

  #launch(sender: Sender): void {
    const commands = this.#commands
    let parts: Parts
    try {
      parts = commands.map(command => ({ head: command.resolved().head, args: command.argsToSend }))
    } catch (error) {
      for (const command of commands) command.reject(error as Error)
      return
    }
    const buffers = commands.some(command => command.wantsBuffers)
    const first = commands[0] as Command
    const flags = (first.callFlags & ~CallFlag.buffers) | (buffers ? CallFlag.buffers : 0) | CallFlag.errorAsValue
    // The replies within EXEC's are shown each by its own command.
    const last = commands.at(-1) as Command
    last.replyEncoding = null
    const timeoutMs = Math.max(0, ...commands.map(command => command.timeoutMs))
    sender.submitTransaction(
      parts,
      flags,
      timeoutMs === 0 ? noTimeoutMs : timeoutMs,
      outcome => {
        commands.forEach((command, i) => {
          if (outcome instanceof AbortError && outcome.command !== undefined)
            command.deliver(abortedWith(command, outcome))
          else if (outcome instanceof Error) command.deliver(outcome)
          else {
            const reply = (outcome as unknown[])[i]
            if (reply instanceof Error) Object.assign(reply, { command: { name: command.name, args: command.args } })
            command.deliver(reply)
          }
        })
      },
      first.slotHint,
    )
  }
}

/** The same, of this command. */
function abortedWith({ name, args }: Command, error: AbortError): AbortError {
  const own = Object.assign(new AbortError(error.message), error, { command: { name, args } })
  return withCause(own, error.cause)
}
