// Faults on real clusters, under load: what must hold of this client in each. `npm run test:faults`; needs `npm run build`.

import { expect, it } from 'vitest'
import type { Figures } from '../../bench/faults/run.mjs'
import { scenarios } from '../../bench/faults/scenarios.mjs'

// The programs as built: clients run in processes of their own.
const built = new URL('../../.build/bench/faults/run.mjs', import.meta.url)
const { run } = (await import(built.href)) as typeof import('../../bench/faults/run.mjs')

const mebibyte = 2 ** 20
/** From when the servers can serve again to the first success, in milliseconds: loose bounds, for a loaded machine. */
const firstSuccessLimitMs = 3000
const otherLimitsMs: Record<string, number> = {
  // Nothing but a look at the topology and a dial is between the two.
  'kill-primary slotwise': 1000,
  'kill-primary slotwise-api': 1000,
  // As ioredis, it leaves a server more time than the kernel takes to send its packets again, which here is up to 7 s.
  'lost-packets-of-clients slotwise-api': 8000,
}

function expectSound(name: string, driver: string, figures: Figures): void {
  const { verdict, ledger } = figures
  expect(figures.unhandled, 'unhandled rejections').toEqual([])
  expect(verdict.open, 'calls that never settled').toBe(0)
  expect(verdict.lost, 'acknowledged and lost').toEqual([])
  expect(verdict.duplicates, 'applied twice').toEqual([])
  expect(verdict.disordered, 'out of order').toEqual([])
  expect(verdict.denied, 'said not to have run').toEqual([])
  expect(verdict.late, 'carried out after it had been given up').toEqual([])
  expect(verdict.acked).toBeGreaterThan(500)
  expect(figures.badSamples, 'issued = settled + queued + in flight').toEqual([])
  if (ledger !== null) {
    expect(ledger.settled).toBe(ledger.issued)
    expect({ queued: ledger.queued, inFlight: ledger.inFlight, bytes: ledger.queuedBytes }).toEqual({
      queued: 0,
      inFlight: 0,
      bytes: 0,
    })
    // Six servers, each redialled after 50 ms, 100 ms, …, 1 s; two clients' worth of subscribers.
    expect(figures.dialsPerSecondPeak).toBeLessThanOrEqual(60)
    expect(figures.refreshesPerSecondPeak).toBeLessThanOrEqual(11)
  }
  expect(figures.resourcesLeft, 'timers and handles left').toEqual([])
  expect(figures.fdsAfter, 'descriptors left').toBeLessThanOrEqual(figures.fdsBefore)
  expect((figures.heapPeakMiB - figures.heapBeforeMiB) * mebibyte, 'heap').toBeLessThan(48 * mebibyte)
  expect(figures.firstSuccessMs).not.toBeNull()
  expect(figures.firstSuccessMs).toBeLessThan(otherLimitsMs[`${name} ${driver}`] ?? firstSuccessLimitMs)
}

it.concurrent.each(Object.entries(scenarios))('%s', { timeout: 120_000 }, async (name, { refuses, options }) => {
  const figures = await run(name, ['slotwise', 'slotwise-api'])
  const firsts = [...figures].map(([driver, { firstSuccessMs }]) => `${driver} ${firstSuccessMs?.toFixed(0)} ms`)
  console.info(`${name}: first success of ${firsts.join(', ')}`)
  for (const [driver, each] of figures) {
    try {
      expectSound(name, driver, each)
      if (refuses) expect(each.failures).toHaveProperty('OOM')
      // What is held against the lists in the end has happened at all.
      if (options?.timeoutMs !== undefined && driver === 'slotwise') expect(each.verdict.withdrawn).toBeGreaterThan(10)
      // A transaction on a slot that moves is its caller's: nothing else fails there.
      if (options?.mixed) expect(each.verdict.failed).toBeLessThan(each.verdict.acked / 100)
      if (options?.mixed) expect(each.received).toBeGreaterThan(0.9 * each.published)
    } catch (error) {
      ;(error as Error).message = `${driver}: ${(error as Error).message}`
      throw error
    }
  }
})
