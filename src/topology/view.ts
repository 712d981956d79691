// View: what one node says about who serves which slots. Pure; names servers, knows no sockets.
// Source: CLUSTER SLOTS command page; cluster spec, "Client first connection and handling of redirections".

import { type Endpoint, tcpEndpoint } from '../connection/endpoint.js'
import { SlotwiseError } from '../errors.js'
import type { Reply } from '../resp/decoder.js'

export interface ViewNode {
  /** Where the server says it is reached. */
  readonly endpoint: Endpoint
  /** The server's id in the cluster; empty when the reply does not say. */
  readonly id: string
  /** Name that it announces besides that; left out where it announces none. */
  readonly hostname?: string
}

export interface ViewShard {
  readonly primary: ViewNode
  readonly replicas: readonly ViewNode[]
}

/** Index of the shard of a range whose primary has no known address: nobody can be asked for it. */
export const noShard = -1

export interface View {
  readonly shards: readonly ViewShard[]
  /** Triples of first slot, last slot and index into `shards` (or `noShard`), one for each entry of the reply, in its order. */
  readonly ranges: readonly number[]
  /** Slots covered. */
  readonly covered: number
}

/** One entry of the reply. */
export interface ViewRange {
  first: number
  last: number
  /** Null when its primary has no known address. */
  shard: ViewShard | null
}

/**
 * Shards met so far, by their primary. A shard that is named again and has not changed is the same object, so views can be
 * compared by identity, and a shard that owns many ranges is read once.
 */
export type KnownShards = Map<string, ViewShard>

/**
 * Reads a CLUSTER SLOTS reply. Cost grows with the number of ranges, not of slots.
 *
 * @param reply the decoded reply
 * @param askedHost host of the node that answered: its address stands in where the reply leaves a host empty or null
 * @param seedName name of the seed through which that node was found; what it names is found through it, too
 * @throws SlotwiseError SLOTWISE_PROTOCOL when the reply is not of the documented shape
 */
export function parseClusterSlots(
  reply: Reply,
  askedHost: string,
  shards: KnownShards = new Map(),
  seedName: string | null = null,
): View {
  if (!Array.isArray(reply)) throw malformed('not an array')
  return buildView(reply.map(entry => parseRange(entry, askedHost, shards, seedName)))
}

/** Reads one entry of the reply. */
export function parseRange(
  entry: Reply,
  askedHost: string,
  shards: KnownShards,
  seedName: string | null = null,
): ViewRange {
  if (!Array.isArray(entry) || entry.length < 3) throw malformed('an entry without first slot, last slot and primary')
  const [first, last, row] = entry
  if (!isSlot(first) || !isSlot(last) || last < first) throw malformed('a slot range out of bounds')
  const known = Array.isArray(row) ? shards.get(shardName(row, askedHost)) : undefined
  if (known !== undefined && saysTheSame(entry, known, askedHost)) return { first, last, shard: known }
  const primary = parseNode(row, askedHost, seedName)
  if (primary === null) return { first, last, shard: null }
  const replicas: ViewNode[] = []
  for (let i = 3; i < entry.length; i++) {
    const replica = parseNode(entry[i], askedHost, seedName)
    if (replica !== null) replicas.push(replica)
  }
  const shard: ViewShard = { primary, replicas }
  shards.set(shardName(row as Reply[], askedHost), shard)
  return { first, last, shard }
}

/** The primary's id, or its address where the reply gives none. */
function shardName(row: readonly Reply[], askedHost: string): string {
  const id = row[2]
  return typeof id === 'string' && id !== '' ? id : `${hostOf(row, askedHost)}:${row[1]}`
}

/** True when an entry names the very nodes of a shard, in the same order. Builds nothing. */
function saysTheSame(entry: readonly Reply[], { primary, replicas }: ViewShard, askedHost: string): boolean {
  if (entry.length !== 3 + replicas.length || !rowIs(entry[2], primary, askedHost)) return false
  for (let i = 0; i < replicas.length; i++) if (!rowIs(entry[3 + i], replicas[i] as ViewNode, askedHost)) return false
  return true
}

function rowIs(row: Reply | undefined, { endpoint, id, hostname }: ViewNode, askedHost: string): boolean {
  return (
    Array.isArray(row) &&
    row[1] === endpoint.port &&
    (row[2] ?? '') === id &&
    hostOf(row, askedHost) === endpoint.host &&
    hostnameOf(row, endpoint.host) === hostname
  )
}

/** How a server says that it does not know an address: hostnames are preferred, and this node announces none. */
export const unknownHost = '?'

/** A host left empty or null is that of the node that answered; an unknown one is what the metadata say. */
function hostOf(row: readonly Reply[], askedHost: string): string {
  const host = row[0]
  if (host === unknownHost) return metadata(row, 'ip') ?? metadata(row, 'hostname') ?? unknownHost
  return typeof host === 'string' && host !== '' ? host : askedHost
}

/** The name announced besides the host. */
function hostnameOf(row: readonly Reply[], host: string): string | undefined {
  const hostname = metadata(row, 'hostname')
  return hostname === host ? undefined : hostname
}

/** What a row says behind address and id, since Redis 7: a map, which RESP2 writes as an array. Undefined where it says nothing. */
function metadata(row: readonly Reply[], name: 'ip' | 'hostname'): string | undefined {
  const told = row[3]
  let value: Reply | undefined
  if (told instanceof Map) value = told.get(name)
  else if (Array.isArray(told)) for (let i = 0; i + 1 < told.length; i += 2) if (told[i] === name) value = told[i + 1]
  return typeof value === 'string' && value !== '' && value !== unknownHost ? value : undefined
}

/** Puts a view together. Ranges of one shard must hold the same object. */
export function buildView(entries: readonly ViewRange[]): View {
  const shards: ViewShard[] = []
  const indexes = new Map<ViewShard, number>()
  const ranges: number[] = []
  let covered = 0
  for (const { first, last, shard } of entries) {
    let index = noShard
    if (shard !== null) {
      index = indexes.get(shard) ?? noShard
      if (index === noShard) {
        index = shards.push(shard) - 1
        indexes.set(shard, index)
      }
      covered += last - first + 1
    }
    ranges.push(first, last, index)
  }
  return { shards, ranges, covered }
}

/** Ranges that have taken the place of the ranges `from` to below `to`. */
export interface ReplacedRanges {
  from: number
  to: number
  by: readonly ViewRange[]
}

/** A view in which some ranges are replaced, in their order. Shares what is kept. */
export function replaceRanges(view: View, replaced: readonly ReplacedRanges[]): View {
  const { ranges } = view
  const shards = [...view.shards]
  const owned = new Uint32Array(shards.length)
  for (let i = 2; i < ranges.length; i += 3) {
    const index = ranges[i] as number
    if (index !== noShard) owned[index] = (owned[index] as number) + 1
  }
  // Most often few have changed.
  const isMany = replaced.reduce((sum, { by }) => sum + by.length, 0) > 32
  const indexes = isMany ? new Map(shards.map((shard, i) => [shard, i])) : null
  const next: number[] = []
  let { covered } = view
  let [kept, lost] = [0, false]
  for (const { from, to, by } of replaced) {
    while (kept < 3 * from) next.push(ranges[kept++] as number)
    for (; kept < 3 * to; kept += 3) {
      const index = ranges[kept + 2] as number
      if (index === noShard) continue
      covered -= (ranges[kept + 1] as number) - (ranges[kept] as number) + 1
      owned[index] = (owned[index] as number) - 1
    }
    for (const { first, last, shard } of by) {
      let index = noShard
      if (shard !== null) {
        index = indexes === null ? shards.indexOf(shard) : (indexes.get(shard) ?? noShard)
        if (index === noShard) {
          index = shards.push(shard) - 1
          indexes?.set(shard, index)
        } else owned[index] = (owned[index] as number) + 1
        covered += last - first + 1
      }
      next.push(first, last, index)
    }
  }
  while (kept < ranges.length) next.push(ranges[kept++] as number)
  for (const count of owned) if (count === 0) lost = true
  const made = { shards, ranges: next, covered }
  return lost ? buildView(rangesOf(made)) : made
}

function rangesOf({ shards, ranges }: View): ViewRange[] {
  const entries: ViewRange[] = []
  for (let i = 0; i < ranges.length; i += 3) {
    const index = ranges[i + 2] as number
    const shard = index === noShard ? null : (shards[index] as ViewShard)
    entries.push({ first: ranges[i] as number, last: ranges[i + 1] as number, shard })
  }
  return entries
}

function parseNode(row: Reply | undefined, askedHost: string, seedName: string | null): ViewNode | null {
  if (!Array.isArray(row)) throw malformed('a node that is not an array')
  const [, port, id] = row
  if (!Number.isInteger(port) || (port as number) < 1 || (port as number) > 65535) {
    throw malformed('a port out of range')
  }
  const host = hostOf(row, askedHost)
  if (host === unknownHost) return null
  const hostname = hostnameOf(row, host)
  const endpoint = tcpEndpoint(host, port as number)
  return {
    endpoint: seedName === null ? endpoint : { ...endpoint, servername: seedName },
    id: typeof id === 'string' ? id : '',
    ...(hostname !== undefined && { hostname }),
  }
}

export function isSlot(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 16383
}

function malformed(what: string): SlotwiseError {
  return new SlotwiseError('SLOTWISE_PROTOCOL', `CLUSTER SLOTS reply holds ${what}`, { phase: 'refresh' })
}

/** True when both views say the same in the same order. */
export function sameView(a: View, b: View): boolean {
  if (a === b) return true
  if (a.ranges.length !== b.ranges.length || a.shards.length !== b.shards.length) return false
  for (let i = 0; i < a.ranges.length; i++) if (a.ranges[i] !== b.ranges[i]) return false
  return a.shards.every((shard, i) => {
    const other = b.shards[i] as ViewShard
    return shard === other || sameShard(shard, other.primary, other.replicas)
  })
}

function sameShard(shard: ViewShard, primary: ViewNode, replicas: readonly ViewNode[]): boolean {
  return (
    sameNode(shard.primary, primary) &&
    shard.replicas.length === replicas.length &&
    // The order of replicas means nothing, and differs from node to node.
    shard.replicas.every(
      (replica, i) => sameNode(replica, replicas[i] as ViewNode) || replicas.some(other => sameNode(replica, other)),
    )
  )
}

function sameNode(a: ViewNode, b: ViewNode): boolean {
  return a.id === b.id && a.endpoint.key === b.endpoint.key && a.hostname === b.hostname
}
