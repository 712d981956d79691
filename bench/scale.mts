// bench:scale: what a big cluster, and many clients of one cluster, cost: looks at the topology, event-loop delay, memory, sockets.
//
// The cluster is a fake one (slotwise/testing) in a process of its own, whose slots move all the time; it counts what it is asked.

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { findOnPath } from '../scripts/programs.mjs'
import { figure, machine, markdown, table, writeInto } from './lib/report.mjs'
import type { FromChild, ScaleMeasured, ScaleWork, ToChild } from './lib/scale-child.mjs'
import { type ScaleClient, scaleClients } from './lib/scale-clients.mjs'
import type { Counted, FromServer, ScaleShape, ToServer } from './lib/scale-server.mjs'

const help = `npm run bench:scale [-- options]

A fake cluster whose slots move all the time, ten a second, and its clients:

  big      one client of 1,000 primaries and 1,000 replicas, 16384 slots in 5,000 ranges, with calls to all of them
  some     250 clients, in four processes, of 100 primaries and 100 replicas, each with calls to a few slots
  many     1,000 clients, the same

For each client library: looks at the topology, connections, event-loop delay, heap. The cluster is a process of its own on a core of its own.
Takes about 17 minutes; --quick four.

  --only big,many       default all three; 'none' for the tables alone of what is in the JSON file
  --clients slotwise,…  ${scaleClients.join(', ')}; default all (node-redis with 'big' only: it keeps a socket to every node)
  --seconds N           length of each measurement (default 60)
  --quick               15 seconds each; 50 clients in 'some', 200 in 'many'
  --json FILE           writes the figures; those of other measurements that are in the file already stay
  --doc FILE            writes the tables of all that is in the JSON file, or else of this run, between the two marks of a Markdown file
`

interface Setting {
  title: string
  shape: ScaleShape
  processes: number
  work: Omit<ScaleWork, 'client' | 'addresses'>
  clients: readonly ScaleClient[]
}

function fleet(clients: number): Setting {
  return {
    title: `${clients.toLocaleString('en')} clients, 100 primaries`,
    shape: { primaries: 100, replicas: 1, ranges: 500, movesPerSecond: 10 },
    processes: 4,
    work: { clients: Math.ceil(clients / 4), concurrency: 1, pauseMs: 250, keys: 8 },
    clients: scaleClients.filter(client => client !== 'node-redis'),
  }
}

function settings(quick: boolean): Record<string, Setting> {
  return {
    big: {
      title: 'one client, 1,000 primaries',
      shape: { primaries: 1000, replicas: 1, ranges: 5000, movesPerSecond: 10 },
      processes: 1,
      work: { clients: 1, concurrency: 50, pauseMs: 20, keys: 20_000 },
      clients: scaleClients,
    },
    some: fleet(quick ? 50 : 250),
    many: fleet(quick ? 200 : 1000),
  }
}

const taskset = findOnPath('taskset')

/** A program beside this one, on a core of its own where that can be. */
function start(file: string, core: number): ChildProcess {
  const path = fileURLToPath(new URL(`./lib/${file}.mjs`, import.meta.url))
  const execArgv = ['--expose-gc', '--max-old-space-size=4096']
  if (taskset === null) return fork(path, [], { execArgv })
  return fork(path, [], { execPath: taskset, execArgv: ['-c', String(core), process.execPath, ...execArgv] })
}

async function answer<Message extends { said: string }, Said extends Message['said']>(
  child: ChildProcess,
  said: Said,
): Promise<Extract<Message, { said: Said }>> {
  for (;;) {
    const [message] = (await once(child, 'message')) as [Message]
    if (message.said === said) return message as Extract<Message, { said: Said }>
  }
}

interface Result {
  counted: Counted
  before: Counted
  children: ScaleMeasured[]
  seconds: number
}

async function measure(setting: Setting, client: ScaleClient, seconds: number): Promise<Result> {
  const server = start('scale-server', 1)
  const children = Array.from({ length: setting.processes }, () => start('scale-child', 0))
  try {
    server.send({ do: 'start', shape: setting.shape } satisfies ToServer)
    const { addresses } = await answer<FromServer, 'started'>(server, 'started')
    const work = { ...setting.work, client, addresses }
    await all<'started'>(children, { do: 'start', work }, 'started')
    // Let what comes of starting be over.
    await delay(5000)
    await all<'measuring'>(children, { do: 'measure' }, 'measuring')
    server.send({ do: 'count' } satisfies ToServer)
    const before = await answer<FromServer, 'counted'>(server, 'counted')
    await delay(seconds * 1000)
    server.send({ do: 'count' } satisfies ToServer)
    const counted = await answer<FromServer, 'counted'>(server, 'counted')
    return { before, counted, children: await all<'measured'>(children, { do: 'report' }, 'measured'), seconds }
  } finally {
    for (const child of [server, ...children]) child.disconnect()
  }
}

function all<Said extends FromChild['said']>(
  children: readonly ChildProcess[],
  message: ToChild,
  said: Said,
): Promise<Extract<FromChild, { said: Said }>[]> {
  return Promise.all(
    children.map(child => {
      const answered = answer<FromChild, Said>(child, said)
      child.send(message)
      return answered
    }),
  )
}

const columns = [
  '',
  'CLUSTER SLOTS a minute',
  'all questions a minute',
  'new connections a minute',
  'open',
  'calls/s',
  'failed',
  'loop delay p50 ms',
  'p99 ms',
  'max ms',
  'heap MiB',
  'CPU %',
]

function row(client: ScaleClient, { before, counted, children, seconds }: Result): string[] {
  const minutes = seconds / 60
  const sum = (of: (child: ScaleMeasured) => number) => children.reduce((total, child) => total + of(child), 0)
  const worst = (of: (child: ScaleMeasured) => number) => Math.max(...children.map(of))
  return [
    client,
    figure((counted.slotsAsked - before.slotsAsked) / minutes),
    figure((counted.asked - before.asked) / minutes),
    figure((counted.accepted - before.accepted) / minutes),
    String(counted.open),
    figure(sum(({ calls }) => calls) / seconds),
    String(sum(({ failed }) => failed)),
    worst(({ delayP50Ms }) => delayP50Ms).toFixed(2),
    worst(({ delayP99Ms }) => delayP99Ms).toFixed(2),
    worst(({ delayMaxMs }) => delayMaxMs).toFixed(1),
    figure(sum(({ heapMiB }) => heapMiB)),
    figure((100 * sum(({ cpuMs }) => cpuMs)) / worst(({ elapsedMs }) => elapsedMs)),
  ]
}

type Results = Record<string, Partial<Record<ScaleClient, Result>>>

function sections(results: Results, possible: Record<string, Setting>): { title: string; rows: string[][] }[] {
  return Object.entries(possible).flatMap(([name, { title, shape, clients }]) => {
    const own = results[name]
    const measured = clients.filter(client => own?.[client] !== undefined)
    const first = own?.[measured[0] as ScaleClient]
    if (own === undefined || first === undefined) return []
    const rows = measured.map(client => row(client, own[client] as Result))
    return [
      {
        title: `${title}; ${shape.movesPerSecond} slots move each second, ${first.seconds} s`,
        rows: [columns, ...rows],
      },
    ]
  })
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      help: { type: 'boolean', short: 'h' },
      only: { type: 'string' },
      clients: { type: 'string' },
      seconds: { type: 'string' },
      quick: { type: 'boolean' },
      json: { type: 'string' },
      doc: { type: 'string' },
    },
  })
  const possible = settings(values.quick === true)
  const chosen = values.only?.split(',').filter(name => name !== 'none') ?? Object.keys(possible)
  const clients = (values.clients?.split(',') ?? scaleClients) as ScaleClient[]
  const seconds = Number(values.seconds ?? (values.quick ? 15 : 60))
  const wrong = [
    ...chosen.filter(name => !(name in possible)),
    ...clients.filter(name => !scaleClients.includes(name)),
    ...(seconds >= 1 && seconds <= 3600 ? [] : ['--seconds']),
  ]
  if (values.help === true || wrong.length > 0) {
    process.stdout.write((wrong.length > 0 ? `Cannot use: ${wrong.join(', ')}\n\n` : '') + help)
    process.exitCode = wrong.length > 0 ? 2 : 0
    return
  }
  process.stdout.write(
    `${machine()}; ${taskset === null ? 'not pinned to cores' : 'clients on core 0, the cluster on core 1'}\n`,
  )
  const { json } = values
  const results: Results = json !== undefined && existsSync(json) ? JSON.parse(readFileSync(json, 'utf8')).results : {}
  for (const name of chosen) {
    const setting = possible[name] as Setting
    results[name] ??= {}
    for (const client of clients.filter(client => setting.clients.includes(client))) {
      process.stdout.write(`  ${setting.title}, ${client} …`)
      const result = await measure(setting, client, seconds)
      Object.assign(results[name], { [client]: result })
      // A run that is cut short keeps what it has.
      if (json !== undefined) writeFileSync(json, `${JSON.stringify({ machine: machine(), results }, null, 2)}\n`)
      process.stdout.write(
        ` ${figure((60 * (result.counted.slotsAsked - result.before.slotsAsked)) / seconds)} CLUSTER SLOTS a minute\n`,
      )
    }
  }
  const tables = sections(results, possible)
  for (const { title, rows } of tables) process.stdout.write(`\n${title}\n${table(rows)}\n`)
  if (values.doc !== undefined) {
    const text = tables.map(({ title, rows }) => `### ${title}\n\n${markdown(rows)}`)
    writeInto(values.doc, text, 'bench:scale')
  }
  process.stdout.write(`\nbench:scale: ${verdict(results)}\n`)
}

/** Looks at the topology a minute, ours and ioredis'. */
function verdict(results: Results): string {
  const perMinute = ({ counted, before, seconds }: Result) =>
    figure((60 * (counted.slotsAsked - before.slotsAsked)) / seconds)
  const compared = Object.entries(results).flatMap(([name, { slotwise, ioredis }]) =>
    slotwise === undefined || ioredis === undefined
      ? []
      : [`${name} ${perMinute(slotwise)} beside ${perMinute(ioredis)}`],
  )
  return `CLUSTER SLOTS a minute, slotwise beside ioredis: ${compared.join('; ') || 'not both measured'}`
}

await main()
