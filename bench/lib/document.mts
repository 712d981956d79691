// Document: the table of a run as Markdown, and its place in a document. Pure.

import type { ClientName } from './clients.mjs'
import { betweenMarks, markdown, median } from './report.mjs'
import { bestRival, type Results, type Row, type Run, ratios } from './results.mjs'
import { cell } from './tables.mjs'
import { workloads } from './workloads.mjs'

/** The document with other text between its marks `bench`. */
export function withTable(document: string, text: string): string {
  const found = betweenMarks(document, 'bench', text)
  if (found === null) throw new Error('the document has no place for the table: <!-- bench --> … <!-- /bench -->')
  return found
}

/** What a run was measured on, when, and by which commands; what they wrote, and where, is left out. */
export function aboutText({ date, machine, commands }: Run): string {
  const plain = commands.map(
    command => `\`${command.replaceAll(/ --(json|chart|doc)[ =]\S+/g, '').replace(/ --$/, '')}\``,
  )
  return `${date.slice(0, 10)}; ${machine}. ${[...new Set(plain)].join(', ')}`
}

function ratio(row: Row, client: ClientName, to: ClientName | undefined): string {
  const found = to === undefined ? [] : ratios(row, client, to)
  return found.length === 0 ? '–' : `${median(found).toFixed(2)} ×`
}

/** @param about what it was measured on, when, and by which command */
export function markdownTable(results: Results, clients: readonly ClientName[], about: string): string {
  const ours: ClientName = 'slotwise'
  const compared = clients.includes(ours)
  const head = ['client CPU, µs', ...clients, ...(compared ? [`${ours} / bare`, `${ours} / best rival`] : [])]
  const rows = Object.entries(results).map(([name, row]) => [
    workloads[name]?.title ?? name,
    ...clients.map(client => cell(row, client, 'cpuUsPerOp')),
    ...(compared ? [ratio(row, ours, 'bare'), ratio(row, ours, bestRival(row))] : []),
  ])
  return [markdown([head, ...rows]), '', about].join('\n')
}
