// Coherence: several processes change and read the same counters through cached and uncached clients, while a primary hands over to its
// replica and connections are cut. What each process checks is in fixtures/cache-coherence.mjs.

import { setTimeout as delay } from 'node:timers/promises'
import type { CacheInspection } from 'slotwise/core'
import { expect, it } from 'vitest'
import { runChild } from '../support/child.js'
import { eventually, useCluster } from '../support/settled.js'

const test = useCluster({ nodeTimeoutMs: 1000 })

interface Report {
  violations: unknown[]
  failures: Record<string, number>
  done: Record<'own' | 'order' | 'news' | 'foreign', number>
  cache: CacheInspection
  /** Calls that are in nobody's count. */
  open: number
}

/** What calls may fail with while connections are cut and a shard changes hands (docs/errors.md). */
const documented = ['SLOTWISE_CONNECTION_LOST', 'SLOTWISE_TIMEOUT', 'SLOTWISE_QUEUE_EXPIRED']
const seconds = 8

it('no cached read gives a value older than what its client has heard of', async () => {
  const { cluster } = test
  const modes = ['tracking', 'optin', 'broadcast', 'tracking']
  const children = Promise.all(
    modes.map((mode, i) =>
      runChild<Report>('cache-coherence.mjs', [mode, seconds, 7919 * (i + 1), ...cluster.addresses]),
    ),
  )
  const disturbance = async () => {
    // Each process has two connections to each primary.
    for (const node of await cluster.primaries()) {
      await eventually(async () => {
        const connected = /connected_clients:(\d+)/.exec(String(await node.command('INFO', 'clients')))?.[1]
        expect(Number(connected)).toBeGreaterThanOrEqual(2 * modes.length)
      })
    }
    await delay(500)
    for (let round = 0; round < 2; round++) {
      for (const node of await cluster.primaries()) {
        await node.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
        await delay(300)
      }
      // Graceful: no change that has been answered is lost.
      await cluster.failover((await cluster.replicas())[round] as never)
      await delay(500)
    }
  }
  const [reports] = await Promise.all([children, disturbance()])
  for (const { violations, failures, done, cache, open } of reports) {
    expect(violations).toEqual([])
    expect(Object.keys(failures).filter(code => !documented.includes(code))).toEqual([])
    expect(open).toBe(0)
    // The cache has been at work, and has been disturbed.
    for (const count of Object.values(done)) expect(count).toBeGreaterThan(0)
    expect(cache.hits).toBeGreaterThan(0)
    expect(cache.invalidations).toBeGreaterThan(0)
    expect(cache.flushes).toBeGreaterThan(0)
  }
}, 25_000)
