// FakeNode: a fake server that is a node of a FakeCluster.
// Owns    what a fake server owns.
// Born    by the cluster.
// Dies    with it, or when its shard is removed.
// Holds   it answers by its own view of the cluster, which may be pinned or late.

import { type Answer, Failure, Push } from './answer.js'
import type { Member, Range } from './cluster-map.js'
import type { ClusterState } from './cluster-state.js'
import { FakeServer, type FakeServerOptions, hostFor, invalid } from './fake-server.js'
import type { Replication } from './host.js'
import { slotOfKey } from './keyspace.js'
import { NodeSide, redirect } from './node-side.js'

const unblocked = new Failure(
  'UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)',
)

/** What a node needs of its cluster. */
export interface NodeOwner {
  readonly state: ClusterState
  publish(from: FakeNode, channel: string, message: string, isSharded: boolean): void
  node(id: string): FakeNode | undefined
  onRestarted(node: FakeNode): void
}

export class FakeNode extends FakeServer {
  /** Forty hexadecimal digits, as CLUSTER MYID tells. */
  readonly id: string
  /** @internal */
  readonly side: NodeSide
  readonly #owner: NodeOwner
  #isReplicating = true

  /** Made by its cluster. */
  constructor(id: string, options: FakeServerOptions, owner: NodeOwner) {
    super(options, hostFor(options))
    this.id = id
    this.#owner = owner
    this.side = new NodeSide(id, owner.state, () => this.host.keyspace(0))
    this.host.membership = {
      side: this.side,
      publish: (channel, message) => owner.publish(this, channel, message, false),
      publishToShard: (channel, message) => owner.publish(this, channel, message, true),
      replication: () => this.#replication(),
    }
  }

  get #member(): Member | undefined {
    return this.#owner.state.map.member(this.id)
  }

  /** What it is in truth, whatever it thinks itself. */
  get role(): 'primary' | 'replica' {
    return (this.#member?.follows ?? null) === null ? 'primary' : 'replica'
  }

  /** The primary that it follows; null when it is one. */
  get primary(): FakeNode | null {
    const follows = this.#member?.follows ?? null
    return follows === null ? null : (this.#owner.node(follows) ?? null)
  }

  /** Its replicas, whether they run or not. */
  get replicas(): readonly FakeNode[] {
    const members = this.#owner.state.map.replicasOf(this.id)
    return members.map(member => this.#owner.node(member.id)).filter(node => node !== undefined)
  }

  /** The slots that it owns in truth: ranges in order. */
  get slots(): readonly (readonly [first: number, last: number])[] {
    return this.#owner.state.map.rangesOf(this.id).map(({ first, last }: Range) => [first, last] as const)
  }

  /** The config epoch that it, or its primary, has in truth. */
  get configEpoch(): number {
    const member = this.#member
    return member === undefined ? 0 : this.#owner.state.map.epochOf(member)
  }

  // ---- its view

  /** Holds on to what it knows of the cluster now: from here on it answers, redirects and serves as if nothing had changed. */
  pinView(): void {
    this.side.pin()
  }

  /** Learns of everything that has changed, at once. */
  unpinView(): void {
    this.side.unpin()
    if (this.role === 'replica') this.demoted()
  }

  /** So many milliseconds pass until it learns of a change of the cluster. Default 0. */
  get viewLagMs(): number {
    return this.side.lagMs
  }

  set viewLagMs(ms: number) {
    if (!(ms >= 0 && ms <= 86_400_000)) throw invalid('viewLagMs must be a number from 0 to 86400000')
    this.side.lagMs = ms
  }

  // ---- replication

  /** A replica that is cut off: it serves what it has, and gets nothing new. Writes meanwhile are lost if it is made the primary. */
  stopReplication(): void {
    if (this.role === 'primary' || !this.#isReplicating) return
    this.#isReplicating = false
    this.host.setKeyspace(this.host.keyspace(0).copy())
  }

  /** It takes over what its primary has. */
  resumeReplication(): void {
    this.#isReplicating = true
    const { primary } = this
    if (primary !== null) this.host.setKeyspace(primary.host.keyspace(0))
  }

  #replication(): Replication {
    const { map } = this.side
    const follows = map.member(this.id)?.follows ?? null
    const place = (member: Member) => ({ host: member.host ?? '', port: member.port })
    if (follows === null) {
      const linked = map.replicasOf(this.id).filter(({ id }) => {
        const node = this.#owner.node(id)
        return node?.isRunning === true && node.#isReplicating
      })
      return { role: 'primary', replicas: linked.map(place) }
    }
    const primary = map.member(follows)
    const isLinked = this.#isReplicating && this.#owner.node(follows)?.isRunning === true
    const { host, port } = primary === undefined ? { host: '', port: 0 } : place(primary)
    return { role: 'replica', host, port, isLinked }
  }

  /** @internal It has become the primary. */
  promoted(): void {
    this.#isReplicating = true
  }

  /** @internal It follows a primary now: it takes over that one's data, unless it does not know yet. */
  demoted(): void {
    if (this.side.isPinned) {
      // Two primaries for a while: what is written here is nobody else's, and lost in the end.
      this.host.setKeyspace(this.host.keyspace(0).copy())
      return
    }
    for (const connection of this.connections) {
      const { session } = connection
      if (session.blocked === null) continue
      session.blocked.cancel()
      session.blocked = null
      session.ending = true
      session.send(unblocked)
    }
    this.resumeReplication()
  }

  /** @internal Slots have gone elsewhere: who waits for their keys or listens to their channels is told. */
  lost(first: number, last: number): void {
    if (this.side.isPinned) return
    const isGone = (key: string) => {
      const slot = slotOfKey(key)
      return slot >= first && slot <= last
    }
    for (const { session } of this.connections) {
      for (const channel of [...session.shardChannels].filter(isGone)) {
        session.shardChannels.delete(channel)
        session.send(new Push(['sunsubscribe', channel, session.shardChannels.size]))
      }
      const key = session.blocked?.waiter.keys.find(isGone)
      const owner = key === undefined ? null : this.#owner.state.map.ownerOf(slotOfKey(key))
      if (key === undefined || owner === null) continue
      session.blocked?.cancel()
      session.blocked = null
      session.send(redirect('MOVED', slotOfKey(key), owner) as Answer)
    }
  }

  override async restart(): Promise<void> {
    await super.restart()
    this.#owner.onRestarted(this)
  }
}
