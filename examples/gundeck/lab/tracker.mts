// tracker: calls of Redis that have not settled, counted in the same way for every client; and what the process's sockets to Redis go through.

import { Socket } from 'node:net'
import type { MarkerKind } from '../../../scripts/report/shape.mjs'
import { wallMs } from './messages.mjs'

export type Mark = (kind: MarkerKind, text: string) => void

/** Calls given to a client and not settled by it, in the order in which they were given. */
export class Tracker {
  readonly #startedAt = new Set<{ atMs: number }>()
  /** Told of the next success, once. */
  onSuccess: ((atMs: number) => void) | null = null

  /** Counts a call until the client settles it, whoever has stopped waiting for it meanwhile. */
  track<T>(call: Promise<T>): Promise<T> {
    const token = { atMs: performance.now() }
    this.#startedAt.add(token)
    call.then(
      () => {
        this.#startedAt.delete(token)
        if (this.onSuccess === null) return
        this.onSuccess(wallMs())
        this.onSuccess = null
      },
      () => this.#startedAt.delete(token),
    )
    return call
  }

  get open(): number {
    return this.#startedAt.size
  }

  get oldestMs(): number {
    for (const { atMs } of this.#startedAt) return performance.now() - atMs
    return 0
  }
}

/** Attempts to connect to one of these ports, by whatever library; and a marker for each, for its success, and for its loss. */
export function watchDials(ports: ReadonlySet<number>, mark: Mark): () => number {
  let dials = 0
  const connect = Socket.prototype.connect
  Socket.prototype.connect = function (this: Socket, ...args: unknown[]) {
    const port = portOf(args)
    if (port !== null && ports.has(port)) {
      dials++
      mark('dial', `dial of port ${port}`)
      let connected = false
      this.once('connect', () => {
        connected = true
        mark('connected', `connected to port ${port}`)
      })
      const lost = () => {
        if (connected) mark('lost', `connection to port ${port} lost`)
        connected = false
      }
      this.once('end', lost).once('close', lost)
    }
    return connect.apply(this, args as never)
  } as typeof connect
  return () => dials
}

/** The arguments may have been put into an array by net.connect(). */
function portOf(args: readonly unknown[]): number | null {
  const first = Array.isArray(args[0]) ? args[0][0] : args[0]
  if (typeof first === 'number') return first
  const port = (first as { port?: number | string } | null)?.port
  return port === undefined ? null : Number(port)
}
