// charts: the samples of a run as charts on one time axis. Drawn by uPlot.

import uPlot from 'uplot'
import type { ColumnName, Run } from '../shape.mts'
import { element, themeColour } from './dom.ts'
import { count, megabytes, milliseconds, seconds } from './format.ts'
import { markerPlugin, markersNear, phaseAt } from './markers.ts'

type Values = (number | null)[]

interface SeriesSpec {
  label: string
  colour: string
  text: (value: number | null) => string
  values(run: Run): Values | null
  /** Read on the right axis. */
  right?: boolean
}

export interface ChartSpec {
  id: string
  title: string
  /** Each series stands on the one before it. */
  stacked: boolean
  height: number
  text: (value: number) => string
  rightText?: (value: number) => string
  series: SeriesSpec[]
}

function column(run: Run, name: ColumnName): Values | null {
  return run.samples.columns[name] ?? null
}

/** The parts that are there, of columns that are subtracted; never below zero. */
function minus(run: Run, from: ColumnName, ...names: ColumnName[]): Values | null {
  const whole = column(run, from)
  if (whole === null) return null
  const parts = names.map(name => column(run, name))
  return whole.map((value, i) =>
    value === null ? null : Math.max(0, value - parts.reduce((sum, part) => sum + (part?.[i] ?? 0), 0)),
  )
}

const rateWindow = 5

/** Per second, over half a second or so, from a column that only grows. */
function perSecond(run: Run, name: ColumnName): Values | null {
  const total = column(run, name)
  if (total === null) return null
  const { atMs } = run.samples
  return total.map((value, i) => {
    const before = total[i - rateWindow]
    if (value === null || before == null) return null
    return ((value - before) * 1000) / ((atMs[i] as number) - (atMs[i - rateWindow] as number))
  })
}

const whole = (value: number | null) => count(value === null ? null : Math.round(value))
const plain = (label: string, name: ColumnName, colour: string, text = whole): SeriesSpec => ({
  label,
  colour,
  text,
  values: run => column(run, name),
})
const rate = (label: string, name: ColumnName, colour: string): SeriesSpec => ({
  label,
  colour,
  text: value => (value === null ? '–' : `${count(Math.round(value))}/s`),
  values: run => perSecond(run, name),
})

export const mainCharts: ChartSpec[] = [
  {
    id: 'memory',
    title: 'Memory',
    stacked: true,
    height: 190,
    text: megabytes,
    series: [
      plain('heap used', 'heapUsedBytes', '--c1', megabytes),
      {
        label: 'heap reserved',
        colour: '--c2',
        text: megabytes,
        values: run => minus(run, 'heapReservedBytes', 'heapUsedBytes'),
      },
      plain('external', 'externalBytes', '--c3', megabytes),
      {
        label: 'other resident',
        colour: '--c4',
        text: megabytes,
        values: run => minus(run, 'residentBytes', 'heapReservedBytes', 'externalBytes'),
      },
    ],
  },
  {
    id: 'sockets',
    title: 'Sockets to Redis',
    stacked: true,
    height: 120,
    text: count,
    series: [
      plain('open', 'socketsOpen', '--c2'),
      plain('connecting', 'socketsConnecting', '--c5'),
      plain('half closed', 'socketsClosing', '--c6'),
    ],
  },
  {
    id: 'waiting',
    title: 'Waiting for Redis',
    stacked: false,
    height: 120,
    text: count,
    rightText: megabytes,
    series: [
      plain('calls', 'waitingCalls', '--c1'),
      { ...plain('bytes queued', 'waitingBytes', '--c5', megabytes), right: true },
      plain('oldest', 'oldestWaitMs', '--c6', milliseconds),
    ],
  },
]

export const moreCharts: ChartSpec[] = [
  {
    id: 'outcomes',
    title: 'Requests and pushes',
    stacked: false,
    height: 120,
    text: value => `${count(value)}/s`,
    series: [
      rate('ok', 'requestsOkTotal', '--c2'),
      rate('refused', 'requestsRefusedTotal', '--c5'),
      rate('failed', 'requestsFailedTotal', '--c6'),
      rate('pushes received', 'deliveriesTotal', '--c1'),
    ],
  },
  {
    id: 'dials',
    title: 'Dials and looks at the topology',
    stacked: false,
    height: 120,
    text: value => `${count(value)}/s`,
    series: [rate('dials', 'dialsTotal', '--c6'), rate('topology', 'refreshesTotal', '--c1')],
  },
  {
    id: 'process',
    title: 'Process',
    stacked: false,
    height: 120,
    text: milliseconds,
    rightText: count,
    series: [
      plain('event-loop delay', 'eventLoopDelayMs', '--c6', milliseconds),
      { ...plain('handles', 'handles', '--c1'), right: true },
      { ...plain('descriptors', 'descriptors', '--c2'), right: true },
      { ...plain('HTTP sockets', 'socketsHttp', '--c3'), right: true },
      { ...plain('requests open', 'requestsOpen', '--c5'), right: true },
    ],
  },
]

const rightAxisPx = 58
/** Ticks at round numbers of megabytes. */
const byteSteps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000].map(step => step * 1048576)

/** The oldest wait is told on hover, not drawn: a third unit would have a third axis. */
const toldOnly = new Set(['oldest'])

interface Prepared {
  specs: SeriesSpec[]
  values: Values[]
  drawn: Values[]
}

function prepare(spec: ChartSpec, run: Run): Prepared | null {
  const specs: SeriesSpec[] = []
  const values: Values[] = []
  for (const one of spec.series) {
    const found = one.values(run)
    if (found?.some(value => value !== null)) {
      specs.push(one)
      values.push(found)
    }
  }
  if (specs.length === 0) return null
  const drawn = spec.stacked ? values.map((_, k) => sums(values.slice(0, k + 1))) : values
  return { specs, values, drawn }
}

function sums(columns: Values[]): Values {
  return (columns[0] as Values).map((_, i) => {
    let sum: number | null = null
    for (const one of columns) if (one[i] != null) sum = (sum ?? 0) + (one[i] as number)
    return sum
  })
}

/** The greatest value that a chart of this run would show on its left (or right) axis. */
export function peak(spec: ChartSpec, run: Run, right = false): number {
  const prepared = prepare(spec, run)
  let top = 0
  for (const [k, one] of (prepared?.specs ?? []).entries()) {
    if ((one.right === true) !== right || toldOnly.has(one.label)) continue
    for (const value of prepared?.drawn[k] ?? []) if (value !== null && value > top) top = value
  }
  return top
}

export interface ChartOptions {
  width: number
  /** Tops of the axes; null: this chart's own. */
  top: number | null
  rightTop: number | null
  /** Seconds shown. */
  seconds: number
  /** Told what is under the cursor. */
  onCursor(text: string): void
}

/** A chart, or null where nothing of it was measured. */
export function drawChart(spec: ChartSpec, run: Run, into: HTMLElement, options: ChartOptions): uPlot | null {
  const prepared = prepare(spec, run)
  if (prepared === null) return null
  const { specs, values, drawn } = prepared
  // What stands on top is drawn first; what it stands on then covers its lower part.
  const order = specs.map((_, k) => k)
  if (spec.stacked) order.reverse()
  const hasRight = specs.some(one => one.right)
  const series: uPlot.Series[] = order.map(k => {
    const one = specs[k] as SeriesSpec
    const colour = themeColour(one.colour)
    return {
      label: one.label,
      stroke: colour,
      width: toldOnly.has(one.label) ? 0 : spec.stacked ? 1 : 1.5,
      scale: one.right ? 'right' : toldOnly.has(one.label) ? 'told' : 'y',
      spanGaps: true,
      points: { show: false },
      ...(spec.stacked ? { fill: colour } : {}),
      value: (_chart: uPlot, _value: number, _series: number, index: number | null) =>
        one.text(index === null ? null : (values[k]?.[index] ?? null)),
    }
  })
  const chart = new uPlot(
    {
      width: options.width,
      height: spec.height,
      title: spec.title,
      // Charts of a run stand under one another on one time axis, whether they have a right axis or not.
      padding: [10, hasRight ? 0 : rightAxisPx, 0, 0],
      // Filled areas would hide the grid. (The type is a const enum, which does not exist at run time.)
      drawOrder: (spec.stacked ? ['series', 'axes'] : ['axes', 'series']) as unknown as uPlot.DrawOrderKey[],
      cursor: { sync: { key: run.id }, drag: { x: true, y: false }, y: false },
      legend: { live: true },
      scales: {
        x: { time: false, range: [0, options.seconds] },
        y: { range: (_chart, _min, max) => [0, niceTop(options.top ?? max)] },
        ...(hasRight
          ? {
              right: {
                range: (_chart: uPlot, _min: number, max: number) =>
                  [0, niceTop(options.rightTop ?? max)] as [number, number],
              },
            }
          : {}),
        told: {},
      },
      series: [{ label: 'time', value: (_chart, value) => seconds(value) }, ...series],
      axes: [
        axis(v => `${v} s`, { space: 60, size: 30 }),
        axis(v => spec.text(v), { size: 62, space: 30, ...(spec.text === megabytes ? { incrs: byteSteps } : {}) }),
        ...(hasRight
          ? [
              axis(v => (spec.rightText ?? spec.text)(v), {
                ...(spec.rightText === megabytes ? { incrs: byteSteps } : {}),
                size: rightAxisPx,
                space: 30,
                scale: 'right',
                side: 1,
                grid: { show: false },
              }),
            ]
          : []),
      ],
      hooks: {
        setCursor: [
          self => {
            if ((self.cursor.left ?? -1) < 0) return
            const atMs = self.posToVal(self.cursor.left as number, 'x') * 1000
            const near = markersNear(self, run).map(marker => `${(marker.atMs / 1000).toFixed(2)} s ${marker.text}`)
            const more = near.length > 4 ? ` and ${near.length - 4} more` : ''
            options.onCursor(
              [phaseAt(run, atMs)?.name ?? '', near.slice(0, 4).join(' · ') + more].filter(Boolean).join(': '),
            )
          },
        ],
      },
      plugins: [markerPlugin(run)],
    },
    [run.samples.atMs.map(at => at / 1000), ...order.map(k => drawn[k] as Values)],
    into,
  )
  return chart
}

/** A little above the greatest value, so that lines do not touch the frame; never an empty scale. */
function niceTop(value: number | null): number {
  return value === null || value <= 0 ? 1 : value * 1.06
}

function axis(text: (value: number) => string, more: uPlot.Axis): uPlot.Axis {
  return {
    stroke: themeColour('--ink-soft'),
    font: '11px system-ui, sans-serif',
    grid: { stroke: themeColour('--grid'), width: 1 },
    ticks: { stroke: themeColour('--grid'), width: 1, size: 4 },
    values: (_chart, splits) => splits.map(text),
    ...more,
  }
}

/** Resident memory of many runs in one chart. */
export function drawOverview(
  runs: readonly Run[],
  into: HTMLElement,
  width: number,
  onCursor: (text: string) => void,
): uPlot {
  const step = 0.1
  const longest = Math.max(...runs.map(run => run.samples.atMs.at(-1) ?? 0)) / 1000
  const times = Array.from({ length: Math.ceil(longest / step) + 1 }, (_, i) => i * step)
  const lines = runs.map(run => resampled(run, times))
  const first = runs[0] as Run
  return new uPlot(
    {
      width,
      height: 260,
      // Runs are not equally long: whoever comes back later has his second outage later.
      title: `Resident memory of the service (shaded: the outages of ${first.variant} ${first.rate}x)`,
      padding: [10, 14, 0, 0],
      cursor: { y: false },
      scales: { x: { time: false, range: [0, longest] }, y: { range: (_c, _min, max) => [0, niceTop(max)] } },
      series: [
        { label: 'time', value: (_chart, value) => seconds(value) },
        ...runs.map((run, i) => ({
          label: `${run.variant} ${run.rate}x`,
          stroke: themeColour(`--line${(i % 8) + 1}`),
          width: 2,
          spanGaps: true,
          points: { show: false },
          value: (_chart: uPlot, value: number | null) => megabytes(value),
        })),
      ],
      axes: [axis(v => `${v} s`, { space: 60, size: 30 }), axis(megabytes, { size: 62, space: 30, incrs: byteSteps })],
      hooks: {
        setCursor: [
          self => {
            if ((self.cursor.left ?? -1) >= 0)
              onCursor(phaseAt(first, self.posToVal(self.cursor.left as number, 'x') * 1000)?.name ?? '')
          },
        ],
      },
      plugins: [markerPlugin({ ...first, markers: [] })],
    },
    [times, ...lines],
    into,
  )
}

/** The last value at or before each time; null after the end of the run. */
function resampled(run: Run, times: readonly number[]): Values {
  const { atMs } = run.samples
  const resident = run.samples.columns.residentBytes ?? run.samples.columns.heapUsedBytes ?? []
  let at = 0
  return times.map(time => {
    while (at + 1 < atMs.length && (atMs[at + 1] as number) <= time * 1000) at++
    return time * 1000 > (atMs.at(-1) ?? 0) + 500 ? null : (resident[at] ?? null)
  })
}

export function chartBox(spec: ChartSpec): HTMLElement {
  return element('div', { class: 'chart', 'data-chart': spec.id })
}
