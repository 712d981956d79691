// Subscriptions: everything a client's users want to hear of, brought into agreement with what servers send.
// Owns    the entries, the carriers, and the timer of the next try.
// Born    with the first subscription.
// Dies    by end(), which settles everybody who waits.
// Holds   a name is joined at one server at a time; whatever is wanted and not joined is tried again until it is, or the server
//         refuses it; every interruption is told, once the name is joined again, with the times between which messages may be missing.
// Source: Redis "Pub/Sub", "Sharded Pub/Sub"; cluster spec.

import type { Outcome } from '../command/call.js'
import type { Issuer } from '../command/issuer.js'
import { ReplyError, type SlotwiseError } from '../errors.js'
import type { Node } from '../node/node.js'
import type { Reply } from '../resp/decoder.js'
import type { Turn } from '../turn.js'
import { Carrier } from './carrier.js'
import type { Entry, Sink, Waiter } from './entry.js'
import { EntryBook } from './entry-book.js'
import { GapBook } from './gap-book.js'
import { Groups } from './groups.js'
import type { SubscriptionKind } from './subscription-set.js'

/** What it needs of the client. */
export interface SubscriptionsHost {
  readonly issuer: Issuer
  readonly turn: Turn
  readonly clustered: boolean
  /** The server to hear a shard channel from; null while nobody serves the slot. */
  ownerOf(slot: number): Node | null
  /** When the cluster last said who owns what, and the time before that, on the clock of the turn. */
  confirmed(): { atMs: number; beforeMs: number }
  /** Servers that are connected. */
  readyNodes(): readonly Node[]
  /** Somebody is to be connected: nobody is. */
  wake(): void
  /** The server has refused a command for now, or (null) has let go of a slot: the map is not right. */
  onStale(node: Node, error: ReplyError | null): void
}

const retryMinMs = 50
const retryMaxMs = 1000
/** Errors that pass by themselves. */
const passing = new Set(['MOVED', 'ASK', 'TRYAGAIN', 'CLUSTERDOWN', 'MASTERDOWN', 'LOADING'])

const unsubscribe = { subscribe: 'unsubscribe', psubscribe: 'punsubscribe', ssubscribe: 'sunsubscribe' } as const

export class Subscriptions {
  readonly #host: SubscriptionsHost
  readonly #entries = new EntryBook()
  readonly #carriers = new Map<Node, Carrier>()
  readonly #gaps: GapBook
  /** The server that channels and patterns are joined at. */
  #home: Node | null = null
  /** Entries that something is to be done about. */
  readonly #dirty = new Set<Entry>()
  #scheduled = false
  #timer: NodeJS.Timeout | null = null
  #failures = 0
  #ended: SlotwiseError | null = null

  constructor(host: SubscriptionsHost) {
    this.#host = host
    this.#gaps = new GapBook(host.turn)
  }

  // ---- what is wanted

  /**
   * Somebody wants to hear of these names.
   * @returns when every one of them is joined
   * @throws the server's error for a name that it refuses; SLOTWISE_CLOSED
   */
  add(kind: SubscriptionKind, names: readonly Buffer[], sink: Sink): Promise<void> {
    return this.#wait(names, 'joining', name => {
      const entry = this.#entries.obtain(kind, name)
      entry.sinks.add(sink)
      if (entry.phase === 'joined') return null
      this.#mark(entry)
      return entry
    })
  }

  /**
   * Somebody no longer wants to hear of these names.
   * @returns when the servers have let go of those that nobody else wants
   */
  remove(kind: SubscriptionKind, names: readonly Buffer[], sink: Sink): Promise<void> {
    return this.#wait(names, 'leaving', name => {
      const entry = this.#entries.get(kind, name)
      if (entry === undefined || !entry.sinks.delete(sink) || entry.sinks.size !== 0) return null
      this.#mark(entry)
      return entry
    })
  }

  #wait(names: readonly Buffer[], list: 'joining' | 'leaving', entryOf: (name: Buffer) => Entry | null): Promise<void> {
    if (this.#ended !== null) return Promise.reject(this.#ended)
    return new Promise((resolve, reject) => {
      const waiter: Waiter = { left: names.length, resolve, reject }
      for (const name of names) {
        const entry = entryOf(name)
        if (entry === null) waiter.left--
        else entry[list].push(waiter)
      }
      if (waiter.left === 0) resolve()
    })
  }

  /** Names of a kind that are wanted. */
  count(kind: SubscriptionKind): number {
    let count = 0
    for (const { sinks } of this.#entries.of(kind)) if (sinks.size !== 0) count++
    return count
  }

  // ---- bringing it about

  #mark(entry: Entry): void {
    this.#dirty.add(entry)
    if (this.#scheduled) return
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      if (this.#ended === null) this.#reconcile()
    })
  }

  #reconcile(): void {
    const joins = new Groups()
    const leaves = new Groups()
    let waits = false
    for (const entry of this.#dirty) {
      const { phase, carrier } = entry
      if (phase === 'joining' || phase === 'leaving') {
        // What comes of it marks it again.
        this.#dirty.delete(entry)
      } else if (entry.sinks.size === 0) {
        this.#dirty.delete(entry)
        if (phase === 'none') this.#forget(entry)
        else leaves.add(entry, carrier as Carrier, 'leaving')
      } else {
        const target = this.#carrierFor(entry)
        if (phase === 'joined' && target === carrier) this.#dirty.delete(entry)
        else if (target === null) waits = true
        else {
          this.#dirty.delete(entry)
          if (phase === 'joined') this.#abandon(entry, carrier as Carrier)
          joins.add(entry, target, 'joining')
        }
      }
    }
    for (const [carrier, entries] of leaves) this.#leave(carrier, entries)
    for (const [carrier, entries] of joins) this.#join(carrier, entries)
    if (waits) this.#tryLater()
  }

  /** The carrier that an entry belongs on, if it can be used; null when it cannot be yet. */
  #carrierFor(entry: Entry): Carrier | null {
    const node = entry.kind === 'ssubscribe' ? this.#host.ownerOf(entry.slot) : this.#homeNode()
    if (node === null) {
      this.#host.wake()
      return null
    }
    let carrier = this.#carriers.get(node)
    if (carrier === undefined) {
      carrier = new Carrier(node, this.#host.issuer, this)
      this.#carriers.set(node, carrier)
    }
    if (carrier.isUsable) return carrier
    node.open()
    carrier.open()
    return null
  }

  /** Stays where it is as long as that server is connected, then goes to any other. */
  #homeNode(): Node | null {
    if (this.#home?.isReady === true) return this.#home
    const ready = this.#host.readyNodes()
    const primaries = ready.filter(({ isReplica }) => !isReplica)
    const choice = primaries.length === 0 ? ready : primaries
    this.#home = choice[Math.floor(Math.random() * choice.length)] ?? null
    return this.#home
  }

  #join(carrier: Carrier, entries: readonly Entry[]): void {
    const { kind } = entries[0] as Entry
    const names = entries.map(({ name }) => name)
    carrier.say(kind, names, outcome => this.#onJoinOutcome(carrier, entries, outcome))
  }

  #onJoinOutcome(carrier: Carrier, entries: readonly Entry[], outcome: Outcome): void {
    const current = entries.filter(entry => entry.phase === 'joining' && entry.carrier === carrier)
    if (!(outcome instanceof Error)) {
      this.#failures = 0
      for (const entry of current) {
        entry.phase = 'joined'
        entry.alone = false
        this.#gaps.onJoined(entry)
        entry.settle('joining')
        if (entry.sinks.size === 0) this.#mark(entry)
      }
      return
    }
    for (const entry of current) this.#release(entry)
    // The carrier's own end is told by the carrier, and leads to another try.
    if (!(outcome instanceof ReplyError) || this.#ended !== null) return
    if (passing.has(outcome.code)) {
      this.#host.onStale(carrier.node, outcome)
      this.#tryLater()
    } else if (current.length > 1) for (const entry of current) entry.alone = true
    else for (const entry of current) this.#refuse(entry, outcome)
  }

  #leave(carrier: Carrier, entries: readonly Entry[]): void {
    const { kind } = entries[0] as Entry
    const names = entries.map(({ name }) => name)
    carrier.say(unsubscribe[kind], names, () => {
      for (const entry of entries) {
        if (entry.phase !== 'leaving' || entry.carrier !== carrier) continue
        this.#release(entry)
        entry.missedFromMs = null
      }
    })
  }

  /** It is to be joined elsewhere: since the last map but one it may have been the wrong place. */
  #abandon(entry: Entry, carrier: Carrier): void {
    entry.missedFromMs ??= this.#gaps.epochMs(Math.min(carrier.lastReadAt, this.#host.confirmed().beforeMs))
    if (carrier.isUsable) carrier.say(unsubscribe[entry.kind], [entry.name], ignore)
  }

  /** No server has it any more; what is to be done will be found out. */
  #release(entry: Entry): void {
    entry.phase = 'none'
    entry.carrier = null
    this.#mark(entry)
  }

  /** Nobody wants it, and no server has it. */
  #forget(entry: Entry): void {
    this.#entries.delete(entry)
    entry.settle('joining')
    entry.settle('leaving')
  }

  #refuse(entry: Entry, error: ReplyError): void {
    const sinks = [...entry.sinks]
    entry.sinks.clear()
    this.#entries.delete(entry)
    this.#dirty.delete(entry)
    entry.settle('joining', error)
    entry.settle('leaving')
    for (const sink of sinks) sink.onRefused(entry.kind, entry.name, error)
  }

  #tryLater(): void {
    if (this.#timer !== null) return
    const delayMs = Math.min(retryMinMs * 2 ** this.#failures++, retryMaxMs)
    this.#timer = setTimeout(
      () => {
        this.#timer = null
        this.#reconcile()
      },
      delayMs * (1 + Math.random() / 4),
    )
  }

  // ---- news

  onCarrierReady(): void {
    this.#reconcile()
  }

  onCarrierLost(carrier: Carrier): void {
    if (this.#ended !== null) return
    this.#loseAll(carrier)
    this.#tryLater()
  }

  #loseAll(carrier: Carrier): void {
    const missedFromMs = this.#gaps.epochMs(carrier.lastReadAt)
    for (const entry of this.#entries.all()) {
      if (entry.carrier !== carrier) continue
      if (entry.phase === 'joined') entry.missedFromMs ??= missedFromMs
      this.#release(entry)
    }
  }

  onPush(carrier: Carrier, kind: string, items: readonly Reply[]): void {
    switch (kind) {
      case 'message':
        this.#deliver(carrier, 'subscribe', items[1], items[1], items[2])
        break
      case 'pmessage':
        this.#deliver(carrier, 'psubscribe', items[1], items[2], items[3])
        break
      case 'smessage':
        this.#deliver(carrier, 'ssubscribe', items[1], items[1], items[2])
        break
      case 'sunsubscribe':
        this.#onLetGo(carrier, items[1])
    }
  }

  #deliver(
    carrier: Carrier,
    kind: SubscriptionKind,
    name: Reply | undefined,
    channel: Reply | undefined,
    payload: Reply | undefined,
  ): void {
    if (!(name instanceof Buffer)) return
    const entry = this.#entries.hear(kind, name)
    // From where it was joined before, it would come twice.
    if (entry === undefined || entry.carrier !== carrier) return
    for (const sink of entry.sinks) sink.onMessage(entry, channel as Buffer, payload as Buffer)
  }

  /** The slot of a shard channel has moved: its old owner says so, and sends no more. */
  #onLetGo(carrier: Carrier, name: Reply | undefined): void {
    if (!(name instanceof Buffer)) return
    const entry = this.#entries.get('ssubscribe', name)
    if (entry === undefined || entry.carrier !== carrier || entry.phase !== 'joined') return
    // It may have been deposed for a while before it learnt of that.
    entry.missedFromMs ??= this.#gaps.epochMs(this.#host.confirmed().atMs)
    this.#release(entry)
    // Until the map says who has it.
    this.#host.onStale(carrier.node, null)
  }

  /** News on a node's shared connection. */
  onNodePush(node: Node, kind: string, items: readonly Reply[]): void {
    this.#carriers.get(node)?.onPush(kind, items)
  }

  onNodeReady(node: Node): void {
    if (this.#host.clustered) this.#gaps.onNodeReady(node, this.#busEntries(node))
    if (this.#dirty.size !== 0) this.#reconcile()
  }

  onNodeLost(node: Node): void {
    const carrier = this.#carriers.get(node)
    // Where it has a connection of its own, that one tells.
    if (carrier !== undefined) {
      carrier.onSharedLost(node.lastReadAt)
      if (!carrier.isUsable) this.#loseAll(carrier)
    }
    if (this.#host.clustered) this.#gaps.onNodeLost(node, this.#busEntries(node))
    if (this.#dirty.size !== 0) this.#reconcile()
  }

  /** Channels and patterns whose messages come from other nodes by way of the one they are joined at. */
  #busEntries(node: Node): Entry[] {
    return [...this.#entries.of('subscribe'), ...this.#entries.of('psubscribe')].filter(
      ({ phase, carrier }) => phase === 'joined' && carrier?.node !== node,
    )
  }

  onTopologyChanged(): void {
    for (const [node, carrier] of this.#carriers) {
      if (node.state !== 'retired') continue
      this.#carriers.delete(node)
      this.#loseAll(carrier)
      carrier.end()
    }
    for (const entry of this.#entries.of('ssubscribe')) {
      if (entry.phase === 'joined' && this.#host.ownerOf(entry.slot) !== entry.carrier?.node) this.#dirty.add(entry)
    }
    if (this.#dirty.size !== 0) this.#reconcile()
  }

  // ---- ending

  end(reason: SlotwiseError): void {
    if (this.#ended !== null) return
    this.#ended = reason
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#gaps.end()
    for (const carrier of this.#carriers.values()) carrier.end()
    this.#carriers.clear()
    const sinks = new Set<Sink>()
    for (const entry of this.#entries.all()) {
      entry.settle('joining', reason)
      entry.settle('leaving')
      for (const sink of entry.sinks) sinks.add(sink)
    }
    this.#entries.clear()
    for (const sink of sinks) sink.onEnded()
  }
}

function ignore(): void {}
