// RefreshRivals: how others take in a CLUSTER SLOTS reply. ioredis and node-redis run their own code, with the network taken away; hedis
// is modelled, because it is Haskell.

import { createRequire } from 'node:module'
import type { SlotsEntry, SlotsNode } from './slots-replies.mjs'

const require = createRequire(import.meta.url)

interface HedisNode {
  id: string
  host: string
  port: number
  role: 'primary' | 'replica'
}

/**
 * A model of hedis: the reply is expanded into a map from each slot to its shard; to learn the nodes, the shards of all 16384 slots
 * are listed, their nodes concatenated, and duplicates removed by comparing each with every distinct one before it (`nub`).
 */
export function hedisModel(reply: SlotsEntry[]): number {
  const shardOfSlot = new Map<number, { primary: HedisNode; replicas: HedisNode[] }>()
  for (const [first, last, ...nodes] of reply) {
    const [primary, ...replicas] = nodes as [SlotsNode, ...SlotsNode[]]
    const shard = {
      primary: { id: primary[2], host: primary[0], port: primary[1], role: 'primary' as const },
      replicas: replicas.map(([host, port, id]) => ({ id, host, port, role: 'replica' as const })),
    }
    for (let slot = first; slot <= last; slot++) shardOfSlot.set(slot, shard)
  }
  const nodes = [...shardOfSlot.values()].flatMap(({ primary, replicas }) => [primary, ...replicas])
  return nub(nodes).length
}

function nub(nodes: HedisNode[]): HedisNode[] {
  const distinct: HedisNode[] = []
  for (const node of nodes) if (!distinct.some(other => sameNode(node, other))) distinct.push(node)
  return distinct
}

function sameNode(a: HedisNode, b: HedisNode): boolean {
  return a.id === b.id && a.host === b.host && a.port === b.port && a.role === b.role
}

/**
 * ioredis: the real Cluster.getInfoFromNode(), which reads the reply, fills the slot table, computes the allocation groups and resets the
 * connection pool. Stubbed: the connection it opens to ask. Nodes are never dialled (`lazyConnect`).
 */
export function ioredisRefresh(): (reply: SlotsEntry[]) => void {
  const { Cluster } = require('ioredis')
  const cluster = new Cluster(['10.0.0.1:6379'], { lazyConnect: true, redisOptions: { lazyConnect: true } })
  cluster.on('error', () => undefined)
  let reply: SlotsEntry[] = []
  const connection = {
    on: () => connection,
    cluster: (_subcommand: string, done: (error: null, reply: SlotsEntry[]) => void) => done(null, reply),
    disconnect: () => undefined,
  }
  const asked = { duplicate: () => connection }
  return next => {
    reply = next
    cluster.getInfoFromNode(asked, (error: Error | undefined) => {
      if (error !== undefined) throw error
    })
  }
}

/**
 * node-redis: the real RedisClusterSlots.rediscover(), with the real reading of the reply. Stubbed: the client it opens to ask. Nodes are
 * not dialled (`minimizeConnections`).
 */
export function nodeRedisRefresh(): (reply: SlotsEntry[]) => Promise<void> {
  const RedisClient = require('@redis/client/dist/lib/client').default
  const RedisClusterSlots = require('@redis/client/dist/lib/cluster/cluster-slots').default
  const { transformReply } = require('@redis/client/dist/lib/commands/CLUSTER_SLOTS').default
  let reply: SlotsEntry[] = []
  const client = {
    on: () => client,
    connect: async () => client,
    clusterSlots: async () => transformReply(reply),
    destroy: () => undefined,
  }
  const realFactory = RedisClient.factory
  RedisClient.factory = () => () => client
  const root = { socket: { host: '10.0.0.1', port: 6379 } }
  const slots = new RedisClusterSlots({ rootNodes: [root], minimizeConnections: true }, () => true, 'bench')
  RedisClient.factory = realFactory
  return next => {
    reply = next
    return slots.rediscover({ options: root })
  }
}
