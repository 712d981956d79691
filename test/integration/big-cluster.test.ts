// A cluster of 1,000 primaries, each with a replica: what a client of it opens, and what it asks.

import { readFileSync } from 'node:fs'
import type { Client, ClientOptions } from 'slotwise/core'
import { createClient, slotOf } from 'slotwise/core'
import { FakeCluster, type FakeNode, keyInSlot } from 'slotwise/testing'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../support/settled.js'

const primaries = 1000
/** Servers and clients share this process. */
const descriptors = Number(/Max open files\s+(\d+)/.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1])
const enough = descriptors >= 6000
if (!enough) process.stderr.write(`big-cluster: skipped: ${descriptors} descriptors, and 6000 are wanted (ulimit -n)\n`)

let cluster: FakeCluster
let clients: Client[] = []
beforeAll(async () => {
  if (enough) cluster = await FakeCluster.start({ primaries, replicas: 1, ranges: 5000, keptCommands: 0 })
})
afterEach(async () => {
  for (const client of clients) await client.close()
  clients = []
  await cluster.restartAll()
})
afterAll(() => cluster?.close())

async function connected(options: Partial<ClientOptions> = {}): Promise<Client> {
  const client = createClient({ cluster: cluster.addresses.slice(0, 3), ...options } as ClientOptions)
  clients.push(client)
  await client.connect()
  return client
}

const keyOf = (node: FakeNode) => keyInSlot(node.slots[0]?.[0] as number)
const get = (client: Client, node: FakeNode) => client.execute('GET', [keyOf(node)])
const accepted = (nodes: readonly FakeNode[]) => nodes.reduce((sum, node) => sum + node.accepted, 0)
const asked = () => cluster.nodes.reduce((sum, node) => sum + node.count('CLUSTER SLOTS'), 0)

describe.runIf(enough)('a client of 1,000 primaries', () => {
  it('has a connection to those that calls have gone to, and to no replica', async () => {
    const before = accepted(cluster.nodes)
    const client = await connected()
    expect(client.inspect()).toMatchObject({ nodes: 2 * primaries, slotsCovered: 16_384 })
    // Whoever told the map.
    expect(client.inspect().sockets.total).toBeLessThanOrEqual(3)
    const some = cluster.primaries.slice(100, 150)
    await Promise.all(some.flatMap(node => Array.from({ length: 20 }, () => get(client, node))))
    expect(client.inspect().sockets.total).toBeLessThanOrEqual(53)
    expect(accepted(cluster.nodes) - before).toBe(client.inspect().dials)
    await Promise.all(cluster.primaries.map(node => get(client, node)))
    expect(client.inspect().sockets.total).toBe(primaries)
    expect(cluster.nodes.filter(node => node.role === 'replica').every(node => node.accepted === 0)).toBe(true)
  })

  it('looks twice at the most, on connections it has, for 300 MOVED at once', async () => {
    const client = await connected({ refreshMinIntervalMs: 200 })
    await Promise.all(cluster.primaries.map(node => get(client, node)))
    const [before, looks, connections] = [client.inspect(), asked(), accepted(cluster.nodes)]
    const slots = Array.from({ length: 300 }, (_, i) => i * 54)
    for (const slot of slots) cluster.moveSlots(slot, slot, cluster.primaries[(slot * 7) % primaries] as FakeNode)
    await Promise.all(slots.map(slot => client.execute('GET', [keyInSlot(slot)])))
    const { moved } = client.inspect().redirects
    expect(moved - before.redirects.moved).toBeGreaterThan(290)
    await eventually(() => expect(client.inspect().refreshes).toBeGreaterThan(before.refreshes), 30_000)
    expect(client.inspect().refreshes - before.refreshes).toBeLessThanOrEqual(2)
    // A look that finds a change may be compared with another node's.
    expect(asked() - looks).toBeLessThanOrEqual(4)
    expect([client.inspect().dials, accepted(cluster.nodes)]).toEqual([before.dials, connections])
    expect(slots.map(slot => slotOf(keyInSlot(slot)))).toEqual(slots)
  })

  it('looks twice at the most for 1,000 callers of a slot that nobody serves', async () => {
    const client = await connected({ maxQueueAgeMs: 20_000 })
    const owner = cluster.primaries[500] as FakeNode
    await Promise.all(cluster.primaries.slice(0, 20).map(node => get(client, node)))
    await owner.kill()
    const [before, connections] = [client.inspect(), accepted(cluster.nodes)]
    const calls = Array.from({ length: 1000 }, () => get(client, owner))
    await eventually(() => expect(client.inspect().queued).toBe(1000))
    // The replica is known, and is asked once it has taken over.
    await cluster.failover(owner)
    expect(new Set(await Promise.all(calls))).toEqual(new Set([null]))
    const after = client.inspect()
    expect(after.refreshes - before.refreshes).toBeLessThanOrEqual(2)
    // The one that took over.
    expect(accepted(cluster.nodes) - connections).toBe(1)
  })

  it('looks twice at the most, and opens no socket to those that stay, when ten primaries go at once', async () => {
    const client = await connected({ maxQueueAgeMs: 20_000 })
    const gone = cluster.primaries.slice(600, 610)
    const staying = cluster.primaries.filter(node => !gone.includes(node)).slice(0, 200)
    await Promise.all([...gone, ...staying].map(node => get(client, node)))
    const [before, connections] = [client.inspect(), accepted(staying)]
    const taken = await Promise.all(gone.map(node => cluster.failover(node)))
    const calls = taken.flatMap(node => Array.from({ length: 100 }, () => get(client, node)))
    expect(new Set(await Promise.all(calls))).toEqual(new Set([null]))
    expect(client.inspect().refreshes - before.refreshes).toBeLessThanOrEqual(2)
    expect(accepted(staying)).toBe(connections)
    expect(taken.map(node => node.accepted)).toEqual(Array.from({ length: 10 }, () => 1))
  })

  it('dials a few of the others, not all, when all that it is connected to have gone', async () => {
    const client = await connected({ maxQueueAgeMs: 20_000 })
    const owner = cluster.primaries[700] as FakeNode
    await get(client, owner)
    const known = new Set(client.nodes().flatMap(({ state, endpoint }) => (state === 'ready' ? [endpoint] : [])))
    const gone = cluster.nodes.filter(node => known.has(node.address))
    const others = cluster.nodes.filter(node => !gone.includes(node))
    const [before, connections] = [client.inspect(), accepted(others)]
    await Promise.all(gone.map(node => node.kill()))
    const call = get(client, owner)
    // Nobody is left to be asked.
    await eventually(() => expect(client.inspect().refreshes).toBeGreaterThan(before.refreshes))
    expect(accepted(others) - connections).toBeLessThanOrEqual(20)
    await cluster.failover(owner)
    expect(await call).toBeNull()
    expect(accepted(others) - connections).toBeLessThanOrEqual(20)
  })
})
