// ReadPolicy: which server of a shard answers a read. Pure, but for chance.
// Source: cluster spec, "Scaling reads using replica nodes".

import type { Node } from '../node/node.js'
import type { Shard } from '../topology/slot-map.js'

/** Servers by where they stand: those of the same zone are asked first, the primary among them. */
export interface ZonePolicy {
  /** Where this client is. */
  zone: string
  /** Where a server is, by its address `host:port`. */
  zoneOf(endpoint: string): string | undefined
}

/**
 * `primary`: always. `replicas`: any replica that is connected, the primary when there is none. `all`: any of both. `lowest-latency`: the
 * one that answers a PING fastest. A zone policy: any of the same zone, else the primary.
 */
export type ReadFrom = 'primary' | 'replicas' | 'all' | 'lowest-latency' | ZonePolicy

/** What a policy knows of servers. */
export interface ReadFacts {
  /** Of the last answers to PING, in milliseconds; null when there has been none. */
  latencyMs(node: Node): number | null
  /** A number from 0 up to, and not including, 1. */
  random(): number
}

/** The server to read from. Only those that are connected are chosen, or else the primary, for which the call may wait. */
export function chooseReader({ primary, replicas }: Shard, policy: ReadFrom, facts: ReadFacts): Node {
  if (policy === 'primary') return primary
  const ready = replicas.filter(({ isReady }) => isReady)
  if (policy === 'replicas') return anyOf(ready, facts) ?? primary
  const all = primary.isReady ? [primary, ...ready] : ready
  if (policy === 'all') return anyOf(all, facts) ?? primary
  if (policy === 'lowest-latency') return fastestOf(all, facts) ?? primary
  return (
    anyOf(
      all.filter(({ endpoint }) => policy.zoneOf(endpoint.key) === policy.zone),
      facts,
    ) ?? primary
  )
}

function anyOf(nodes: readonly Node[], facts: ReadFacts): Node | undefined {
  return nodes.length < 2 ? nodes[0] : nodes[Math.floor(facts.random() * nodes.length)]
}

function fastestOf(nodes: readonly Node[], facts: ReadFacts): Node | undefined {
  let fastest: Node | undefined
  let leastMs = Number.POSITIVE_INFINITY
  for (const node of nodes) {
    const latencyMs = facts.latencyMs(node)
    if (latencyMs === null || latencyMs >= leastMs) continue
    fastest = node
    leastMs = latencyMs
  }
  return fastest
}
