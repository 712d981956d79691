// Shards: a CLUSTER SHARDS reply as a view. Pure.
// Source: CLUSTER SHARDS command page. It groups slots by shard, in no order, and says of each node how it is.

import { SlotwiseError } from '../errors.js'
import type { Reply } from '../resp/decoder.js'
import { buildView, isSlot, type KnownShards, parseRange, type View, type ViewRange } from './view.js'

/**
 * Reads a CLUSTER SHARDS reply. Replicas that are not `online` are left out. A primary that is not stays the owner of its slots until
 * another takes its place: nobody else serves them.
 *
 * @param reply the decoded reply
 * @param askedHost host of the node that answered: it stands in where the reply leaves an endpoint empty or null
 * @param secure takes the ports for TLS, where a node has two
 * @param shards those met before
 * @param seedName name of the seed through which the node that answered was found
 * @throws SlotwiseError SLOTWISE_PROTOCOL when the reply is not of the documented shape
 */
export function parseClusterShards(
  reply: Reply,
  askedHost: string,
  secure: boolean,
  shards: KnownShards = new Map(),
  seedName: string | null = null,
): View {
  if (!Array.isArray(reply)) throw malformed('not an array')
  const entries = reply.flatMap(shard => parseShard(shard, askedHost, secure, shards, seedName))
  // Each server has an order of its own; views are compared by theirs.
  return buildView(entries.sort((a, b) => a.first - b.first))
}

function parseShard(
  shard: Reply,
  askedHost: string,
  secure: boolean,
  shards: KnownShards,
  seedName: string | null,
): ViewRange[] {
  const slots = field(shard, 'slots')
  const nodes = field(shard, 'nodes')
  if (!Array.isArray(slots) || slots.length % 2 !== 0 || !slots.every(isSlot)) throw malformed('slots that are none')
  if (!Array.isArray(nodes)) throw malformed('a shard without nodes')
  const [first, last] = slots
  if (first === undefined || last === undefined) return []
  const primaries = nodes.filter(node => field(node, 'role') === 'master')
  // One that has failed may be listed beside the one that took its place.
  const primary = primaries.find(isOnline) ?? primaries[0]
  const replicas = nodes.filter(node => field(node, 'role') !== 'master' && isOnline(node))
  // The same form as that of the other command, so that both mean the same.
  const rows = primary === undefined ? [] : [primary, ...replicas].map(node => toRow(node, secure))
  const owner = rows.length === 0 ? null : parseRange([first, last, ...rows], askedHost, shards, seedName).shard
  const ranges: ViewRange[] = []
  for (let i = 0; i < slots.length; i += 2) {
    const range = { first: slots[i] as number, last: slots[i + 1] as number, shard: owner }
    if (range.last < range.first) throw malformed('a slot range upside down')
    ranges.push(range)
  }
  return ranges
}

function isOnline(node: Reply): boolean {
  return field(node, 'health') === 'online'
}

/** Host, port, id and metadata, as CLUSTER SLOTS has them. */
function toRow(node: Reply, secure: boolean): Reply[] {
  const plain = field(node, 'port')
  const tls = field(node, 'tls-port')
  const port = secure ? (tls ?? plain) : (plain ?? tls)
  const metadata = ['ip', 'hostname'].flatMap(name => [name, field(node, name) ?? null])
  return [field(node, 'endpoint') ?? null, port ?? null, field(node, 'id') ?? null, metadata]
}

/** A field of a map, which RESP2 writes as an array. */
function field(map: Reply, name: string): Reply | undefined {
  if (map instanceof Map) return map.get(name)
  if (!Array.isArray(map)) throw malformed('a map that is none')
  for (let i = 0; i + 1 < map.length; i += 2) if (map[i] === name) return map[i + 1]
  return undefined
}

function malformed(what: string): SlotwiseError {
  return new SlotwiseError('SLOTWISE_PROTOCOL', `CLUSTER SHARDS reply holds ${what}`, { phase: 'refresh' })
}
