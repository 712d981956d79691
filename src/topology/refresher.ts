// TopologyRefresher: the one loop that asks who serves which slots. Everybody else only rings it.
// Owns    the round in progress, the timer before the next one, the periodic timer, and those who wait for a newer view.
// Born    with the client of a cluster.
// Dies    by stop(), which settles everybody who waits.
// Holds   never two rounds at once; a ring during a round leads to one more after it; rounds are at least
//         `refreshMinIntervalMs` apart, however often it is rung, except at the start while there are seeds that have not been
//         asked; no socket is opened to ask.

import { SlotwiseError, stacklessError } from '../errors.js'
import type { Node } from '../node/node.js'
import type { ClusterSource } from './source.js'
import type { Topology } from './topology.js'
import { judge, type ViewVerdict } from './verdict.js'
import type { View } from './view.js'

/**
 * Why a newer view is wanted. `urgent` evidence (calls cannot be served) keeps to the minimum interval; `redirect` and
 * `period` evidence backs off while views stay unchanged, because the calls concerned have been served anyway.
 */
export type Evidence = 'urgent' | 'redirect' | 'period'

export interface RefresherOptions {
  /** Between the end of a round and the start of the next, in milliseconds. */
  refreshMinIntervalMs: number
  /** What the interval grows to while redirects go on and views do not change, in milliseconds. */
  refreshMaxIntervalMs: number
  /** Between comparisons that nothing has asked for, in milliseconds; 0 for none. */
  refreshPeriodMs: number
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

/** One round asks at the most this many nodes. */
const maxAsked = 4
/** A node that says nothing for this long does not hold up the others. */
const hedgeMs = 300

export class TopologyRefresher {
  #state: RefresherState = 'sleeping'
  readonly #topology: Topology
  readonly #source: ClusterSource
  readonly #options: RefresherOptions
  readonly #listener: RefresherListener
  #timer: NodeJS.Timeout | null = null
  #timerIsUrgent = false
  /** The timer is there to try another seed, not to keep rounds apart. */
  #hedging = false
  #periodTimer: NodeJS.Timeout | null = null
  /** The strongest evidence that no round has looked into yet. */
  #evidence: Evidence | null = null
  /** The node whose redirect was the evidence: it knows best. */
  #hint: Node | null = null
  #intervalMs: number
  #endedAt = -Infinity
  #waiters: Waiter[] = []
  /** Nodes that gave no usable answer since there was one. */
  readonly #useless = new Set<Node>()
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
    if (this.#evidence !== 'urgent') this.#evidence = evidence
    this.#hint = hint ?? this.#hint
    if (this.#state === 'sleeping') this.#schedule()
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
    const urgent = this.#evidence === 'urgent'
    if (this.#timer !== null) {
      // An urgent ring does not wait for an interval that redirects have stretched, and nothing waits out a hedge, or for
      // somebody who has not been asked yet.
      if (!this.#hedging && !this.#hasFresh() && (this.#timerIsUrgent || !urgent)) return
      clearTimeout(this.#timer)
    }
    this.#hedging = false
    this.#timerIsUrgent = urgent
    const { refreshMinIntervalMs, refreshMaxIntervalMs } = this.#options
    const quietMs = performance.now() - this.#endedAt
    if (quietMs > refreshMaxIntervalMs) this.#intervalMs = refreshMinIntervalMs
    const intervalMs = urgent ? refreshMinIntervalMs : this.#intervalMs
    const restMs = (this.#hasFresh() ? 0 : intervalMs) - quietMs
    const delayMs = restMs > 0 ? restMs * (1 + Math.random() / 10) : 0
    this.#timer = setTimeout(this.#onTimer, delayMs)
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
    void this.#round()
  }

  #armPeriod(): void {
    const { refreshPeriodMs } = this.#options
    if (refreshPeriodMs === 0) return
    this.#periodTimer = setTimeout(
      () => {
        this.ring('period')
        this.#armPeriod()
      },
      refreshPeriodMs * (0.9 + Math.random() / 5),
    )
    this.#periodTimer.unref()
  }

  // ---- whom

  /**
   * A ready node that has not been asked in this round: the hinted one if it can be, else one that has not been asked in vain
   * before, else any; null when there is none.
   */
  #nextToAsk(asked: ReadonlySet<Node>, hint: Node | null): Node | null {
    if (asked.size >= maxAsked) return null
    let ready = this.#topology.readyNodes().filter(node => !asked.has(node))
    if (hint !== null && ready.includes(hint)) return hint
    const fresh = this.#useless.size === 0 ? ready : ready.filter(node => !this.#useless.has(node))
    if (fresh.length !== 0) ready = fresh
    return ready[Math.floor(Math.random() * ready.length)] ?? null
  }

  // ---- a round

  async #round(): Promise<void> {
    const evidence = this.#evidence as Evidence
    const hint = this.#hint
    this.#state = 'refreshing'
    this.#evidence = null
    this.#hint = null
    this.rounds++
    this.#startedAt = performance.now()
    const outcome = await this.#ask(hint)
    // stop() may have come in between.
    if ((this.#state as RefresherState) === 'stopped') return
    this.#state = 'sleeping'
    this.#endedAt = performance.now()
    if (outcome instanceof SlotwiseError) this.#onFailed(outcome, evidence)
    else this.#onAnswered(outcome, evidence)
    if (this.#evidence !== null && (this.#state as RefresherState) === 'sleeping') this.#schedule()
  }

  /** Asks one node after the other, the next one when one fails, disagrees or takes its time, until a verdict stands. */
  async #ask(hint: Node | null): Promise<ViewVerdict | SlotwiseError> {
    const held = this.#topology.map.covered
    const answers: { view: View; same: boolean }[] = []
    const failures: Error[] = []
    const asked = new Set<Node>()
    const open = new Set<Promise<void>>()
    for (;;) {
      const node = this.#nextToAsk(asked, hint)
      if (node !== null) {
        asked.add(node)
        const asking: Promise<void> = this.#askOne(node, answers, failures).then(() => void open.delete(asking))
        open.add(asking)
      } else if (open.size === 0) break
      // Whoever was asked takes long, and nobody else is connected.
      else if (asked.size < maxAsked) this.#topology.openAnother()
      const seen = answers.length + failures.length
      await first(open, asked.size < maxAsked ? hedgeMs : Infinity)
      if ((this.#state as RefresherState) === 'stopped') break
      if (answers.length + failures.length === seen) continue
      const verdict = judge(held, answers)
      if (verdict.kind !== 'ask-more') return verdict
    }
    const cause = new AggregateError(failures, 'No node asked gave a usable answer')
    const message = `No usable view of the cluster: asked ${asked.size}, failed ${failures.length}`
    return stacklessError('SLOTWISE_REFRESH_FAILED', message, { phase: 'refresh', cause })
  }

  async #askOne(node: Node, answers: { view: View; same: boolean }[], failures: Error[]): Promise<void> {
    try {
      const view = this.#source.read(await this.#source.ask(node))
      answers.push({ view, same: this.#topology.holds(view) })
    } catch (error) {
      failures.push(error as Error)
      if (this.#state === 'stopped') return
      this.#useless.add(node)
      this.#listener.onAskFailed?.(node, error as Error)
    }
  }

  #onAnswered(verdict: ViewVerdict, evidence: Evidence): void {
    this.#lastError = null
    const changed = verdict.kind === 'install' && this.#topology.apply(verdict.view)
    const { refreshMinIntervalMs, refreshMaxIntervalMs } = this.#options
    if (changed) this.#intervalMs = refreshMinIntervalMs
    else if (evidence === 'redirect') this.#intervalMs = Math.min(this.#intervalMs * 2, refreshMaxIntervalMs)
    this.generation++
    this.confirmedBefore = this.confirmedAt
    this.confirmedAt = this.#startedAt
    this.#useless.clear()
    for (const waiter of this.#take(waiter => this.generation > waiter.newerThan)) waiter.resolve(this.generation)
    this.#listener.onRefreshed(changed)
  }

  /** Takes these out of those who wait. */
  #take(which: (waiter: Waiter) => boolean): Waiter[] {
    const taken = this.#waiters.filter(which)
    this.#waiters = this.#waiters.filter(waiter => !which(waiter))
    return taken
  }

  #onFailed(error: SlotwiseError, evidence: Evidence): void {
    this.#lastError = error
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
    if (this.#timer !== null) clearTimeout(this.#timer)
    if (this.#periodTimer !== null) clearTimeout(this.#periodTimer)
    const waiters = this.#waiters
    this.#waiters = []
    for (const waiter of waiters) waiter.reject(stopped())
  }
}

function stopped(): SlotwiseError {
  return stacklessError('SLOTWISE_CLOSED', 'The client is closed', { phase: 'refresh' })
}

/** Settles with the first of the promises, or after `limitMs` if none has settled. */
async function first(promises: ReadonlySet<Promise<void>>, limitMs: number): Promise<void> {
  if (limitMs === Infinity) return Promise.race(promises)
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<void>(resolve => {
    timer = setTimeout(resolve, limitMs)
  })
  try {
    await Promise.race([...promises, limit])
  } finally {
    clearTimeout(timer)
  }
}
