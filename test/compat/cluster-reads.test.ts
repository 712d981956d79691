// Reads from replicas: option `scaleReads` of a Cluster.

import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import type { LocalServer } from '../../scripts/local-cluster.mjs'
import { failureOf } from '../support/clients.js'
import { eventually, keyIn, useCluster } from '../support/settled.js'
import { describeBoth, type Untyped } from './support/both.js'

const test = useCluster({ primaries: 3, replicasPerPrimary: 2 })
const seeds = () => test.cluster.nodes.map(({ host, port }) => ({ host, port }))
const key = keyIn(100, 'read')

const made: Untyped[] = []
afterEach(() => {
  for (const one of made.splice(0)) one.disconnect()
})

/** How often a node has carried out a command since its counts were reset. */
async function countAt(node: LocalServer, command: string): Promise<number> {
  const stats = String(await node.command('INFO', 'commandstats'))
  return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats)?.[1] ?? 0)
}

async function counts(command: string): Promise<{ primary: number; replicas: number[] }> {
  const primary = await test.cluster.primaryOf(100)
  const id = String(await primary.command('CLUSTER', 'MYID'))
  const lines = ((await primary.command('CLUSTER', 'REPLICAS', id)) as string[]).map(line => line.split(' ')[1])
  const replicas = test.cluster.nodes.filter(({ address }) => lines.some(line => line?.startsWith(`${address}@`)))
  return {
    primary: await countAt(primary, command),
    replicas: await Promise.all(replicas.map(node => countAt(node, command))),
  }
}

beforeAll(async () => {
  await eventually(async () => {
    // Whichever node a client asks.
    for (const node of test.cluster.nodes) {
      const view = (await node.command('CLUSTER', 'SLOTS')) as unknown[][]
      expect(view.every(shard => shard.length === 5)).toBe(true)
    }
  }, 20_000)
})
beforeEach(() => Promise.all(test.cluster.nodes.map(node => node.command('CONFIG', 'RESETSTAT'))))

describeBoth('scaleReads of a Cluster', ({ Cluster }) => {
  const open = async (options: object) => {
    const cluster = new Cluster(seeds(), options).on('error', () => undefined)
    made.push(cluster)
    await new Promise(resolve => cluster.once('ready', resolve))
    await cluster.set(key, 'v')
    await cluster.wait(2, 1000)
    // Whoever connects when it is first needed has done so.
    await eventually(async () => {
      for (const node of cluster.nodes()) await node.ping()
    })
    await Promise.all(test.cluster.nodes.map(node => node.command('CONFIG', 'RESETSTAT')))
    return cluster
  }
  const reads = (cluster: Untyped, count = 200) => Promise.all(Array.from({ length: count }, () => cluster.get(key)))

  it.each([undefined, 'master'])('%s: everything is asked of primaries', async scaleReads => {
    const cluster = await open({ scaleReads })
    expect(new Set(await reads(cluster))).toEqual(new Set(['v']))
    expect(await counts('get')).toEqual({ primary: 200, replicas: [0, 0] })
  })

  it('slave: what only reads is asked of replicas, and the rest of primaries', async () => {
    const cluster = await open({ scaleReads: 'slave' })
    expect(new Set(await reads(cluster))).toEqual(new Set(['v']))
    expect(await cluster.append(key, '!')).toBe(2)
    const { primary, replicas } = await counts('get')
    expect(primary).toBe(0)
    expect(replicas.reduce((sum, n) => sum + n, 0)).toBe(200)
    for (const count of replicas) expect(count).toBeGreaterThan(20)
    expect(await counts('append')).toMatchObject({ primary: 1 })
    await eventually(async () => expect(await cluster.get(key)).toBe('v!'))
  })

  it('all: what only reads is asked of either', async () => {
    const cluster = await open({ scaleReads: 'all' })
    expect(new Set(await reads(cluster))).toEqual(new Set(['v']))
    const { primary, replicas } = await counts('get')
    for (const count of [primary, ...replicas]) expect(count).toBeGreaterThan(10)
    expect(primary + replicas.reduce((sum, n) => sum + n, 0)).toBe(200)
  })

  it('a function chooses of the nodes of the slot, the primary first', async () => {
    const asked: unknown[] = []
    const cluster = await open({
      scaleReads(nodes: Untyped[], command: Untyped) {
        asked.push([nodes.map(({ options }) => options.port), command.name])
        return nodes[1]
      },
    })
    asked.length = 0
    expect(new Set(await reads(cluster, 10))).toEqual(new Set(['v']))
    const { primary, replicas } = await counts('get')
    expect([primary, replicas.filter(count => count === 10).length]).toEqual([0, 1])
    const [ports, name] = asked[0] as [number[], string]
    expect([asked.length, ports.length, ports[0], name]).toEqual([
      10,
      3,
      (await test.cluster.primaryOf(100)).port,
      'get',
    ])
    asked.length = 0
    await cluster.set(key, 'w')
    expect(asked).toEqual([])
  })

  it('a function may give several, of which one is asked', async () => {
    const cluster = await open({ scaleReads: (nodes: Untyped[]) => nodes.slice(1) })
    expect(new Set(await reads(cluster))).toEqual(new Set(['v']))
    const { primary, replicas } = await counts('get')
    expect(primary).toBe(0)
    for (const count of replicas) expect(count).toBeGreaterThan(20)
  })

  it('slave: goes on when the replicas are away, and when they are there again', { timeout: 60_000 }, async () => {
    const cluster = await open({ scaleReads: 'slave', slotsRefreshInterval: 500 })
    const replicas = await test.cluster.replicas()
    for (const node of replicas) await node.kill()
    await eventually(async () => expect(await cluster.get(key)).toBe('v'), 20_000)
    for (const node of replicas) await node.restart()
    await eventually(async () => {
      await reads(cluster, 20)
      const { replicas: again } = await counts('get')
      expect(again.reduce((sum, n) => sum + n, 0)).toBeGreaterThan(0)
    }, 30_000)
    await test.cluster.waitUntilOk(20_000)
  })

  it('says what a replica says of a write', async () => {
    const cluster = await open({ scaleReads: 'slave' })
    const [replica] = cluster.nodes('slave')
    const error = await failureOf(replica.set(key, 'x'))
    expect(error.message).toMatch(/^(MOVED|READONLY)/)
  })
})
