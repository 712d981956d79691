// census: what the heap held at two moments, and the difference, by constructor.

import type { Census, Run } from '../shape.mts'
import { element } from './dom.ts'
import { bytesText, count, signed } from './format.ts'
import { sortableTable } from './tables.ts'

interface DiffRow {
  name: string
  countBefore: number
  countAfter: number
  bytesBefore: number
  bytesAfter: number
}

function difference(before: Census, after: Census): DiffRow[] {
  const rows = new Map<string, DiffRow>()
  const row = (name: string) => {
    let found = rows.get(name)
    if (found === undefined)
      rows.set(name, (found = { name, countBefore: 0, countAfter: 0, bytesBefore: 0, bytesAfter: 0 }))
    return found
  }
  for (const [name, n, bytes] of before.rows) Object.assign(row(name), { countBefore: n, bytesBefore: bytes })
  for (const [name, n, bytes] of after.rows) Object.assign(row(name), { countAfter: n, bytesAfter: bytes })
  return [...rows.values()].filter(one => one.countAfter !== one.countBefore || one.bytesAfter !== one.bytesBefore)
}

const maxRows = 60

function diffTable(before: Census, after: Census, wanted: string): HTMLElement {
  const rows = difference(before, after).filter(row => row.name.toLowerCase().includes(wanted.toLowerCase()))
  const total = (pick: (row: DiffRow) => number) => rows.reduce((sum, row) => sum + pick(row), 0)
  const bytes = total(row => row.bytesAfter - row.bytesBefore)
  const objects = total(row => row.countAfter - row.countBefore)
  const change = (row: DiffRow) => row.bytesAfter - row.bytesBefore
  const table = sortableTable<DiffRow>(
    rows.sort((a, b) => Math.abs(change(b)) - Math.abs(change(a))),
    [
      { head: 'constructor', text: row => row.name, wide: true },
      { head: 'bytes ±', text: row => signed(bytesText(change(row)), change(row)), value: change },
      {
        head: 'count ±',
        text: row => signed(count(row.countAfter - row.countBefore), row.countAfter - row.countBefore),
        value: row => row.countAfter - row.countBefore,
      },
      { head: before.name, text: row => bytesText(row.bytesBefore), value: row => row.bytesBefore, hint: 'bytes' },
      { head: after.name, text: row => bytesText(row.bytesAfter), value: row => row.bytesAfter, hint: 'bytes' },
      { head: `${before.name} #`, text: row => count(row.countBefore), value: row => row.countBefore },
      { head: `${after.name} #`, text: row => count(row.countAfter), value: row => row.countAfter },
    ],
    { label: `Census ${before.name} to ${after.name}`, maxRows },
  )
  const sum = `${signed(bytesText(bytes), bytes)} in ${signed(count(objects), objects)} objects, ${rows.length} constructors changed`
  return element(
    'div',
    {},
    element('p', { class: 'soft' }, rows.length > maxRows ? `${sum}; ${maxRows} shown` : sum),
    table,
  )
}

/** The census differences of a run behind tabs; null when it has fewer than two. */
export function censusPanel(run: Run): HTMLElement | null {
  const pairs: [Census, Census][] = []
  for (const [i, before] of run.census.entries())
    for (const after of run.census.slice(i + 1)) pairs.push([before, after])
  const [first] = pairs
  if (first === undefined) return null
  let [before, after] = first
  const shown = element('div')
  const filter = element('input', {
    type: 'search',
    placeholder: 'constructor …',
    'aria-label': 'Filter by constructor',
  })
  const fill = () => shown.replaceChildren(diffTable(before, after, filter.value))
  filter.addEventListener('input', fill)
  const buttons = pairs.map(pair => {
    const press = () => {
      ;[before, after] = pair
      for (const [i, button] of buttons.entries()) button.setAttribute('aria-pressed', String(pairs[i] === pair))
      fill()
    }
    return element(
      'button',
      { type: 'button', click: press, 'aria-pressed': String(pair === first) },
      `${pair[0].name} → ${pair[1].name}`,
    )
  })
  fill()
  return element('div', { class: 'census' }, element('div', { class: 'bar' }, ...buttons, filter), shown)
}
