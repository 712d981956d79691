// ClusterMap: what a cluster looks like at one time: its nodes, who owns which slot, what is moving. Never changed; each change makes another one.
// Holds   each answer to CLUSTER SLOTS is rendered once for a map and a protocol, whoever asks.

import { type Answer, encodeAnswer, Pairs, Rendered } from './answer.js'

export const slotCount = 16384

/** A node as the others know it. */
export interface Member {
  readonly id: string
  /** What it is known by: null for an unknown endpoint, `?` and the empty string as some servers say. */
  readonly host: string | null
  /** Empty for none. */
  readonly hostname: string
  readonly port: number
  /** Id of the primary that it follows; null for a primary. */
  readonly follows: string | null
  readonly configEpoch: number
  /** The others think that it has failed. */
  readonly hasFailed: boolean
}

export interface Move {
  readonly from: string
  readonly to: string
}

export interface Range {
  readonly first: number
  readonly last: number
  readonly owner: Member
}

/** What a map is made of. */
export interface MapContent {
  readonly members: ReadonlyMap<string, Member>
  /** Owner of each slot: its place in `ids`, and 0 for nobody. */
  readonly owners: Uint16Array
  readonly ids: readonly string[]
  readonly moves: ReadonlyMap<number, Move>
  readonly currentEpoch: number
  readonly isSwitchedDown: boolean
  readonly requiresFullCoverage: boolean
}

export class ClusterMap {
  readonly content: MapContent
  /** When it came into being, in milliseconds of Date.now(). */
  readonly since = Date.now()
  #ranges: readonly Range[] | null = null
  #replicas: Map<string, Member[]> | null = null
  #isDown: boolean | null = null
  readonly #slots: (Rendered | null)[] = [null, null]

  constructor(content: MapContent) {
    this.content = content
  }

  /** The same with some of it replaced. */
  with(change: Partial<MapContent>): ClusterMap {
    return new ClusterMap({ ...this.content, ...change })
  }

  withMember(member: Member): ClusterMap {
    return this.with({ members: new Map(this.content.members).set(member.id, member) })
  }

  withOwner(first: number, last: number, id: string | null): ClusterMap {
    const ids = id === null || this.content.ids.includes(id) ? this.content.ids : [...this.content.ids, id]
    const owners = this.content.owners.slice()
    owners.fill(id === null ? 0 : ids.indexOf(id), first, last + 1)
    return this.with({ owners, ids })
  }

  member(id: string): Member | undefined {
    return this.content.members.get(id)
  }

  ownerOf(slot: number): Member | null {
    const at = this.content.owners[slot] as number
    return at === 0 ? null : (this.member(this.content.ids[at] as string) ?? null)
  }

  /** Slots in ranges as long as may be, in order. */
  get ranges(): readonly Range[] {
    if (this.#ranges !== null) return this.#ranges
    const { owners, ids } = this.content
    const ranges: Range[] = []
    for (let first = 0; first < slotCount; ) {
      let last = first
      while (last + 1 < slotCount && owners[last + 1] === owners[first]) last++
      const owner = owners[first] === 0 ? undefined : this.member(ids[owners[first] as number] as string)
      if (owner !== undefined) ranges.push({ first, last, owner })
      first = last + 1
    }
    this.#ranges = ranges
    return ranges
  }

  rangesOf(id: string): readonly Range[] {
    return this.ranges.filter(range => range.owner.id === id)
  }

  replicasOf(id: string): readonly Member[] {
    if (this.#replicas === null) {
      this.#replicas = new Map()
      for (const member of this.content.members.values()) {
        if (member.follows === null) continue
        const known = this.#replicas.get(member.follows)
        if (known === undefined) this.#replicas.set(member.follows, [member])
        else known.push(member)
      }
    }
    return this.#replicas.get(id) ?? []
  }

  /** Whether nodes answer CLUSTERDOWN: switched on by hand, or because slots have no living owner. */
  get isDown(): boolean {
    if (this.#isDown === null) {
      const { isSwitchedDown, requiresFullCoverage } = this.content
      this.#isDown = isSwitchedDown || (requiresFullCoverage && this.servedSlots < slotCount)
    }
    return this.#isDown
  }

  get assignedSlots(): number {
    return this.ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0)
  }

  get servedSlots(): number {
    return this.ranges.reduce((sum, { first, last, owner }) => sum + (owner.hasFailed ? 0 : last - first + 1), 0)
  }

  /** The answer to CLUSTER SLOTS (redis.io/docs, "CLUSTER SLOTS"). */
  slots(protocol: 2 | 3): Rendered {
    const known = this.#slots[protocol - 2]
    if (known != null) return known
    const shards = new Map<string, string>()
    const shardOf = (owner: Member) => {
      let text = shards.get(owner.id)
      if (text === undefined) {
        const nodes = [owner, ...this.replicasOf(owner.id).filter(replica => !replica.hasFailed)]
        text = nodes.map(node => encodeAnswer(nodeEntry(node), protocol)).join('')
        text = `${nodes.length + 2} ${text}`
        shards.set(owner.id, text)
      }
      return text
    }
    let all = `*${this.ranges.length}\r\n`
    for (const { first, last, owner } of this.ranges) {
      const shard = shardOf(owner)
      const space = shard.indexOf(' ')
      all += `*${shard.slice(0, space)}\r\n:${first}\r\n:${last}\r\n${shard.slice(space + 1)}`
    }
    const rendered = new Rendered(Buffer.from(all, 'latin1'))
    this.#slots[protocol - 2] = rendered
    return rendered
  }

  /** The answer to CLUSTER SHARDS (redis.io/docs, "CLUSTER SHARDS"). */
  shards(): Answer {
    const primaries = [...this.content.members.values()].filter(member => member.follows === null)
    const slots = new Map<string, number[]>()
    for (const { first, last, owner } of this.ranges) {
      const known = slots.get(owner.id)
      if (known === undefined) slots.set(owner.id, [first, last])
      else known.push(first, last)
    }
    return primaries.map(
      primary =>
        new Pairs([
          ['slots', slots.get(primary.id) ?? []],
          ['nodes', [primary, ...this.replicasOf(primary.id)].map(shardEntry)],
        ]),
    )
  }

  /** The answer to CLUSTER NODES (redis.io/docs, "CLUSTER NODES"), as the node of that id gives it. */
  nodes(myself: string): string {
    const slots = new Map<string, string>()
    for (const { first, last, owner } of this.ranges) {
      slots.set(owner.id, `${slots.get(owner.id) ?? ''} ${first === last ? first : `${first}-${last}`}`)
    }
    for (const [slot, { from, to }] of this.content.moves) {
      if (from === myself) slots.set(from, `${slots.get(from) ?? ''} [${slot}->-${to}]`)
      if (to === myself) slots.set(to, `${slots.get(to) ?? ''} [${slot}-<-${from}]`)
    }
    let text = ''
    for (const member of this.content.members.values()) {
      const { id, port, hostname, follows, hasFailed } = member
      const isMyself = id === myself
      const flags = (isMyself ? 'myself,' : '') + (follows === null ? 'master' : 'slave') + (hasFailed ? ',fail' : '')
      const address = `${member.host ?? ''}:${port}@${busPort(port)}${hostname === '' ? '' : `,${hostname}`}`
      const link = hasFailed && !isMyself ? 'disconnected' : 'connected'
      const epoch = this.epochOf(member)
      text += `${id} ${address} ${flags} ${follows ?? '-'} 0 ${isMyself ? 0 : this.since} ${epoch} ${link}${slots.get(id) ?? ''}\n`
    }
    return text
  }

  /** A replica shows its primary's epoch. */
  epochOf(member: Member): number {
    return member.follows === null ? member.configEpoch : (this.member(member.follows)?.configEpoch ?? 0)
  }

  /** The answer to CLUSTER INFO (redis.io/docs, "CLUSTER INFO"). */
  info(myself: string): string {
    const me = this.member(myself)
    const fields: [string, string | number][] = [
      ['cluster_state', this.isDown ? 'fail' : 'ok'],
      ['cluster_slots_assigned', this.assignedSlots],
      ['cluster_slots_ok', this.servedSlots],
      ['cluster_slots_pfail', 0],
      ['cluster_slots_fail', this.assignedSlots - this.servedSlots],
      ['cluster_known_nodes', this.content.members.size],
      ['cluster_size', new Set(this.ranges.map(range => range.owner.id)).size],
      ['cluster_current_epoch', this.content.currentEpoch],
      ['cluster_my_epoch', me === undefined ? 0 : this.epochOf(me)],
    ]
    return fields.map(([field, value]) => `${field}:${value}\r\n`).join('')
  }
}

/** The port that nodes would talk to each other on; nobody listens there. */
const busPort = (port: number) => (port + 10_000 > 65_535 ? port - 10_000 : port + 10_000)

function nodeEntry({ host, port, id, hostname }: Member): Answer {
  return [host, port, id, new Pairs(hostname === '' ? [] : [['hostname', hostname]])]
}

function shardEntry({ id, port, host, hostname, follows, hasFailed }: Member): Answer {
  const named: [Answer, Answer][] = hostname === '' ? [] : [['hostname', hostname]]
  return new Pairs([
    ['id', id],
    ['port', port],
    ['ip', host ?? ''],
    ['endpoint', host],
    ...named,
    ['role', follows === null ? 'master' : 'replica'],
    ['replication-offset', 0],
    ['health', hasFailed ? 'fail' : 'online'],
  ])
}
