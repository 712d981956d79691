// bench:memory: what a waiting call, an idle client and its connections hold, beside ioredis, in one run.

import { writeFileSync } from 'node:fs'
import { freePorts, LocalCluster, LocalServer } from '../scripts/local-cluster.mjs'
import { childJson } from './lib/child-json.mjs'
import type { Job, MemoryClient, Reading } from './lib/memory-child.mjs'
import { pinned } from './lib/pinned.mjs'
import { figure, machine, median, table } from './lib/report.mjs'
import { roundsAndJson } from './lib/rounds-options.mjs'
import { memoryLimits } from './limits.mjs'

const help = `npm run bench:memory [-- options]

Heap and array buffers of a small call that waits for servers which are away, of idle clients, and of
a connection; each in fresh processes, beside ioredis. Exits with 1 when a limit of bench/limits.mts is missed. Takes half a minute.

  --rounds N            readings of each (default 3)
  --json FILE           writes every reading
`

const clients: MemoryClient[] = ['slotwise', 'slotwise-core', 'ioredis']

interface Row {
  title: string
  count: number
  unit: string
  unitBytes: number
  limitBytes: number | null
}

const rows: Record<Reading, Row> = {
  waiting: {
    title: 'a waiting GET, without its key and array',
    count: 20_000,
    unit: 'B',
    unitBytes: 1,
    limitBytes: memoryLimits.waitingCallBytes,
  },
  server: { title: 'an idle client of one server', count: 50, unit: 'KiB', unitBytes: 1024, limitBytes: null },
  shard: { title: 'an idle client of a cluster of 1', count: 20, unit: 'KiB', unitBytes: 1024, limitBytes: null },
  idle: { title: 'an idle client of a cluster of 3', count: 20, unit: 'KiB', unitBytes: 1024, limitBytes: null },
}

/** Not read but computed from two readings. */
const connection: Row = {
  title: 'a connection more, with its node',
  count: 0,
  unit: 'KiB',
  unitBytes: 1024,
  limitBytes: memoryLimits.connectionBytes,
}

async function measure(rounds: number): Promise<Record<Reading, Record<MemoryClient, number[]>>> {
  const server = pinned ? { cpu: 1 } : {}
  await using cluster = await LocalCluster.start({ ...server, replicasPerPrimary: 0 })
  await using single = await LocalCluster.start({ ...server, primaries: 1, replicasPerPrimary: 0 })
  await using alone = await LocalServer.start(server)
  const [closedPort] = (await freePorts(1)) as [number]
  const addresses: Record<Reading, string[]> = {
    waiting: [`127.0.0.1:${closedPort}`],
    server: [alone.address],
    shard: single.addresses,
    idle: cluster.addresses,
  }
  const none = () =>
    Object.fromEntries(clients.map(client => [client, [] as number[]])) as Record<MemoryClient, number[]>
  const results = { waiting: none(), server: none(), shard: none(), idle: none() }
  for (let round = 1; round <= rounds; round++) {
    for (const [reading, { title, count, unit, unitBytes }] of Object.entries(rows) as [Reading, Row][]) {
      for (const client of clients) {
        const job: Job = { client, reading, addresses: addresses[reading], count }
        const { bytes } = await childJson<{ bytes: number }>('./memory-child.mjs', job, ['--expose-gc'])
        results[reading][client].push(bytes)
        process.stdout.write(`  round ${round}/${rounds}, ${title}, ${client}: ${figure(bytes / unitBytes)} ${unit}\n`)
      }
    }
  }
  return results
}

async function main(): Promise<void> {
  const options = roundsAndJson(help, 3)
  if (options === null) return
  const { rounds, json } = options
  process.stdout.write(`${machine()}\n`)
  const results = await measure(rounds)
  const lines: string[][] = [['heap of', ...clients, 'limit']]
  const missed: string[] = []
  const show = ({ title, unit, unitBytes, limitBytes }: Row, heldBy: (client: MemoryClient) => number) => {
    const limit = limitBytes === null ? '–' : figure(limitBytes / unitBytes)
    lines.push([`${title}, ${unit}`, ...clients.map(client => figure(heldBy(client) / unitBytes)), limit])
    if (limitBytes === null) return
    for (const client of clients) {
      if (client !== 'ioredis' && heldBy(client) > limitBytes) missed.push(`${title}: ${client}`)
    }
  }
  for (const [reading, row] of Object.entries(rows) as [Reading, Row][]) {
    show(row, client => median(results[reading][client]))
  }
  // Two connections are what the two clients differ by.
  show(connection, client => (median(results.idle[client]) - median(results.shard[client])) / 2)
  process.stdout.write(`\n${table(lines)}\n(medians)\n\n`)
  for (const miss of missed) process.stdout.write(`missed: ${miss}\n`)
  process.stdout.write(`bench:memory: ${missed.length === 0 ? 'every limit kept' : `${missed.length} limits missed`}\n`)
  if (missed.length > 0) process.exitCode = 1
  if (json !== undefined) {
    writeFileSync(json, `${JSON.stringify({ machine: machine(), results }, null, 2)}\n`)
  }
}

await main()
