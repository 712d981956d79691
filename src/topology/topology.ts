// Topology: the servers there are, and who serves which slot.
// Owns    every Node of the client, and the slot map; it is the only writer of both.
// Born    with the client, holding the seeds.
// Dies    by destroy(), with all its nodes.
// Holds   one Node for each address; a node that no view, seed or redirect names is retired; an empty view is never applied.

import { isIP } from 'node:net'
import { type Endpoint, tcpEndpoint } from '../connection/endpoint.js'
import { type Redirect, type SlotwiseError, stacklessError } from '../errors.js'
import { Node, type NodeContext } from '../node/node.js'
import type { TopologyChange } from '../observe.js'
import { differenceOf, nothingKnown, type Snapshot, takeSnapshot } from './change.js'
import type { Epochs } from './epochs.js'
import { type ResolveSrv, type Seed, Seeds } from './seeds.js'
import { type Shard, SlotMap, slotCount } from './slot-map.js'
import { noShard, sameView, unknownHost, type View, type ViewNode, type ViewShard } from './view.js'

export interface TopologyListener {
  onNodeAdded?(node: Node): void
  onNodeRemoved?(node: Node): void
  /** True while somebody wants to hear of changes: finding them out costs some 100 µs. */
  watchesChanges?(): boolean
  onChanged?(change: TopologyChange): void
}

/** A big cluster that is away is not to be dialled all at once by each of its clients. */
const maxOpenedAtOnce = 8

/** How addresses are found, where a user has a way of his own. */
export interface Addressing {
  /** Where a server is reached that a cluster announces under this address. */
  locate?: (announced: Endpoint) => Endpoint
  resolveSrv?: ResolveSrv
}

export class Topology {
  readonly #listener: TopologyListener
  readonly #addressing: Addressing
  readonly #seeds: Seeds
  /** Nodes that were dialled because a seed names them. */
  readonly #fromSeeds = new Set<Node>()
  /** Somebody is to be dialled as soon as a name has been looked up. */
  #awaitsSeed = false
  readonly #context: NodeContext
  readonly #nodes = new Map<string, Node>()
  /** Retired nodes whose last replies are still to come. */
  readonly #retiring = new Set<Node>()
  #map = new SlotMap()
  #view: View | null = null
  /** Times the nodes have been named anew. */
  #rebuilds = 0
  /** Shards in use by what the view calls them. */
  #shards: ReadonlyMap<ViewShard, Shard> = new Map()
  #patched = false
  /** What those who look on were told last. */
  #told: Snapshot | null = null
  /** Nodes that serve commands without a key, in turn. */
  #primaries: Node[] = []
  #next = 0
  #destroyed = false

  constructor(
    seeds: readonly Seed[],
    context: NodeContext,
    listener: TopologyListener = {},
    addressing: Addressing = {},
  ) {
    this.#seeds = new Seeds(seeds, context, addressing.resolveSrv, () => this.#onSeedsFound())
    this.#context = context
    this.#listener = listener
    this.#addressing = addressing
  }

  /** Other addresses to begin with; somebody has looked them up. */
  set seeds(seeds: readonly Endpoint[]) {
    this.#seeds.fix(seeds)
  }

  /** Names of seeds that could not be looked up. */
  get lookupErrors(): readonly SlotwiseError[] {
    return this.#seeds.errors
  }

  /** Where a server is reached that a cluster announces under this address. */
  locate(announced: Endpoint): Endpoint {
    return this.#addressing.locate?.(announced) ?? announced
  }

  /**
   * Where a redirect leads: an empty host is that of the node that sent it. Null where the server does not know the address either; a look at
   * the topology may tell it.
   */
  leadsTo({ host, port }: Redirect, from: Node): Endpoint | null {
    if (host === unknownHost) {
      const others = this.nodes.filter(node => node !== from && node.endpoint.port === port)
      return others.length === 1 ? (others[0] as Node).endpoint : null
    }
    const endpoint = this.locate(tcpEndpoint(host === '' ? from.endpoint.host : host, port))
    return from.seedName === null ? endpoint : { ...endpoint, servername: from.seedName }
  }

  get map(): SlotMap {
    return this.#map
  }

  /** The view applied last; null before the first. */
  get view(): View | null {
    return this.#view
  }

  /** True when applying the view would change nothing. */
  holds(view: View): boolean {
    return this.#view !== null && !this.#patched && sameView(this.#view, view)
  }

  /** Servers that are known. */
  get size(): number {
    return this.#nodes.size
  }

  get nodes(): readonly Node[] {
    return [...this.#nodes.values()]
  }

  /** Every node that may still hold calls: those in use and those that are being retired. */
  allNodes(): Node[] {
    this.#forgetEnded()
    return [...this.#nodes.values(), ...this.#retiring]
  }

  /** Nodes that serve slots. */
  get primaries(): readonly Node[] {
    return this.#primaries
  }

  /** Nodes with a usable connection. */
  readyNodes(): Node[] {
    return this.nodes.filter(node => node.isReady)
  }

  /** A server that serves slots owes replies, and is silent. */
  get hasStalled(): boolean {
    return this.#primaries.some(node => node.isStalled)
  }

  /** Calls wait for a server that cannot be reached. */
  get hasWaiting(): boolean {
    return this.nodes.some(node => node.failures > 0 && node.hasWaiting)
  }

  /** Fixes one server for everything: a standalone server. */
  fix(endpoint: Endpoint): void {
    const node = this.nodeFor(endpoint)
    this.#map.assignRange(0, slotCount - 1, this.#map.addShard({ primary: node, replicas: [] }))
    this.#map.covered = slotCount
    this.#primaries = [node]
  }

  /** A node for a command without a key: the next primary that is ready, else the next one; null when none is known. */
  anyNode(): Node | null {
    const primaries = this.#primaries
    const count = primaries.length
    if (count === 0) return null
    for (let i = 0; i < count; i++) {
      const node = primaries[(this.#next + i) % count] as Node
      if (node.isReady) {
        this.#next = (this.#next + i + 1) % count
        return node
      }
    }
    return primaries[this.#next % count] as Node
  }

  /** The node at an address; made if there is none. */
  nodeFor(endpoint: Endpoint): Node {
    let node = this.#nodes.get(endpoint.key)
    if (node === undefined) {
      node = new Node(endpoint, this.#context)
      this.#nodes.set(endpoint.key, node)
      this.#listener.onNodeAdded?.(node)
    }
    return node
  }

  has(endpoint: Endpoint): boolean {
    return this.#nodes.has(endpoint.key)
  }

  /** A MOVED reply: this one slot is now served there. */
  assign(slot: number, endpoint: Endpoint): Node {
    const node = this.nodeFor(endpoint)
    if (this.#map.primaryOf(slot) !== node) {
      this.#map.assign(slot, node)
      this.#patched = true
    }
    return node
  }

  /**
   * Makes sure that somebody is being dialled: some of the known primaries, and one more seed once every known node has failed.
   * Returns true while there is somebody left to try.
   */
  openAny(): boolean {
    if (this.#destroyed) return false
    const isMore = this.#openPrimaries()
    const hopeless = this.nodes.every(node => !node.isReady && (node.failures > 0 || node.state !== 'waiting'))
    return (hopeless && this.#openSeed()) || isMore
  }

  /** From a random one on. Returns true while there are more. */
  #openPrimaries(): boolean {
    const idle = this.#primaries.filter(node => node.state === 'idle')
    const first = Math.floor(Math.random() * idle.length)
    for (const node of [...idle.slice(first), ...idle.slice(0, first)].slice(0, maxOpenedAtOnce)) node.open()
    return idle.length > maxOpenedAtOnce
  }

  /** Those who are connected are of no use: dials somebody else, a known node or a seed that has not been tried. */
  openAnother(): void {
    if (this.#destroyed) return
    const idle = this.nodes.find(node => node.state === 'idle')
    if (idle !== undefined) idle.open()
    else this.#openSeed()
  }

  #openSeed(): boolean {
    const untried = this.#untriedSeeds()
    const [seed] = untried
    this.#awaitsSeed = seed === undefined
    this.#seeds.lookUp(seed === undefined)
    if (seed !== undefined) this.#openFromSeed(seed)
    return untried.length > 1 || this.#seeds.isIncomplete
  }

  #untriedSeeds(): Endpoint[] {
    return this.#seeds.endpoints.filter(seed => (this.#nodes.get(seed.key)?.state ?? 'idle') === 'idle')
  }

  #openFromSeed(seed: Endpoint): void {
    const node = this.nodeFor(seed)
    this.#fromSeeds.add(node)
    node.open()
  }

  /** Names may stand for other servers now: those that they no longer stand for, and that are of no use, are given up. */
  #onSeedsFound(): void {
    const named = new Set(this.#seeds.endpoints.map(({ key }) => key))
    for (const node of this.#fromSeeds) {
      if (!named.has(node.endpoint.key) && !node.isReady && !this.#isInUse(node)) this.#retire(node)
    }
    const [seed] = this.#untriedSeeds()
    if (this.#awaitsSeed && seed !== undefined) {
      this.#awaitsSeed = false
      this.#openFromSeed(seed)
    }
  }

  #isInUse(node: Node): boolean {
    if (this.#view !== null && node.namedBy === this.#rebuilds) return true
    return this.#map.shards.some(({ primary }) => primary === node)
  }

  /**
   * Takes over a view. Where it names the same shards, only the ranges that moved are touched; else the new map is built aside,
   * replaces the old one by one reference, and nodes that are gone are retired.
   * @param epochs of the owners of slots, for those who look on
   * @returns false when nothing changed. Must not be called with a view that covers nothing.
   */
  apply(view: View, epochs: Epochs | null = null): boolean {
    if (view.covered === 0) throw new Error('Topology: an empty view')
    this.#seeds.onReached()
    if (this.holds(view)) return false
    const watched = this.#listener.watchesChanges?.() === true
    // What redirects have changed is part of what is different from the view before.
    const before = watched ? (this.#told ?? (this.#view === null ? nothingKnown : takeSnapshot(this.#map))) : null
    this.#install(view)
    this.#told = watched ? takeSnapshot(this.#map) : null
    const change = before === null ? null : differenceOf(before, this.#told as Snapshot, greatestEpoch(view, epochs))
    if (change !== null) this.#listener.onChanged?.(change)
    return true
  }

  #install(view: View): void {
    const previous = this.#view
    if (previous !== null && !this.#patched && sameShards(previous, view)) {
      this.#map.revise(previous.ranges, view.ranges)
      this.#map.covered = view.covered
      this.#view = view
      return
    }
    this.#map = this.#rebuild(view)
    this.#map.covered = view.covered
    this.#view = view
    this.#patched = false
    // Last of all: what these nodes hand back is routed at once, and must find the new map.
    this.#retireUnnamed()
    // Where the seed goes by another address than the one it announces, nobody is left who is connected.
    if (this.nodes.every(node => node.state === 'idle')) this.anyNode()?.open()
  }

  /** Another set of shards: builds the map aside, and stamps every node that is named. */
  #rebuild(view: View): SlotMap {
    const stamp = ++this.#rebuilds
    const map = new SlotMap()
    const shards = new Map<ViewShard, Shard>()
    for (const viewShard of view.shards) {
      // The same object says that nothing about this shard has changed.
      const shard = this.#shards.get(viewShard) ?? this.#adopt(viewShard)
      shards.set(viewShard, shard)
      shard.primary.namedBy = stamp
      shard.primary.isReplica = false
      for (const replica of shard.replicas) {
        replica.namedBy = stamp
        replica.isReplica = true
      }
      map.addShard(shard)
    }
    const { ranges } = view
    for (let i = 0; i < ranges.length; i += 3) {
      const index = ranges[i + 2] as number
      if (index !== noShard) map.assignRange(ranges[i] as number, ranges[i + 1] as number, index)
    }
    this.#shards = shards
    this.#primaries = [...shards.values()].map(shard => shard.primary)
    return map
  }

  #adopt({ primary, replicas }: ViewShard): Shard {
    return { primary: this.#nodeOf(primary), replicas: replicas.map(replica => this.#nodeOf(replica)) }
  }

  #nodeOf({ endpoint, id, hostname }: ViewNode): Node {
    const node = this.nodeFor(this.locate(endpoint))
    node.id = id
    node.seedName ??= endpoint.servername ?? null
    // What a server calls itself counts for more than what it was found by.
    node.servername = hostname ?? (isIP(endpoint.host) === 0 ? endpoint.host : node.seedName)
    return node
  }

  #forgetEnded(): void {
    for (const node of this.#retiring) if (!node.isOpen) this.#retiring.delete(node)
  }

  #retireUnnamed(): void {
    this.#forgetEnded()
    for (const node of this.#nodes.values()) if (node.namedBy !== this.#rebuilds) this.#retire(node)
  }

  #retire(node: Node): void {
    const { key } = node.endpoint
    this.#nodes.delete(key)
    this.#fromSeeds.delete(node)
    this.#listener.onNodeRemoved?.(node)
    this.#retiring.add(node)
    node.retire(
      stacklessError('SLOTWISE_CONNECTION_LOST', `${key} has left the cluster`, { endpoint: key, phase: 'close' }),
    )
    if (!node.isOpen) this.#retiring.delete(node)
  }

  /** True when every server that is in use, and every seed, is among those that have failed. */
  isHopeless(failed: ReadonlySet<Node>): boolean {
    const seeds = this.#seeds.endpoints.map(seed => this.#nodes.get(seed.key))
    const inUse = this.nodes.filter(node => node.state !== 'idle')
    return [...seeds, ...inUse].every(node => node !== undefined && failed.has(node))
  }

  /** Ends every connection from this side; what the servers still answer is taken. */
  finish(reason: SlotwiseError): void {
    this.#destroyed = true
    this.#seeds.stop()
    for (const node of this.#nodes.values()) {
      this.#retiring.add(node)
      node.retire(reason, true)
    }
    this.#nodes.clear()
  }

  destroy(reason: SlotwiseError): void {
    this.#destroyed = true
    this.#seeds.stop()
    for (const node of this.allNodes()) node.destroy(reason)
    this.#nodes.clear()
    this.#retiring.clear()
    this.#primaries = []
    this.#map = new SlotMap()
  }
}

/** True when two views name the very same shards in the same order, so that only ranges can differ. */
function sameShards(a: View, b: View): boolean {
  return a.shards.length === b.shards.length && a.shards.every((shard, i) => shard === b.shards[i])
}

function greatestEpoch({ shards }: View, epochs: Epochs | null): number | null {
  if (epochs === null) return null
  return shards.reduce((greatest, { primary }) => Math.max(greatest, epochs.get(primary.id) ?? 0), 0)
}
