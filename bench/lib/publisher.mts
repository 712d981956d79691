// Publisher: a process beside the measured one that publishes as fast as that one takes the messages.
// Owns    the process.
// Dies    with the measured process: it ends when the channel between the two does.
// Holds   at most `aheadMessages` are published and not received, so no server piles them up. Stopped, none is.

import { spawn } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { pinned } from './pinned.mjs'

const program = fileURLToPath(new URL('./publisher-child.mjs', import.meta.url))

/** Received messages are told of in such portions, which costs the measured process next to nothing. */
const portionMessages = 1024
const aheadMessages = 8 * portionMessages

export interface Publisher {
  received(payload: unknown): void
  count(): number
  start(): void
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
  ]
  const child = spawn(command as string, args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  let count = 0
  let running = false
  return {
    received(payload) {
      if ((payload as string).length !== bytes) throw new Error('not the message that was published')
      count++
      if (running && count % portionMessages === 0) child.send(count + aheadMessages)
    },
    count: () => count,
    start() {
      running = true
      child.send(count + aheadMessages)
    },
    async stop() {
      running = false
      // The publisher has been allowed so many; they come, and then it is still.
      for (let before = -1; before !== count; ) {
        before = count
        await delay(20)
      }
    },
  }
}
