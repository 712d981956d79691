// bench:cache: what a read that the cache answers costs the client's process, beside one that a server answers.
//
// The figure is client CPU (user + system) for each operation, of this process alone; the server is another one. Workloads take turns
// round by round, so that a machine that slows down slows them all.

import { parseArgs } from 'node:util'
import { createClient } from 'slotwise/core'
import { LocalServer } from '../scripts/local-server.mjs'
import { figure, machine, median, spread, table } from './lib/report.mjs'

const help = `npm run bench:cache [-- options]

Client CPU per operation of reads answered by the cache, and of the same reads sent to a server on 127.0.0.1. Starts and ends its own
server. Takes about half a minute.

  --rounds N     measurements of each workload (default 5)
  --seconds N    length of each (default 0.5), after a warm-up of the same length
`

type Client = ReturnType<typeof createClient>

interface Workload {
  title: string
  /** Operations of one run. */
  operations: number
  run(client: Client): Promise<unknown>
}

const keys = Array.from({ length: 1000 }, (_, i) => `user:${i}:profile`)
let next = 0
const nextKey = () => keys[next++ % keys.length] as string
const manyKeys = keys.slice(0, 10)

const getInTurn: Workload = {
  title: 'GET, one after the other',
  operations: 1000,
  async run(client) {
    for (let i = 0; i < 1000; i++) await client.execute('GET', [nextKey()])
  },
}
const getTogether: Workload = {
  title: 'GET, 100 at a time',
  operations: 100,
  run: client => Promise.all(Array.from({ length: 100 }, () => client.execute('GET', [nextKey()]))),
}
const getHash: Workload = {
  title: 'HGETALL, 10 fields, 100 at a time',
  operations: 100,
  run: client => Promise.all(Array.from({ length: 100 }, () => client.execute('HGETALL', ['hash']))),
}
const getMany: Workload = {
  title: 'MGET, 10 keys, 100 at a time',
  operations: 100,
  run: client => Promise.all(Array.from({ length: 100 }, () => client.execute('MGET', manyKeys))),
}
const workloads = [getInTurn, getTogether, getHash, getMany]

async function costUs(client: Client, { operations, run }: Workload, seconds: number): Promise<number> {
  let done = 0
  const until = async (endsAt: number) => {
    while (performance.now() < endsAt) {
      await run(client)
      done += operations
    }
  }
  await until(performance.now() + seconds * 1000)
  done = 0
  const before = process.cpuUsage()
  await until(performance.now() + seconds * 1000)
  const { user, system } = process.cpuUsage(before)
  return (user + system) / done
}

async function main(): Promise<void> {
  const options = {
    help: { type: 'boolean', short: 'h' },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
  } as const
  const { values } = parseArgs({ options })
  const rounds = Number(values.rounds ?? 5)
  const seconds = Number(values.seconds ?? 0.5)
  const isWrong = !(Number.isInteger(rounds) && rounds > 0 && seconds > 0 && seconds <= 600)
  if (values.help === true || isWrong) {
    process.exitCode = isWrong ? 2 : 0
    process[isWrong ? 'stderr' : 'stdout'].write(isWrong ? `Cannot use: --rounds, --seconds\n\n${help}` : help)
    return
  }
  process.stdout.write(`${machine()}\n`)
  const server = await LocalServer.start()
  const cached = createClient({ server: server.address, cache: {} })
  const plain = createClient({ server: server.address })
  try {
    for (const key of keys) await plain.execute('SET', [key, 'a value of some length'])
    await plain.execute('HSET', ['hash', ...Array.from({ length: 10 }, (_, i) => [`field${i}`, `value ${i}`]).flat()])
    await cached.connect()
    while (cached.inspect().cache?.trackedNodes !== 1) await cached.execute('PING')
    for (const { run } of workloads) await run(cached)
    const { misses } = cached.inspect().cache ?? { misses: 0 }
    const costs = new Map(workloads.map(workload => [workload, { hit: [] as number[], sent: [] as number[] }]))
    for (let round = 0; round < rounds; round++) {
      for (const [workload, { hit, sent }] of costs) {
        hit.push(await costUs(cached, workload, seconds))
        sent.push(await costUs(plain, workload, seconds))
      }
    }
    if (cached.inspect().cache?.misses !== misses) throw new Error('the cache did not answer everything')
    const rows = [['client CPU, µs/op', 'from the cache', 'from the server', 'server / cache']]
    for (const [{ title }, { hit, sent }] of costs) {
      const ratio = median(sent) / median(hit)
      rows.push([title, spread(hit), spread(sent), figure(ratio)])
    }
    process.stdout.write(`\n${table(rows)}\n(medians, with least and most)\n`)
  } finally {
    await Promise.all([cached.close(), plain.close()])
    await server.stop()
  }
}

await main()
