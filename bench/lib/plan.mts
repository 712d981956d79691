// Plan: what the options of the benchmark ask for. Pure.

import { parseArgs } from 'node:util'
import { type ClientName, clientNames, rivalNames } from './clients.mjs'
import { workloads } from './workloads.mjs'

export interface Plan {
  workloads: string[]
  clients: ClientName[]
  rounds: number
  /** Slices of CPU time measured of each process in a round. */
  slices: number
  /** Of each slice. */
  seconds: number
  warmUpSeconds: number
  json: string | undefined
  chart: string | undefined
  doc: string | undefined
  /** Files of earlier runs to report on instead of measuring. */
  from: string[]
  /** The options as they were given. */
  command: string
}

/** Turns that processes take within a round. */
const sliceCount = 10

export const help = `npm run bench [-- options]

What one command costs: client CPU, latency, allocation, heap; of slotwise (the API of ioredis), slotwise-core (the native one), a bare
client (the least such a client can do) and other clients, on real servers on 127.0.0.1 that it starts and ends itself. Says which limits
of bench/limits.mts are kept, and exits with 1 when one is missed. Takes about 40 minutes; --quick at most four.

  --only get,set        workloads: ${Object.keys(workloads).join(', ')}
  --clients bare,…      ${clientNames.join(', ')}; default all
  --rounds N            processes of each client (default 3), one after the other
  --seconds N           CPU is measured for so long in each (default 2), in ${sliceCount} turns; warm-up, allocation and latency take as much again
  --quick               the rows that limits are for, one round of 0.8 seconds, and of the rivals ioredis and node-redis
  --json FILE           writes every measurement
  --chart FILE          draws the figures; .svg, or .html
  --doc FILE            writes the table between the marks of a Markdown file: <!-- bench --> and <!-- /bench -->
  --from FILE,…         reports on earlier runs, as --json has written them, instead of measuring
`

const quickRivals: readonly ClientName[] = ['ioredis', 'node-redis']

function parse(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    options: {
      help: { type: 'boolean', short: 'h' },
      only: { type: 'string' },
      clients: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      quick: { type: 'boolean' },
      json: { type: 'string' },
      chart: { type: 'string' },
      doc: { type: 'string' },
      from: { type: 'string' },
    },
  }).values
}

/** What is to be done; a text instead when that is to say something: the help, or what is wrong. */
export function planOf(args: readonly string[]): Plan | { text: string; exitCode: number } {
  let values: ReturnType<typeof parse>
  try {
    values = parse(args)
  } catch (error) {
    return { text: `${(error as Error).message}\n\n${help}`, exitCode: 2 }
  }
  if (values.help === true) return { text: help, exitCode: 0 }
  const quick = values.quick === true
  const judged = Object.keys(workloads).filter(name => workloads[name]?.kind !== 'shown')
  const chosen = values.only?.split(',') ?? (quick ? judged : Object.keys(workloads))
  const usual = clientNames.filter(name => !quick || !isRival(name) || quickRivals.includes(name))
  const clients = (values.clients?.split(',') ?? usual) as ClientName[]
  const rounds = Number(values.rounds ?? (quick ? 1 : 3))
  const seconds = Number(values.seconds ?? (quick ? 0.8 : 2))
  const { json, chart, doc } = values
  const wrong = [
    ...chosen.filter(name => !Object.hasOwn(workloads, name)),
    ...clients.filter(name => !clientNames.includes(name)),
    ...(Number.isInteger(rounds) && rounds > 0 ? [] : ['--rounds']),
    ...(seconds > 0 && seconds <= 600 ? [] : ['--seconds']),
    ...(chart === undefined || /\.(svg|html)$/.test(chart) ? [] : ['--chart']),
  ]
  if (wrong.length > 0) return { text: `Cannot use: ${wrong.join(', ')}\n\n${help}`, exitCode: 2 }
  return {
    workloads: chosen,
    clients,
    rounds,
    slices: sliceCount,
    seconds: seconds / sliceCount,
    warmUpSeconds: seconds / 2,
    json,
    chart,
    doc,
    from: values.from?.split(',') ?? [],
    command: ['npm run bench', ...(args.length > 0 ? ['--', ...args] : [])].join(' '),
  }
}

export function isRival(name: ClientName): boolean {
  return (rivalNames as readonly ClientName[]).includes(name)
}

/** Who takes part in a turn (from 0), in what order: each goes first in its turn. */
export function orderOf<Client>(clients: readonly Client[], turn: number): Client[] {
  const first = turn % clients.length
  return [...clients.slice(first), ...clients.slice(0, first)]
}
