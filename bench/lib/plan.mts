// Plan: what the options of the benchmark ask for. Pure.

import { parseArgs } from 'node:util'
import { type ClientName, clientNames, rivalNames } from './clients.mjs'
import { workloads } from './workloads.mjs'

export interface Plan {
  workloads: string[]
  clients: ClientName[]
  rounds: number
  /** Rounds that rivals take part in: what is far from a limit needs no more to be told from it. */
  rivalRounds: number
  seconds: number
  warmUpSeconds: number
  json: string | undefined
  chart: string | undefined
  doc: string | undefined
  /** The options as they were given. */
  command: string
}

export const help = `npm run bench [-- options]

What one command costs: client CPU, latency, allocation, heap; of slotwise (the API of ioredis), slotwise-core (the native one), a bare
client (the least such a client can do) and other clients, on real servers on 127.0.0.1 that it starts and ends itself. Says which limits
of bench/limits.mts are kept, and exits with 1 when one is missed. Takes about an hour and a half; --quick at most four minutes.

  --only get,set        workloads: ${Object.keys(workloads).join(', ')}
  --clients bare,…      ${clientNames.join(', ')}; default all
  --rounds N            measurements of each client (default 5)
  --seconds N           length of each (default 2), after a warm-up of half of that, and followed by as much for allocation and latency
  --quick               the rows that limits are for, 3 short rounds, of the rivals ioredis and node-redis in one round only
  --json FILE           writes every measurement
  --chart FILE          draws the figures; .svg, or .html
  --doc FILE            writes the table between the marks of a Markdown file
`

const quickRivals: readonly ClientName[] = ['ioredis', 'node-redis']

/** What is to be done; a text instead when that is to say something: the help, or what is wrong. */
export function planOf(args: readonly string[]): Plan | { text: string; exitCode: number } {
  const { values } = parseArgs({
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
    },
  })
  if (values.help === true) return { text: help, exitCode: 0 }
  const quick = values.quick === true
  const judged = Object.keys(workloads).filter(name => workloads[name]?.kind !== 'shown')
  const chosen = values.only?.split(',') ?? (quick ? judged : Object.keys(workloads))
  const usual = clientNames.filter(name => !quick || !isRival(name) || quickRivals.includes(name))
  const clients = (values.clients?.split(',') ?? usual) as ClientName[]
  const rounds = Number(values.rounds ?? (quick ? 3 : 5))
  const seconds = Number(values.seconds ?? (quick ? 0.35 : 2))
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
    rivalRounds: quick && values.rounds === undefined ? 1 : rounds,
    seconds,
    warmUpSeconds: seconds / 2,
    json,
    chart,
    doc,
    command: ['npm run bench', ...(args.length > 0 ? ['--', ...args] : [])].join(' '),
  }
}

export function isRival(name: ClientName): boolean {
  return (rivalNames as readonly ClientName[]).includes(name)
}

/** Who is measured in a round (from 0), and in what order: each goes first in its turn. */
export function turnsOf({ clients, rivalRounds }: Pick<Plan, 'clients' | 'rivalRounds'>, round: number): ClientName[] {
  const taking = clients.filter(name => round < rivalRounds || !isRival(name))
  const first = round % taking.length
  return [...taking.slice(first), ...taking.slice(0, first)]
}
