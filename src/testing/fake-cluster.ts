// FakeCluster: a Redis Cluster inside this process: fake nodes on the loopback, slots, redirects, migrations and failovers to order.
// Owns    its nodes.
// Born    by start(), with all slots served.
// Dies    by close(), with its nodes.
// Holds   every change raises epochs as a real cluster would; nodes learn of it at once, unless their view is pinned or lags.

import { createHash } from 'node:crypto'
import { slotOf } from '../command/slot.js'
import { SlotwiseError } from '../errors.js'
import { type Member, slotCount } from './cluster-map.js'
import { ClusterState } from './cluster-state.js'
import { FakeNode, type NodeOwner } from './fake-node.js'
import { type FakeServerOptions, invalid } from './fake-server.js'

export interface FakeClusterOptions extends Omit<FakeServerOptions, 'handler' | 'answers'> {
  /** 1 to 10,000. Default 3. */
  primaries?: number
  /** Replicas of each primary, 0 to 10. Default 1. */
  replicas?: number
  /** Into how many ranges the slots are cut, dealt out to the primaries in turn: `primaries` (the default) to 16384. */
  ranges?: number
  /** Whether the whole cluster is down while a slot has no living owner (`cluster-require-full-coverage`). Default true. */
  requireFullCoverage?: boolean
}

export interface FailoverOptions {
  /** Milliseconds from now until the replica is the primary. Default 0. */
  afterMs?: number
  /** The replica that takes over. Default the first one that is running. */
  to?: FakeNode
  /** What becomes of the old primary: killed (the default), or demoted, as by CLUSTER FAILOVER. */
  primary?: 'killed' | 'demoted'
  /**
   * Replication ends now, while the old primary goes on for so many milliseconds: what it is told meanwhile is acknowledged, and lost. Default 0.
   */
  loseWritesMs?: number
}

/** Where a node says that it is to be found. What is left out stays as it is. */
export interface Announcement {
  /** Null for an unknown endpoint ("the host that you have asked"); `?` and the empty string as some servers say. */
  host?: string | null
  /** Empty for none. */
  hostname?: string
  port?: number
}

let clusters = 0

export class FakeCluster {
  readonly #state: ClusterState
  readonly #nodes = new Map<string, FakeNode>()
  readonly #serverOptions: FakeServerOptions
  readonly #number = ++clusters
  readonly #nodeOwner: NodeOwner
  #made = 0

  private constructor(options: FakeClusterOptions) {
    const { primaries: _, replicas: __, ranges: ___, requireFullCoverage = true, ...server } = options
    this.#state = new ClusterState(requireFullCoverage)
    this.#serverOptions = server
    this.#nodeOwner = {
      state: this.#state,
      publish: (from, channel, message, isSharded) => this.#publish(from, channel, message, isSharded),
      node: id => this.#nodes.get(id),
      onRestarted: node => this.#state.update(node.id, { hasFailed: false }),
    }
  }

  /**
   * Starts a cluster whose slots are all served, the primaries first among its nodes.
   * @throws SlotwiseError SLOTWISE_INVALID_OPTION
   */
  static async start(options: FakeClusterOptions = {}): Promise<FakeCluster> {
    const { primaries = 3, replicas = 1, ranges = primaries } = options
    checkInteger('primaries', primaries, 1, 10_000)
    checkInteger('replicas', replicas, 0, 10)
    checkInteger('ranges', ranges, primaries, slotCount)
    const cluster = new FakeCluster(options)
    await cluster.#form(primaries, replicas, ranges)
    return cluster
  }

  async #form(primaries: number, replicas: number, ranges: number): Promise<void> {
    const all = Array.from({ length: primaries * (1 + replicas) }, () => this.#make())
    const started = await Promise.allSettled(all.map(node => node.listen()))
    const failure = started.find(result => result.status === 'rejected')
    if (failure !== undefined) {
      await Promise.all(all.map(node => node.close()))
      throw failure.reason
    }
    const members = new Map<string, Member>()
    for (const [i, node] of all.entries()) {
      this.#nodes.set(node.id, node)
      const primary = i < primaries ? null : (all[i % primaries] as FakeNode)
      const configEpoch = primary === null ? i + 1 : 0
      members.set(node.id, memberOf(node, primary, configEpoch))
      if (primary !== null) node.host.setKeyspace(primary.host.keyspace(0))
    }
    const owners = new Uint16Array(slotCount)
    for (let i = 0; i < ranges; i++) {
      owners.fill((i % primaries) + 1, Math.floor((i * slotCount) / ranges), Math.floor(((i + 1) * slotCount) / ranges))
    }
    const ids = ['', ...all.slice(0, primaries).map(node => node.id)]
    this.#state.map = this.#state.map.with({ members, owners, ids, currentEpoch: all.length })
  }

  #make(): FakeNode {
    const id = createHash('sha1')
      .update(`fake cluster ${this.#number}, node ${this.#made++}`)
      .digest('hex')
    return new FakeNode(id, this.#serverOptions, this.#nodeOwner)
  }

  // ---- what there is

  /** All nodes, running or not: the primaries it was started with, their replicas, and those added since. */
  get nodes(): readonly FakeNode[] {
    return [...this.#nodes.values()]
  }

  get primaries(): readonly FakeNode[] {
    return this.nodes.filter(node => node.role === 'primary')
  }

  get replicas(): readonly FakeNode[] {
    return this.nodes.filter(node => node.role === 'replica')
  }

  /** `127.0.0.1:port` of every node, for `createClient({ cluster: … })`. */
  get addresses(): string[] {
    return this.nodes.map(node => node.address)
  }

  /** What `new Redis.Cluster(…)` takes. */
  get startupNodes(): { host: string; port: number }[] {
    return this.nodes.map(node => ({ host: '127.0.0.1', port: node.port }))
  }

  /** The primary that owns a slot, 0 to 16383, or a key's slot. */
  ownerOf(slotOrKey: number | string): FakeNode | null {
    const slot = typeof slotOrKey === 'number' ? slotOrKey : slotOf(slotOrKey)
    checkSlot(slot)
    const member = this.#state.map.ownerOf(slot)
    return member === null ? null : (this.#nodes.get(member.id) ?? null)
  }

  /** The highest epoch in the cluster. */
  get currentEpoch(): number {
    return this.#state.map.content.currentEpoch
  }

  /** Whether nodes answer CLUSTERDOWN to commands with keys. */
  get isDown(): boolean {
    return this.#state.map.isDown
  }

  /** Makes every node answer CLUSTERDOWN, or no longer. */
  setDown(on: boolean): void {
    this.#state.map = this.#state.map.with({ isSwitchedDown: on })
  }

  // ---- slots

  /** Moves slots, with their keys, to another primary at once. */
  moveSlots(first: number, last: number, to: FakeNode): void {
    checkSlot(first)
    checkSlot(last)
    this.#checkPrimary(to)
    const from = new Set<FakeNode>()
    for (let slot = first; slot <= last; slot++) {
      const owner = this.ownerOf(slot)
      if (owner === null || owner === to) continue
      from.add(owner)
      this.#moveKeysOf(slot, owner, to)
    }
    const moves = new Map([...this.#state.map.content.moves].filter(([slot]) => slot < first || slot > last))
    this.#raiseEpoch(to)
    this.#state.map = this.#state.map.withOwner(first, last, to.id).with({ moves })
    for (const owner of from) for (const node of [owner, ...owner.replicas]) node.lost(first, last)
  }

  /** Takes slots from whoever serves them; their keys stay where they are. */
  unassignSlots(first: number, last: number): void {
    checkSlot(first)
    checkSlot(last)
    this.#state.map = this.#state.map.withOwner(first, last, null)
  }

  /** First step of moving a slot: from now on its owner answers ASK for keys that it does not have. */
  beginMigration(slot: number, to: FakeNode): void {
    checkSlot(slot)
    this.#checkPrimary(to)
    const from = this.ownerOf(slot)
    if (from === null || from === to) throw misuse(`slot ${slot} is ${from === null ? 'nobody’s' : 'there already'}`)
    const moves = new Map(this.#state.map.content.moves).set(slot, { from: from.id, to: to.id })
    this.#state.map = this.#state.map.with({ moves })
  }

  /**
   * Second step: moves keys.
   * @param keys which ones, or how many at most; default all of the slot
   * @returns how many were moved
   */
  moveKeys(slot: number, keys: readonly string[] | number = Number.POSITIVE_INFINITY): number {
    const move = this.#state.map.content.moves.get(slot)
    const [from, to] = [this.#nodes.get(move?.from ?? ''), this.#nodes.get(move?.to ?? '')]
    if (from === undefined || to === undefined) throw misuse(`slot ${slot} is not being moved`)
    return this.#moveKeysOf(slot, from, to, keys)
  }

  #moveKeysOf(slot: number, from: FakeNode, to: FakeNode, keys: readonly string[] | number = slotCount ** 2): number {
    const [source, target] = [from.host.keyspace(0), to.host.keyspace(0)]
    const there = source.keysInSlot(slot, Date.now())
    const chosen = typeof keys === 'number' ? there.slice(0, keys) : there.filter(key => keys.includes(key))
    for (const [key, entry] of source.take(chosen)) target.set(key, entry, entry.expiresAt)
    return chosen.length
  }

  /** Third step: moves the keys that are left, and the new owner is the owner. */
  finishMigration(slot: number): void {
    const move = this.#state.map.content.moves.get(slot)
    const to = this.#nodes.get(move?.to ?? '')
    if (to === undefined) throw misuse(`slot ${slot} is not being moved`)
    this.moveSlots(slot, slot, to)
  }

  /** The slot stays where it is; keys that were moved go back. */
  cancelMigration(slot: number): void {
    const move = this.#state.map.content.moves.get(slot)
    const [from, to] = [this.#nodes.get(move?.from ?? ''), this.#nodes.get(move?.to ?? '')]
    if (from === undefined || to === undefined) throw misuse(`slot ${slot} is not being moved`)
    this.#moveKeysOf(slot, to, from)
    const moves = new Map(this.#state.map.content.moves)
    moves.delete(slot)
    this.#state.map = this.#state.map.with({ moves })
  }

  // ---- nodes that fail

  /**
   * Makes a replica of the shard its primary.
   * @param shard the primary, or any of its replicas
   * @returns the new primary, once it is one
   * @throws SlotwiseError SLOTWISE_INVALID_ARGUMENT when the shard has no running replica
   */
  async failover(shard: FakeNode, options: FailoverOptions = {}): Promise<FakeNode> {
    const { afterMs = 0, loseWritesMs = 0, primary: fate = 'killed' } = options
    const old = shard.primary ?? shard
    const next = options.to ?? old.replicas.find(replica => replica.isRunning)
    if (next === undefined || next.primary !== old) throw misuse('the shard has no replica that could take over')
    if (loseWritesMs > 0) {
      for (const replica of old.replicas) replica.stopReplication()
      await sleep(loseWritesMs)
    }
    if (fate === 'killed') await old.kill()
    if (afterMs > loseWritesMs) await sleep(afterMs - loseWritesMs)
    this.#promote(next, old)
    return next
  }

  #promote(next: FakeNode, old: FakeNode): void {
    const { map } = this.#state
    const currentEpoch = map.content.currentEpoch + 1
    const members = new Map(map.content.members)
    const change = (id: string, changed: Partial<Member>) =>
      members.set(id, { ...(members.get(id) as Member), ...changed })
    for (const replica of map.replicasOf(old.id)) change(replica.id, { follows: next.id })
    change(next.id, { follows: null, configEpoch: currentEpoch, hasFailed: false })
    change(old.id, { follows: next.id, hasFailed: !old.isRunning })
    const ids = map.content.ids.map(id => (id === old.id ? next.id : id))
    const moves = new Map(map.content.moves)
    for (const [slot, { from, to }] of moves) {
      if (from === old.id) moves.set(slot, { from: next.id, to })
      else if (to === old.id) moves.set(slot, { from, to: next.id })
    }
    this.#state.map = map.with({ members, ids, moves, currentEpoch })
    next.promoted()
    for (const node of next.replicas) node.demoted()
  }

  /** The others have noticed that the node is gone (`fail` in CLUSTER NODES): without its slots the cluster is down. A restart takes it back. */
  noteFailure(node: FakeNode): void {
    this.#state.update(node.id, { hasFailed: true })
  }

  /** Kills every node. */
  async killAll(): Promise<void> {
    await Promise.all(this.nodes.map(node => node.kill()))
  }

  /** Starts every node again that is not running. */
  async restartAll(): Promise<void> {
    await Promise.all(this.nodes.filter(node => !node.isRunning).map(node => node.restart()))
  }

  // ---- nodes that come and go

  /**
   * Adds a primary without slots, and replicas of it.
   * @param replicas 0 to 10
   */
  async addShard(replicas = 0): Promise<FakeNode> {
    checkInteger('replicas', replicas, 0, 10)
    const made = Array.from({ length: 1 + replicas }, () => this.#make())
    await Promise.all(made.map(node => node.listen()))
    const primary = made[0] as FakeNode
    let { map } = this.#state
    const currentEpoch = map.content.currentEpoch + 1
    for (const node of made) {
      this.#nodes.set(node.id, node)
      const follows = node === primary ? null : primary
      map = map.withMember(memberOf(node, follows, follows === null ? currentEpoch : 0))
      if (follows !== null) node.host.setKeyspace(primary.host.keyspace(0))
    }
    this.#state.map = map.with({ currentEpoch })
    return primary
  }

  /**
   * Removes a primary that owns no slots, and its replicas.
   * @throws SlotwiseError SLOTWISE_INVALID_ARGUMENT when it owns slots
   */
  async removeShard(primary: FakeNode): Promise<void> {
    this.#checkPrimary(primary)
    if (primary.slots.length > 0) throw misuse('the shard still owns slots')
    const removed = [primary, ...primary.replicas]
    const members = new Map(this.#state.map.content.members)
    for (const node of removed) {
      members.delete(node.id)
      this.#nodes.delete(node.id)
    }
    this.#state.map = this.#state.map.with({ members })
    await Promise.all(removed.map(node => node.close()))
  }

  /** What a node is called from now on in redirects and in what CLUSTER says. */
  announce(node: FakeNode, announcement: Announcement): void {
    this.#state.update(node.id, announcement)
  }

  /** Ends every node, with all connections. */
  async close(): Promise<void> {
    await Promise.all(this.nodes.map(node => node.close()))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Who is given slots gets the highest epoch, as after CLUSTER SETSLOT NODE. */
  #raiseEpoch(node: FakeNode): void {
    const { currentEpoch } = this.#state.map.content
    if (node.configEpoch === currentEpoch) return
    this.#state.map = this.#state.map.with({ currentEpoch: currentEpoch + 1 })
    this.#state.update(node.id, { configEpoch: currentEpoch + 1 })
  }

  /** Passes a message on: to every node, or to those of the shard. */
  #publish(from: FakeNode, channel: string, message: string, isSharded: boolean): void {
    const shard = from.primary ?? from
    const others = isSharded ? [shard, ...shard.replicas] : this.#nodes.values()
    for (const node of others) {
      if (node !== from && node.isRunning) node.host.receive(channel, message, isSharded)
    }
  }

  #checkPrimary(node: FakeNode): void {
    if (this.#nodes.get(node.id) !== node || node.role !== 'primary') throw misuse('not a primary of this cluster')
  }
}

const sleep = (ms: number) => new Promise<void>(resolve => setTimeout(resolve, ms))

function memberOf(node: FakeNode, primary: FakeNode | null, configEpoch: number): Member {
  const follows = primary?.id ?? null
  return { id: node.id, host: '127.0.0.1', hostname: '', port: node.port, follows, configEpoch, hasFailed: false }
}

function checkInteger(name: string, value: number, least: number, greatest: number): void {
  if (Number.isInteger(value) && value >= least && value <= greatest) return
  throw invalid(`${name} must be an integer from ${least} to ${greatest}`)
}

function checkSlot(slot: number): void {
  if (!Number.isInteger(slot) || slot < 0 || slot >= slotCount) throw misuse('a slot is an integer from 0 to 16383')
}

function misuse(message: string): SlotwiseError {
  return new SlotwiseError('SLOTWISE_INVALID_ARGUMENT', message)
}
