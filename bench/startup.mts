// bench:startup: how long a program waits for its first reply from a cluster, beside ioredis, in one run.

import { writeFileSync } from 'node:fs'
import { LocalCluster } from '../scripts/local-cluster.mjs'
import { childJson } from './lib/child-json.mjs'
import { pinned } from './lib/pinned.mjs'
import { orderOf } from './lib/plan.mjs'
import { figure, machine, median, quarters, table } from './lib/report.mjs'
import { roundsAndJson } from './lib/rounds-options.mjs'
import type { Job, Startup, StartupClient } from './lib/startup-child.mjs'

const help = `npm run bench:startup [-- options]

Time of require(), from the constructor of a cluster client to its first reply, and of both, each in fresh processes that take turns, beside
ioredis. Starts and ends its own servers. Takes half a minute.

  --rounds N            measurements of each (default 25), after one that does not count
  --json FILE           writes every measurement
`

const clients: StartupClient[] = ['slotwise', 'slotwise-core', 'ioredis']
const quantities: [keyof Startup, string][] = [
  ['requireMs', 'require, ms'],
  ['replyMs', 'new Cluster to first reply, ms'],
  ['totalMs', 'both, ms'],
  ['cpuMs', 'both, CPU ms'],
]

async function measure(rounds: number): Promise<Record<StartupClient, Startup[]>> {
  await using cluster = await LocalCluster.start({ replicasPerPrimary: 0, ...(pinned ? { cpu: 1 } : {}) })
  const results: Record<StartupClient, Startup[]> = { slotwise: [], 'slotwise-core': [], ioredis: [] }
  for (let round = 0; round <= rounds; round++) {
    for (const client of orderOf(clients, round)) {
      const job: Job = { client, addresses: cluster.addresses }
      const startup = await childJson<Startup>('./startup-child.mjs', job)
      // The first brings the files into the system's cache.
      if (round > 0) results[client].push(startup)
    }
    const latest = clients.map(client => `${client} ${figure(results[client].at(-1)?.totalMs ?? 0)} ms`)
    if (round > 0) process.stdout.write(`  round ${round}/${rounds}: ${latest.join(', ')}\n`)
  }
  return results
}

async function main(): Promise<void> {
  const options = roundsAndJson(help, 25)
  if (options === null) return
  const { rounds, json } = options
  process.stdout.write(`${machine()}; ${pinned ? 'clients on core 0, servers on core 1' : 'not pinned to cores'}\n`)
  const results = await measure(rounds)
  const ratios = (client: StartupClient, quantity: keyof Startup) =>
    results[client].map((each, round) => each[quantity] / (results.ioredis[round] as Startup)[quantity])
  const ours = clients.filter(client => client !== 'ioredis')
  const rows = quantities.map(([quantity, title]) => [
    title,
    ...clients.map(client => figure(median(results[client].map(each => each[quantity])))),
    ...ours.map(client => quarters(ratios(client, quantity))),
  ])
  process.stdout.write(
    `\n${table([['start', ...clients, ...ours.map(client => `${client} / ioredis`)], ...rows])}\n` +
      '(medians of the rounds; a ratio is taken within a round: median, and the quarters below and above it)\n\n' +
      `bench:startup: to the first reply slotwise takes ${median(ratios('slotwise', 'totalMs')).toFixed(2)} × the time of ioredis, ` +
      `${median(ratios('slotwise', 'cpuMs')).toFixed(2)} × the CPU\n`,
  )
  if (json !== undefined) {
    writeFileSync(json, `${JSON.stringify({ machine: machine(), results }, null, 2)}\n`)
  }
}

await main()
