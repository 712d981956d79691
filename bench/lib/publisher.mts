// Publisher: a process beside the measured one that publishes as fast as that one takes the messages.
// Owns    the process.
// Dies    with the measured process: it ends when the channel between the two does.
// Holds   at most `aheadMessages` are published and not received, so no server piles them up.

import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { pinned } from './pinned.mjs'

const program = fileURLToPath(new URL('./publisher-child.mjs', import.meta.url))

/** Received messages are told of in such portions, which costs the measured process next to nothing. */
const portionMessages = 1024
const aheadMessages = 8 * portionMessages

export interface Publisher {
  /** To be called once the client has subscribed. */
  start(): void
  received(payload: unknown): void
  count(): number
  stop(): Promise<void>
}

/** @param bytes length of a message, which each one received must have */
export function startPublisher(address: string, channel: string, bytes: number): Publisher {
  const [command, ...args] = [
    ...(pinned ? ['taskset', '-c', '1'] : []),
    process.execPath,
    program,
    address,
    channel,
    String(bytes),
    String(aheadMessages),
  ]
  const child = spawn(command as string, args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  let count = 0
  return {
    start: () => child.send(0),
    received(payload) {
      if ((payload as string).length !== bytes) throw new Error('not the message that was published')
      count++
      if (count % portionMessages === 0 && child.connected) child.send(count)
    },
    count: () => count,
    async stop() {
      child.disconnect()
    },
  }
}
