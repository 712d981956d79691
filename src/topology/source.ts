// Source: where a view comes from. A cluster is asked with CLUSTER SLOTS or CLUSTER SHARDS; a standalone server has nothing to ask.

import { CallFlag } from '../command/call.js'
import type { Issuer } from '../command/issuer.js'
import type { Connection } from '../connection/connection.js'
import type { Node } from '../node/node.js'
import { ReplyReader } from '../resp/decode-reply.js'
import type { Reply } from '../resp/decoder.js'
import type { KnownArray } from '../resp/known-array.js'
import { type Epochs, parseEpochs } from './epochs.js'
import { majorVersion, toldByInfo } from './server-version.js'
import { parseClusterShards } from './shards.js'
import { SlotsReader } from './slots-reader.js'
import { type KnownShards, sameView, type View, type ViewShard } from './view.js'

/** What is asked: see the option of that name. */
export type TopologyCommand = 'auto' | 'slots' | 'shards'

export interface SourceOptions {
  /** What one node has to answer, in milliseconds. */
  refreshTimeoutMs: number
  topologyCommand: TopologyCommand
  /** Options of TLS; null for plain TCP. */
  tls: object | null
}

/** One node's answer, as received. */
export interface Answer {
  node: Node
  protocol: 2 | 3
  raw: Buffer
  /** What it means, where that has been found out already. */
  view?: View
}

/** From here on servers tell the truth in CLUSTER SHARDS, also while a failover goes on. */
const firstWithShards = 8

export class ClusterSource {
  readonly #issuer: Issuer
  readonly #options: SourceOptions
  readonly #slots = new SlotsReader()
  readonly #replies = new ReplyReader()
  /** Shards of the last CLUSTER SHARDS answer. */
  #shards: KnownShards = new Map()
  /** What CLUSTER SLOTS said last of a server that was asked for more, and the same with what that one said of its shards. */
  #told: { slots: View; view: View; shards: ReadonlyMap<ViewShard, ViewShard> } | null = null
  /** Major versions of servers that do not tell them in the handshake. */
  readonly #versions = new WeakMap<Connection, number>()

  constructor(issuer: Issuer, options: SourceOptions) {
    this.#issuer = issuer
    this.#options = options
  }

  /** Asks a node that is ready, on the connection it has. Rejects when it answers with an error, not in time, or is lost. */
  async ask(node: Node): Promise<Answer> {
    const { topologyCommand } = this.#options
    if (topologyCommand === 'shards') return this.#askShards(node)
    const asked = this.#question(node, 'SLOTS', this.#slots.known)
    if (topologyCommand === 'slots') return asked
    const [answer, version] = await Promise.all([asked, this.#versionOf(node)])
    return version < firstWithShards ? answer : this.#askMore(answer)
  }

  /** Reads an answer; an answer of the same bytes gives the same View. Throws SLOTWISE_PROTOCOL when it is no CLUSTER SLOTS reply. */
  read({ node, protocol, raw, view }: Answer): View {
    return view ?? this.#slots.read(raw, protocol, node.endpoint.host, node.seedName)
  }

  /**
   * CLUSTER SLOTS tells who serves which slots, CLUSTER SHARDS how those are. That is asked only where other servers are named than before:
   * an answer to the first is the same, byte for byte, as long as nothing changes, and to the second never, for the sake of replication offsets.
   */
  async #askMore(answer: Answer): Promise<Answer> {
    const slots = this.read(answer)
    let told = this.#told
    if (told === null || !sameView(told.slots, slots)) {
      const known = told?.shards ?? new Map<ViewShard, ViewShard>()
      const shards = slots.shards.every(shard => known.has(shard)) ? known : await this.#compareShards(answer, slots)
      // It may not be allowed, or the node has been lost in between: what it has told will do.
      if (shards === null) return answer
      told = { slots, shards, view: { ...slots, shards: slots.shards.map(shard => shards.get(shard) as ViewShard) } }
      this.#told = told
    }
    return { ...answer, view: told.view }
  }

  /** What the node says in CLUSTER SHARDS of each shard that it has named in CLUSTER SLOTS; null where it does not answer well. */
  async #compareShards({ node }: Answer, slots: View): Promise<Map<ViewShard, ViewShard> | null> {
    try {
      const { view } = await this.#askShards(node)
      const byPrimary = new Map(view.shards.map(shard => [shard.primary.endpoint.key, shard]))
      return new Map(slots.shards.map(shard => [shard, byPrimary.get(shard.primary.endpoint.key) ?? shard]))
    } catch {
      return null
    }
  }

  async #askShards(node: Node): Promise<Answer & { view: View }> {
    const answer = await this.#question(node, 'SHARDS', null)
    const reply = this.#replies.read(answer.raw)
    const shards = new Map(this.#shards)
    const view = parseClusterShards(reply, node.endpoint.host, this.#options.tls !== null, shards, node.seedName)
    const named = new Set(view.shards)
    this.#shards = new Map([...shards].filter(([, shard]) => named.has(shard)))
    return { ...answer, view }
  }

  /** Asks how new the claims are that a node knows. Resolves with null when it does not tell, for whatever reason. */
  async askEpochs(node: Node): Promise<Epochs | null> {
    try {
      return parseEpochs((await this.#call(node, 'NODES', 0, null)) as Reply)
    } catch {
      return null
    }
  }

  async #question(node: Node, subcommand: 'SLOTS' | 'SHARDS', expectedRaw: KnownArray | null): Promise<Answer> {
    const protocol = node.protocol ?? 3
    return { node, protocol, raw: (await this.#call(node, subcommand, CallFlag.raw, expectedRaw)) as Buffer }
  }

  #call(node: Node, subcommand: string, flags: number, expectedRaw: KnownArray | null): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const onOutcome = (outcome: unknown) => {
        if (outcome instanceof Error) reject(outcome)
        else resolve(outcome)
      }
      const { refreshTimeoutMs } = this.#options
      const call = this.#issuer.issueInternal('CLUSTER', [subcommand], refreshTimeoutMs, flags, onOutcome)
      if (expectedRaw !== null) call.extras = { expectedRaw }
      node.send(call)
    })
  }

  /** The server's major version; 0 where it does not tell. With RESP3 the handshake has told it; with RESP2 it is asked once a connection. */
  async #versionOf(node: Node): Promise<number> {
    const { connection } = node
    if (connection === null || connection.protocol === 3) return majorVersion(connection?.serverVersion ?? '')
    const known = this.#versions.get(connection)
    if (known !== undefined) return known
    const told = await new Promise<unknown>(resolve => {
      node.send(this.#issuer.issueInternal('INFO', ['server'], this.#options.refreshTimeoutMs, 0, resolve))
    })
    const version = typeof told === 'string' ? majorVersion(toldByInfo(told)) : 0
    if (typeof told === 'string') this.#versions.set(connection, version)
    return version
  }
}
