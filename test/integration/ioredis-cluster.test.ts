// Cluster, in the shape of ioredis, through an outage and a failover of real servers.

import { createRequire } from 'node:module'
import { afterEach, describe, expect, it } from 'vitest'
import { eventually, keyIn, socketFdsTo, useCluster } from '../support/settled.js'

// The root is CommonJS by hand, so that it can be a constructor: it is tested as built.
const { Cluster } = createRequire(import.meta.url)('../../dist/index.js') as typeof import('slotwise')
type ClusterClient = InstanceType<typeof Cluster>

const test = useCluster({ primaries: 3, replicasPerPrimary: 1 })

let made: ClusterClient[] = []
function open(options: ConstructorParameters<typeof Cluster>[1] = {}): ClusterClient {
  const cluster = new Cluster(
    test.cluster.nodes.map(({ port }) => ({ host: '127.0.0.1', port })),
    options,
  )
  cluster.on('error', () => undefined)
  made.push(cluster)
  return cluster
}
afterEach(async () => {
  for (const cluster of made) cluster.disconnect()
  for (const cluster of made) await eventually(() => expect(cluster.status).toBe('end'))
  made = []
  await eventually(() => expect(socketFdsTo(test.ports)).toBe(0))
})

const events = ['connecting', 'connect', 'ready', 'close', 'reconnecting', 'end']
function recorded(cluster: ClusterClient): string[] {
  const seen: string[] = []
  for (const event of events) cluster.on(event, () => seen.push(event))
  return seen
}
const keys = Array.from({ length: 60 }, (_, i) => keyIn(i * 270, 'k'))

describe('Cluster', () => {
  it('is there again after every node was away, with what was called meanwhile', async () => {
    const cluster = open()
    await new Promise(resolve => cluster.once('ready', resolve))
    await Promise.all(keys.map(key => cluster.set(key, 'before')))
    const seen = recorded(cluster)
    await test.cluster.killAll()
    await eventually(() => expect(cluster.status).toBe('reconnecting'), 10_000)
    const waiting = keys.map(key => cluster.set(key, 'meanwhile'))
    await test.cluster.restartAll()
    expect(new Set(await Promise.all(waiting))).toEqual(new Set(['OK']))
    await eventually(() => expect(cluster.status).toBe('ready'), 10_000)
    expect(seen.slice(0, 2)).toEqual(['close', 'reconnecting'])
    expect(seen.at(-1)).toBe('ready')
    expect(new Set(await Promise.all(keys.map(key => cluster.get(key))))).toEqual(new Set(['meanwhile']))
    await test.cluster.waitUntilOk(20_000)
  })

  it('goes on through a failover, its transactions included', async () => {
    const cluster = open({ slotsRefreshInterval: 500 })
    await new Promise(resolve => cluster.once('ready', resolve))
    const [replica] = await test.cluster.replicas()
    let running = true
    const outcomes = new Map<string, number>()
    const count = (name: string) => outcomes.set(name, (outcomes.get(name) ?? 0) + 1)
    const load = (async () => {
      for (let i = 0; running; i++) {
        const key = keys[i % keys.length] as string
        const results = await cluster.multi().set(key, i).get(key).exec()
        expect(results).toEqual([
          [null, 'OK'],
          [null, String(i)],
        ])
        count('transactions')
      }
    })()
    await eventually(() => expect(outcomes.get('transactions')).toBeGreaterThan(20))
    await test.cluster.failover(replica as NonNullable<typeof replica>)
    const before = outcomes.get('transactions') ?? 0
    await eventually(() => expect(outcomes.get('transactions')).toBeGreaterThan(before + 200), 15_000)
    running = false
    await load
    await eventually(() => {
      expect(cluster.nodes('master')).toHaveLength(3)
      expect(cluster.nodes('slave')).toHaveLength(3)
    }, 10_000)
    await test.cluster.waitUntilOk(20_000)
  })

  it('ends while every node is away, and settles everything', async () => {
    const cluster = open()
    await new Promise(resolve => cluster.once('ready', resolve))
    await test.cluster.killAll()
    await eventually(() => expect(cluster.status).toBe('reconnecting'), 10_000)
    const outcome = cluster.get(keys[0] as string).catch((error: Error) => error.message)
    cluster.disconnect()
    expect(await outcome).toBe('None of startup nodes is available')
    await eventually(() => expect(cluster.status).toBe('end'))
    await test.cluster.restartAll()
    await test.cluster.waitUntilOk(20_000)
    await cluster.connect()
    expect(await cluster.set(keys[0] as string, 'again')).toBe('OK')
  })
})
