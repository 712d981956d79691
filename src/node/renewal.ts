// Renewal: another connection in place of the one that a node has, opened before that ends.
// Owns    the timer of the connection's life; the attempt to open the other one; that one, until it is taken.
// Born    with its Node.
// Dies    with it, by end().
// Holds   at most one attempt and one successor; a failed attempt harms nobody and is repeated.

import type { Connection } from '../connection/connection.js'
import type { Opening } from '../connection/opening.js'
import { closing } from '../connection/reasons.js'
import type { SlotwiseError } from '../errors.js'
import type { ServerContext } from './server-context.js'

export interface RenewalListener {
  /** Opens a connection; one of the two is called once. */
  open(onReady: (connection: Connection) => void, onFailed: (error: SlotwiseError) => void): Opening
  /** The other connection is usable. */
  onSuccessor(): void
}

export class Renewal {
  readonly #context: ServerContext
  readonly #listener: RenewalListener
  #timer: NodeJS.Timeout | null = null
  #opening: Opening | null = null
  #successor: Connection | null = null

  constructor(context: ServerContext, listener: RenewalListener) {
    this.#context = context
    this.#listener = listener
  }

  /** A connection's life begins: it is replaced at nine to ten tenths of its longest, so that not all go at once. */
  onBorn(): void {
    const { maxConnectionLifetimeMs } = this.#context.options
    if (maxConnectionLifetimeMs !== 0) this.#startIn(maxConnectionLifetimeMs * (0.9 + Math.random() / 10))
  }

  #startIn(delayMs: number): void {
    this.#clear()
    this.#timer = setTimeout(() => this.start(), delayMs)
    this.#timer.unref()
  }

  /** Opens the other connection, unless that is under way. */
  start(): void {
    const { gate, options, turn } = this.#context
    if (this.#opening !== null || this.#successor !== null) return
    this.#clear()
    if (gate.remainingMs(turn.now()) > 0) {
      this.#startIn(options.backoffMaxMs)
      return
    }
    gate.dials++
    const onReady = (connection: Connection) => {
      this.#opening = null
      this.#successor = connection
      this.#listener.onSuccessor()
    }
    this.#opening = this.#listener.open(onReady, error => this.#onFailed(error))
  }

  #onFailed(error: SlotwiseError): void {
    const { gate, options, turn } = this.#context
    this.#opening = null
    gate.failures++
    if (error.code === 'SLOTWISE_LOCAL_EXHAUSTION') gate.onExhausted(turn.now())
    this.#startIn(options.backoffMaxMs)
  }

  /** True when the connection is the one that is kept ready here; it is kept no longer. */
  loses(connection: Connection | null): boolean {
    if (connection === null || connection !== this.#successor) return false
    this.#successor = null
    return true
  }

  /** Hands over the other connection; null when there is none. */
  take(): Connection | null {
    const successor = this.#successor
    this.#successor = null
    return successor
  }

  /** The connection has ended: nothing of it is to be replaced any more. */
  end(endpoint: string): void {
    this.#clear()
    this.#opening?.cancel()
    this.#opening = null
    this.take()?.destroy(closing(endpoint))
  }

  #clear(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }
}
