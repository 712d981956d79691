// GapBook: tells who listens when messages may have been missed.
// Owns    the gaps that are to be told at the end of this turn, and the timers of nodes that have come back.
// Born    with the subscriptions.
// Dies    by end().
// Holds   a gap is told when the subscription stands again, so that whoever hears of it can ask for what he has missed.

import type { Node } from '../node/node.js'
import type { Turn } from '../turn.js'
import type { Entry, NamesGap, Sink } from './entry.js'

/**
 * A node that has come back is told to others by the cluster bus, and until then what is published there goes nowhere.
 * Links are made anew every 100 ms (cluster spec, "Cluster bus"); this is ample.
 */
const busSettleMs = 3000

export class GapBook {
  readonly #turn: Turn
  /** By sink, and there by kind and start. */
  readonly #open = new Map<Sink, Map<string, { gap: NamesGap; names: Buffer[] }>>()
  #scheduled = false
  /** Nodes that are away, since when nothing has been heard of them. */
  readonly #away = new Map<Node, number>()
  readonly #timers = new Set<NodeJS.Timeout>()

  constructor(turn: Turn) {
    this.#turn = turn
  }

  /** A time on the clock of the turn, as milliseconds since 1970. */
  epochMs(at: number): number {
    return Math.floor(Date.now() - (this.#turn.now() - at))
  }

  /** The name is joined: whatever it has missed until now is told. */
  onJoined(entry: Entry): void {
    if (entry.missedFromMs === null) return
    this.#note(entry, entry.missedFromMs)
    entry.missedFromMs = null
  }

  /** A node that these names' messages may come by way of is gone. What it had taken and not passed on is lost. */
  onNodeLost(node: Node, entries: readonly Entry[]): void {
    if (entries.length === 0) return
    const fromMs = this.epochMs(node.lastReadAt)
    if (!this.#away.has(node)) this.#away.set(node, fromMs)
    for (const entry of entries) this.#note(entry, fromMs)
  }

  /** It is back, and for a while what it takes may not reach the others. */
  onNodeReady(node: Node, entries: readonly Entry[]): void {
    const fromMs = this.#away.get(node)
    if (fromMs === undefined) return
    this.#away.delete(node)
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      for (const entry of entries) if (entry.phase === 'joined') this.#note(entry, fromMs)
    }, busSettleMs)
    timer.unref()
    this.#timers.add(timer)
  }

  #note(entry: Entry, fromMs: number): void {
    const { kind, name } = entry
    const toMs = Math.ceil(Date.now())
    for (const sink of entry.sinks) {
      let ofSink = this.#open.get(sink)
      if (ofSink === undefined) this.#open.set(sink, (ofSink = new Map()))
      const id = `${kind} ${fromMs}`
      const names = ofSink.get(id)?.names ?? []
      names.push(name)
      ofSink.set(id, { gap: { kind, names, fromMs, toMs }, names })
    }
    if (this.#scheduled) return
    this.#scheduled = true
    queueMicrotask(() => this.#tell())
  }

  #tell(): void {
    this.#scheduled = false
    const told = [...this.#open]
    this.#open.clear()
    for (const [sink, gaps] of told) for (const { gap } of gaps.values()) sink.onGap(gap)
  }

  end(): void {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
    this.#open.clear()
  }
}
