// Replaced: a primary that somebody else has taken the place of, while it is silent, hard to reach, or of another opinion.

import { createRequire } from 'node:module'
import type { CommonOptions } from 'slotwise/core'
import { bulk, type FakeServer, type Layout } from 'slotwise/testing'
import { describe, expect, it } from 'vitest'
import { failureOf, useClients } from '../support/clients.js'
import { startPair, startScripted } from '../support/scripted.js'
import { eventually, keyIn } from '../support/settled.js'

// The root is CommonJS by hand, so that it can be a constructor: it is tested as built.
const { Cluster } = createRequire(import.meta.url)('../../dist/index.js') as typeof import('slotwise')
const test = useClients()
const [slotOfA, slotOfB, slotOfC] = [100, 10_000, 14_000]

function serveAs(letter: string): (command: string[]) => string | undefined {
  return ([name, about]) => {
    if (name === 'GET') return bulk(letter)
    if (name === 'SET') return '+OK\r\n'
    return name === 'CLUSTER' && about === 'INFO' ? bulk('cluster_state:ok\r\n') : undefined
  }
}

async function pair() {
  const { a, b, layout } = await startPair()
  test.keep(a).handler = serveAs('a')
  test.keep(b).handler = serveAs('b')
  return { a, b, layout, addresses: [a.address, b.address] }
}

async function connectedPair(options: CommonOptions = {}) {
  const { addresses, ...servers } = await pair()
  const client = test.client({ cluster: addresses, ...options })
  await Promise.all([slotOfA, slotOfB].map(slot => client.execute('GET', [keyIn(slot)])))
  return { ...servers, client }
}

/** The first takes over everything, and says so. */
function takeOver(a: FakeServer): void {
  a.layout = [[0, 16_383, a.port]]
}

describe('a primary that is replaced while it says nothing', () => {
  it('is left for the other within a few looks, not after its silence', async () => {
    const { a, b, client } = await connectedPair({ silenceTimeoutMs: 60_000, pingIntervalMs: 60_000 })
    b.freeze()
    const write = failureOf(client.execute('SET', [keyIn(slotOfB), 1]))
    const read = client.execute('GET', [keyIn(slotOfB)])
    takeOver(a)
    const startedAt = performance.now()
    // Its calls do not wait for what they would be given elsewhere.
    expect(await read).toBe('a')
    expect(await write).toMatchObject({ code: 'SLOTWISE_CONNECTION_LOST', maybeExecuted: true })
    expect(await client.execute('GET', [keyIn(slotOfB)])).toBe('a')
    expect(performance.now() - startedAt).toBeLessThan(4000)
    b.thaw()
  }, 20_000)

  it('is left by the API of ioredis, too, whose silence may last longer', async () => {
    const { a, b, addresses } = await pair()
    const cluster = new Cluster(addresses)
    try {
      expect(await cluster.get(keyIn(slotOfB))).toBe('b')
      b.freeze()
      const read = cluster.get(keyIn(slotOfB))
      takeOver(a)
      const startedAt = performance.now()
      expect(await read).toBe('a')
      expect(performance.now() - startedAt).toBeLessThan(4000)
    } finally {
      b.thaw()
      cluster.disconnect()
    }
  }, 20_000)

  it('keeps its connection and its calls where nobody has taken its place', async () => {
    const { b, client } = await connectedPair({ silenceTimeoutMs: 60_000 })
    const { dials, refreshes } = client.inspect()
    b.freeze()
    const write = client.execute('SET', [keyIn(slotOfB), 1])
    await eventually(() => expect(client.inspect().refreshes).toBeGreaterThan(refreshes + 1))
    b.thaw()
    expect(await write).toBe('OK')
    expect(client.inspect()).toMatchObject({ dials, dialFailures: 0 })
  })
})

describe('a primary that is replaced while a dial to it hangs', () => {
  it('is left for the other at once, by calls that were made during that dial, too', async () => {
    const { a, b, client } = await connectedPair({ connectTimeoutMs: 30_000, refreshMinIntervalMs: 200 })
    const { refreshes } = client.inspect()
    b.freeze()
    b.resetAll()
    // The look that the loss gives rise to finds nothing new.
    await eventually(() => expect(client.inspect().refreshes).toBeGreaterThan(refreshes))
    await eventually(() =>
      expect(client.nodes().find(({ endpoint }) => endpoint === b.address)?.state).toBe('connecting'),
    )
    const settledAt = client.inspect().refreshes
    const read = client.execute('GET', [keyIn(slotOfB)])
    await eventually(() => expect(client.inspect().refreshes).toBeGreaterThan(settledAt + 2))
    takeOver(a)
    const startedAt = performance.now()
    expect(await read).toBe('a')
    expect(performance.now() - startedAt).toBeLessThan(1000)
    b.thaw()
  })
})

describe('a primary that says CLUSTERDOWN', () => {
  it('is left as soon as another one serves its slots, and is asked last about that', async () => {
    const { a, b, layout } = await pair()
    const c = test.keep(await startScripted(serveAs('c')))
    a.layout = b.layout = c.layout = [...layout.slice(0, 1), [8192, 12_000, b.port], [12_001, 16_383, c.port]] as Layout
    const client = test.client({ cluster: [a.address], refreshMinIntervalMs: 60_000, refreshMaxIntervalMs: 60_000 })
    await Promise.all([slotOfA, slotOfB, slotOfC].map(slot => client.execute('GET', [keyIn(slot)])))
    b.handler = ([name]) => (name === 'GET' ? '-CLUSTERDOWN The cluster is down\r\n' : undefined)
    const read = client.execute('GET', [keyIn(slotOfB)])
    await eventually(() => expect(client.inspect().retries).toBeGreaterThan(0))
    const asked = b.count('CLUSTER SLOTS')
    const { refreshes } = client.inspect()
    await eventually(() => expect(client.inspect().refreshes).toBeGreaterThan(refreshes + 5))
    // b goes on claiming what it had.
    a.layout = c.layout = [
      [0, 12_000, a.port],
      [12_001, 16_383, c.port],
    ]
    const startedAt = performance.now()
    expect(await read).toBe('a')
    expect(performance.now() - startedAt).toBeLessThan(1000)
    expect(b.count('CLUSTER SLOTS')).toBe(asked)
  })
})
