// Report: medians, tables and the machine, for every benchmark program.

import { readFileSync, writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2
}

/** What the figures were measured on. */
export function machine(): string {
  const [cpu] = cpus()
  return `${cpu?.model.trim() ?? 'unknown processor'}, ${cpus().length} cores, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, Node ${process.version}`
}

/** Rows of text, first column to the left, the others to the right. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map(row => (row[column] ?? '').length)))
  return rows
    .map(row =>
      row
        .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] as number) : cell.padStart(widths[i] as number)))
        .join('  '),
    )
    .join('\n')
}

/** Three figures, and all of those before the point. */
export function figure(value: number): string {
  if (value >= 100) return value.toFixed(0)
  return value >= 10 ? value.toFixed(1) : value.toFixed(2)
}

/** The median, with the least and the most; a dash for nothing. */
export function spread(values: readonly number[]): string {
  if (values.length === 0) return '–'
  return `${median(values).toFixed(2)} (${Math.min(...values).toFixed(2)}–${Math.max(...values).toFixed(2)})`
}

/** Rows of text as a table in Markdown, first column to the left, the others to the right. */
export function markdown(rows: readonly (readonly string[])[]): string {
  const [head = []] = rows
  const widths = head.map((_, i) => Math.max(...rows.map(row => (row[i] ?? '').length), 3))
  const line = (cells: readonly string[]) =>
    `| ${cells.map((one, i) => (i === 0 ? one.padEnd(widths[i] as number) : one.padStart(widths[i] as number))).join(' | ')} |`
  const rule = widths.map((width, i) => (i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`))
  return [head, rule, ...rows.slice(1)].map(line).join('\n')
}

/** The text with the block between its marks `<!-- name -->` and `<!-- /name -->`; null where it has no such marks. */
export function betweenMarks(text: string, name: string, block: string): string | null {
  const [first, last] = [`<!-- ${name} -->`, `<!-- /${name} -->`]
  const [from, to] = [text.indexOf(first), text.indexOf(last)]
  return from === -1 || to < from ? null : `${text.slice(0, from + first.length)}\n\n${block}\n\n${text.slice(to)}`
}

/** Puts what was measured between the marks `figures` of a Markdown file. */
export function writeInto(file: string, sections: readonly string[], program: string): void {
  const date = new Date().toISOString().slice(0, 10)
  const measured = `Measured on ${date}: ${machine()}, by \`npm run ${program}\`.`
  const text = betweenMarks(readFileSync(file, 'utf8'), 'figures', [measured, ...sections].join('\n\n').trimEnd())
  if (text === null) throw new Error(`${file} has no marks: <!-- figures --> … <!-- /figures -->`)
  writeFileSync(file, text)
}

/** The value below which the share of all values lies; between two values, in proportion. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  const place = (sorted.length - 1) * share
  const below = sorted[Math.floor(place)] as number
  const above = sorted[Math.ceil(place)] as number
  return below + (above - below) * (place - Math.floor(place))
}

/** The median, with the quarters below and above it; a dash for nothing. */
export function quarters(values: readonly number[]): string {
  if (values.length === 0) return '–'
  return `${median(values).toFixed(2)} (${quantile(values, 0.25).toFixed(2)}–${quantile(values, 0.75).toFixed(2)})`
}
