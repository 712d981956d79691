// main: lays the page out from the data that lies in it.

import type uPlot from 'uplot'
import { type Marker, type MarkerKind, markerKinds, type ReportData, type Run, type Verdict } from '../shape.mts'
import { censusPanel } from './census.ts'
import { type ChartSpec, chartBox, drawChart, drawOverview, mainCharts, moreCharts, peak } from './charts.ts'
import { element } from './dom.ts'
import { count, megabytes, milliseconds } from './format.ts'
import { kindNames, shownKinds } from './markers.ts'
import { sortableTable } from './tables.ts'

const data = JSON.parse(document.getElementById('data')?.textContent ?? '') as ReportData
const page = document.getElementById('page') as HTMLElement

/** What draws itself again when the width, the theme or a choice has changed. */
const drawings = new Set<() => void>()
const redrawAll = () => {
  for (const draw of drawings) draw()
}

let shownRate: number | null = null
let oneScale = true

const rates = [...new Set(data.runs.map(run => run.rate))].sort((a, b) => a - b)
const shownRuns = () => data.runs.filter(run => shownRate === null || run.rate === shownRate)

// ---- header ----

function header(): HTMLElement {
  const broken = data.verdicts.filter(verdict => !verdict.holds).length
  const all = data.verdicts.length
  const verdict =
    broken === 0 ? `All ${all} promises hold` : `${broken} of ${all} promises ${broken === 1 ? 'does' : 'do'} not hold`
  return element(
    'header',
    {},
    element('div', { class: 'top' }, element('h1', {}, data.title), themeButton()),
    element('p', { class: 'soft' }, `${new Date(data.startedAt).toLocaleString('en-GB')} · ${data.machine}`),
    ...(all === 0 ? [] : [element('p', { class: `banner ${broken === 0 ? 'good' : 'bad'}` }, verdict)]),
    element('p', {}, data.summary),
  )
}

function themeButton(): HTMLElement {
  const root = document.documentElement
  const dark = () =>
    root.dataset.theme === undefined
      ? matchMedia('(prefers-color-scheme: dark)').matches
      : root.dataset.theme === 'dark'
  const button = element('button', { type: 'button', id: 'theme' }, '')
  const label = () => button.replaceChildren(dark() ? 'Light' : 'Dark')
  button.addEventListener('click', () => {
    root.dataset.theme = dark() ? 'light' : 'dark'
    label()
    redrawAll()
  })
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    label()
    redrawAll()
  })
  label()
  return button
}

// ---- tables ----

function section(title: string, ...children: (HTMLElement | string)[]): HTMLElement {
  return element('section', {}, element('h2', {}, title), ...children)
}

function verdictTable(): HTMLElement {
  return sortableTable<Verdict>(
    data.verdicts,
    [
      { head: '', text: row => (row.holds ? 'holds' : 'broken'), mark: row => (row.holds ? 'good' : 'bad') },
      { head: 'promise', text: row => row.promise, wide: true },
      { head: 'measured', text: row => row.measured, wide: true },
      { head: 'limit', text: row => row.limit, wide: true },
    ],
    { label: 'Promises' },
  )
}

function each(values: (number | null)[], text: (value: number | null) => string): string {
  return values.map(text).join(' / ')
}

const worst = (values: (number | null)[]) => Math.max(...values.map(value => value ?? Number.MAX_SAFE_INTEGER))

function figureTable(): HTMLElement {
  const size = (pick: (run: Run) => number | null) => ({
    text: (run: Run) => megabytes(pick(run)),
    value: (run: Run) => pick(run) ?? -1,
  })
  const number = (pick: (run: Run) => number | null | undefined) => ({
    text: (run: Run) => count(pick(run)),
    value: (run: Run) => pick(run) ?? -1,
  })
  return sortableTable<Run>(
    data.runs,
    [
      { head: 'client', text: run => run.variant },
      { head: 'rate', text: run => `${run.rate}x`, value: run => run.rate, hint: 'multiple of the basic request rate' },
      { head: 'heap before', ...size(run => run.figures.heapBaselineBytes), hint: 'after garbage collection' },
      {
        head: 'held',
        ...size(run => run.figures.heapHeldBytes),
        hint: 'at the end of an outage, after garbage collection',
      },
      { head: 'peak', ...size(run => run.figures.heapPeakBytes), hint: 'heap in use, garbage included' },
      { head: 'after', ...size(run => run.figures.heapAfterBytes), hint: 'after both outages and garbage collection' },
      { head: 'resident before', ...size(run => run.figures.residentBaselineBytes) },
      { head: 'peak', ...size(run => run.figures.residentPeakBytes) },
      { head: 'after', ...size(run => run.figures.residentAfterBytes) },
      { head: 'sockets before', ...number(run => run.figures.socketsBaseline), hint: 'to Redis' },
      { head: 'peak', ...number(run => run.figures.socketsPeak) },
      { head: 'after', ...number(run => run.figures.socketsAfter) },
      { head: 'waiting peak', ...number(run => run.figures.waitingPeakCalls), hint: 'calls that waited for Redis' },
      {
        head: 'dials/s',
        text: run => each(run.figures.dialsPerSec, count),
        value: run => worst(run.figures.dialsPerSec),
        hint: 'while the servers were down; first / second outage',
      },
      {
        head: 'back after',
        text: run => each(run.figures.recoveryMs, milliseconds),
        value: run => worst(run.figures.recoveryMs),
        hint: 'from cluster_state:ok to the first success; first / second outage',
      },
      { head: 'requests ok', ...number(run => run.figures.requests?.ok) },
      {
        head: 'refused',
        ...number(run => run.figures.requests?.refused),
        hint: 'answered 503 at once or at their deadline',
      },
      { head: 'failed', ...number(run => run.figures.requests?.failed), hint: 'any other error, or no answer' },
      { head: 'pushes accepted', ...number(run => run.figures.pushes?.accepted) },
      {
        head: 'lost',
        ...number(run => run.figures.pushes?.lost),
        hint: 'messages of accepted pushes that no websocket received',
      },
      { head: 'late', ...number(run => run.figures.pushes?.late) },
      { head: 'twice', ...number(run => run.figures.pushes?.duplicated) },
      {
        head: 'false',
        ...number(run => run.figures.pushes?.reportedOnly),
        hint: 'counted as delivered and not received',
      },
    ],
    { label: 'Figures of each run' },
  )
}

// ---- charts ----

function controls(): HTMLElement {
  const rateButtons = [null, ...rates].map(rate => {
    const press = () => {
      shownRate = rate
      for (const [i, button] of rateButtons.entries())
        button.setAttribute('aria-pressed', String(([null, ...rates][i] ?? null) === rate))
      for (const card of document.querySelectorAll<HTMLElement>('.card'))
        card.hidden = rate !== null && card.dataset.rate !== String(rate)
      redrawAll()
    }
    const label = rate === null ? 'all rates' : `${rate}x`
    return element('button', { type: 'button', click: press, 'aria-pressed': String(rate === null) }, label)
  })
  const scale = element('input', { type: 'checkbox', id: 'one-scale', checked: true })
  scale.addEventListener('change', () => {
    oneScale = scale.checked
    redrawAll()
  })
  const kinds = markerKinds.filter(kind => data.runs.some(run => run.markers.some(marker => marker.kind === kind)))
  return element(
    'div',
    { class: 'bar controls' },
    ...(rates.length > 1 ? rateButtons : []),
    ...(data.runs.length > 1 ? [element('label', {}, scale, ' one scale for all')] : []),
    ...kinds.map(kindChip),
  )
}

function kindChip(kind: MarkerKind): HTMLElement {
  const box = element('input', { type: 'checkbox', 'data-kind': kind, checked: shownKinds.has(kind) })
  box.addEventListener('change', () => {
    if (box.checked) shownKinds.add(kind)
    else shownKinds.delete(kind)
    redrawAll()
  })
  return element('label', { class: 'chip', style: `--chip: var(--marker-${kind})` }, box, ` ${kindNames[kind]}`)
}

/** Keeps a drawing up to date; `draw` makes it anew and returns the charts to be destroyed before the next time. */
function keepDrawn(box: HTMLElement, draw: () => (uPlot | null)[]): void {
  let charts: (uPlot | null)[] = []
  let width = 0
  const again = () => {
    for (const chart of charts) chart?.destroy()
    width = box.clientWidth
    charts = width === 0 ? [] : draw()
  }
  drawings.add(again)
  new ResizeObserver(() => {
    if (box.clientWidth !== width) again()
  }).observe(box)
}

const bottomLine = 'Hover or tap a chart for its values.'

function chartGroup(run: Run, specs: ChartSpec[]): HTMLElement {
  const told = element('p', { class: 'told', 'aria-live': 'off' }, bottomLine)
  const boxes = specs.map(chartBox)
  const group = element('div', { class: 'charts' }, ...boxes, told)
  keepDrawn(group, () => {
    const runs = shownRuns()
    const span = Math.max(...(oneScale ? runs : [run]).map(one => one.samples.atMs.at(-1) ?? 0)) / 1000
    const top = (spec: ChartSpec, right: boolean) =>
      oneScale ? Math.max(...runs.map(one => peak(spec, one, right))) : null
    return specs.map((spec, i) =>
      drawChart(spec, run, boxes[i] as HTMLElement, {
        width: group.clientWidth,
        top: top(spec, false),
        rightTop: top(spec, true),
        seconds: span,
        onCursor: text => told.replaceChildren(text === '' ? bottomLine : text),
      }),
    )
  })
  return group
}

/** Made when it is first opened. */
function unfolding(title: string, make: () => HTMLElement): HTMLElement {
  const details = element('details', {}, element('summary', {}, title))
  details.addEventListener('toggle', () => details.append(make()), { once: true })
  return details
}

function markerTable(run: Run): HTMLElement {
  const left = Object.entries(run.markersLeftOut).map(
    ([kind, n]) => `${count(n)} more of “${kindNames[kind as MarkerKind]}”`,
  )
  const table = sortableTable<Marker>(
    run.markers,
    [
      { head: 'at', text: row => `${(row.atMs / 1000).toFixed(3)} s`, value: row => row.atMs },
      { head: 'kind', text: row => kindNames[row.kind] },
      { head: 'what', text: row => row.text, wide: true },
    ],
    { label: 'Markers', maxRows: 2000 },
  )
  return element(
    'div',
    {},
    ...(left.length > 0 ? [element('p', { class: 'soft' }, `Left out: ${left.join(', ')}.`)] : []),
    table,
  )
}

function card(run: Run): HTMLElement {
  const census = run.census.length > 1 ? [unfolding('Heap census', () => censusPanel(run) as HTMLElement)] : []
  const hasMore = moreCharts.some(spec => peak(spec, run) > 0)
  const more = hasMore ? [unfolding('Requests, dials, process', () => chartGroup(run, moreCharts))] : []
  return element(
    'article',
    { class: 'card panel', id: run.id, 'data-rate': String(run.rate) },
    element(
      'h3',
      {},
      `${run.variant} `,
      element('span', { class: 'soft' }, `${run.rate}x, ${count(run.requestsPerSec)} requests/s, ${run.mode}`),
    ),
    element('p', { class: 'soft about' }, run.about),
    chartGroup(run, mainCharts),
    ...more,
    ...census,
    unfolding(`Markers (${count(run.markers.length)})`, () => markerTable(run)),
  )
}

function overview(): HTMLElement {
  const told = element('p', { class: 'told' }, bottomLine)
  const box = element('div', { class: 'chart', 'data-chart': 'overview' })
  const group = element('div', { class: 'charts' }, box, told)
  keepDrawn(group, () => {
    const runs = shownRuns()
    return runs.length === 0
      ? []
      : [drawOverview(runs, box, group.clientWidth, text => told.replaceChildren(text === '' ? bottomLine : text))]
  })
  return element('div', { class: 'panel' }, group)
}

// ---- footer ----

function footer(): HTMLElement {
  const link = URL.createObjectURL(new Blob([JSON.stringify(data)], { type: 'application/json' }))
  const settings = Object.entries(data.settings).flatMap(([name, value]) => [
    element('dt', {}, name),
    element('dd', {}, String(value)),
  ])
  return section(
    'How it was run',
    element('p', {}, element('code', {}, data.command)),
    element('dl', {}, ...settings),
    element('p', {}, element('a', { href: link, download: 'data.json' }, 'All data as JSON')),
  )
}

page.append(
  header(),
  ...(data.verdicts.length === 0 ? [] : [section('Promises', verdictTable())]),
  section(
    data.runs.length > 1 ? 'Side by side' : 'Over time',
    controls(),
    ...(data.runs.length > 1 ? [overview()] : []),
    element('div', { class: 'cards' }, ...data.runs.map(card)),
  ),
  section('Figures', figureTable()),
  footer(),
)
