// bench:command: what one command costs the client's process, beside other clients, in one run.
//
// The figure is client CPU (user + system) for each operation: it does not depend on how fast the servers are. Every measurement is a
// process of its own; clients take turns round by round, so that a machine that slows down slows them all.

import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { LocalCluster } from '../scripts/local-cluster.mjs'
import { BareClient } from './bare-client.mjs'
import { type ClientName, clientNames } from './lib/clients.mjs'
import type { Measured } from './lib/command-child.mjs'
import { measure, pinned } from './lib/command-run.mjs'
import { figure, machine, median, spread, table } from './lib/report.mjs'
import { fill, type Workload, workloads } from './lib/workloads.mjs'

const help = `npm run bench:command [-- options]

Client CPU per operation on a cluster of 3 primaries on 127.0.0.1, beside a bare client (the least such a client can do),
ioredis (with autopipelining) and node-redis. Starts and ends its own servers. Takes about 12 minutes; --quick one.

  --only get,set        workloads: ${Object.keys(workloads).join(', ')}; default all
  --clients bare,…      ${clientNames.join(', ')}; default all but ioredis-plain
  --all                 ioredis-plain (without autopipelining), too
  --rounds N            measurements of each client (default 5)
  --seconds N           length of each (default 3), after a warm-up of 1.5
  --quick               GET only, 3 rounds of 2 seconds
  --json FILE           writes every measurement
`

interface Plan {
  workloads: string[]
  clients: ClientName[]
  rounds: number
  seconds: number
  json: string | undefined
}

/** One workload's measurements of each client, in the order of the rounds. */
type Measurements = Map<ClientName, Measured[]>

/** What is to be done; a text instead when that is to say something: the help, or what is wrong. */
function plan(): Plan | { text: string; exitCode: number } {
  const { values } = parseArgs({
    options: {
      help: { type: 'boolean', short: 'h' },
      only: { type: 'string' },
      clients: { type: 'string' },
      all: { type: 'boolean' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      quick: { type: 'boolean' },
      json: { type: 'string' },
    },
  })
  if (values.help === true) return { text: help, exitCode: 0 }
  const quick = values.quick === true
  const chosen = values.only?.split(',') ?? (quick ? ['get'] : Object.keys(workloads))
  const usual = clientNames.filter(name => values.all === true || name !== 'ioredis-plain')
  const clients = (values.clients?.split(',') ?? usual) as ClientName[]
  const rounds = Number(values.rounds ?? (quick ? 3 : 5))
  const seconds = Number(values.seconds ?? (quick ? 2 : 3))
  const wrong = [
    ...chosen.filter(name => !(name in workloads)),
    ...clients.filter(name => !clientNames.includes(name)),
    ...(Number.isInteger(rounds) && rounds > 0 ? [] : ['--rounds']),
    ...(seconds > 0 && seconds <= 600 ? [] : ['--seconds']),
  ]
  if (wrong.length > 0) return { text: `Cannot use: ${wrong.join(', ')}\n\n${help}`, exitCode: 2 }
  return { workloads: chosen, clients, rounds, seconds, json: values.json }
}

async function measureWorkload(name: string, plan: Plan, addresses: readonly string[]): Promise<Measurements> {
  const { title, needsGetMany } = workloads[name] as Workload
  const clients = plan.clients.filter(client => !(needsGetMany && client.startsWith('ioredis')))
  const measurements: Measurements = new Map(clients.map(client => [client, []]))
  for (let round = 1; round <= plan.rounds; round++) {
    for (const client of clients) {
      const measured = await measure(client, name, plan.seconds, addresses)
      measurements.get(client)?.push(measured)
      process.stdout.write(
        `  ${title}, round ${round}/${plan.rounds}, ${client}: ${figure(measured.cpuUsPerOp)} µs/op, ` +
          `${measured.opsPerSec.toFixed(0)} op/s\n`,
      )
    }
  }
  return measurements
}

/** The ratio of two clients in each round. */
function ratios(measurements: Measurements, client: ClientName, to: ClientName): number[] {
  const base = measurements.get(to) ?? []
  const values = measurements.get(client) ?? []
  if (base.length === 0) return []
  return values.map(({ cpuUsPerOp }, i) => cpuUsPerOp / (base[i] as Measured).cpuUsPerOp)
}

function report(plan: Plan, results: ReadonlyMap<string, Measurements>): string {
  const { clients } = plan
  const compared = clients.includes('bare') ? clients.filter(client => client !== 'bare') : []
  const rows = [['client CPU, µs/op', ...clients, ...compared.map(client => `${client} / bare`)]]
  for (const [name, measurements] of results) {
    const cost = (client: ClientName) => {
      const values = measurements.get(client) ?? []
      return values.length === 0 ? '–' : figure(median(values.map(({ cpuUsPerOp }) => cpuUsPerOp)))
    }
    const ratio = (client: ClientName) => spread(ratios(measurements, client, 'bare'))
    rows.push([(workloads[name] as Workload).title, ...clients.map(cost), ...compared.map(ratio)])
  }
  const lines = [table(rows), '(medians; a ratio is the median of the rounds, with least and most)']
  const get = results.get('get')
  if (get !== undefined) {
    const overBare = ratios(get, 'slotwise', 'bare')
    const underIoredis = ratios(get, 'ioredis', 'slotwise')
    if (overBare.length > 0 && underIoredis.length > 0) {
      lines.push(
        '',
        `bench:command: GET 200 concurrent: slotwise ${median(overBare).toFixed(2)}× bare, ` +
          `ioredis is ${median(underIoredis).toFixed(1)}× slotwise`,
      )
    }
  }
  return `\n${lines.join('\n')}\n`
}

async function main(): Promise<void> {
  const planned = plan()
  if ('text' in planned) {
    process.exitCode = planned.exitCode
    process[planned.exitCode === 0 ? 'stdout' : 'stderr'].write(planned.text)
    return
  }
  process.stdout.write(`${machine()}; ${pinned ? 'clients on core 0, servers on core 1' : 'not pinned to cores'}\n`)
  await using cluster = await LocalCluster.start({
    replicasPerPrimary: 0,
    ...(pinned ? { cpu: 1 } : {}),
    onProgress: line => process.stdout.write(`${line}\n`),
  })
  const filler = new BareClient(cluster.addresses)
  await fill(filler)
  filler.close()
  const results = new Map<string, Measurements>()
  for (const name of planned.workloads) results.set(name, await measureWorkload(name, planned, cluster.addresses))
  process.stdout.write(report(planned, results))
  if (planned.json !== undefined) {
    const all = Object.fromEntries([...results].map(([name, each]) => [name, Object.fromEntries(each)]))
    writeFileSync(planned.json, `${JSON.stringify({ machine: machine(), pinned, all }, null, 2)}\n`)
  }
}

await main()
