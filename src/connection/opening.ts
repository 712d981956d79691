// Opening: from nothing to a usable connection, within one deadline.
// Owns    the dial, the connection until it is ready, and the connect deadline.
// Born    when a node wants a connection.
// Dies    once: by handing the connection over, by failing, or by cancel().
// Holds   exactly one of onReady and onFailed is called, and neither after cancel(); onClosed comes only after onReady.

import type { Issuer } from '../command/issuer.js'
import { type SlotwiseError, stacklessError } from '../errors.js'
import { dialChannel } from '../observe.js'
import type { Turn } from '../turn.js'
import type { Access, Granted } from './access.js'
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
  /** Asks the user for what changes; null where nothing does. */
  access: Access | null
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
  #dial: Dial | null = null
  #question: Promise<Granted> | null = null
  #connection: Connection | null = null
  #over = false
  #handedOver = false
  readonly #startedAt = performance.now()
  readonly #use: Use

  /** @param use what the connection is for */
  constructor(endpoint: Endpoint, context: OpeningContext, use: Use, listener: OpeningListener) {
    const { options, access } = context
    this.#endpoint = endpoint
    this.#use = use
    this.#context = context
    this.#listener = listener
    this.#timer = setTimeout(() => this.#onDeadline(), options.connectTimeoutMs)
    if (access === null) this.#start(options)
    else this.#ask(access)
  }

  #ask(access: Access): void {
    const { options } = this.#context
    const question = access.ask()
    this.#question = question
    question.then(
      ({ credentials, tls }) => {
        this.#question = null
        if (this.#over) return
        const { username = null, password = null } = credentials ?? options.connection.handshake
        const handshake = { ...options.connection.handshake, username, password }
        const dialled = tls === null ? options.dial : { ...options.dial, tls }
        this.#start({ dial: dialled, connection: { ...options.connection, handshake } })
      },
      (error: SlotwiseError) => {
        this.#question = null
        if (this.#end(error)) this.#listener.onFailed(error)
      },
    )
  }

  #start(options: Pick<OpeningContext['options'], 'dial' | 'connection'>): void {
    const { ledger, issuer, turn, access } = this.#context
    const listener = this.#listener
    this.#dial = dial(this.#endpoint, options.dial, ledger, {
      onOpen: (socket, entry) => {
        this.#dial = null
        const connection = new Connection(socket, entry, this.#endpoint, options.connection, issuer, turn, this.#use, {
          ...listener,
          onReady: () => this.#onReady(),
          onClosed: (reason, handBack) => {
            access?.onClosed(connection)
            if (this.#handedOver) listener.onClosed(reason, handBack)
            else if (this.#end(reason)) listener.onFailed(reason)
          },
        })
        this.#connection = connection
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
    this.#context.access?.onOpened(this.#connection as Connection, this.#use)
    this.#listener.onReady(this.#connection as Connection)
  }

  #onDeadline(): void {
    // Who does not answer is asked anew by the next attempt.
    if (this.#question !== null) this.#context.access?.abandon(this.#question)
    const before = this.#question === null ? ('dial' as const) : ('credentials' as const)
    const phase = this.#connection === null ? before : ('handshake' as const)
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
