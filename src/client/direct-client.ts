// DirectClient: one server over one connection at a time, in order, with whatever state its user gives that connection.
// Owns    the connection or the attempt to open one, the calls that wait for it, the subscriptions, and the timer of what is next.
// Born    by its user; dials nothing before open().
// Dies    by finish() (what is written may be answered), destroy() (now), QUIT, or when its hooks want no further attempt.
// Holds   calls are written in the order in which they were made, across connections; after the end everything is settled.

import type { Socket } from 'node:net'
import { type TransactionPart, TransactionReplies } from '../batch/transaction.js'
import { type Call, CallFlag, type Outcome } from '../command/call.js'
import { type Argument, blockingTimeoutMs, CommandFlag, type CommandName, resolveCommand } from '../command/command.js'
import { closedError, Issuer } from '../command/issuer.js'
import { CallQueue, type HandBack } from '../connection/call-queue.js'
import type { Connection } from '../connection/connection.js'
import type { Endpoint } from '../connection/endpoint.js'
import { SocketLedger } from '../connection/socket-ledger.js'
import type { ErrorDetails, ReplyError, SlotwiseError } from '../errors.js'
import { DialGate } from '../node/dial-gate.js'
import type { NodeOptions } from '../node/server-context.js'
import { Confirmations } from '../pubsub/confirmations.js'
import { resubscribe } from '../pubsub/resubscribe.js'
import { SubscriptionSet, subscriptionKind } from '../pubsub/subscription-set.js'
import type { Reply } from '../resp/decoder.js'
import { Turn } from '../turn.js'
import { Attempt } from './attempt.js'
import type { DirectHooks, DirectOptions } from './direct-options.js'
import { sortHandBack } from './hand-back.js'
import { nodeOptions } from './node-options.js'
import type { ClientConfig } from './options.js'
import { type DirectState, directTransitions } from './states.js'

const lostText = 'The connection was lost before the reply came'

export class DirectClient {
  #state: DirectState = 'idle'
  readonly #config: ClientConfig
  readonly #options: DirectOptions
  readonly #hooks: DirectHooks
  readonly #node: NodeOptions
  readonly #turn = new Turn()
  readonly #ledger = new SocketLedger()
  readonly #gate: DialGate
  readonly #issuer: Issuer
  readonly #waiting: CallQueue
  readonly #subscriptions: SubscriptionSet
  /** A socket has been asked for since the last pause. */
  #dialled = false
  #attempt: Attempt | null = null
  #connection: Connection | null = null
  /** The next attempt, or the limit of finish(), by state. */
  #timer: NodeJS.Timeout | null = null
  #database: number
  /** Calls are being made between a MULTI and its EXEC. */
  #inMulti = false
  /** The next loss of the connection is the end. */
  #final = false
  #lastError: SlotwiseError | null = null

  constructor(config: ClientConfig, options: DirectOptions, hooks: DirectHooks) {
    this.#config = config
    this.#options = options
    this.#hooks = hooks
    this.#node = nodeOptions(config)
    this.#database = options.previous?.database ?? config.database
    this.#subscriptions = options.previous?.subscriptions ?? new SubscriptionSet()
    this.#gate = new DialGate(config.exhaustionPauseMs)
    this.#issuer = new Issuer(config, this.#turn, (call, error) => hooks.translate(call, error))
    this.#waiting = new CallQueue(this.#situation)
  }

  get state(): DirectState {
    return this.#state
  }

  /** The open socket, for looking at; null when there is none. */
  get socket(): Socket | null {
    return (this.#connection ?? this.#attempt?.connection)?.socket ?? null
  }

  /** RESP version of the connection; null when there is none. */
  get protocol(): 2 | 3 | null {
    return (this.#connection ?? this.#attempt?.connection)?.protocol ?? null
  }

  /** What it is subscribed to, for the client that takes its place. */
  get subscriptions(): SubscriptionSet {
    return this.#subscriptions
  }

  /** False until the attempt under way has asked for a socket. */
  get dialled(): boolean {
    return this.#dialled
  }

  /** Channels, patterns and shard channels that are subscribed to. */
  get subscribed(): number {
    return this.#subscriptions.size
  }

  /** Calls that wait and calls that have been written, counted now. */
  count(): { queued: number; inFlight: number; issued: number; settled: number; sockets: number } {
    const waiting = this.#waiting.count().queued
    const { queued, inFlight } = this.#connection?.count() ?? { queued: 0, inFlight: 0 }
    const { issued, settled } = this.#issuer
    return { queued: waiting, inFlight: inFlight + queued, issued, settled, sockets: this.#ledger.total }
  }

  #to(next: DirectState): void {
    if (!directTransitions[this.#state].includes(next)) throw new Error(`DirectClient: ${this.#state} -> ${next}`)
    this.#state = next
  }

  readonly #situation = (): ErrorDetails => {
    const endpoint = this.#endpoint.key
    return this.#lastError === null ? { endpoint } : { endpoint, cause: this.#lastError }
  }

  get #endpoint(): Endpoint {
    return this.#config.seeds[0] as Endpoint
  }

  // ---- calls

  /**
   * Makes a call; its outcome goes to `resolve`.
   * @param flags CallFlag bits
   * @param timeoutMs from now to settlement, in milliseconds; `noTimeoutMs` for none
   */
  submit(
    name: CommandName,
    args: readonly Argument[],
    flags: number,
    timeoutMs: number,
    resolve: (outcome: Outcome) => void,
  ): Call {
    const call = this.#issuer.issue(name, args, -1, flags | CallFlag.translated, timeoutMs, resolve)
    const bits = name.spec.flags
    if ((bits & (CommandFlag.blocking | CommandFlag.session)) !== 0) this.#prepare(call, args)
    if (this.#inMulti) call.flags |= CallFlag.fragment
    this.#dispatch(call)
    return call
  }

  /** Makes a transaction: MULTI first, EXEC last, written together. The outcome is one reply a part, errors as values. */
  submitTransaction(
    parts: readonly TransactionPart[],
    flags: number,
    timeoutMs: number,
    resolve: (outcome: Outcome) => void,
  ): Call {
    const args = parts.flatMap(part => part.args)
    const bits = flags | CallFlag.translated | CallFlag.several
    const call = this.#issuer.issue(resolveCommand('multi'), args, -1, bits, timeoutMs, resolve)
    call.extras = { collector: new TransactionReplies(parts, false) }
    this.#dispatch(call)
    return call
  }

  #prepare(call: Call, args: readonly Argument[]): void {
    const { spec } = call
    if ((spec.flags & CommandFlag.blocking) !== 0) {
      const blockingMs = blockingTimeoutMs(spec, args)
      if (blockingMs !== null) call.extras = { ...call.extras, blockingMs: blockingMs === 0 ? Infinity : blockingMs }
      return
    }
    const kind = spec.name.toLowerCase()
    if (subscriptionKind(kind) !== undefined) {
      call.flags |= CallFlag.several
      call.extras = { collector: new Confirmations(kind, args.length, this.#subscriptions) }
    } else if (kind === 'multi') this.#inMulti = true
    else if ((kind === 'exec' || kind === 'discard') && this.#inMulti) {
      call.flags |= CallFlag.fragment
      this.#inMulti = false
    }
  }

  #dispatch(call: Call): void {
    if (this.#state === 'ready' && !this.#final) {
      this.#send(call)
      return
    }
    if (this.#state === 'ended') {
      call.fail(closedError())
      return
    }
    if (this.#attempt?.trySend(call) === true) return
    if (!this.#issuer.admit(call, this.#situation)) return
    this.#issuer.startAge(call)
    this.#waiting.push(call)
  }

  #send(call: Call): void {
    const connection = this.#connection as Connection
    if (connection.isStalled(this.#turn.now())) {
      if (!this.#issuer.admit(call, this.#situation)) return
      this.#issuer.endAge(call)
    } else if (call.chargedBytes !== 0) this.#issuer.dismiss(call)
    if (call.spec.name === 'QUIT') this.#final = true
    connection.send(call)
  }

  /** Fails everything that waits for a connection. */
  failWaiting(error: Error): void {
    for (const call of this.#waiting.drain().unsent) call.fail(error)
  }

  // ---- connecting

  /**
   * Starts connecting, or ends the wait for the next attempt.
   * @param delayMs before the first attempt, in milliseconds
   */
  open(delayMs = 0): void {
    if (this.#state === 'idle' && delayMs > 0) {
      this.#to('waiting')
      this.#waitFor(delayMs)
      return
    }
    if (this.#state === 'waiting') {
      this.#clearTimer()
      this.#hooks.onRetry()
    }
    if (this.#state === 'idle' || this.#state === 'waiting') this.#connect()
  }

  #connect(): void {
    this.#to('connecting')
    this.#dialled = false
    this.#gate.dials++
    this.#attempt = new Attempt({
      endpoint: this.#endpoint,
      dial: this.#node.dial,
      open: this.#hooks.open?.bind(this.#hooks) ?? null,
      connection: this.#connectionOptions(),
      connectTimeoutMs: this.#node.connectTimeoutMs,
      readyCheck: this.#options.readyCheck,
      maxLoadingRetryMs: this.#options.maxLoadingRetryMs,
      ledger: this.#ledger,
      issuer: this.#issuer,
      turn: this.#turn,
      listener: {
        onOpen: () => {
          this.#to('connected')
          this.#hooks.onOpen()
        },
        onDial: () => {
          this.#dialled = true
        },
        onInfoForbidden: error => this.#hooks.onInfoForbidden(error),
        accepts: info => this.#hooks.accepts?.(info) ?? true,
        onReady: connection => this.#onReady(connection),
        onReplyError: (call, error) => this.#onReplyError(call, error),
        onPush: (kind, items) => this.#onPush(kind, items),
        onClosed: (reason, handBack) => this.#onClosed(reason, handBack),
      },
    })
  }

  #connectionOptions(): NodeOptions['connection'] {
    const { connection } = this.#node
    const handshake = { ...connection.handshake, database: this.#database }
    return { ...connection, handshake, pushes: true }
  }

  #onReady(connection: Connection): void {
    this.#attempt = null
    this.#connection = connection
    this.#to('ready')
    this.#lastError = null
    this.#hooks.onReady()
    if ((this.#state as DirectState) !== 'ready') return
    const onTrouble = (error: Error) => this.#hooks.onTrouble(error)
    resubscribe(connection, this.#issuer, this.#subscriptions, this.#options.resubscribe, onTrouble)
    for (const call of this.#waiting.drain().unsent) {
      if ((this.#state as DirectState) === 'ready') this.#send(call)
      else this.#dispatch(call)
    }
  }

  // ---- what comes back

  #onPush(kind: string, items: readonly Reply[]): void {
    this.#subscriptions.onPush(kind, items)
    this.#hooks.onPush(kind, items)
  }

  #onReplyError(call: Call, error: ReplyError): void {
    const decision = this.#hooks.onErrorReply(error, call.spec.name)
    if (decision === 'resend') {
      call.markUnsent(false, error)
      this.reconnect()
      this.#dispatch(call)
      return
    }
    call.fail(error)
    if (decision === 'reconnect') this.reconnect()
  }

  #onClosed(reason: SlotwiseError, handBack: HandBack | null): void {
    this.#clearTimer()
    this.#connection = null
    this.#attempt = null
    this.#inMulti = false
    this.#lastError = reason
    if (reason.code === 'SLOTWISE_LOCAL_EXHAUSTION') this.#gate.onExhausted(this.#turn.now())
    const final = this.#final || this.#state === 'ending'
    if (final) {
      this.#end(null, handBack)
      return
    }
    this.#to('waiting')
    if (handBack !== null) this.#keep(handBack, reason)
    const delayMs = this.#hooks.onClosed(reason)
    if ((this.#state as DirectState) !== 'waiting') return
    if (delayMs === null) this.#end(reason, null)
    else this.#waitFor(Math.max(delayMs, this.#gate.remainingMs(this.#turn.now())))
  }

  #waitFor(delayMs: number): void {
    this.#timer = setTimeout(() => {
      this.#hooks.onRetry()
      if (this.#state === 'waiting') this.#connect()
    }, delayMs)
  }

  /** Keeps what may be written again, ahead of what comes later, and fails the rest. */
  #keep(handBack: HandBack, reason: SlotwiseError): void {
    const { again, lost, faulty } = sortHandBack(handBack, reason, this.#config.resend)
    const details: ErrorDetails = { ...this.#situation(), cause: reason, phase: 'flight' }
    for (const call of faulty) call.fail(reason)
    for (const call of lost) call.failWith('SLOTWISE_CONNECTION_LOST', lostText, details)
    for (const { call, wasSent } of again) {
      call.markUnsent(wasSent || call.maybeExecuted, reason)
      this.#dispatch(call)
    }
  }

  /** SELECT has been carried out: the next connection starts with this database. */
  get database(): number {
    return this.#database
  }

  set database(database: number) {
    this.#database = database
  }

  // ---- ending

  /** Closes the connection and opens another as if it had been lost. */
  reconnect(): void {
    if (this.#state === 'ready') {
      this.#to('connected')
      this.#finishConnection()
    } else this.#attempt?.cancel(closedError())
  }

  #finishConnection(): void {
    const connection = this.#connection as Connection
    this.#clearTimer()
    this.#timer = setTimeout(() => connection.destroy(closedError()), this.#options.finishTimeoutMs)
    connection.finish()
  }

  /** Ends: what has been called is still written, and what is answered before the server closes is fulfilled; the rest fails. */
  finish(): void {
    this.#final = true
    if (this.#state === 'ready') {
      this.#to('ending')
      this.#finishConnection()
    } else if (this.#attempt !== null) this.#attempt.cancel(closedError())
    else if (this.#state === 'idle' || this.#state === 'waiting') this.#end(null, null)
  }

  /** Ends now; everything fails. */
  destroy(): void {
    this.#final = true
    if (this.#connection !== null) this.#connection.destroy(closedError())
    else this.finish()
  }

  #end(reason: SlotwiseError | null, handBack: HandBack | null): void {
    this.#clearTimer()
    this.#to('ended')
    const closed = closedError()
    if (reason !== null) closed.cause = reason
    this.#hooks.onEnded(reason)
    for (const call of handBack?.unanswered ?? []) call.fail(closed)
    for (const call of handBack?.unsent ?? []) call.fail(closed)
    for (const call of this.#waiting.drain().unsent) call.fail(closed)
  }

  #clearTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }
}
