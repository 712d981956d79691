// LanePool: connections to one server that serve one blocking call, or one session, at a time.
// Owns    the lanes, the pool that lends them (generic-pool: sole importer), and the calls that wait for one.
// Born    with the node's first blocking call or session.
// Dies    by retire() (lets calls in flight be answered) or destroy() (now).
// Holds   at most `maxLanes` connections; a lane is lent to one user at a time, and goes back only when everything said on it
//         has been answered; a lane whose user no longer waits for the answer is closed.

import { setMaxListeners } from 'node:events'
import { createPool, type Pool } from 'generic-pool'
import type { Call } from '../command/call.js'
import { CallQueue, type HandBack } from '../connection/call-queue.js'
import type { Connection } from '../connection/connection.js'
import type { Endpoint } from '../connection/endpoint.js'
import { Opening } from '../connection/opening.js'
import { closing } from '../connection/reasons.js'
import type { ErrorDetails, ReplyError, SlotwiseError } from '../errors.js'
import type { Reply } from '../resp/decoder.js'
import { pause } from '../turn.js'
import { backoffMs } from './backoff.js'
import type { ServerContext } from './server-context.js'

/** Where the server is; the name it goes by may change. */
interface Place {
  readonly endpoint: Endpoint
}

/** Who has a lane at present. */
export interface LaneUser {
  onReplyError(call: Call, error: ReplyError): void
  /** Everything that was called has been answered. */
  onIdle?(): void
  /** Nobody waits any more for a reply that is still to come. */
  onForsaken?(): void
  onPush?(kind: string, items: readonly Reply[]): void
  /** The connection is gone; the calls are the user's. */
  onClosed(reason: SlotwiseError, handBack: HandBack): void
}

/** A connection of the pool. */
export interface Lane {
  /** Null for one that could not be opened any more when the pool ended. */
  readonly connection: Connection | null
  user: LaneUser | null
  /** When it is not to be lent any more, on the clock of the turn. */
  readonly endsAt: number
}

/** What becomes of calls that no lane can serve. */
export interface LaneListener {
  onReplyError(call: Call, error: ReplyError): void
  onHandBack(handBack: HandBack, reason: SlotwiseError): void
  onOpened(): void
  /** A lane could not be opened. */
  onFailed(): void
}

/** Lanes that nobody has used for this long are closed. */
const idleMs = 30_000

export class LanePool {
  readonly #place: Place
  readonly #context: ServerContext
  readonly #listener: LaneListener
  readonly #pool: Pool<Lane>
  readonly #lanes = new Set<Lane>()
  /** With the way to tell the pool that nothing will come of it. */
  readonly #openings = new Map<Opening, (lane: Lane) => void>()
  readonly #waiting: CallQueue
  /** Aborted when no lane is to be opened any more. */
  readonly #ended = new AbortController()
  #failures = 0
  #failedAt = -Infinity
  #lastError: SlotwiseError | null = null

  constructor(place: Place, context: ServerContext, listener: LaneListener) {
    this.#place = place
    this.#context = context
    this.#listener = listener
    this.#waiting = new CallQueue(this.#situation)
    const { maxLanes } = context.options
    // Each lane that waits before it is opened listens to it.
    setMaxListeners(maxLanes, this.#ended.signal)
    this.#pool = createPool<Lane>(
      {
        create: () => this.#create(),
        destroy: async lane => this.#discard(lane),
        // What is there in place of a connection at the end is to be handed out, or the pool would ask for another without end.
        validate: async lane => lane.connection === null || this.#isFit(lane, lane.connection),
      },
      {
        max: maxLanes,
        testOnBorrow: true,
        fifo: false,
        idleTimeoutMillis: idleMs,
        evictionRunIntervalMillis: idleMs / 3,
        numTestsPerEvictionRun: maxLanes,
      },
    )
  }

  /** Usable, not too old, and known to the server by what it is to know us by. */
  #isFit({ endsAt }: Lane, connection: Connection): boolean {
    const { access, turn } = this.#context
    return connection.state === 'ready' && turn.now() < endsAt && access?.isOutdated(connection) !== true
  }

  #endOfLife(): number {
    const { options, turn } = this.#context
    const { maxConnectionLifetimeMs } = options
    return maxConnectionLifetimeMs === 0 ? Infinity : turn.now() + maxConnectionLifetimeMs * (0.9 + Math.random() / 10)
  }

  readonly #situation = (): ErrorDetails => {
    const { borrowed, max } = this.#pool
    const endpoint = this.#place.endpoint.key
    if (this.#lastError !== null) return { endpoint, cause: this.#lastError }
    return borrowed < max ? { endpoint } : { endpoint, cause: new Error(`All ${max} lanes to ${endpoint} are in use`) }
  }

  // ---- calls

  /** Sends the call on a lane of its own, as soon as there is one. */
  send(call: Call): void {
    const { issuer } = this.#context
    if (!issuer.admit(call, this.#situation)) return
    issuer.startAge(call)
    this.#waiting.push(call)
    this.#ask()
  }

  #ask(): void {
    this.#pool.acquire().then(
      lane => this.#serve(lane),
      // The pool has ended, and lends nothing any more.
      () =>
        this.#listener.onHandBack({ unsent: this.takeWaiting(), unanswered: [] }, closing(this.#place.endpoint.key)),
    )
  }

  #serve(lane: Lane): void {
    const { connection } = lane
    if (connection === null || connection.state !== 'ready') {
      this.#giveUp(lane)
      // Its call still waits, for another lane.
      if (!this.#ended.signal.aborted && this.#waiting.unsent !== 0) this.#ask()
      return
    }
    const call = this.#waiting.shiftUnsent()
    if (call === undefined) {
      this.#release(lane)
      return
    }
    const { issuer } = this.#context
    lane.user = {
      onReplyError: (failed, error) => this.#listener.onReplyError(failed, error),
      onIdle: () => this.#release(lane),
      // The server would go on blocking, and what it gave in the end would be lost on nobody.
      onForsaken: () => connection.destroy(closing(this.#place.endpoint.key)),
      onClosed: (reason, handBack) => this.#listener.onHandBack(handBack, reason),
    }
    issuer.dismiss(call)
    connection.send(call)
  }

  // ---- lending

  /** Lends a lane to a session. Its user gives it back by giveBack(). */
  lend(): Promise<Lane> {
    return this.#pool.acquire()
  }

  /** @param clean false when the connection is not as it was: it is closed then */
  giveBack(lane: Lane, clean: boolean): void {
    if (clean && lane.connection?.state === 'ready' && lane.connection.isIdle) this.#release(lane)
    else this.#giveUp(lane)
  }

  #release(lane: Lane): void {
    lane.user = null
    this.#pool.release(lane).catch(ignore)
  }

  #giveUp(lane: Lane): void {
    this.#pool.destroy(lane).catch(ignore)
  }

  // ---- opening and closing

  async #create(): Promise<Lane> {
    const { options, gate, turn } = this.#context
    const now = turn.now()
    const retryMs = this.#failures === 0 ? 0 : this.#failedAt + backoffMs(this.#failures, options, Math.random()) - now
    const pauseMs = Math.max(gate.remainingMs(now), retryMs)
    if (pauseMs > 0) await pause(pauseMs, this.#ended.signal)
    // Whoever waits for a lane gets none, and so comes to its end.
    if (this.#ended.signal.aborted) return { connection: null, user: null, endsAt: 0 }
    return new Promise((resolve, reject) => {
      gate.dials++
      let lane: Lane | null = null
      const opening: Opening = new Opening(this.#place.endpoint, this.#context, 'lane', {
        onReady: connection => {
          this.#openings.delete(opening)
          this.#failures = 0
          this.#lastError = null
          lane = { connection, user: null, endsAt: this.#endOfLife() }
          this.#lanes.add(lane)
          resolve(lane)
          this.#listener.onOpened()
        },
        onFailed: error => {
          this.#openings.delete(opening)
          this.#onFailed(error)
          reject(error)
          this.#listener.onFailed()
        },
        onReplyError: (call, error) => lane?.user?.onReplyError(call, error),
        onIdle: () => lane?.user?.onIdle?.(),
        onForsaken: () => lane?.user?.onForsaken?.(),
        onPush: (kind, items) => lane?.user?.onPush?.(kind, items),
        onClosed: (reason, handBack) => this.#onClosed(lane as Lane, reason, handBack),
      })
      this.#openings.set(opening, resolve)
    })
  }

  #onFailed(error: SlotwiseError): void {
    const { gate, turn } = this.#context
    const now = turn.now()
    gate.failures++
    if (error.code === 'SLOTWISE_LOCAL_EXHAUSTION') gate.onExhausted(now)
    else this.#failures++
    this.#failedAt = now
    this.#lastError = error
  }

  #onClosed(lane: Lane, reason: SlotwiseError, handBack: HandBack): void {
    this.#lanes.delete(lane)
    const { user } = lane
    // One that nobody has is found out when it is to be lent.
    if (user === null) return
    lane.user = null
    user.onClosed(reason, handBack)
    this.#giveUp(lane)
  }

  #discard(lane: Lane): void {
    this.#lanes.delete(lane)
    lane.connection?.destroy(closing(this.#place.endpoint.key))
  }

  // ---- looking at it

  /** Calls that wait for a lane, for another node to serve. */
  takeWaiting(): Call[] {
    return this.#waiting.drain().unsent
  }

  get hasWaiting(): boolean {
    return this.#waiting.unsent !== 0
  }

  get isOpen(): boolean {
    return this.#lanes.size !== 0
  }

  /** Users' calls it holds. */
  count(): { queued: number; inFlight: number } {
    let { queued } = this.#waiting.count()
    let inFlight = 0
    for (const { connection } of this.#lanes) {
      const onWire = connection?.count()
      queued += onWire?.queued ?? 0
      inFlight += onWire?.inFlight ?? 0
    }
    return { queued, inFlight }
  }

  // ---- ending

  /** Opens no more lanes, closes those that nobody uses, and lets the others be answered. */
  retire(): void {
    this.#end()
    for (const lane of [...this.#lanes]) {
      if (lane.user === null) this.#discard(lane)
      else lane.connection?.close()
    }
  }

  /** Closes every lane now; what they had goes back to their users. */
  destroy(reason: SlotwiseError): void {
    this.#end()
    for (const { connection } of [...this.#lanes]) connection?.destroy(reason)
  }

  #end(): void {
    if (this.#ended.signal.aborted) return
    this.#ended.abort()
    for (const [opening, resolve] of this.#openings) {
      opening.cancel()
      resolve({ connection: null, user: null, endsAt: 0 })
    }
    this.#openings.clear()
    // Answers whoever still waits for a lane, then ends the pool's own timer.
    this.#pool.drain().then(() => this.#pool.clear(), ignore)
  }
}

function ignore(): void {}
