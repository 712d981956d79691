// Run: one scenario with any number of clients at once, and the figures that come of it.

import { fileURLToPath } from 'node:url'
import type { Report } from './child.mjs'
import type { DriverName } from './drivers.mjs'
import { check, firstSuccessMs, longestSilenceMs, type Verdict } from './history.mjs'
import { BlackHoles, findIsolation, type Network, runIsolated } from './network.mjs'
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

/** Runs a scenario; where packets are to be lost, in a network namespace of its own. */
export async function run(name: string, drivers: readonly DriverName[]): Promise<Map<DriverName, Figures>> {
  if (scenarios[name]?.losesPackets !== true) return play(name, drivers)
  const isolation = await findIsolation()
  if ('reason' in isolation) {
    process.stderr.write(`${name}: by proxies, not by lost packets: ${isolation.reason}\n`)
    return play(name, drivers, new BlackHoles())
  }
  const path = fileURLToPath(new URL('./isolated.mjs', import.meta.url))
  const told = await runIsolated(isolation.command, path, [name, drivers.join()])
  const { figures, error } = told as { figures?: Map<DriverName, Figures>; error?: string }
  if (figures === undefined) throw new Error(error)
  return figures
}

/** Runs a scenario in this process. */
export async function play(
  name: string,
  drivers: readonly DriverName[],
  network: Network | null = null,
): Promise<Map<DriverName, Figures>> {
  const scenario = scenarios[name]
  if (scenario === undefined) throw new Error(`No such scenario: ${name}`)
  const stage = await Stage.open(drivers, scenario.options, network)
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
