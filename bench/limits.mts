// Limits: what the clients may cost beside others, and which of them a run has missed. Pure.
//
// Every limit is a ratio within one run: machines differ, and one machine differs from hour to hour.

import type { ClientName } from './lib/clients.mjs'
import { median, quarters } from './lib/report.mjs'
import { bestRival, type Quantity, type Results, type Row, ratios } from './lib/results.mjs'
import type { MessageWorkload, Workload } from './lib/workloads.mjs'

export const limits = {
  /** Client CPU over the bare client's. */
  overBare: { slotwise: 1.35, 'slotwise-core': 1.25 },
  /** The same where a reply is an aggregate: our own decoder has to make up for everything else. */
  aggregateOverBare: 1,
  /** How much more than that other transports and shapes may cost: TLS, RESP2, Buffers. */
  variantRoom: 1.1,
  /** Client CPU over that of the rival who costs least. */
  overBestRival: 1,
  /** 99th percentile of the latency under load, over that of ioredis. */
  p99OverIoredis: 0.5,
  /** A miss is a median beyond the limit by more than this: two runs on one machine differ by as much. */
  noise: 0.05,
} as const

/** Of bench:memory. */
export const memoryLimits = {
  /** A small call that waits, over what its caller has made himself: array and key. */
  waitingCallBytes: 400,
  /** A connection that is open and idle, with its node. */
  connectionBytes: 64 * 1024,
} as const

/** From so many calls in flight on there is load. */
const loadConcurrency = 20

const ours = ['slotwise', 'slotwise-core'] as const

export interface Finding {
  workload: string
  title: string
  client: ClientName
  /** Whom it is compared with, and in what. */
  over: string
  limit: number
  ratios: number[]
  missed: boolean
}

function finding(
  [name, workload]: [string, Workload | MessageWorkload],
  row: Row,
  client: ClientName,
  to: ClientName,
  limit: number,
  quantity: Quantity = 'cpuUsPerOp',
): Finding | null {
  const found = ratios(row, client, to, quantity)
  if (found.length === 0) return null
  return {
    workload: name,
    title: workload.title,
    client,
    over: quantity === 'cpuUsPerOp' ? to : `${to}, p99`,
    limit,
    ratios: found,
    missed: median(found) > limit * (1 + limits.noise),
  }
}

function* check(entry: [string, Workload | MessageWorkload], row: Row): Generator<Finding | null> {
  const [, { kind, aggregate, concurrency }] = entry
  if (kind === 'shown') return
  const room = kind === 'variant' ? limits.variantRoom : 1
  const rival = bestRival(row)
  for (const client of ours) {
    const overBare = aggregate ? limits.aggregateOverBare : limits.overBare[client]
    yield finding(entry, row, client, 'bare', overBare * room)
    if (rival !== undefined) yield finding(entry, row, client, rival, limits.overBestRival)
    if (concurrency >= loadConcurrency) yield finding(entry, row, client, 'ioredis', limits.p99OverIoredis, 'p99Us')
  }
}

/** Every limit that the run can tell of. */
export function findings(results: Results, workloads: Record<string, Workload | MessageWorkload>): Finding[] {
  return Object.entries(results).flatMap(([name, row]) =>
    [...check([name, workloads[name] as Workload], row)].filter(one => one !== null),
  )
}

/** One line for each miss, and one for all. */
export function verdictText(found: readonly Finding[]): string {
  const misses = found.filter(({ missed }) => missed)
  const lines = misses.map(
    ({ title, client, over, limit, ratios }) =>
      `missed: ${title}: ${client} is ${quarters(ratios)} × ${over}, and may be ${limit.toFixed(2)} ×`,
  )
  const percent = Math.round(limits.noise * 100)
  lines.push(
    `bench: ${found.length - misses.length} of ${found.length} limits kept (${percent} % of head-room for noise)`,
  )
  return `${lines.join('\n')}\n`
}
