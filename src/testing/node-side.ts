// NodeSide: what one node of a fake cluster thinks of it, and which commands it serves accordingly.
// Source: redis.io/docs, "Redis Cluster specification", "Redirection and resharding"; compared with redis-server 7.0 by tests.

import { type Answer, Failure } from './answer.js'
import type { ClusterMap, Member } from './cluster-map.js'
import type { ClusterState } from './cluster-state.js'
import type { ClusterSide, Keyed } from './host.js'
import { type Keyspace, slotOfKey } from './keyspace.js'
import type { Session } from './session.js'

const crossSlot = new Failure("CROSSSLOT Keys in request don't hash to the same slot")
const tryAgain = new Failure('TRYAGAIN Multiple keys request during rehashing of slot')
const down = new Failure('CLUSTERDOWN The cluster is down')
const unbound = new Failure('CLUSTERDOWN Hash slot not served')

export class NodeSide implements ClusterSide {
  readonly id: string
  readonly #state: ClusterState
  readonly #keyspace: () => Keyspace
  #pinned: ClusterMap | null = null
  #lagMs = 0

  constructor(id: string, state: ClusterState, keyspace: () => Keyspace) {
    this.id = id
    this.#state = state
    this.#keyspace = keyspace
  }

  /** The cluster as this node sees it. */
  get map(): ClusterMap {
    if (this.#pinned !== null) return this.#pinned
    return this.#lagMs === 0 ? this.#state.map : this.#state.mapBefore(this.#lagMs)
  }

  get isPinned(): boolean {
    return this.#pinned !== null
  }

  pin(): void {
    this.#pinned = this.map
  }

  unpin(): void {
    this.#pinned = null
  }

  get lagMs(): number {
    return this.#lagMs
  }

  set lagMs(ms: number) {
    this.#lagMs = ms
    this.#state.keepFor(ms)
  }

  get #self(): Member | undefined {
    return this.map.member(this.id)
  }

  get isReplica(): boolean {
    return (this.#self?.follows ?? null) !== null
  }

  refusal(session: Session, commands: readonly Keyed[]): Failure | null {
    const keys = commands.flatMap(command => command.keys)
    const first = keys[0]
    if (first === undefined) return null
    const { map } = this
    const slot = slotOfKey(first)
    const owner = map.ownerOf(slot)
    if (owner === null) return unbound
    const others = keys.filter(key => key !== first)
    if (others.some(key => slotOfKey(key) !== slot)) return crossSlot
    if (map.isDown) return down
    const isSharded = commands.some(command => command.spec.shardChannel)
    const move = map.content.moves.get(slot)
    if (move !== undefined && (move.from === this.id || move.to === this.id)) {
      const refused = this.#refusalWhileMoving(session, slot, move, isSharded ? [] : keys, others.length > 0)
      if (refused !== 'as usual') return refused
    }
    const writes = commands.some(command => command.spec.writes)
    const servesReads = session.readsFromReplica || isSharded
    if (servesReads && !writes && this.#self?.follows === owner.id) return null
    return owner.id === this.id ? null : redirect('MOVED', slot, owner)
  }

  #refusalWhileMoving(
    session: Session,
    slot: number,
    move: { from: string; to: string },
    keys: readonly string[],
    hasSeveral: boolean,
  ): Failure | null | 'as usual' {
    const keyspace = this.#keyspace()
    const now = Date.now()
    const missing = keys.some(key => keyspace.get(key, now) === undefined)
    if (move.from === this.id && this.map.ownerOf(slot)?.id === this.id) {
      const to = this.map.member(move.to)
      if (!missing || to === undefined) return 'as usual'
      return keys.some(key => keyspace.get(key, now) !== undefined) ? tryAgain : redirect('ASK', slot, to)
    }
    if (move.to === this.id && session.asking) return hasSeveral && missing ? tryAgain : null
    return 'as usual'
  }

  slots(protocol: 2 | 3): Answer {
    return this.map.slots(protocol)
  }

  shards(): Answer {
    return this.map.shards()
  }

  nodes(): string {
    return this.map.nodes(this.id)
  }

  info(): string {
    return this.map.info(this.id)
  }

  replicasOf(id: string): readonly string[] | null {
    const { map } = this
    if (map.member(id) === undefined) return null
    const lines = map.nodes(this.id).split('\n')
    return lines.filter(line => line.split(' ')[3] === id)
  }
}

/** The redirect to a node. Where its host is unknown the text has none: "the host that you have asked". */
export function redirect(kind: 'MOVED' | 'ASK', slot: number, { host, port }: Member): Failure {
  return new Failure(`${kind} ${slot} ${host ?? ''}:${port}`)
}
