// bench:blocked: what commands that block do to the others of the same client.
//
// One client probes with GET, one at a time; in turns, alone and beside a number of BLPOPs that block. A ratio is taken within a
// round, so that a machine that slows down slows both.

import { parseArgs } from 'node:util'
import { createClient } from 'slotwise/core'
import { LocalServer } from '../scripts/local-server.mjs'
import { figure, machine, median, spread, table } from './lib/report.mjs'

const help = `npm run bench:blocked [-- options]

Latency of GET of a client that has nothing else to do, and of one that blocks in BLPOPs at the same time. Starts and ends its own server. Takes
about a minute.

  --rounds N     pairs of measurements (default 15)
  --seconds N    length of each (default 1)
  --blocked N    BLPOPs that block meanwhile (default 100)
`

type Client = ReturnType<typeof createClient>

/** Milliseconds at half and at 99 % of the calls. */
async function latency(client: Client, seconds: number): Promise<{ p50: number; p99: number }> {
  const tookMs: number[] = []
  const endsAt = performance.now() + seconds * 1000
  for (let now = performance.now(); now < endsAt; ) {
    await client.execute('GET', ['probe'])
    const after = performance.now()
    tookMs.push(after - now)
    now = after
  }
  tookMs.sort((a, b) => a - b)
  const at = (share: number) => tookMs[Math.floor(tookMs.length * share)] as number
  return { p50: at(0.5), p99: at(0.99) }
}

/** The same while so many BLPOPs of the client block. */
async function latencyBeside(client: Client, count: number, seconds: number): Promise<{ p50: number; p99: number }> {
  const ending = new AbortController()
  const { signal } = ending
  const pops = Array.from({ length: count }, (_, i) => client.execute('BLPOP', [`list:${i}`, 0], { signal }))
  const settled = Promise.allSettled(pops)
  await until(() => client.inspect().sockets.lane === count)
  const measured = await latency(client, seconds)
  ending.abort()
  await settled
  await until(() => client.inspect().sockets.total === 1)
  return measured
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(resolve => setTimeout(resolve, 5))
}

async function main(): Promise<void> {
  const options = {
    help: { type: 'boolean', short: 'h' },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    blocked: { type: 'string' },
  } as const
  const { values } = parseArgs({ options })
  const rounds = Number(values.rounds ?? 15)
  const seconds = Number(values.seconds ?? 1)
  const count = Number(values.blocked ?? 100)
  const isWrong = !(Number.isInteger(rounds) && rounds > 0 && seconds > 0 && Number.isInteger(count) && count > 0)
  if (values.help === true || isWrong) {
    process.exitCode = isWrong ? 2 : 0
    process[isWrong ? 'stderr' : 'stdout'].write(
      isWrong ? `Cannot use: --rounds, --seconds, --blocked\n\n${help}` : help,
    )
    return
  }
  process.stdout.write(`${machine()}\n`)
  const server = await LocalServer.start()
  const client = createClient({ server: server.address, maxLanes: count })
  const alone: { p50: number; p99: number }[] = []
  const beside: { p50: number; p99: number }[] = []
  try {
    await latency(client, seconds)
    for (let round = 0; round < rounds; round++) {
      process.stderr.write(`\rround ${round + 1} of ${rounds} `)
      // Which of the two comes first changes from round to round.
      if (round % 2 === 0) alone.push(await latency(client, seconds))
      beside.push(await latencyBeside(client, count, seconds))
      if (round % 2 === 1) alone.push(await latency(client, seconds))
    }
  } finally {
    process.stderr.write('\n')
    await client.close()
    await server.stop()
  }
  const ratios = (key: 'p50' | 'p99') => beside.map((one, i) => one[key] / (alone[i] as (typeof alone)[0])[key])
  const row = (key: 'p50' | 'p99') => {
    const inUs = (many: typeof alone) => figure(median(many.map(one => one[key] * 1000)))
    return [key, inUs(alone), inUs(beside), spread(ratios(key))]
  }
  const head = ['GET', 'alone, µs', `beside ${count} BLPOPs, µs`, 'ratio (least–most)']
  process.stdout.write(`\n${table([head, row('p50'), row('p99')])}\n`)
  process.stdout.write(`bench:blocked p99 beside ${count} blocked BLPOPs: ${median(ratios('p99')).toFixed(2)} x\n`)
}

await main()
