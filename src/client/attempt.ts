// Attempt: from nothing to a connection that may serve calls, for a DirectClient.
// Owns    the dial, the connection until it is ready, and the timer: the connect deadline, then the next look at a loading server.
// Born    when the client connects.
// Dies    once: by handing the connection over, by its failure, or by cancel().
// Holds   exactly one of onReady and onClosed comes first; what comes after onReady is news of the connection.

import type { Socket } from 'node:net'
import { type Call, CallFlag, noTimeoutMs, type Outcome } from '../command/call.js'
import { CommandFlag } from '../command/command.js'
import type { Issuer } from '../command/issuer.js'
import type { HandBack } from '../connection/call-queue.js'
import { Connection, type ConnectionListener, type ConnectionOptions } from '../connection/connection.js'
import { type Dial, type DialListener, type DialOptions, dial, dialBy } from '../connection/dial.js'
import type { Endpoint } from '../connection/endpoint.js'
import type { SocketLedger } from '../connection/socket-ledger.js'
import { type SlotwiseError, stacklessError } from '../errors.js'
import type { Turn } from '../turn.js'
import { loadingMs, parseInfo } from './ready-check.js'

export interface AttemptListener extends Omit<ConnectionListener, 'onReady' | 'onClosed'> {
  /** A socket is asked for. */
  onDial(): void
  /** The socket is open; the handshake begins. */
  onOpen(): void
  /** Whether the server is the one that is wanted, by its INFO. */
  accepts(info: Readonly<Record<string, string>>): boolean
  onInfoForbidden(error: Error): void
  /** The connection is the listener's now. */
  onReady(connection: Connection): void
  /** The attempt has failed, or later the connection has come to its end; `handBack` is null when there was no connection. */
  onClosed(reason: SlotwiseError, handBack: HandBack | null): void
}

export interface AttemptContext {
  endpoint: Endpoint
  dial: DialOptions
  /** Opens the socket in place of a dial; null for a dial. */
  open: (() => Promise<Socket>) | null
  connection: ConnectionOptions
  connectTimeoutMs: number
  readyCheck: boolean
  /** Longest wait between two looks at a loading server, in milliseconds; 0 for no limit. */
  maxLoadingRetryMs: number
  ledger: SocketLedger
  issuer: Issuer
  turn: Turn
  listener: AttemptListener
}

export class Attempt {
  readonly #context: AttemptContext
  #dial: Dial | null = null
  #connection: Connection | null = null
  #timer: NodeJS.Timeout | null
  #over = false

  constructor(context: AttemptContext) {
    this.#context = context
    this.#timer = setTimeout(() => this.#onDeadline(), context.connectTimeoutMs)
    const listener: DialListener = {
      onOpen: (socket, entry) => {
        this.#dial = null
        const { endpoint, connection, issuer, turn } = context
        this.#connection = new Connection(socket, entry, endpoint, connection, issuer, turn, 'shared', {
          ...context.listener,
          onReady: () => this.#onHandshaken(),
          onClosed: (reason, handBack) => this.#onClosed(reason, handBack),
        })
        context.listener.onOpen()
      },
      onFailed: error => {
        this.#dial = null
        this.#onClosed(error, null)
      },
    }
    const { open, endpoint, ledger } = context
    if (open !== null) {
      context.listener.onDial()
      this.#dial = dialBy(open, endpoint, ledger, listener)
      return
    }
    // A client that is closed in the turn in which it was made opens nothing.
    queueMicrotask(() => {
      if (this.#over) return
      context.listener.onDial()
      this.#dial = dial(endpoint, context.dial, ledger, listener)
    })
  }

  /** Sends a call that need not wait for the server to be ready, if it may be sent yet. */
  trySend(call: Call): boolean {
    const connection = this.#connection
    if (connection === null || this.#over) return false
    // What a loading server answers may go once the handshake is over; CLIENT is part of a handshake itself.
    const early =
      connection.state === 'ready' ? (call.spec.flags & CommandFlag.loading) !== 0 : /^CLIENT/.test(call.spec.name)
    if (early) connection.send(call)
    return early
  }

  /** The connection whose handshake is under way; null while there is none. */
  get connection(): Connection | null {
    return this.#connection
  }

  /** Gives up; the listener hears of it. */
  cancel(reason: SlotwiseError): void {
    if (this.#over) return
    if (this.#connection !== null) {
      this.#connection.destroy(reason)
      return
    }
    this.#dial?.cancel()
    this.#dial = null
    this.#onClosed(reason, null)
  }

  #onDeadline(): void {
    const phase = this.#connection === null ? ('dial' as const) : ('handshake' as const)
    const { endpoint, connectTimeoutMs } = this.#context
    const message = `${endpoint.key} was not usable within ${connectTimeoutMs} ms (${phase})`
    this.cancel(stacklessError('SLOTWISE_CONNECT_TIMEOUT', message, { endpoint: endpoint.key, phase }))
  }

  #onHandshaken(): void {
    this.#clearTimer()
    if (this.#context.readyCheck) this.#askInfo()
    else this.#onReady()
  }

  #askInfo(): void {
    const { issuer } = this.#context
    const call = issuer.issueInternal('info', [], noTimeoutMs, CallFlag.errorAsValue, info => this.#onInfo(info))
    this.#connection?.send(call)
  }

  #onInfo(outcome: Outcome): void {
    if (this.#over) return
    const { listener, maxLoadingRetryMs } = this.#context
    if (outcome instanceof Error && !/NOPERM/.test(outcome.message)) {
      this.#refuse(outcome)
      return
    }
    // A user who may not ask INFO may still use the server.
    if (outcome instanceof Error) listener.onInfoForbidden(outcome)
    const info = parseInfo(outcome)
    const pauseMs = loadingMs(info, maxLoadingRetryMs)
    if (pauseMs > 0) this.#timer = setTimeout(() => this.#askInfo(), pauseMs)
    else if (listener.accepts(info)) this.#onReady()
    else this.#refuse(null)
  }

  #refuse(cause: Error | null): void {
    const endpoint = this.#context.endpoint.key
    const message = cause === null ? `${endpoint} is not the server that is wanted` : `${endpoint}: ${cause.message}`
    const details = { endpoint, phase: 'handshake' as const, ...(cause !== null && { cause }) }
    this.#connection?.destroy(stacklessError('SLOTWISE_HANDSHAKE_FAILED', message, details))
  }

  #onReady(): void {
    this.#over = true
    this.#context.listener.onReady(this.#connection as Connection)
  }

  #onClosed(reason: SlotwiseError, handBack: HandBack | null): void {
    this.#over = true
    this.#clearTimer()
    this.#context.listener.onClosed(reason, handBack)
  }

  #clearTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }
}
