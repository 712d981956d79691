// bench:cache-hit: what a read costs the client's process that its cache answers, beside one that goes to the server.
//
// The figure is client CPU (user + system) for each awaited operation, in this process; measurements take turns.

import { parseArgs } from 'node:util'
import { type Client, createClient } from 'slotwise/core'
import { LocalServer } from '../scripts/local-server.mjs'
import { figure, machine, median, spread, table } from './lib/report.mjs'

const help = `npm run bench:cache-hit [-- options]

Client CPU per awaited read of a standalone server on 127.0.0.1, which it starts and ends. Takes about 15 seconds.

  --rounds N            measurements of each (default 5)
  --seconds N           length of each (default 0.5), after one of the same length that does not count
  --keys N              keys that are read in turn (default 1000)
`

/** One at a time, each awaited. */
type Step = (client: Client, i: number) => Promise<unknown>

async function measure(client: Client, step: Step, seconds: number): Promise<number> {
  const block = 1000
  let operations = 0
  const endAt = performance.now() + seconds * 1000
  const before = process.cpuUsage()
  while (performance.now() < endAt) {
    for (let i = 0; i < block; i++) await step(client, operations + i)
    operations += block
  }
  const { user, system } = process.cpuUsage(before)
  return (user + system) / operations
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      help: { type: 'boolean', short: 'h' },
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '0.5' },
      keys: { type: 'string', default: '1000' },
    },
  })
  if (values.help === true) {
    process.stdout.write(help)
    return
  }
  const [rounds, seconds, count] = [Number(values.rounds), Number(values.seconds), Number(values.keys)]
  if (!(rounds >= 1 && seconds > 0 && count >= 1)) throw new Error(`Cannot use these options\n\n${help}`)

  const server = await LocalServer.start()
  const cached = createClient({ server: server.address, cache: {} })
  const plain = createClient({ server: server.address })
  try {
    const names = Array.from({ length: count }, (_, i) => `some:key:${i}`)
    const keys = names.map(name => [name])
    const hashes = names.map(name => [`{${name}}:hash`])
    const fields = hashes.map(([key]) => [key as string, 'field'])
    for (const [i, name] of names.entries()) {
      await plain.execute('SET', [name, `value of ${i}`])
      await plain.execute('HSET', [`{${name}}:hash`, 'field', `value of ${i}`, 'other', 'x'])
    }
    await cached.connect()
    while (cached.inspect().cache?.regions !== 1) await cached.execute('PING')
    for (let i = 0; i < count; i++) {
      await cached.execute('GET', keys[i] as string[])
      await cached.execute('HGET', fields[i] as string[])
      await cached.execute('HGETALL', hashes[i] as string[])
    }
    const steps: [string, Client, Step][] = [
      ['await of a resolved promise', cached, () => Promise.resolve('x')],
      ['GET, kept', cached, (client, i) => client.execute('GET', keys[i % count] as string[])],
      ['HGET, kept', cached, (client, i) => client.execute('HGET', fields[i % count] as string[])],
      ['HGETALL of 2 fields, kept', cached, (client, i) => client.execute('HGETALL', hashes[i % count] as string[])],
      ['GET, no cache, 1 at a time', plain, (client, i) => client.execute('GET', keys[i % count] as string[])],
    ]
    const results = new Map<string, number[]>()
    for (let round = 0; round <= rounds; round++) {
      for (const [name, client, step] of steps) {
        const cpuUs = await measure(client, step, seconds)
        if (round > 0) results.set(name, [...(results.get(name) ?? []), cpuUs])
      }
    }
    const rows = [['client CPU, µs/op', 'median', 'least and most']]
    for (const [name, each] of results) rows.push([name, figure(median(each)), spread(each)])
    const { cache } = cached.inspect()
    process.stdout.write(`${machine()}\n\n${table(rows)}\n\n`)
    process.stdout.write(`hits ${cache?.hits}, misses ${cache?.misses}, ${count} keys\n`)
  } finally {
    await cached.close()
    await plain.close()
    await server.stop()
  }
}

await main()
