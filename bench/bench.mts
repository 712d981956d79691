// bench: what one command costs the client's process, beside other clients, in one run.
//
// The first figure is client CPU (user + system) for each operation: it does not depend on how fast the servers are. Every measurement
// is a process of its own; clients take turns round by round, so that a machine that slows down slows them all.

import { writeFileSync } from 'node:fs'
import { measure } from './lib/measure.mjs'
import type { Outcome } from './lib/measured.mjs'
import { pinned } from './lib/pinned.mjs'
import { type Plan, planOf, turnsOf } from './lib/plan.mjs'
import { figure, machine } from './lib/report.mjs'
import type { Results, Row } from './lib/results.mjs'
import { type Place, Stages } from './lib/stages.mjs'
import { tables } from './lib/tables.mjs'
import { type MessageWorkload, type Workload, workloads } from './lib/workloads.mjs'
import { findings, verdictText } from './limits.mjs'

function progress(line: string): void {
  process.stdout.write(`${line}\n`)
}

function outcomeText(outcome: Outcome): string {
  if ('absent' in outcome) return outcome.absent
  return `${figure(outcome.cpuUsPerOp)} µs/op, ${outcome.opsPerSec.toFixed(0)} op/s`
}

async function measureRow(name: string, plan: Plan, place: Place): Promise<Row> {
  const { title } = workloads[name] as Workload | MessageWorkload
  const { warmUpSeconds, seconds } = plan
  const row: Row = Object.fromEntries(plan.clients.map(client => [client, []]))
  for (let round = 0; round < plan.rounds; round++) {
    for (const client of turnsOf(plan, round)) {
      const outcomes = row[client] as Outcome[]
      // Who refuses once refuses always.
      const known = outcomes.find(outcome => 'absent' in outcome)
      if (known !== undefined) continue
      const outcome = await measure({ client, workload: name, ...place, warmUpSeconds, seconds })
      outcomes.push(outcome)
      progress(`  ${title}, round ${round + 1}/${plan.rounds}, ${client}: ${outcomeText(outcome)}`)
    }
  }
  return row
}

async function main(): Promise<void> {
  const plan = planOf(process.argv.slice(2))
  if ('text' in plan) {
    process.exitCode = plan.exitCode
    process[plan.exitCode === 0 ? 'stdout' : 'stderr'].write(plan.text)
    return
  }
  const startedAt = performance.now()
  const about = `${machine()}; ${pinned ? 'clients on core 0, servers on core 1' : 'not pinned to cores'}`
  progress(about)
  await using stages = new Stages(progress)
  const results: Results = {}
  for (const name of plan.workloads) {
    const place = await stages.of((workloads[name] as Workload).stage)
    results[name] = await measureRow(name, plan, place)
  }
  progress(`\n${tables(results, plan.clients)}\n`)
  if (plan.json !== undefined) writeFileSync(plan.json, `${JSON.stringify(jsonOf(plan, about, results), null, 2)}\n`)
  const found = findings(results, workloads)
  process.stdout.write(verdictText(found))
  progress(`bench: took ${((performance.now() - startedAt) / 1000).toFixed(0)} s`)
  if (found.some(({ missed }) => missed)) process.exitCode = 1
}

function jsonOf({ command }: Plan, about: string, results: Results): object {
  return { machine: about, date: new Date().toISOString(), command, results }
}

await main()
