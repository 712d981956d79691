// RefreshRivals: how others take in a CLUSTER SLOTS reply. ioredis and node-redis run their own code with the network taken away;
// hedis is modelled, because it is Haskell.

import { createRequire } from 'node:module'
import type { SlotsEntry, SlotsNode } from './slots-replies.mjs'

const require = createRequire(import.meta.url)

/** One client's knowledge of the cluster. */
export interface Rival {
  /** A promise only where the code under test is asynchronous. */
  refresh(reply: SlotsEntry[]): Promise<void> | void
  /** Servers known now: shows that the code under test did its work. */
  nodeCount(): number
}

interface HedisNode {
  id: string
  host: string
  port: number
  role: 'primary' | 'replica'
}

interface HedisShard {
  primary: HedisNode
  replicas: HedisNode[]
}

/**
 * A model of hedis, as it worked on each connect: the reply is expanded into a map from each slot to its shard; to learn the nodes,
 * the shards of all 16384 slots are listed, their nodes concatenated, and duplicates removed by comparing each node, field by
 * field, with every distinct one before it (`nub`). Left out: Haskell's laziness, which spares some of it, and its boxing.
 */
export function hedisModel(): Rival {
  let shardOfSlot = new Map<number, HedisShard>()
  let distinct: HedisNode[] = []
  return {
    refresh(reply) {
      shardOfSlot = new Map()
      for (const [first, last, ...nodes] of reply) {
        const [primary, ...replicas] = nodes.map(hedisNode) as [HedisNode, ...HedisNode[]]
        const shard = { primary, replicas }
        for (let slot = first; slot <= last; slot++) shardOfSlot.set(slot, shard)
      }
      distinct = nub([...shardOfSlot.values()].flatMap(({ primary, replicas }) => [primary, ...replicas]))
    },
    nodeCount: () => distinct.length,
  }
}

function hedisNode([host, port, id]: SlotsNode, index: number): HedisNode {
  return { id, host, port, role: index === 0 ? 'primary' : 'replica' }
}

function nub(nodes: readonly HedisNode[]): HedisNode[] {
  const distinct: HedisNode[] = []
  for (const node of nodes) {
    let known = false
    for (let i = 0; i < distinct.length && !known; i++) known = sameNode(node, distinct[i] as HedisNode)
    if (!known) distinct.push(node)
  }
  return distinct
}

function sameNode(a: HedisNode, b: HedisNode): boolean {
  return a.id === b.id && a.role === b.role && a.host === b.host && a.port === b.port
}

/**
 * ioredis. Real: `Cluster.getInfoFromNode()` with all that follows from it: the reply is read, the slot table filled, the allocation
 * groups of 16384 slots computed, and the connection pool reset, with real `Redis` objects in it. Stubbed: the connection that it
 * opens for each refresh (`duplicate()`), which answers at once. Nothing is dialled: the pool's `Redis` objects are lazy anyway, and
 * the cluster is never connected.
 */
export function ioredisRefresh(): Rival {
  const { Cluster } = require('ioredis')
  const cluster = new Cluster(['10.0.0.1:6379'], { lazyConnect: true })
  let reply: SlotsEntry[] = []
  let failure: Error | undefined
  const connection = {
    on: () => connection,
    cluster: (_subcommand: string, done: (error: null, reply: SlotsEntry[]) => void) => done(null, reply),
    disconnect: () => undefined,
  }
  const asked = { duplicate: () => connection }
  const onDone = (error: Error | undefined) => {
    failure = error
  }
  return {
    refresh(next) {
      reply = next
      cluster.getInfoFromNode(asked, onDone)
      if (failure !== undefined) throw failure
    },
    nodeCount: () => cluster.connectionPool.getNodes().length,
  }
}

/**
 * node-redis. Real: `RedisClusterSlots.rediscover()` with `#discover` behind it, and the command's own reading of the reply. Stubbed: the
 * client that it opens for each refresh, which answers at once. Nothing is dialled (`minimizeConnections`). By default it takes no
 * notice of replicas, so its count is the primaries' only.
 */
export function nodeRedisRefresh(): Rival {
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
  // The factory is asked for once, in the constructor.
  const realFactory = RedisClient.factory
  RedisClient.factory = () => () => client
  const root = { socket: { host: '10.0.0.1', port: 6379 } }
  const slots = new RedisClusterSlots({ rootNodes: [root], minimizeConnections: true }, () => true, 'bench')
  RedisClient.factory = realFactory
  const startWith = { options: root }
  return {
    refresh(next) {
      reply = next
      return slots.rediscover(startWith)
    },
    nodeCount: () => slots.nodeByAddress.size,
  }
}
