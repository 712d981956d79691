// bench: what one command costs the client's process, beside other clients, in one run.
//
// The first figure is client CPU (user + system) for each operation: it does not depend on how fast the servers are. Every client
// has a process of its own for every workload and round; the processes take turns of a fraction of a second, so that a machine that slows
// down slows them all, and a ratio is taken within a turn.

import { writeFileSync } from 'node:fs'
import type { ClientName } from './lib/clients.mjs'
import type { Allocation, Heap, Latency, Outcome, Slice } from './lib/measured.mjs'
import { MeasuredProcess } from './lib/measured-process.mjs'
import { pinned } from './lib/pinned.mjs'
import { orderOf, type Plan, planOf } from './lib/plan.mjs'
import { machine } from './lib/report.mjs'
import type { Results, Row } from './lib/results.mjs'
import { type Place, Stages } from './lib/stages.mjs'
import { cell, tables } from './lib/tables.mjs'
import { type MessageWorkload, type Workload, workloads } from './lib/workloads.mjs'
import { findings, verdictText } from './limits.mjs'

function progress(line: string): void {
  process.stdout.write(`${line}\n`)
}

/** One process of each client, all at once: one of them works at a time, and the others rest. */
async function measureRound(name: string, plan: Plan, place: Place): Promise<Partial<Record<ClientName, Outcome>>> {
  const { warmUpSeconds, seconds } = plan
  const outcomes: Partial<Record<ClientName, Outcome>> = {}
  const processes: [ClientName, MeasuredProcess][] = []
  try {
    for (const client of plan.clients) {
      const started = await MeasuredProcess.start({ client, workload: name, ...place })
      if ('absent' in started) {
        outcomes[client] = started
        continue
      }
      processes.push([client, started])
      await started.do({ phase: 'cpu', seconds: warmUpSeconds })
    }
    const slices = new Map(processes.map(([client]) => [client, [] as Slice[]]))
    for (let turn = 0; turn < plan.slices; turn++) {
      for (const [client, subject] of orderOf(processes, turn)) {
        slices.get(client)?.push(await subject.do<Slice>({ phase: 'cpu', seconds }))
      }
    }
    for (const [client, subject] of processes) {
      outcomes[client] = {
        slices: slices.get(client) as Slice[],
        ...(await subject.do<Allocation>({ phase: 'allocation', seconds: warmUpSeconds / 4 })),
        ...(await subject.do<Latency>({ phase: 'latency', seconds: warmUpSeconds / 2 })),
        ...(await subject.do<Heap>({ phase: 'heap', seconds: 0 })),
      }
    }
    return outcomes
  } finally {
    for (const [, subject] of processes) await subject.end()
  }
}

async function measureRow(name: string, plan: Plan, place: Place): Promise<Row> {
  const { title } = workloads[name] as Workload | MessageWorkload
  const row: Row = Object.fromEntries(plan.clients.map(client => [client, []]))
  for (let round = 0; round < plan.rounds; round++) {
    const outcomes = await measureRound(name, plan, place)
    for (const client of plan.clients) row[client]?.push(outcomes[client] as Outcome)
    const costs = plan.clients.map(
      client => `${client} ${cell({ [client]: [outcomes[client]] }, client, 'cpuUsPerOp')}`,
    )
    progress(`  ${title}, round ${round + 1}/${plan.rounds}, µs/op: ${costs.join(', ')}`)
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
