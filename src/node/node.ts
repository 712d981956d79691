// Node: one server, many connections over time, at most one at a time.
// Owns    its connection or the attempt to open one, its lanes, the redial and drain timers, and the calls that wait for it.
// Born    in Topology, when a seed, a view or a redirect names the server.
// Dies    by retire() (lets calls in flight be answered) or destroy() (now).
// Holds   one attempt at a time, however many callers wait; a lost connection is out of reach at once; once opened it redials
//         by itself until it is retired.

import { type Call, CallFlag } from '../command/call.js'
import { CallQueue, type HandBack } from '../connection/call-queue.js'
import { type Connection, stallMs } from '../connection/connection.js'
import type { Endpoint } from '../connection/endpoint.js'
import { Opening, type OpeningListener } from '../connection/opening.js'
import type { ErrorDetails, ReplyError, SlotwiseError } from '../errors.js'
import type { Reply } from '../resp/decoder.js'
import { backoffMs } from './backoff.js'
import { LanePool } from './lane-pool.js'
import { Renewal } from './renewal.js'
import { type ServerContext, subscriberOptions } from './server-context.js'
import { type NodeState, nodeTransitions } from './states.js'

export interface NodeContext extends ServerContext {
  listener: NodeListener
}

/** News for the owner. */
export interface NodeListener {
  onNodeReady(node: Node): void
  /** A connection for one call or session at a time is there. */
  onLaneOpened(node: Node): void
  /** Its connection has ended, and another one takes its place. */
  onReplacing(node: Node): void
  /** The other one is in use. */
  onReplaced(node: Node): void
  /** A usable connection was lost. */
  onNodeLost(node: Node, reason: SlotwiseError): void
  onDialFailed(node: Node, error: SlotwiseError): void
  onReplyError(node: Node, call: Call, error: ReplyError): void
  /** News on the shared connection that nobody asked for: `message`, `invalidate`, … */
  onPush(node: Node, kind: string, items: readonly Reply[]): void
  /** Calls that this node can no longer serve; they are the listener's. */
  onHandBack(handBack: HandBack, reason: SlotwiseError): void
  /** A call waits, the first one, and the server could not be reached last time. */
  onCallWaits(node: Node): void
}

/** A connection that lived shorter than this does not prove that the server is back. */
const stableMs = 1000

const nothing = { queued: 0, inFlight: 0 }

export class Node {
  #endpoint: Endpoint
  /** Name of the seed through which the server was found; null where that had none. Topology's note. */
  seedName: string | null = null
  /** The server's id in the cluster; empty when it has not been learnt. */
  id = ''
  /** Topology's word for what it is in the view applied last. */
  isReplica = false
  /** Topology's note of the view that named this node last. */
  namedBy = 0
  /** Router's note of when it said last, on the clock of performance.now(), that the cluster is down. */
  saidDownAt = -Infinity
  #state: NodeState = 'idle'
  readonly #context: NodeContext
  #connection: Connection | null = null
  #opening: Opening | null = null
  #lanes: LanePool | null = null
  readonly #renewal: Renewal
  /** The redial while waiting, the drain limit when retired. */
  #timer: NodeJS.Timeout | null = null
  #failures = 0
  #startedAt = 0
  #lostReadAt = 0
  #readyAt = 0
  #lastError: SlotwiseError | null = null
  readonly #waiting: CallQueue

  constructor(endpoint: Endpoint, context: NodeContext) {
    this.#endpoint = endpoint
    this.seedName = endpoint.servername ?? null
    this.#context = context
    this.#waiting = new CallQueue(this.situation)
    this.#renewal = new Renewal(context, {
      open: (onReady, onFailed) => this.#openConnection(onReady, onFailed),
      onSuccessor: () => {
        this.#to('handing-over')
        this.#connection?.close()
      },
    })
  }

  get endpoint(): Endpoint {
    return this.#endpoint
  }

  /** The name that the server goes by, from its next connection on; null for none. Its address stays. */
  set servername(given: string | null) {
    // A host that is a name is that name.
    const name = given === this.#endpoint.host ? null : given
    if ((this.#endpoint.servername ?? null) === name) return
    const { servername: _, ...endpoint } = this.#endpoint
    this.#endpoint = name === null ? endpoint : { ...endpoint, servername: name }
  }

  get state(): NodeState {
    return this.#state
  }

  get isReady(): boolean {
    return this.#state === 'ready'
  }

  /** True while it has a connection that calls can use. */
  get isUsable(): boolean {
    return this.isReady || this.#lanes?.isOpen === true
  }

  /** True while it has a connection, usable or ending. */
  get isOpen(): boolean {
    return this.#connection !== null || this.#lanes?.isOpen === true
  }

  /** The connection that calls share; null when there is none. */
  get connection(): Connection | null {
    return this.#connection
  }

  /** A reply of its has been due for a while, and nothing comes. */
  get isStalled(): boolean {
    return this.#state === 'ready' && (this.#connection as Connection).isStalled(this.#context.turn.now())
  }

  /** When the server was last heard of, on the clock of the turn. */
  get lastReadAt(): number {
    return this.#connection?.lastReadAt ?? this.#lostReadAt
  }

  /** Attempts that have failed in a row. */
  get failures(): number {
    return this.#failures
  }

  /** Why it is not ready; null when nothing has failed yet. */
  get lastError(): SlotwiseError | null {
    return this.#lastError
  }

  /** 2 or 3 while it is ready, null otherwise. */
  get protocol(): 2 | 3 | null {
    return this.#state === 'ready' ? (this.#connection as Connection).protocol : null
  }

  readonly situation = (): ErrorDetails => {
    const details: ErrorDetails = { endpoint: this.endpoint.key }
    if (this.#lastError !== null && this.#state !== 'ready') details.cause = this.#lastError
    return details
  }

  #to(next: NodeState): void {
    if (!nodeTransitions[this.#state].includes(next)) throw new Error(`Node: ${this.#state} -> ${next}`)
    this.#state = next
  }

  // ---- calls

  /** Sends the call, or keeps it until there is a connection. A call that finds no room fails. */
  send(call: Call): void {
    const { issuer, turn, listener } = this.#context
    // Lanes do without a shared connection, where nothing else has been called.
    if ((call.flags & CallFlag.ownLane) !== 0 && (this.#state === 'ready' || this.#state === 'idle')) {
      this.lanes.send(call)
      return
    }
    if (this.#state === 'ready') {
      const connection = this.#connection as Connection
      if (connection.isStalled(turn.now())) {
        if (!issuer.admit(call, this.situation)) return
        issuer.endAge(call)
      } else if (call.chargedBytes !== 0) issuer.dismiss(call)
      connection.send(call)
      return
    }
    if (!issuer.admit(call, this.situation)) return
    issuer.startAge(call)
    this.#waiting.push(call)
    if (this.#state === 'idle') this.open()
    else if (this.#failures !== 0 && this.#waiting.unsent === 1) listener.onCallWaits(this)
  }

  /** Hands out the calls that wait for a connection, for another node to serve. */
  takeWaiting(): Call[] {
    const waiting = this.#waiting.drain().unsent
    if (this.#lanes?.hasWaiting === true) waiting.push(...this.#lanes.takeWaiting())
    return waiting
  }

  get hasWaiting(): boolean {
    return this.#waiting.unsent !== 0 || this.#lanes?.hasWaiting === true
  }

  /** Its shared connection takes subscriptions, too. */
  get sharesSubscriptions(): boolean {
    return this.protocol === 3 && this.#context.options.sharedSubscriptions
  }

  /** Opens a connection for subscriptions; it is the listener's. */
  openSubscriber(listener: OpeningListener): Opening {
    const options = subscriberOptions(this.#context.options)
    return new Opening(this.endpoint, { ...this.#context, options }, 'subscriber', listener)
  }

  /** Connections for calls and sessions that each need one of their own. */
  get lanes(): LanePool {
    const { listener } = this.#context
    this.#lanes ??= new LanePool(this, this.#context, {
      onReplyError: (call, error) => listener.onReplyError(this, call, error),
      onHandBack: (handBack, reason) => listener.onHandBack(handBack, reason),
      onOpened: () => listener.onLaneOpened(this),
      // The shared connection finds out what is wrong, and tells.
      onFailed: () => this.open(),
    })
    return this.#lanes
  }

  /** Users' calls it holds. */
  count(): { queued: number; inFlight: number } {
    const [onWire, onLanes] = [this.#connection?.count() ?? nothing, this.#lanes?.count() ?? nothing]
    const queued = this.#waiting.count().queued + onWire.queued + onLanes.queued
    return { queued, inFlight: onWire.inFlight + onLanes.inFlight }
  }

  // ---- connecting

  /** Starts connecting, unless it has already been started. */
  open(): void {
    if (this.#state === 'idle') this.#connectWhenAllowed()
  }

  /** Connects now, if it is waiting to. */
  hasten(): void {
    if (this.#state !== 'waiting') return
    this.#clearTimer()
    this.#connectWhenAllowed()
  }

  #connectWhenAllowed(): void {
    const { gate, turn } = this.#context
    const pauseMs = gate.remainingMs(turn.now())
    if (pauseMs > 0) this.#wait(pauseMs * (1 + Math.random() / 4))
    else this.#connect()
  }

  #wait(delayMs: number): void {
    if (this.#state !== 'waiting') this.#to('waiting')
    this.#timer = setTimeout(() => this.#connectWhenAllowed(), delayMs)
  }

  #connect(): void {
    const { gate, turn } = this.#context
    this.#to('connecting')
    gate.dials++
    this.#startedAt = turn.now()
    const onReady = (connection: Connection) => {
      this.#opening = null
      this.#clearTimer()
      this.#use(connection)
      for (const call of this.takeWaiting()) this.send(call)
      this.#context.listener.onNodeReady(this)
    }
    this.#opening = this.#openConnection(onReady, error => {
      this.#opening = null
      this.#onAttemptFailed(error)
    })
  }

  #openConnection(onReady: (connection: Connection) => void, onFailed: (error: SlotwiseError) => void): Opening {
    const { listener } = this.#context
    let own: Connection | null = null
    return new Opening(this.endpoint, this.#context, 'shared', {
      onReady: connection => {
        own = connection
        onReady(connection)
      },
      onFailed,
      onReplyError: (call, error) => listener.onReplyError(this, call, error),
      onPush: (kind, items) => listener.onPush(this, kind, items),
      onClosed: (reason, handBack) => {
        if (!this.#renewal.loses(own)) this.#onClosed(reason, handBack)
      },
    })
  }

  #use(connection: Connection): void {
    this.#connection = connection
    this.#to('ready')
    this.#readyAt = this.#context.turn.now()
    this.#lastError = null
    this.#renewal.onBorn()
  }

  /** Opens another connection. Calls go there once the old one has got its answers, so that none overtakes another. */
  renew(): void {
    // Not again and again, whatever is wrong with the server.
    if (this.#state === 'ready' && this.#context.turn.now() - this.#readyAt >= stableMs) this.#renewal.start()
  }

  #onAttemptFailed(error: SlotwiseError): void {
    const { gate, options, turn, listener } = this.#context
    const now = turn.now()
    this.#clearTimer()
    gate.failures++
    if (error.code === 'SLOTWISE_LOCAL_EXHAUSTION') gate.onExhausted(now)
    else this.#failures++
    this.#lastError = Object.assign(error, { attempts: this.#failures, elapsedMs: now - this.#startedAt })
    const pauseMs = gate.remainingMs(now) * (1 + Math.random() / 4)
    this.#wait(Math.max(pauseMs, backoffMs(Math.max(1, this.#failures), options, Math.random())))
    listener.onDialFailed(this, error)
  }

  #onClosed(reason: SlotwiseError, handBack: HandBack): void {
    const { options, turn, listener } = this.#context
    this.#lostReadAt = this.#connection?.lastReadAt ?? 0
    this.#connection = null
    const successor = this.#state === 'handing-over' ? this.#renewal.take() : null
    this.#renewal.end(this.endpoint.key)
    if (successor !== null) {
      listener.onReplacing(this)
      this.#use(successor)
      // What was called first goes first.
      const waiting = this.takeWaiting()
      listener.onHandBack(handBack, reason)
      for (const call of waiting) this.send(call)
      listener.onReplaced(this)
      return
    }
    if (this.#state === 'ready' || this.#state === 'handing-over') {
      this.#lastError = reason
      if (turn.now() - this.#readyAt >= stableMs) this.#failures = 0
      this.#wait(backoffMs(this.#failures, options, Math.random()))
      this.#failures++
      listener.onHandBack(handBack, reason)
      listener.onNodeLost(this, reason)
      return
    }
    this.#clearTimer()
    listener.onHandBack(handBack, reason)
  }

  #clearTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }

  // ---- ending

  /**
   * Takes no more calls; hands back those that wait, lets those in flight be answered, then closes.
   * @param atOnce ends this side of the connection now: the server answers what it has got, and closes
   */
  retire(reason: SlotwiseError, atOnce = false): void {
    if (this.#state === 'retired') return
    const silent = !atOnce && this.isStalled
    this.#stop()
    const waiting = this.takeWaiting()
    if (this.isOpen) {
      // Whoever has been replaced because it stands still answers nothing any more.
      const { drainTimeoutMs: drainMs } = this.#context.options
      this.#timer = setTimeout(() => this.#destroyConnections(reason), silent ? Math.min(stallMs, drainMs) : drainMs)
      if (atOnce) this.#connection?.finish()
      else this.#connection?.close()
    }
    if (atOnce) this.#lanes?.destroy(reason)
    else this.#lanes?.retire()
    if (waiting.length !== 0) this.#context.listener.onHandBack({ unsent: waiting, unanswered: [] }, reason)
  }

  /** Closes now; every call it holds is handed back. */
  destroy(reason: SlotwiseError): void {
    if (this.#state !== 'retired') this.#stop()
    this.#clearTimer()
    const waiting = this.takeWaiting()
    if (waiting.length !== 0) this.#context.listener.onHandBack({ unsent: waiting, unanswered: [] }, reason)
    this.#destroyConnections(reason)
  }

  #destroyConnections(reason: SlotwiseError): void {
    this.#connection?.destroy(reason)
    this.#lanes?.destroy(reason)
  }

  #stop(): void {
    this.#clearTimer()
    this.#renewal.end(this.endpoint.key)
    this.#opening?.cancel()
    this.#opening = null
    this.#to('retired')
  }
}
