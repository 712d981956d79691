// TopologyRefresher: the one loop that asks who serves which slots. Everybody else only rings it.
// Owns    the round in progress, the timer before the next one, the periodic timer, the StallWatch, and those who wait for a newer view.
// Born    with the client of a cluster.
// Dies    by stop(), which settles everybody who waits.
// Holds   never two rounds at once; a ring during a round leads to one more after it; rounds are at least
//         `refreshMinIntervalMs` apart, however often it is rung, except at the start while there are seeds that have not been
//         asked; no socket is opened to ask.

import { SlotwiseError, stacklessError } from '../errors.js'
import type { Node } from '../node/node.js'
import { type Origin, type RefreshMessage, refreshChannel } from '../observe.js'
import type { Epochs } from './epochs.js'
import { Round, type RoundVerdict } from './round.js'
import type { ClusterSource } from './source.js'
import { StallWatch } from './stall-watch.js'
import type { Topology } from './topology.js'

/**
 * Why a newer view is wanted, the strongest first. `waiting`: calls cannot be served. `urgent`: servers gave answers that they should not; keeps to the
 * minimum interval. `redirect` backs off while it goes on, because the calls concerned have been served anyway.
 */
export type Evidence = 'waiting' | 'urgent' | 'redirect' | 'period'

const strength: Record<Evidence, number> = { waiting: 3, urgent: 2, redirect: 1, period: 0 }

export interface RefresherOptions {
  /** Between the end of a round and the start of the next, in milliseconds. */
  refreshMinIntervalMs: number
  /** The same while calls cannot be served, in milliseconds; grows to the other with the cluster and with the time that this goes on. */
  refreshUrgentIntervalMs: number
  /** What the interval grows to while redirects go on, in milliseconds. */
  refreshMaxIntervalMs: number
  /** Between comparisons that nothing has asked for, in milliseconds; 0 for none. */
  refreshPeriodMs: number
  /** Whose refreshes these are, for those who look on. */
  origin: Origin
}

export interface RefresherListener {
  /** A round has ended with a usable answer; `changed` tells whether another map is in use now. */
  onRefreshed(changed: boolean): void
  /** A node that was asked has given no usable answer. */
  onAskFailed?(node: Node, error: Error): void
  /** Nobody who was asked has given one. */
  onRefreshFailed(error: SlotwiseError): void
}

type RefresherState = 'sleeping' | 'refreshing' | 'stopped'

interface Waiter {
  newerThan: number
  /** It wants to know when a round fails, too. */
  impatient: boolean
  resolve(generation: number): void
  reject(error: Error): void
}

/** A seed that says nothing for this long does not hold up the others. */
const hedgeMs = 300

export class TopologyRefresher {
  #state: RefresherState = 'sleeping'
  readonly #topology: Topology
  readonly #source: ClusterSource
  readonly #options: RefresherOptions
  readonly #listener: RefresherListener
  #timer: NodeJS.Timeout | null = null
  /** What the timer was set for. */
  #timerFor: Evidence = 'period'
  /** The timer is there to try another seed, not to keep rounds apart. */
  #hedging = false
  #periodTimer: NodeJS.Timeout | null = null
  readonly #stallWatch: StallWatch
  /** The strongest evidence that no round has looked into yet. */
  #evidence: Evidence | null = null
  /** The node whose redirect was the evidence: it knows best. */
  #hint: Node | null = null
  #intervalMs: number
  /** Since when calls cannot be served, and when that was last said. */
  #waitingSince = 0
  #lastWaitingAt = -Infinity
  #endedAt = -Infinity
  #waiters: Waiter[] = []
  /** Nodes that gave no usable answer since there was one. */
  readonly #useless = new Set<Node>()
  /** Of the owners in the view in use; null while they have not been learnt. */
  #epochs: Epochs | null = null
  #round: Round | null = null
  #lastError: SlotwiseError | null = null
  /** Rounds that ended with a usable answer. */
  generation = 0
  /** When the last of them began, on the clock of performance.now(): the map has been right since then, as far as anybody knows. */
  confirmedAt = 0
  /** The same of the one before: until then the map before was right. */
  confirmedBefore = 0
  #startedAt = 0
  /** Rounds started. */
  rounds = 0

  constructor(topology: Topology, source: ClusterSource, options: RefresherOptions, listener: RefresherListener) {
    this.#topology = topology
    this.#source = source
    this.#options = options
    this.#listener = listener
    this.#intervalMs = options.refreshMinIntervalMs
    this.#stallWatch = new StallWatch(topology, () => this.ring('urgent'))
    this.#armPeriod()
  }

  get state(): RefresherState {
    return this.#state
  }

  /** Why there is no newer view; null after a good round. */
  get lastError(): SlotwiseError | null {
    return this.#lastError
  }

  /** Somebody has seen evidence that the map in use is not right. `hint` is the node that said so. */
  ring(evidence: Evidence, hint: Node | null = null): void {
    if (this.#state === 'stopped') return
    if (this.#evidence === null || strength[evidence] > strength[this.#evidence]) this.#evidence = evidence
    if (evidence === 'waiting') this.#noteWaiting()
    this.#hint = hint ?? this.#hint
    if (this.#state === 'sleeping') this.#schedule()
  }

  #noteWaiting(): void {
    const now = performance.now()
    // After a while without, it is another trouble.
    if (now - this.#lastWaitingAt > 2 * this.#options.refreshMinIntervalMs) this.#waitingSince = now
    this.#lastWaitingAt = now
  }

  /** A node has become usable: a round that had nobody to ask can start. */
  onNodeReady(): void {
    if (this.#state === 'sleeping' && this.#evidence !== null) this.#schedule()
  }

  /**
   * Resolves with the generation once it is newer than the one given; rejects when the refresher is stopped.
   * Several callers wait for the same round.
   */
  newerThan(generation: number): Promise<number> {
    if (this.generation > generation) return Promise.resolve(this.generation)
    return this.#wait(generation, false)
  }

  /** Resolves with the generation after the round that is under way or comes next; rejects with its failure. */
  nextRound(): Promise<number> {
    return this.#wait(this.generation, true)
  }

  #wait(newerThan: number, impatient: boolean): Promise<number> {
    if (this.#state === 'stopped') return Promise.reject(stopped())
    return new Promise((resolve, reject) => {
      this.#waiters.push({ newerThan, impatient, resolve, reject })
      if (!impatient || this.#state === 'sleeping') this.ring('urgent')
    })
  }

  // ---- when

  #schedule(): void {
    const evidence = this.#evidence ?? 'period'
    const served = strength[evidence] < strength.urgent
    if (this.#timer !== null) {
      // An urgent ring does not wait for an interval that redirects have stretched, and nothing waits out a hedge, or for
      // somebody who has not been asked yet.
      if (!this.#hedging && !this.#hasFresh() && (served || strength[this.#timerFor] >= strength[evidence])) return
      clearTimeout(this.#timer)
    }
    this.#hedging = false
    this.#timerFor = evidence
    const { refreshMinIntervalMs, refreshMaxIntervalMs } = this.#options
    const quietMs = performance.now() - this.#endedAt
    if (quietMs > refreshMaxIntervalMs) this.#intervalMs = refreshMinIntervalMs
    const intervalMs = served
      ? this.#intervalMs
      : evidence === 'waiting'
        ? this.#waitingIntervalMs()
        : refreshMinIntervalMs
    const restMs = (this.#hasFresh() ? 0 : intervalMs) - quietMs
    const delayMs = restMs > 0 ? restMs * (1 + Math.random() / 10) : 0
    this.#timer = setTimeout(this.#onTimer, delayMs + this.#spreadMs(served))
  }

  /**
   * Nothing tells a client that a replica has been promoted: it has to look. A hundredth of the time that calls have waited is little more, and
   * a big cluster's answer is long.
   */
  #waitingIntervalMs(): number {
    const { refreshMinIntervalMs, refreshUrgentIntervalMs } = this.#options
    const forMs = performance.now() - this.#waitingSince
    return Math.min(refreshMinIntervalMs, Math.max(refreshUrgentIntervalMs, this.#topology.size, forMs / 100))
  }

  /**
   * A big cluster has many clients, and all of them see the same evidence: they are not to ask at the same moment. Who has been redirected has
   * been served, and can wait ten times as long.
   */
  #spreadMs(served: boolean): number {
    if (this.#topology.view === null) return 0
    const { refreshMinIntervalMs, refreshMaxIntervalMs } = this.#options
    const nodes = this.#topology.size
    const longestMs = served ? Math.min(nodes * 5, refreshMaxIntervalMs) : Math.min(nodes / 2, refreshMinIntervalMs)
    return Math.random() * longestMs
  }

  /** Nothing is known yet, the last round has failed, and somebody who is connected has not been asked. */
  #hasFresh(): boolean {
    if (this.#useless.size === 0 || this.#topology.view !== null) return false
    return this.#topology.readyNodes().some(node => !this.#useless.has(node))
  }

  readonly #onTimer = (): void => {
    this.#timer = null
    if (this.#topology.readyNodes().length === 0) {
      // Nobody to ask. Nodes redial by themselves, and onNodeReady() comes back here. A seed that neither answers nor
      // refuses does not hold up the others.
      this.#hedging = this.#topology.openAny()
      if (this.#hedging) this.#timer = setTimeout(this.#onTimer, hedgeMs)
      return
    }
    void this.#start()
  }

  /** A look for another reason is as good, and puts this one off. */
  #armPeriod(afterMs = this.#options.refreshPeriodMs): void {
    const { refreshPeriodMs } = this.#options
    if (refreshPeriodMs === 0) return
    this.#periodTimer = setTimeout(
      () => {
        const quietMs = performance.now() - this.#endedAt
        const isDue = quietMs > 0.8 * refreshPeriodMs
        if (isDue) this.ring('period')
        this.#armPeriod(isDue ? refreshPeriodMs : refreshPeriodMs - quietMs)
      },
      afterMs * (0.9 + Math.random() / 5),
    )
    this.#periodTimer.unref()
  }

  // ---- a round

  async #start(): Promise<void> {
    const evidence = this.#evidence as Evidence
    const hint = this.#hint
    this.#state = 'refreshing'
    this.#evidence = null
    this.#hint = null
    this.rounds++
    this.#startedAt = performance.now()
    const round = new Round(this.#topology, this.#source, this.#epochs, hint, this.#useless, {
      onAskFailed: (node, error) => {
        this.#useless.add(node)
        this.#listener.onAskFailed?.(node, error)
      },
    })
    this.#round = round
    // Calls wait, and one node's word may not be enough.
    const outcome = await round.run(
      evidence === 'waiting' && this.#epochs === null && this.#topology.view !== null ? 2 : 1,
    )
    // stop() may have come in between.
    if ((this.#state as RefresherState) === 'stopped') return
    this.#round = null
    this.#state = 'sleeping'
    this.#endedAt = performance.now()
    if (outcome instanceof SlotwiseError) this.#onFailed(outcome, evidence, round)
    else this.#onAnswered(outcome, evidence, round)
    if (this.#evidence !== null && (this.#state as RefresherState) === 'sleeping') this.#schedule()
  }

  #onAnswered(verdict: RoundVerdict, evidence: Evidence, round: Round): void {
    this.#lastError = null
    this.#stallWatch.start()
    const first = this.#topology.view === null
    const changed = verdict.kind === 'install' && this.#topology.apply(verdict.view, verdict.epochs)
    if (verdict.kind === 'install' || verdict.epochs !== null) this.#epochs = verdict.epochs
    // Clients that come and go need no epochs. Who sees a change may see another one.
    if (changed && !first && this.#epochs === null) void this.#learnEpochs(round.lastToAnswer)
    const { refreshMinIntervalMs, refreshMaxIntervalMs } = this.#options
    // Each redirect has put its own slot right: what is left to learn can wait longer the longer this goes on.
    if (evidence === 'redirect') this.#intervalMs = Math.min(this.#intervalMs * 2, refreshMaxIntervalMs)
    else if (changed) this.#intervalMs = refreshMinIntervalMs
    this.generation++
    this.confirmedBefore = this.confirmedAt
    this.confirmedAt = this.#startedAt
    this.#useless.clear()
    this.#report(evidence, round, changed ? 'changed' : 'unchanged', null)
    for (const waiter of this.#take(waiter => this.generation > waiter.newerThan)) waiter.resolve(this.generation)
    this.#listener.onRefreshed(changed)
  }

  async #learnEpochs(node: Node | null): Promise<void> {
    const { view } = this.#topology
    const epochs = node === null ? null : await this.#source.askEpochs(node)
    if (this.#topology.view === view && this.#state !== 'stopped') this.#epochs ??= epochs
  }

  #report(trigger: Evidence, round: Round, outcome: RefreshMessage['outcome'], error: SlotwiseError | null): void {
    if (!refreshChannel.hasSubscribers) return
    const durationMs = performance.now() - this.#startedAt
    const client = this.#options.origin
    refreshChannel.publish({ client, trigger, asked: round.report, durationMs, outcome, error })
  }

  /** Takes these out of those who wait. */
  #take(which: (waiter: Waiter) => boolean): Waiter[] {
    const taken = this.#waiters.filter(which)
    this.#waiters = this.#waiters.filter(waiter => !which(waiter))
    return taken
  }

  #onFailed(error: SlotwiseError, evidence: Evidence, round: Round): void {
    this.#lastError = error
    this.#report(evidence, round, 'failed', error)
    this.#topology.openAnother()
    // The evidence stands until a round has looked into it.
    this.#evidence ??= evidence
    for (const waiter of this.#take(({ impatient }) => impatient)) waiter.reject(error)
    this.#listener.onRefreshFailed(error)
  }

  // ---- ending

  /** Ends the loop. Everybody who waits is told. */
  stop(): void {
    if (this.#state === 'stopped') return
    this.#state = 'stopped'
    this.#round?.cancel()
    if (this.#timer !== null) clearTimeout(this.#timer)
    if (this.#periodTimer !== null) clearTimeout(this.#periodTimer)
    this.#stallWatch.stop()
    const waiters = this.#waiters
    this.#waiters = []
    for (const waiter of waiters) waiter.reject(stopped())
  }
}

function stopped(): SlotwiseError {
  return stacklessError('SLOTWISE_CLOSED', 'The client is closed', { phase: 'refresh' })
}
