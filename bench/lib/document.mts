// Document: the table of a run as Markdown, and its place in a document. Pure.

import type { ClientName } from './clients.mjs'
import { median } from './report.mjs'
import { bestRival, type Results, type Row, type Run, ratios } from './results.mjs'
import { cell } from './tables.mjs'
import { workloads } from './workloads.mjs'

const [begin, end] = ['<!-- bench -->', '<!-- /bench -->']

/** The document with other text between its marks. */
export function betweenMarks(document: string, text: string): string {
  const from = document.indexOf(begin)
  const to = document.indexOf(end)
  if (from === -1 || to < from) throw new Error(`the document has no place for the table: ${begin} … ${end}`)
  return `${document.slice(0, from + begin.length)}\n\n${text}\n\n${document.slice(to)}`
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
  const widths = head.map((_, i) => Math.max(...[head, ...rows].map(row => (row[i] as string).length), 4))
  const line = (cells: string[]) =>
    `| ${cells.map((one, i) => (i === 0 ? one.padEnd(widths[i] as number) : one.padStart(widths[i] as number))).join(' | ')} |`
  const rule = widths.map((width, i) => (i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`))
  return [line(head), line(rule), ...rows.map(line), '', about].join('\n')
}
