// Inspection: what a client tells of itself, in plain numbers.

import type { CacheInspection } from '../cache/inspection.js'
import type { Issuer } from '../command/issuer.js'
import type { SocketLedger } from '../connection/socket-ledger.js'
import type { DialGate } from '../node/dial-gate.js'
import type { Node } from '../node/node.js'
import type { NodeState } from '../node/states.js'
import type { Router } from '../routing/router.js'
import type { TopologyRefresher } from '../topology/refresher.js'
import type { Topology } from '../topology/topology.js'
import type { ClientState } from './states.js'

/** A snapshot. `issued === settled + queued + inFlight`, always; the last two are counted anew in every queue. */
export interface Inspection {
  state: ClientState
  /** Calls made. */
  issued: number
  /** Calls whose promise is fulfilled or rejected. */
  settled: number
  /** Calls not written yet: waiting for a node, a connection, a pause, or the end of this turn of the event loop. */
  queued: number
  /** Calls written and not answered. */
  inFlight: number
  /** Bytes charged to calls that wait for a usable connection. */
  queuedBytes: number
  /** Open sockets by what they are for; `total` is what /proc/self/fd shows. */
  sockets: {
    dialing: number
    shared: number
    lane: number
    subscriber: number
    closing: number
    total: number
  }
  /** Attempts to connect, and those that did not end in a usable connection. */
  dials: number
  dialFailures: number
  /** Attempts for which this host itself had no descriptors, ports or buffers left. */
  dialsExhausted: number
  /** Rounds of asking for the topology. */
  refreshes: number
  redirects: { moved: number; ask: number }
  /** Calls tried again after a pause (TRYAGAIN, CLUSTERDOWN, LOADING, READONLY, MASTERDOWN). */
  retries: number
  /** Reads sent to a replica. */
  replicaReads: number
  /** Slots that some node serves. */
  slotsCovered: number
  nodes: number
  /** What the cache has done and what it holds; null when there is none. */
  cache: CacheInspection | null
}

/** What is asked of a cache. */
interface Cache {
  countWaiting(): number
  inspect(): CacheInspection
}

/** One server as the client sees it. */
export interface NodeInspection {
  endpoint: string
  /** Id in the cluster; empty when not known. */
  id: string
  state: NodeState
  protocol: 2 | 3 | null
  /** Attempts that have failed in a row. */
  failures: number
  /** Message of the last failure; null while it is usable. */
  lastError: string | null
}

/** Calls that wait and calls that have been written, counted in every queue there is. */
function countCalls(router: Router, topology: Topology): { queued: number; inFlight: number } {
  let queued = router.countQueued()
  let inFlight = 0
  for (const node of topology.allNodes()) {
    const count = node.count()
    queued += count.queued
    inFlight += count.inFlight
  }
  return { queued, inFlight }
}

export function inspect(
  state: ClientState,
  issuer: Issuer,
  ledger: SocketLedger,
  gate: DialGate,
  router: Router,
  topology: Topology,
  refresher: TopologyRefresher | null,
  cache: Cache | null,
): Inspection {
  const { queued, inFlight } = countCalls(router, topology)
  return {
    state,
    issued: issuer.issued,
    settled: issuer.settled,
    queued: queued + (cache?.countWaiting() ?? 0),
    inFlight,
    queuedBytes: issuer.budget.bytes,
    sockets: { ...ledger.counts(), total: ledger.total },
    dials: gate.dials,
    dialFailures: gate.failures,
    dialsExhausted: gate.exhausted,
    refreshes: refresher?.rounds ?? 0,
    redirects: { moved: router.moved, ask: router.asked },
    retries: router.retries,
    replicaReads: router.replicaReads,
    slotsCovered: topology.map.covered,
    nodes: topology.nodes.length,
    cache: cache?.inspect() ?? null,
  }
}

export function inspectNode(node: Node): NodeInspection {
  return {
    endpoint: node.endpoint.key,
    id: node.id,
    state: node.state,
    protocol: node.protocol,
    failures: node.failures,
    lastError: node.isReady ? null : (node.lastError?.message ?? null),
  }
}
