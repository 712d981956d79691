// tables: a table that is sorted by the column whose head is pressed.

import { element } from './dom.ts'

export interface Column<Row> {
  head: string
  /** Longer explanation, shown on hover. */
  hint?: string
  text(row: Row): string
  /** What the column is sorted by; left out: by its text. */
  value?(row: Row): number | string
  /** Class of the cell, such as `good`. */
  mark?(row: Row): string
  wide?: boolean
}

export interface TableOptions {
  label: string
  /** Column that it is sorted by at first, descending. */
  sortedBy?: number
  maxRows?: number
}

/** A table in a box of its own that scrolls where the page is too narrow. */
export function sortableTable<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  options: TableOptions,
): HTMLElement {
  let sorted = options.sortedBy ?? -1
  let descending = true
  const body = element('tbody')
  const heads = columns.map((column, i) => {
    const press = () => {
      descending = sorted === i ? !descending : !isText(column, rows)
      sorted = i
      fill()
    }
    const button = element('button', { type: 'button', click: press, title: column.hint ?? '' }, column.head)
    return element('th', { scope: 'col', class: isText(column, rows) ? 'text' : '' }, button)
  })
  const fill = () => {
    const by = columns[sorted]
    const shown =
      by === undefined ? rows : [...rows].sort((a, b) => compare(key(by, a), key(by, b)) * (descending ? -1 : 1))
    for (const [i, head] of heads.entries())
      head.setAttribute('aria-sort', i !== sorted ? 'none' : descending ? 'descending' : 'ascending')
    body.replaceChildren(
      ...shown.slice(0, options.maxRows).map(row =>
        element(
          'tr',
          {},
          ...columns.map(column =>
            element(
              'td',
              {
                class: [isText(column, rows) ? 'text' : '', column.wide ? 'wide' : '', column.mark?.(row) ?? ''].join(
                  ' ',
                ),
              },
              column.text(row),
            ),
          ),
        ),
      ),
    )
  }
  fill()
  const table = element('table', {}, element('thead', {}, element('tr', {}, ...heads)), body)
  return element('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': options.label }, table)
}

function key<Row>(column: Column<Row>, row: Row): number | string {
  return column.value?.(row) ?? column.text(row)
}

function isText<Row>(column: Column<Row>, rows: readonly Row[]): boolean {
  const first = rows[0]
  return first === undefined || typeof key(column, first) === 'string'
}

function compare(a: number | string, b: number | string): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b
  return String(a).localeCompare(String(b))
}
