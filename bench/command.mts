// bench:command: what one command costs the client's process, beside other clients, in one run.
//
// The figure is client CPU (user + system) for each operation: it does not depend on how fast the servers are. Every measurement is a
// process of its own; clients take turns round by round, so that a machine that slows down slows them all.

import { execFile, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { LocalCluster } from '../scripts/local-cluster.mjs'
import { type ClientName, clientNames } from './lib/clients.mjs'
import type { Measured } from './lib/command-child.mjs'
import { figure, machine, median, table } from './lib/report.mjs'
import { keyCount, smallValue, workloads } from './lib/workloads.mjs'

const help = `npm run bench:command [-- options]

Client CPU per operation on a cluster of 3 primaries on 127.0.0.1, beside a bare client (the least such a client can do),
ioredis (with autopipelining) and node-redis. Starts and ends its own servers.

  --only get,set        workloads: ${Object.keys(workloads).join(', ')}; default all
  --clients bare,…      ${clientNames.join(', ')}; default all but ioredis-plain
  --rounds N            measurements of each client (default 5), --seconds N of each (default 3)
  --quick               GET only, 3 rounds of 2 seconds
  --json FILE           writes every measurement
`

const run = promisify(execFile)
const child = fileURLToPath(new URL('./lib/command-child.mjs', import.meta.url))
const pinned = spawnSync('taskset', ['-c', '0', 'true']).status === 0

async function measure(client: ClientName, workload: string, seconds: number, addresses: string[]): Promise<Measured> {
  const args = [child, client, workload, String(seconds), ...addresses]
  const command = pinned ? ['taskset', '-c', '0', process.execPath, ...args] : [process.execPath, ...args]
  const { stdout } = await run(command[0] as string, command.slice(1), { timeout: 60_000 })
  return JSON.parse(stdout.trim().split('\n').at(-1) as string) as Measured
}

async function fill(cluster: LocalCluster): Promise<void> {
  const { openClient } = await import('./lib/clients.mjs')
  const client = await openClient('slotwise', cluster.addresses)
  await Promise.all(Array.from({ length: keyCount }, (_, i) => client.call('SET', [`key:${i}`, smallValue])))
  for (let i = 0; i < 100; i++) {
    await client.call('HSET', [`h:${i}`, ...Array.from({ length: 20 }, (_, f) => [`field${f}`, `value${f}`]).flat()])
    await client.call('RPUSH', [`l:${i}`, ...Array.from({ length: 100 }, (_, item) => `item-${item}`)])
  }
  await client.close()
}

function row(clients: ClientName[], results: Map<ClientName, number[]>): string[] {
  const cells = clients.map(client => {
    const values = results.get(client)
    return values === undefined ? '–' : figure(median(values))
  })
  const bare = results.get('bare')
  const ratios = clients.slice(1).map(client => {
    const values = results.get(client)
    if (values === undefined || bare === undefined) return '–'
    const each = values.map((value, i) => value / (bare[i] as number))
    return `${figure(median(each))} (${figure(Math.min(...each))}–${figure(Math.max(...each))})`
  })
  return [...cells, ...ratios]
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      help: { type: 'boolean', short: 'h' },
      only: { type: 'string' },
      clients: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      quick: { type: 'boolean' },
      json: { type: 'string' },
    },
  })
  if (values.help === true) {
    process.stdout.write(help)
    return
  }
  const chosen = (values.only ?? (values.quick === true ? 'get' : Object.keys(workloads).join())).split(',')
  const clients = (values.clients ?? 'bare,slotwise,ioredis,node-redis').split(',') as ClientName[]
  const rounds = Number(values.rounds ?? (values.quick === true ? 3 : 5))
  const seconds = Number(values.seconds ?? (values.quick === true ? 2 : 3))
  const unknown = [
    ...chosen.filter(name => !(name in workloads)),
    ...clients.filter(name => !clientNames.includes(name)),
  ]
  if (unknown.length > 0 || !(rounds >= 1) || !(seconds > 0)) {
    process.stderr.write(`Cannot use: ${unknown.join(', ') || 'rounds or seconds'}\n\n${help}`)
    process.exitCode = 2
    return
  }

  process.stdout.write(`${machine()}${pinned ? '; client on core 0, servers on core 1' : '; not pinned'}\n`)
  await using cluster = await LocalCluster.start({ replicasPerPrimary: 0, ...(pinned ? { cpu: 1 } : {}) })
  await fill(cluster)
  const all: Record<string, Record<string, Measured[]>> = {}
  const rows = [['client CPU µs/op', ...clients, ...clients.slice(1).map(client => `${client}/${clients[0]}`)]]
  let getRow: Map<ClientName, number[]> | null = null
  for (const name of chosen) {
    const workload = workloads[name] as (typeof workloads)[string]
    const results = new Map<ClientName, number[]>()
    for (let round = 0; round < rounds; round++) {
      for (const client of clients) {
        if (workload.needsBatch && client.startsWith('ioredis')) continue
        const measured = await measure(client, name, seconds, cluster.addresses)
        ;((all[name] ??= {})[client] ??= []).push(measured)
        results.set(client, [...(results.get(client) ?? []), measured.cpuUsPerOp])
        process.stdout.write(
          `  ${workload.title}, round ${round + 1}/${rounds}, ${client}: ${figure(measured.cpuUsPerOp)} µs/op, ${measured.opsPerSec.toFixed(0)} op/s\n`,
        )
      }
    }
    rows.push([workload.title, ...row(clients, results)])
    if (name === 'get') getRow = results
  }
  process.stdout.write(`\n${table(rows)}\n(medians; ratios of each round: median (least–most))\n`)
  if (values.json !== undefined) writeFileSync(values.json, JSON.stringify({ machine: machine(), all }, null, 2))
  const [bare, ours, ioredis] = (['bare', 'slotwise', 'ioredis'] as const).map(client => getRow?.get(client))
  if (bare !== undefined && ours !== undefined && ioredis !== undefined) {
    const overBare = median(ours.map((value, i) => value / (bare[i] as number)))
    const underIoredis = median(ours.map((value, i) => (ioredis[i] as number) / value))
    process.stdout.write(
      `bench:command: GET, 200 concurrent: slotwise ${figure(overBare)} × bare; ioredis ${figure(underIoredis)} × slotwise\n`,
    )
  }
}

await main()
