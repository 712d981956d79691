// Results: measurements of each workload and client, and the ratios between clients. Pure.

import { type ClientName, rivalNames } from './clients.mjs'
import type { Allocation, Heap, Latency, Outcome, Slice } from './measured.mjs'
import { median } from './report.mjs'

/** One workload's measurements of each client, in the order of the rounds. */
export type Row = Partial<Record<ClientName, Outcome[]>>
export type Results = Record<string, Row>

/** A run, as it is written to a file. */
export interface Run {
  machine: string
  date: string
  commands: string[]
  results: Results
}

/** Runs of some workloads each as one, with the workloads in their usual order. What a later run has measured again counts. */
export function mergedRuns(runs: readonly Run[], order: readonly string[]): Run {
  const [first] = runs
  if (first === undefined) throw new Error('there is no run')
  const others = runs.map(({ machine }) => machine).filter(machine => machine !== first.machine)
  if (others.length > 0) throw new Error(`these runs are of different machines: ${first.machine}, ${others.join(', ')}`)
  const all: Results = Object.assign({}, ...runs.map(({ results }) => results))
  const results: Results = {}
  for (const name of order) if (all[name] !== undefined) results[name] = all[name]
  return { ...first, commands: [...new Set(runs.flatMap(({ commands }) => commands))], results }
}

/** What is compared. */
export type Quantity = keyof Slice | keyof Allocation | keyof Latency | keyof Heap

/** A figure for each slice, or for each process where that is what was measured; NaN for none. */
function values(row: Row, client: ClientName, quantity: Quantity): number[] {
  return (row[client] ?? []).flatMap(outcome => {
    if ('absent' in outcome) return [Number.NaN]
    if (quantity === 'cpuUsPerOp' || quantity === 'opsPerSec') return outcome.slices.map(slice => slice[quantity])
    if (quantity === 'p50Us' || quantity === 'p99Us' || quantity === 'p999Us')
      return outcome.latencies.map(latency => latency[quantity])
    return [outcome[quantity]]
  })
}

/** The ratio of two clients in each turn in which both took part; none when one of them has no such figure. */
export function ratios(row: Row, client: ClientName, to: ClientName, quantity: Quantity = 'cpuUsPerOp'): number[] {
  const base = values(row, to, quantity)
  return values(row, client, quantity)
    .map((value, turn) => value / (base[turn] ?? Number.NaN))
    .filter(Number.isFinite)
}

/** The median of the turns; undefined when there is none. */
export function typical(row: Row, client: ClientName, quantity: Quantity = 'cpuUsPerOp'): number | undefined {
  const known = values(row, client, quantity).filter(Number.isFinite)
  return known.length === 0 ? undefined : median(known)
}

/** Why there is no figure; undefined when there is one, or when the client was not asked. */
export function absence(row: Row, client: ClientName): string | undefined {
  const [first] = row[client] ?? []
  return first !== undefined && 'absent' in first ? first.absent : undefined
}

/** The rival that costs least; undefined when none was measured. */
export function bestRival(row: Row): ClientName | undefined {
  let best: ClientName | undefined
  let least = Number.POSITIVE_INFINITY
  for (const name of rivalNames) {
    const cost = typical(row, name)
    if (cost === undefined || cost >= least) continue
    best = name
    least = cost
  }
  return best
}
