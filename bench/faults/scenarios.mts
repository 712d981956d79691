// Scenarios: what goes wrong, and how it is put right again. Each on a cluster of its own, under load from every client.

import { setTimeout as delay } from 'node:timers/promises'
import type { LocalCluster } from '../../scripts/local-cluster.mjs'
import type { LocalServer } from '../../scripts/local-server.mjs'
import type { Stage, StageOptions } from './stage.mjs'

export interface Scenario {
  title: string
  options?: StageOptions
  run(stage: Stage): Promise<void>
  /** Calls are refused by the servers for as long as it lasts: clients are not to hide that. */
  refuses?: boolean
  /** Packets get lost: needs a Network. */
  losesPackets?: boolean
}

const aof = { persistence: 'aof', config: { appendfsync: 'always' } } as const
/** After this long a client should notice that nothing comes any more. */
const silenceMs = 5000
/** Long enough for everything that a fault has set off to show. */
const afterMs = 1500

async function somePrimary(stage: Stage): Promise<{ primary: LocalServer; replica: LocalServer }> {
  const [primary] = (await stage.cluster.primaries()) as [LocalServer]
  return { primary, replica: await stage.replicaOf(primary) }
}

async function eachPrimary(stage: Stage, ...command: [string, ...string[]]): Promise<void> {
  for (const primary of await stage.cluster.primaries()) await primary.command(...command)
}

async function onePrimary(stage: Stage, ...command: [string, ...string[]]): Promise<void> {
  const { primary } = await somePrimary(stage)
  await primary.command(...command)
}

/** A name that stands for all servers. */
const clusterName = 'redis.test'

/** All servers are somewhere else from now on: they listen there, say so, and lose their connections. */
async function moveTo(cluster: LocalCluster, host: string, limitMs = 10_000): Promise<void> {
  for (const node of cluster.nodes) {
    await node.command('CONFIG', 'SET', 'cluster-announce-ip', host)
    await node.command('CONFIG', 'SET', 'bind', `${node.host} ${host}`)
    await node.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
  }
  const announced = async () => {
    for (const node of cluster.nodes) {
      const told = (await node.command('CLUSTER', 'SLOTS')) as [number, number, [string, number]][]
      if (told.some(([, , [at]]) => at !== host)) return false
    }
    return true
  }
  for (const until = performance.now() + limitMs; !(await announced()); await delay(20)) {
    if (performance.now() > until) throw new Error(`not everybody was told of ${host} within ${limitMs} ms`)
  }
}

export const scenarios: Record<string, Scenario> = {
  'kill-primary': {
    title: 'kill -9 of a primary, failover by the cluster',
    async run(stage) {
      const { primary, replica } = await somePrimary(stage)
      await stage.lose([primary], () => primary.kill())
      stage.gone()
      await stage.promoted(replica)
      stage.heals()
      await delay(afterMs)
      await primary.restart()
      await delay(afterMs)
    },
  },
  'restart-primary': {
    title: 'kill -9 of a primary, restarted before anybody takes its place',
    options: { ...aof, nodeTimeoutMs: 15_000 },
    async run(stage) {
      const { primary } = await somePrimary(stage)
      await stage.breaks([primary])
      await primary.kill()
      await primary.restart()
      await stage.cluster.waitUntilOk(20_000)
      stage.heals()
      await delay(afterMs)
    },
  },
  'kill-majority': {
    title: 'kill -9 of two of three primaries, restarted',
    options: { ...aof, nodeTimeoutMs: 3000 },
    async run(stage) {
      const two = (await stage.cluster.primaries()).slice(0, 2)
      await stage.breaks(two)
      await Promise.all(two.map(primary => primary.kill()))
      await delay(800)
      await Promise.all(two.map(primary => primary.restart()))
      await stage.cluster.waitUntilOk(30_000)
      stage.heals()
      await delay(afterMs)
    },
  },
  'kill-all': {
    title: 'kill -9 of all nodes, restarted',
    options: { ...aof, nodeTimeoutMs: 3000 },
    async run(stage) {
      await stage.breaks()
      await stage.cluster.killAll()
      await delay(2000)
      await stage.cluster.restartAll()
      await stage.cluster.waitUntilOk(30_000)
      stage.heals()
      await delay(afterMs)
    },
  },
  'freeze-primary': {
    title: 'a primary stands still (SIGSTOP), is replaced, and goes on',
    async run(stage) {
      const { primary, replica } = await somePrimary(stage)
      await stage.lose([primary], () => primary.freeze())
      await stage.promoted(replica)
      stage.heals()
      await delay(silenceMs + afterMs)
      primary.thaw()
      await stage.deposed(primary)
      await delay(afterMs)
    },
  },
  'freeze-all': {
    title: 'all nodes stand still for 3 s',
    options: { nodeTimeoutMs: 15_000 },
    async run(stage) {
      await stage.breaks()
      stage.cluster.freezeAll()
      await delay(3000)
      stage.cluster.thawAll()
      stage.heals()
      await delay(afterMs)
    },
  },
  'lost-packets': {
    title: 'nothing comes through to a primary or from it; it is replaced, and comes back',
    losesPackets: true,
    async run(stage) {
      const { primary, replica } = await somePrimary(stage)
      await stage.lose([primary], () => stage.isolate(primary, 'all'))
      await stage.promoted(replica)
      stage.heals()
      await delay(silenceMs + afterMs)
      await stage.reconnect()
      await stage.deposed(primary)
      await delay(afterMs)
    },
  },
  'lost-packets-of-clients': {
    title: 'nothing comes through between clients and a primary for 7 s; nobody takes its place',
    losesPackets: true,
    async run(stage) {
      const { primary } = await somePrimary(stage)
      await stage.breaks([primary])
      await stage.isolate(primary, 'clients')
      await delay(silenceMs + 2000)
      await stage.reconnect()
      stage.heals()
      // A kernel waits longer each time before it sends a packet again.
      await delay(silenceMs + 2000 + afterMs)
    },
  },
  'cut-off': {
    title: 'a primary is cut off from all other servers, but not from its clients; it is replaced, and comes back',
    losesPackets: true,
    async run(stage) {
      const { primary, replica } = await somePrimary(stage)
      await stage.lose([primary], () => stage.isolate(primary, 'servers'))
      await stage.promoted(replica)
      stage.heals()
      await stage.deposed(primary)
      await delay(afterMs)
      await stage.reconnect()
      await delay(afterMs)
    },
  },
  addresses: {
    title: 'all servers get other addresses, behind the name that they had',
    options: {
      // The port of the cluster bus stays where it was opened, whatever CONFIG SET bind says.
      bind: ['127.0.0.1', '127.0.0.2', '127.0.0.3'],
      seeds: async cluster => {
        await moveTo(cluster, '127.0.0.2')
        const addresses = cluster.nodes.map(({ port }) => `${clusterName}:${port}`)
        return { addresses, names: { [clusterName]: '127.0.0.2' } }
      },
    },
    async run(stage) {
      await stage.breaks()
      await stage.tellAll({ do: 'rename', names: { [clusterName]: '127.0.0.3' } })
      await moveTo(stage.cluster, '127.0.0.3')
      stage.heals()
      await delay(2 * afterMs)
    },
  },
  deadlines: {
    title: 'every call has a deadline of 400 ms; all nodes are killed, and restarted after 2 s',
    options: { ...aof, nodeTimeoutMs: 3000, timeoutMs: 400 },
    async run(stage) {
      await stage.breaks()
      await stage.cluster.killAll()
      await delay(2000)
      await stage.cluster.restartAll()
      await stage.cluster.waitUntilOk(30_000)
      stage.heals()
      await delay(afterMs)
    },
  },
  failover: {
    title: 'CLUSTER FAILOVER',
    async run(stage) {
      const { primary, replica } = await somePrimary(stage)
      await stage.breaks([primary])
      await stage.cluster.failover(replica)
      stage.heals()
      await delay(afterMs)
    },
  },
  takeover: {
    title: 'CLUSTER FAILOVER TAKEOVER',
    async run(stage) {
      const { primary, replica } = await somePrimary(stage)
      await stage.lose([primary], () => stage.cluster.failover(replica, 'TAKEOVER'))
      stage.heals()
      await stage.deposed(primary)
      await delay(afterMs)
    },
  },
  reshard: {
    title: '2,000 slots move under mixed load',
    options: { mixed: true },
    async run(stage) {
      const [from, to] = (await stage.cluster.primaries()) as [LocalServer, LocalServer]
      await stage.breaks()
      const ranges = (await from.command('CLUSTER', 'SLOTS')) as [number, number, [string, number]][]
      const slots = ranges
        .filter(([, , [, port]]) => port === from.port)
        .flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, i) => first + i))
      for (const slot of slots.slice(1500, 3500)) {
        await stage.cluster.beginMigration(slot, from, to)
        while ((await stage.cluster.migrateKeys(slot, from, to)) > 0);
        await stage.cluster.finishMigration(slot, from, to)
      }
      stage.heals()
      await delay(afterMs)
    },
  },
  sleep: {
    title: 'DEBUG SLEEP 2 on a primary',
    options: { nodeTimeoutMs: 15_000 },
    async run(stage) {
      const { primary } = await somePrimary(stage)
      await stage.breaks([primary])
      await primary.command('DEBUG', 'SLEEP', '2')
      stage.heals()
      await delay(afterMs)
    },
  },
  slow: {
    title: 'a primary that answers ten times a second',
    async run(stage) {
      const { primary } = await somePrimary(stage)
      await stage.breaks([primary])
      for (let i = 0; i < 30; i++) {
        await primary.command('DEBUG', 'SLEEP', '0.1')
        await delay(5)
      }
      stage.heals()
      await delay(afterMs)
    },
  },
  maxclients: {
    title: 'maxclients reached, connections lost',
    async run(stage) {
      await eachPrimary(stage, 'CONFIG', 'SET', 'maxclients', '4')
      await stage.breaks()
      await eachPrimary(stage, 'CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
      await delay(2000)
      await eachPrimary(stage, 'CONFIG', 'SET', 'maxclients', '10000')
      stage.heals()
      await delay(afterMs)
    },
  },
  maxmemory: {
    title: 'maxmemory reached on a primary',
    refuses: true,
    async run(stage) {
      const { primary } = await somePrimary(stage)
      await stage.breaks([primary])
      await primary.command('CONFIG', 'SET', 'maxmemory', '1')
      await delay(1500)
      await primary.command('CONFIG', 'SET', 'maxmemory', '0')
      stage.heals()
      await delay(afterMs)
    },
  },
  replaced: {
    title: 'an empty server at the address of a primary that was replaced',
    async run(stage) {
      const { primary, replica } = await somePrimary(stage)
      await stage.lose([primary], () => primary.kill())
      stage.gone()
      await stage.promoted(replica)
      stage.heals()
      primary.forget()
      await primary.restart()
      await delay(2 * afterMs)
      await primary.kill()
    },
  },
  loading: {
    title: 'a primary that loads its data for a while',
    // Some 70 µs for each key.
    options: {
      ...aof,
      nodeTimeoutMs: 15_000,
      config: { appendfsync: 'always', 'key-load-delay': '10', 'loading-process-events-interval-bytes': '1024' },
    },
    async run(stage) {
      const { primary } = await somePrimary(stage)
      await primary.command('DEBUG', 'POPULATE', '30000', 'filler', '100')
      await primary.command('BGREWRITEAOF')
      while (!/aof_rewrite_in_progress:0/.test(String(await primary.command('INFO', 'persistence')))) await delay(50)
      await stage.breaks([primary])
      await primary.kill()
      await primary.restart()
      while (/loading:1/.test(String(await primary.command('INFO', 'persistence').catch(() => 'loading:1'))))
        await delay(20)
      await stage.cluster.waitUntilOk(20_000)
      stage.heals()
      await delay(afterMs)
    },
  },
  descriptors: {
    title: 'no file descriptor left when connections are lost',
    async run(stage) {
      await stage.tellAll({ do: 'exhaust', on: true })
      await stage.breaks()
      await eachPrimary(stage, 'CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
      await delay(2000)
      await stage.tellAll({ do: 'exhaust', on: false })
      stage.heals()
      await delay(2 * afterMs)
    },
  },
  clock: {
    title: 'the wall clock jumps an hour on, and two back',
    async run(stage) {
      await stage.breaks()
      await stage.tellAll({ do: 'jump', byMs: 3_600_000 })
      await delay(1000)
      await stage.tellAll({ do: 'jump', byMs: -7_200_000 })
      stage.heals()
      await onePrimary(stage, 'CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
      await delay(afterMs)
    },
  },
}
