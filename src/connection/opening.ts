// Opening: from nothing to a usable connection, within one deadline.
// Owns    the dial, the connection until it is ready, and the connect deadline.
// Born    when a node wants a connection.
// Dies    once: by handing the connection over, by failing, or by cancel().
// Holds   exactly one of onReady and onFailed is called, and neither after cancel(); onClosed comes only after onReady.

import type { Issuer } from '../command/issuer.js'
import { type SlotwiseError, stacklessError } from '../errors.js'
import { dialChannel } from '../observe.js'
import type { Turn } from '../turn.js'
import { Connection, type ConnectionListener, type ConnectionOptions } from './connection.js'
import { type Dial, type DialOptions, dial } from './dial.js'
import type { Endpoint } from './endpoint.js'
import { closing } from './reasons.js'
import type { SocketLedger, Use } from './socket-ledger.js'

export interface OpeningContext {
  options: {
    dial: DialOptions
    connection: ConnectionOptions
    /** From the start of the dial to a usable connection, in milliseconds. */
    connectTimeoutMs: number
  }
  issuer: Issuer
  turn: Turn
  ledger: SocketLedger
}

export interface OpeningListener extends Omit<ConnectionListener, 'onReady'> {
  /** The connection is the listener's now. */
  onReady(connection: Connection): void
  onFailed(error: SlotwiseError): void
}

export class Opening {
  readonly #endpoint: Endpoint
  readonly #context: OpeningContext
  readonly #listener: OpeningListener
  readonly #timer: NodeJS.Timeout
  #dial: Dial | null
  #connection: Connection | null = null
  #over = false
  #handedOver = false
  readonly #startedAt = performance.now()
  readonly #use: Use

  /** @param use what the connection is for */
  constructor(endpoint: Endpoint, context: OpeningContext, use: Use, listener: OpeningListener) {
    const { options, ledger, issuer, turn } = context
    this.#endpoint = endpoint
    this.#use = use
    this.#context = context
    this.#listener = listener
    this.#timer = setTimeout(() => this.#onDeadline(), options.connectTimeoutMs)
    this.#dial = dial(endpoint, options.dial, ledger, {
      onOpen: (socket, entry) => {
        this.#dial = null
        this.#connection = new Connection(socket, entry, endpoint, options.connection, issuer, turn, use, {
          ...listener,
          onReady: () => this.#onReady(),
          onClosed: (reason, handBack) => {
            if (this.#handedOver) listener.onClosed(reason, handBack)
            else if (this.#end(reason)) listener.onFailed(reason)
          },
        })
      },
      onFailed: error => {
        this.#dial = null
        if (this.#end(error)) listener.onFailed(error)
      },
    })
  }

  /** The connection whose handshake is under way; null while there is none. */
  get connection(): Connection | null {
    return this.#connection
  }

  /** Gives up; the listener does not hear of it. */
  cancel(): void {
    if (!this.#end(closing(this.#endpoint.key))) return
    this.#dial?.cancel()
    this.#dial = null
    this.#connection?.destroy(closing(this.#endpoint.key))
  }

  /** False when it had ended before. */
  #end(error: SlotwiseError | null): boolean {
    if (this.#over) return false
    this.#over = true
    clearTimeout(this.#timer)
    if (dialChannel.hasSubscribers) this.#report(error)
    return true
  }

  #report(error: SlotwiseError | null): void {
    const durationMs = performance.now() - this.#startedAt
    const outcome = error === null ? 'usable' : 'failed'
    const client = this.#context.issuer.origin
    dialChannel.publish({ client, endpoint: this.#endpoint.key, use: this.#use, outcome, durationMs, error })
  }

  #onReady(): void {
    if (!this.#end(null)) return
    this.#handedOver = true
    this.#listener.onReady(this.#connection as Connection)
  }

  #onDeadline(): void {
    const phase = this.#connection === null ? ('dial' as const) : ('handshake' as const)
    const { connectTimeoutMs } = this.#context.options
    const endpoint = this.#endpoint.key
    const message = `${endpoint} was not usable within ${connectTimeoutMs} ms (${phase})`
    const error = stacklessError('SLOTWISE_CONNECT_TIMEOUT', message, { endpoint, phase })
    if (this.#connection !== null) {
      this.#connection.destroy(error)
      return
    }
    this.#dial?.cancel()
    this.#dial = null
    if (this.#end(error)) this.#listener.onFailed(error)
  }
}
