// Faults on real clusters, under load: what must hold of this client in each. `npm run test:faults`; needs `npm run build`.

import { expect, it } from 'vitest'
import type { Figures } from '../../bench/faults/run.mjs'
import { scenarios } from '../../bench/faults/scenarios.mjs'

// The programs as built: clients run in processes of their own.
const built = new URL('../../.build/bench/faults/run.mjs', import.meta.url)
const { run } = (await import(built.href)) as typeof import('../../bench/faults/run.mjs')

const mebibyte = 2 ** 20
/** From when the servers can serve again to the first success, in milliseconds: a loose bound, for a loaded machine. */
const firstSuccessLimitMs: Record<string, number> = {
  // Nobody says that a silent server is gone: it takes the client's own limit to find out.
  'freeze-primary': 7000,
}

/** A server that stands still has been given the calls, and carries them out when it goes on. */
const executesLate = new Set<string>()

function expectSound(name: string, figures: Figures): void {
  const { verdict, ledger } = figures
  expect(figures.unhandled, 'unhandled rejections').toEqual([])
  expect(verdict.open, 'calls that never settled').toBe(0)
  expect(verdict.lost, 'acknowledged and lost').toEqual([])
  expect(verdict.duplicates, 'applied twice').toEqual([])
  expect(verdict.disordered, 'out of order').toEqual([])
  expect(verdict.denied, 'said not to have run').toEqual([])
  if (!executesLate.has(name)) expect(verdict.late, 'carried out after it had been given up').toEqual([])
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
  expect(figures.firstSuccessMs).toBeLessThan(firstSuccessLimitMs[name] ?? 3000)
}

it.concurrent.each(Object.entries(scenarios))('%s', { timeout: 120_000 }, async (name, { refuses }) => {
  const figures = await run(name, ['slotwise', 'slotwise-api'])
  const firsts = [...figures].map(([driver, { firstSuccessMs }]) => `${driver} ${firstSuccessMs?.toFixed(0)} ms`)
  console.info(`${name}: first success of ${firsts.join(', ')}`)
  for (const [driver, each] of figures) {
    try {
      expectSound(name, each)
      if (refuses) expect(each.failures).toHaveProperty('OOM')
    } catch (error) {
      ;(error as Error).message = `${driver}: ${(error as Error).message}`
      throw error
    }
  }
})
