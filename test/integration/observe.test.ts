// Observe: what those who look on are told, on a real cluster: topology events, and every diagnostics channel.

import diagnostics from 'node:diagnostics_channel'
import type {
  DialMessage,
  QueueMessage,
  RedirectMessage,
  RefreshMessage,
  SocketMessage,
  TopologyChange,
  TopologyMessage,
} from 'slotwise/core'
import { afterEach, describe, expect, it } from 'vitest'
import { failureOf } from '../support/clients.js'
import { eventually, keyIn, useCluster } from '../support/settled.js'

const test = useCluster({ primaries: 3, replicasPerPrimary: 1, nodeTimeoutMs: 1000 })
const fast = { refreshMinIntervalMs: 100, backoffMaxMs: 100, timeoutMs: 20_000, maxQueueAgeMs: 20_000 }

interface Messages {
  'slotwise:dial': DialMessage
  'slotwise:queue': QueueMessage
  'slotwise:redirect': RedirectMessage
  'slotwise:refresh': RefreshMessage
  'slotwise:socket': SocketMessage
  'slotwise:topology': TopologyMessage
}

const unsubscribe: (() => void)[] = []
afterEach(() => {
  for (const one of unsubscribe.splice(0)) one()
})

/** What is published on a channel from now on. */
function heard<Name extends keyof Messages>(name: Name): Messages[Name][] {
  const messages: Messages[Name][] = []
  const listener = (message: unknown) => void messages.push(message as Messages[Name])
  diagnostics.subscribe(name, listener)
  unsubscribe.push(() => diagnostics.unsubscribe(name, listener))
  return messages
}

async function replicaOf(slot: number) {
  const primary = await test.cluster.primaryOf(slot)
  for (const node of test.cluster.nodes) {
    if (node === primary || !node.running) continue
    const role = (await node.command('ROLE')) as [string, string, number]
    if (role[0] === 'slave' && role[2] === primary.port) return { primary, replica: node }
  }
  throw new Error('no replica')
}

/** Every node names a replica of every primary: they are not told of at once. */
async function replicasKnown(): Promise<void> {
  await eventually(async () => {
    for (const node of test.cluster.nodes) {
      const rows = (await node.command('CLUSTER', 'SLOTS')) as unknown[][]
      expect(rows.every(row => row.length === 4)).toBe(true)
    }
  }, 20_000)
}

describe('a topology event', () => {
  it('tells the first topology, then what a failover has changed', async () => {
    await replicasKnown()
    const client = test.client(fast)
    const changes: TopologyChange[] = []
    client.on('topology', change => changes.push(change))
    await client.connect()
    await eventually(() => expect(changes).toHaveLength(1))
    const [first] = changes as [TopologyChange]
    expect(first).toMatchObject({ slotsCovered: 16384, nodesRemoved: [], roles: [] })
    expect([...first.nodesAdded].sort()).toEqual([...test.cluster.addresses].sort())
    expect(first.slotsMoved.every(({ from }) => from === null)).toBe(true)
    expect(first.slotsMoved.reduce((sum, { first, last }) => sum + last - first + 1, 0)).toBe(16384)

    const { primary, replica } = await replicaOf(0)
    const moved = first.slotsMoved.filter(({ to }) => to === primary.address)
    changes.length = 0
    await test.cluster.failover(replica)
    await client.execute('SET', [keyIn(0), 1])
    await eventually(() => expect(changes).not.toHaveLength(0))
    const [change] = changes as [TopologyChange]
    expect(change.slotsMoved).toEqual(
      moved.map(({ first, last }) => ({ first, last, from: primary.address, to: replica.address })),
    )
    expect(change.roles).toContainEqual({ endpoint: replica.address, from: 'replica', to: 'primary' })
    expect(change).toMatchObject({ slotsCovered: 16384, nodesAdded: [] })
  })

  it('whose listener throws harms nothing but its process', async () => {
    const client = test.client(fast)
    const thrown: unknown[] = []
    const others = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException')
    process.once('uncaughtException', error => thrown.push(error))
    try {
      client.on('topology', () => {
        throw new Error('from a listener')
      })
      await client.connect()
      await eventually(() => expect(thrown).toMatchObject([{ message: 'from a listener' }]))
    } finally {
      for (const other of others) process.on('uncaughtException', other)
    }
    expect(await client.execute('PING')).toBe('PONG')
  })
})

describe('the channels', () => {
  it('tell dials, sockets, refreshes and the topology, and whose they are', async () => {
    const [dials, sockets, refreshes, topologies] = [
      heard('slotwise:dial'),
      heard('slotwise:socket'),
      heard('slotwise:refresh'),
      heard('slotwise:topology'),
    ]
    const client = test.client({ ...fast, name: 'looked-at' })
    await client.execute('SET', [keyIn(0), 1])
    await client.close()
    expect(refreshes[0]).toMatchObject({
      trigger: 'waiting',
      outcome: 'changed',
      error: null,
      client: { name: 'looked-at' },
    })
    expect(refreshes[0]?.asked).toMatchObject([{ outcome: 'different' }])
    expect(refreshes[0]?.durationMs).toBeGreaterThan(0)
    expect(topologies).toMatchObject([{ slotsCovered: 16384, client: refreshes[0]?.client as object }])
    expect(dials.filter(({ outcome }) => outcome === 'usable').length).toBeGreaterThanOrEqual(1)
    for (const dial of dials) expect(test.cluster.addresses).toContain(dial.endpoint)
    const opened = sockets.filter(({ event }) => event === 'open').length
    expect(opened).toBe(dials.length)
    expect(sockets).toHaveLength(2 * opened)
    expect(sockets.at(-1)).toMatchObject({ event: 'close', total: 0 })
  })

  it('tell a dial that has failed, and why', async () => {
    const dials = heard('slotwise:dial')
    const client = test.client({ timeoutMs: 300 }, ['127.0.0.1:1'])
    await failureOf(client.execute('PING'))
    expect(dials[0]).toMatchObject({
      endpoint: '127.0.0.1:1',
      use: 'shared',
      outcome: 'failed',
      error: { code: 'SLOTWISE_CONNECT_FAILED' },
    })
  })

  it('tell redirects', async () => {
    const redirects = heard('slotwise:redirect')
    const client = test.client(fast)
    await client.connect()
    const slot = 42
    const from = await test.cluster.primaryOf(slot)
    const to = await test.cluster.primaryOf(16_000)
    await test.cluster.beginMigration(slot, from, to)
    await client.execute('GET', [keyIn(slot)])
    await test.cluster.finishMigration(slot, from, to)
    await client.execute('GET', [keyIn(slot)])
    const common = { slot, from: from.address, to: to.address, command: 'GET' }
    expect(redirects).toMatchObject([
      { kind: 'ask', ...common },
      { kind: 'moved', ...common },
    ])
  })

  it('tell calls that were refused, or have waited too long', async () => {
    const refused = heard('slotwise:queue')
    const client = test.client({ maxQueuedCalls: 2, maxQueueAgeMs: 100 }, ['127.0.0.1:1'])
    const failures = await Promise.all(['a', 'b', 'c'].map(key => failureOf(client.execute('GET', [key]))))
    expect(failures.map(({ code }) => code)).toEqual([
      'SLOTWISE_QUEUE_EXPIRED',
      'SLOTWISE_QUEUE_EXPIRED',
      'SLOTWISE_QUEUE_FULL',
    ])
    expect(refused).toMatchObject([
      { code: 'SLOTWISE_QUEUE_FULL', command: 'GET', queuedCalls: 2 },
      { code: 'SLOTWISE_QUEUE_EXPIRED', command: 'GET' },
      { code: 'SLOTWISE_QUEUE_EXPIRED', command: 'GET' },
    ])
  })
})
