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

const [firstMark, lastMark] = ['<!-- figures -->', '<!-- /figures -->']

/** Rows of text as a table in Markdown, laid out as the formatter does it. */
export function markdown(rows: readonly (readonly string[])[]): string {
  const [head = [], ...body] = rows
  const widths = head.map((_, column) => Math.max(3, ...rows.map(row => (row[column] ?? '').length)))
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  const pad = (row: readonly string[]) =>
    line(row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] as number) : cell.padStart(widths[i] as number))))
  const rule = widths.map((width, i) => (i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`))
  return [pad(head), line(rule), ...body.map(pad)].join('\n')
}

/** Puts what was measured between the two marks of a Markdown file. */
export function writeInto(file: string, sections: readonly string[], program: string): void {
  const text = readFileSync(file, 'utf8')
  const [before, after] = [text.indexOf(firstMark), text.indexOf(lastMark)]
  if (before === -1 || after === -1) throw new Error(`${file} has no marks: ${firstMark} … ${lastMark}`)
  const date = new Date().toISOString().slice(0, 10)
  const measured = `Measured on ${date}: ${machine()}, by \`npm run ${program}\`.`
  const figures = [firstMark, measured, ...sections].join('\n\n')
  writeFileSync(file, `${text.slice(0, before)}${figures}\n\n${text.slice(after)}`)
}
