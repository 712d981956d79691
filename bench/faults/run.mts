// Run: one scenario with any number of clients at once, and the figures that come of it.

import type { Report } from './child.mjs'
import type { DriverName } from './drivers.mjs'
import { check, firstSuccessMs, longestSilenceMs, type Verdict } from './history.mjs'
import { scenarios } from './scenarios.mjs'
import { now, Stage } from './stage.mjs'

export interface Figures extends Omit<Report, 'writes'> {
  verdict: Verdict
  /** From when a client could have succeeded to its first success; null for none. */
  firstSuccessMs: number | null
  /** The longest time in which no call of those concerned succeeded. */
  silenceMs: number
  /** Failed calls by code. */
  failures: Record<string, number>
}

/** Runs a scenario. */
export async function run(name: string, drivers: readonly DriverName[]): Promise<Map<DriverName, Figures>> {
  const scenario = scenarios[name]
  if (scenario === undefined) throw new Error(`No such scenario: ${name}`)
  const stage = await Stage.open(drivers, scenario.options)
  try {
    await scenario.run(stage)
    const endedAt = now()
    const { reports, lists } = await stage.finish()
    const { brokenAt, healedAt, gone, concerned } = stage.notes
    const figures = new Map<DriverName, Figures>()
    for (const [driver, { writes, ...report }] of reports) {
      const own = stage.keys.get(driver) as string[]
      const keys = concerned.get(driver) ?? new Set(own)
      const failures: Record<string, number> = {}
      for (const { outcome } of writes) if (outcome !== 'acked') failures[outcome] = (failures[outcome] ?? 0) + 1
      figures.set(driver, {
        ...report,
        verdict: check(writes, new Map(own.map(key => [key, lists.get(key) ?? []])), gone),
        firstSuccessMs: firstSuccessMs(writes, keys, healedAt),
        silenceMs: longestSilenceMs(writes, keys, brokenAt, endedAt),
        failures,
      })
    }
    return figures
  } finally {
    await stage.close()
  }
}
