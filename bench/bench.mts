// bench: what one command costs the client's process, beside other clients, in one run.
//
// The first figure is client CPU (user + system) for each operation: it does not depend on how fast the servers are. Every client
// has a process of its own for every workload and round; the processes take turns of a fraction of a second, so that a machine that slows
// down slows them all, and a ratio is taken within a turn.

import { readFileSync, writeFileSync } from 'node:fs'
import { chartPage, chartSvg } from './lib/chart.mjs'
import { type ClientName, clientNames } from './lib/clients.mjs'
import { aboutText, markdownTable, withTable } from './lib/document.mjs'
import type { Allocation, Heap, Latency, NoLatency, Outcome, Slice } from './lib/measured.mjs'
import { MeasuredProcess } from './lib/measured-process.mjs'
import { pinned } from './lib/pinned.mjs'
import { orderOf, type Plan, planOf } from './lib/plan.mjs'
import { machine } from './lib/report.mjs'
import { mergedRuns, type Row, type Run } from './lib/results.mjs'
import { type Place, Stages } from './lib/stages.mjs'
import { cell, tables } from './lib/tables.mjs'
import { type MessageWorkload, type Workload, workloads } from './lib/workloads.mjs'
import { findings, verdictText } from './limits.mjs'

/** Turns in which latency is recorded. */
const latencyTurns = 3

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
    const latencies = new Map(processes.map(([client]) => [client, [] as Latency[]]))
    for (let turn = 0; turn < latencyTurns; turn++) {
      for (const [client, subject] of orderOf(processes, turn)) {
        const latency = await subject.do<Latency | NoLatency>({ phase: 'latency', seconds: warmUpSeconds / 4 })
        if (!('none' in latency)) latencies.get(client)?.push(latency)
      }
    }
    for (const [client, subject] of processes) {
      outcomes[client] = {
        slices: slices.get(client) as Slice[],
        latencies: latencies.get(client) as Latency[],
        ...(await subject.do<Allocation>({ phase: 'allocation', seconds: warmUpSeconds / 4 })),
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
    progress(`  ${title}, round ${round + 1}/${plan.rounds} …`)
    const outcomes = await measureRound(name, plan, place)
    for (const client of plan.clients) row[client]?.push(outcomes[client] as Outcome)
    const costs = plan.clients.map(
      client => `${client} ${cell({ [client]: [outcomes[client]] }, client, 'cpuUsPerOp')}`,
    )
    progress(`    µs/op: ${costs.join(', ')}`)
  }
  return row
}

async function measureAll(plan: Plan, place: string): Promise<Run> {
  const run: Run = { machine: place, date: new Date().toISOString(), commands: [plan.command], results: {} }
  await using stages = new Stages(progress)
  for (const name of plan.workloads) {
    const servers = await stages.of((workloads[name] as Workload).stage)
    if (servers !== null) run.results[name] = await measureRow(name, plan, servers)
  }
  return run
}

function readRuns(files: readonly string[]): Run {
  const runs = files.map(file => JSON.parse(readFileSync(file, 'utf8')) as Run)
  return mergedRuns(runs, Object.keys(workloads))
}

async function main(): Promise<void> {
  const plan = planOf(process.argv.slice(2))
  if ('text' in plan) {
    process.exitCode = plan.exitCode
    process[plan.exitCode === 0 ? 'stdout' : 'stderr'].write(plan.text)
    return
  }
  const startedAt = performance.now()
  const place = `${machine()}; ${pinned ? 'clients on core 0, servers on core 1' : 'not pinned to cores'}`
  progress(place)
  const run = plan.from.length > 0 ? readRuns(plan.from) : await measureAll(plan, place)
  const { results } = run
  const clients = clientNames.filter(client => Object.values(results).some(row => client in row))
  const text = tables(results, clients)
  progress(`\n${text}\n`)
  if (plan.json !== undefined) writeFileSync(plan.json, `${JSON.stringify(run, null, 2)}\n`)
  const about = aboutText(run)
  if (plan.chart !== undefined) {
    const title = 'What an operation costs the client’s process'
    const svg = await chartSvg(results, clients, { title, subtitle: about.replaceAll('`', '') })
    writeFileSync(plan.chart, plan.chart.endsWith('.svg') ? svg : chartPage(svg, title, text))
  }
  if (plan.doc !== undefined) {
    const document = readFileSync(plan.doc, 'utf8')
    writeFileSync(plan.doc, withTable(document, markdownTable(results, clients, about)))
  }
  const found = findings(results, workloads)
  process.stdout.write(verdictText(found))
  progress(`bench: took ${((performance.now() - startedAt) / 1000).toFixed(0)} s`)
  if (found.some(({ missed }) => missed)) process.exitCode = 1
}

await main()
