// Round: one round of asking who serves which slots.
// Owns    the questions that are open, and their answers.
// Born    in the TopologyRefresher, when it is time to ask.
// Dies    with its verdict, or by cancel().
// Holds   no node is asked twice, and no more than `maxAsked`; no socket is opened to ask, unless nobody who is connected answers.

import { type SlotwiseError, stacklessError } from '../errors.js'
import type { Node } from '../node/node.js'
import type { RefreshedNode } from '../observe.js'
import type { Epochs } from './epochs.js'
import type { ClusterSource } from './source.js'
import type { Topology } from './topology.js'
import { judge, type ViewAnswer, type ViewVerdict } from './verdict.js'
import type { View } from './view.js'

/** What came of a round. */
export type RoundVerdict = Extract<ViewVerdict, { kind: 'unchanged' | 'install' }>

export interface RoundListener {
  /** A node that was asked has given no usable answer. */
  onAskFailed(node: Node, error: Error): void
}

interface Answered extends ViewAnswer {
  node: Node
}

/** One round asks at the most this many nodes. */
const maxAsked = 4
/** A node that says nothing for this long does not hold up the others. */
const hedgeMs = 300
/** Who has said that the cluster is down within this time is asked last. */
const downMs = 1000

export class Round {
  readonly #topology: Topology
  readonly #source: ClusterSource
  readonly #held: { view: View; epochs: Epochs | null } | null
  readonly #hint: Node | null
  readonly #useless: ReadonlySet<Node>
  readonly #listener: RoundListener
  readonly #asked = new Set<Node>()
  readonly #answers: Answered[] = []
  readonly #failures: Error[] = []
  readonly #open = new Set<Promise<void>>()
  /** Answers, failures and epochs that have come. */
  #news = 0
  #cancelled = false

  /**
   * @param epochs those of the view in use; null while they are not known
   * @param hint whom to ask first
   * @param useless whom to ask last
   */
  constructor(
    topology: Topology,
    source: ClusterSource,
    epochs: Epochs | null,
    hint: Node | null,
    useless: ReadonlySet<Node>,
    listener: RoundListener,
  ) {
    this.#topology = topology
    this.#source = source
    this.#held = topology.view === null ? null : { view: topology.view, epochs }
    this.#hint = hint
    this.#useless = useless
    this.#listener = listener
  }

  /** Takes no more answers, and tells nobody of them. */
  cancel(): void {
    this.#cancelled = true
  }

  /** Who was asked, and what came of it. */
  get report(): RefreshedNode[] {
    return [...this.#asked].map(node => {
      const answer = this.#answers.find(answer => answer.node === node)
      const outcome = answer === undefined ? 'failed' : answer.same ? 'same' : 'different'
      return { endpoint: node.endpoint.key, outcome }
    })
  }

  /** One whose answer agrees with what has been decided, to be asked further. */
  get lastToAnswer(): Node | null {
    return this.#answers.at(-1)?.node ?? null
  }

  /**
   * Asks one node after the other, the next one when one fails, disagrees or takes its time, until a verdict stands.
   * @param width whom to ask at once in the beginning
   */
  async run(width: number): Promise<RoundVerdict | SlotwiseError> {
    for (let i = 0; i < width; i++) this.#askNext()
    while (!this.#cancelled) {
      let exhausted = this.#open.size === 0 && !this.#askNext()
      if (!exhausted) {
        const seen = this.#news
        await first(this.#open, hedgeMs)
        if (this.#news === seen) {
          if (this.#askNext()) continue
          // Nobody else is connected: somebody should be, and those who have answered will have to do.
          if (this.#asked.size < maxAsked) this.#topology.openAnother()
          exhausted = true
        }
      }
      const verdict = judge(this.#held, this.#answers, exhausted)
      if (verdict.kind === 'install' || verdict.kind === 'unchanged') return verdict
      if (verdict.kind === 'ask-epochs') this.#askEpochs(verdict.answers)
      else if (this.#open.size === 0 && exhausted) break
    }
    const cause = new AggregateError(this.#failures, 'No node asked gave a usable answer')
    const message = `No usable view of the cluster: asked ${this.#asked.size}, failed ${this.#failures.length}`
    return stacklessError('SLOTWISE_REFRESH_FAILED', message, { phase: 'refresh', cause })
  }

  /** False when there is nobody to ask. */
  #askNext(): boolean {
    const node = this.#nextToAsk()
    if (node === null) return false
    this.#asked.add(node)
    this.#await(this.#askOne(node))
    return true
  }

  /**
   * A ready node that has not been asked in this round: the hinted one if it can be, else one that has not been asked in vain
   * before and of which nothing is known that speaks against it, else any; null when there is none.
   */
  #nextToAsk(): Node | null {
    if (this.#asked.size >= maxAsked) return null
    let ready = this.#topology.readyNodes().filter(node => !this.#asked.has(node))
    if (this.#hint !== null && ready.includes(this.#hint)) return this.#hint
    const fresh = this.#useless.size === 0 ? ready : ready.filter(node => !this.#useless.has(node))
    if (fresh.length !== 0) ready = fresh
    const trusted = ready.filter(node => !isDoubtful(node))
    if (trusted.length !== 0) ready = trusted
    return ready[Math.floor(Math.random() * ready.length)] ?? null
  }

  #await(question: Promise<void>): void {
    const open: Promise<void> = question.then(() => {
      this.#news++
      this.#open.delete(open)
    })
    this.#open.add(open)
  }

  async #askOne(node: Node): Promise<void> {
    try {
      const view = this.#source.read(await this.#source.ask(node))
      this.#answers.push({ node, view, same: this.#topology.holds(view), epochs: undefined })
    } catch (error) {
      this.#failures.push(error as Error)
      if (!this.#cancelled) this.#listener.onAskFailed(node, error as Error)
    }
  }

  #askEpochs(answers: readonly Answered[]): void {
    for (const answer of answers) {
      // Until it is told, it counts as not told.
      answer.epochs = null
      this.#await(
        this.#source.askEpochs(answer.node).then(epochs => {
          answer.epochs = epochs
        }),
      )
    }
  }
}

/** It is silent, or does not see the cluster: what it knows may be of yesterday. */
function isDoubtful(node: Node): boolean {
  return node.isStalled || performance.now() - node.saidDownAt < downMs
}

/** Settles with the first of the promises, or after `limitMs` if none has settled. */
async function first(promises: ReadonlySet<Promise<void>>, limitMs: number): Promise<void> {
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
