// View: what one node says about who serves which slots. Pure; names servers, knows no sockets.
// Source: CLUSTER SLOTS command page; cluster spec, "Client first connection and handling of redirections".

import { type Endpoint, tcpEndpoint } from '../connection/endpoint.js'
import { SlotwiseError } from '../errors.js'
import type { Reply } from '../resp/decoder.js'

export interface ViewNode {
  endpoint: Endpoint
  /** The server's id in the cluster; empty when the reply does not say. */
  id: string
}

export interface ViewShard {
  primary: ViewNode
  replicas: ViewNode[]
}

export interface View {
  shards: ViewShard[]
  /** Triples of first slot, last slot and index into `shards`, in the order of the reply. */
  ranges: number[]
  /** Slots covered. */
  covered: number
}

/**
 * Reads a CLUSTER SLOTS reply. Cost grows with the number of ranges; a shard that owns many ranges is read once.
 *
 * @param reply the decoded reply
 * @param askedHost host of the node that answered: its address stands in where the reply leaves a host empty or null
 * @throws SlotwiseError SLOTWISE_PROTOCOL when the reply is not of the documented shape
 */
export function parseClusterSlots(reply: Reply, askedHost: string): View {
  if (!Array.isArray(reply)) throw malformed('not an array')
  const view: View = { shards: [], ranges: [], covered: 0 }
  const indexes = new Map<string, number>()
  for (const entry of reply) {
    if (!Array.isArray(entry) || entry.length < 3) throw malformed('an entry without first slot, last slot and primary')
    const first = entry[0] as number
    const last = entry[1] as number
    if (!isSlot(first) || !isSlot(last) || last < first) throw malformed('a slot range out of bounds')
    const row = entry[2]
    if (!Array.isArray(row)) throw malformed('a node that is not an array')
    // The id alone tells shards apart where there is one, without building an address for each of many ranges.
    const known = typeof row[2] === 'string' && row[2] !== '' ? row[2] : `${row[0]}:${row[1]}`
    let index = indexes.get(known)
    if (index === undefined) {
      const primary = parseNode(row, askedHost)
      // A primary without a known address cannot be asked: its slots stay uncovered.
      if (primary === null) continue
      const replicas = entry.slice(3).map(node => parseNode(node, askedHost))
      index = view.shards.push({ primary, replicas: replicas.filter(node => node !== null) }) - 1
      indexes.set(known, index)
    }
    view.ranges.push(first, last, index)
    view.covered += last - first + 1
  }
  return view
}

function parseNode(row: Reply | undefined, askedHost: string): ViewNode | null {
  if (!Array.isArray(row)) throw malformed('a node that is not an array')
  const [host, port, id] = row
  if (!Number.isInteger(port) || (port as number) < 1 || (port as number) > 65535)
    throw malformed('a port out of range')
  // "?" is how a server says that it does not know the address (hostname preferred, none announced).
  if (host === '?') return null
  const known = typeof host === 'string' && host !== '' ? host : askedHost
  return { endpoint: tcpEndpoint(known, port as number), id: typeof id === 'string' ? id : '' }
}

function isSlot(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 16383
}

function malformed(what: string): SlotwiseError {
  return new SlotwiseError('SLOTWISE_PROTOCOL', `CLUSTER SLOTS reply holds ${what}`, { phase: 'refresh' })
}

/** True when both views say the same in the same order. */
export function sameView(a: View, b: View): boolean {
  if (a.ranges.length !== b.ranges.length || a.shards.length !== b.shards.length) return false
  for (let i = 0; i < a.ranges.length; i++) if (a.ranges[i] !== b.ranges[i]) return false
  return a.shards.every((shard, i) => {
    const other = b.shards[i] as ViewShard
    return (
      sameNode(shard.primary, other.primary) &&
      shard.replicas.length === other.replicas.length &&
      // The order of replicas means nothing, and differs from node to node.
      shard.replicas.every(replica => other.replicas.some(candidate => sameNode(replica, candidate)))
    )
  })
}

function sameNode(a: ViewNode, b: ViewNode): boolean {
  return a.id === b.id && a.endpoint.key === b.endpoint.key
}
