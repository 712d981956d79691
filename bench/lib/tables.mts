// Tables: what a run of the benchmark says on the terminal. Pure.

import type { ClientName } from './clients.mjs'
import { figure, quarters, table } from './report.mjs'
import { absence, bestRival, type Quantity, type Results, type Row, ratios, typical } from './results.mjs'
import { type MessageWorkload, type Workload, workloads } from './workloads.mjs'

const ours: readonly ClientName[] = ['slotwise', 'slotwise-core']

function titleOf(name: string): string {
  return (workloads[name] as Workload | MessageWorkload).title
}

/** A client's figure, or why there is none. */
export function cell(row: Row, client: ClientName, quantity: Quantity): string {
  const value = typical(row, client, quantity)
  return value === undefined ? (absence(row, client) ?? '–') : figure(value)
}

function quantityTable(results: Results, clients: readonly ClientName[], head: string, quantity: Quantity): string {
  const rows = Object.entries(results).map(([name, row]) => [
    titleOf(name),
    ...clients.map(client => cell(row, client, quantity)),
  ])
  return table([[head, ...clients], ...rows])
}

function ratioTable(results: Results, clients: readonly ClientName[]): string {
  const measured = ours.filter(client => clients.includes(client))
  const head = ['ratios of CPU', ...measured.flatMap(client => [`${client} / bare`, '/ best rival']), 'best rival']
  const rows = Object.entries(results).map(([name, row]) => {
    const rival = bestRival(row)
    const pair = (client: ClientName) => [
      quarters(ratios(row, client, 'bare')),
      rival === undefined ? '–' : quarters(ratios(row, client, rival)),
    ]
    return [titleOf(name), ...measured.flatMap(pair), rival ?? '–']
  })
  return table([head, ...rows])
}

function latencyTable(results: Results, clients: readonly ClientName[]): string {
  const quantities = ['p50Us', 'p99Us', 'p999Us'] as const
  const rows = Object.entries(results)
    .filter(([, row]) => clients.some(client => typical(row, client, 'p50Us') !== undefined))
    .map(([name, row]) => [
      titleOf(name),
      ...clients.map(
        client =>
          absence(row, client) ??
          quantities
            .map(quantity => typical(row, client, quantity))
            .map(us => (us === undefined ? '–' : figure(us / 1000)))
            .join('/'),
      ),
    ])
  return table([['latency, ms, p50/p99/p99.9', ...clients], ...rows])
}

/** Every table of a run. */
export function tables(results: Results, clients: readonly ClientName[]): string {
  return [
    quantityTable(results, clients, 'client CPU, µs/op', 'cpuUsPerOp'),
    ratioTable(results, clients),
    quantityTable(results, clients, 'operations/s', 'opsPerSec'),
    latencyTable(results, clients),
    quantityTable(results, clients, 'heap allocated, B/op', 'allocatedBytesPerOp'),
    quantityTable(results, clients, 'GC, % of CPU', 'gcPercent'),
    quantityTable(results, clients, 'heap in use, KiB', 'heapKiB'),
    '(medians of the turns; a ratio is taken within a turn: median, and the quarters below and above it)',
  ].join('\n\n')
}
