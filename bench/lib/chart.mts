// Chart: the CPU of each client in each workload, as multiples of the bare client's, as SVG or as a page of its own. Pure but for loading
// the library, which is only done when there is something to draw.

import type { ClientName } from './clients.mjs'
import { bestRival, type Results, typical } from './results.mjs'
import { workloads } from './workloads.mjs'

export interface ChartText {
  title: string
  /** Machine, date and command. */
  subtitle: string
}

const rowPx = 30
const widthPx = 1000

/** Ours in strong colours, the yardstick in black, the others paler. */
const looks: Record<ClientName, { color: string; symbol: string }> = {
  bare: { color: '#222222', symbol: 'rect' },
  slotwise: { color: '#d62728', symbol: 'circle' },
  'slotwise-core': { color: '#ff7f0e', symbol: 'circle' },
  ioredis: { color: '#1f77b4', symbol: 'diamond' },
  'ioredis-plain': { color: '#7fb2d9', symbol: 'diamond' },
  'node-redis': { color: '#2ca02c', symbol: 'triangle' },
  glide: { color: '#9467bd', symbol: 'pin' },
  iovalkey: { color: '#8c564b', symbol: 'diamond' },
}

/** Where each client stands in each row: its cost over the bare client's, or over the least there is where that is not measured. */
export function pointsOf(
  results: Results,
  clients: readonly ClientName[],
): Record<string, [ratio: number, row: string][]> {
  const points: Record<string, [number, string][]> = {}
  for (const client of clients) points[client] = []
  for (const [name, row] of Object.entries(results)) {
    const rival = bestRival(row)
    const base =
      typical(row, 'bare') ?? typical(row, 'slotwise') ?? (rival === undefined ? undefined : typical(row, rival))
    if (base === undefined) continue
    for (const client of clients) {
      const cost = typical(row, client)
      if (cost !== undefined) points[client]?.push([cost / base, workloads[name]?.title ?? name])
    }
  }
  return points
}

export async function chartSvg(results: Results, clients: readonly ClientName[], text: ChartText): Promise<string> {
  const echarts = await import('echarts')
  const rows = Object.keys(results).map(name => workloads[name]?.title ?? name)
  const height = rows.length * rowPx + 150
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: widthPx, height })
  const points = pointsOf(results, clients)
  chart.setOption({
    animation: false,
    backgroundColor: '#ffffff',
    title: { text: text.title, subtext: text.subtitle, left: 20, top: 10 },
    legend: { data: [...clients], top: 70, left: 20 },
    grid: { left: 230, right: 30, top: 105, bottom: 45 },
    xAxis: {
      type: 'log',
      name: 'client CPU for an operation, × that of the bare client; further left is better',
      nameLocation: 'middle',
      nameGap: 26,
      min: 0.3,
      axisLabel: { formatter: (value: number) => (value < 1 ? String(value) : `${value}`) },
    },
    yAxis: { type: 'category', data: rows, inverse: true, splitLine: { show: true } },
    series: clients.map(client => ({
      name: client,
      type: 'scatter',
      symbol: looks[client].symbol,
      symbolSize: 12,
      itemStyle: { color: looks[client].color },
      data: points[client] ?? [],
    })),
  })
  const svg = chart.renderToSVGString()
  chart.dispose()
  return svg
}

/** A page that needs nothing else. `tables` is text. */
export function chartPage(svg: string, title: string, tables: string): string {
  const escaped = tables.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>${title}</title>
<style>body { font-family: sans-serif; margin: 2em } pre { font-size: 12px; overflow-x: auto }</style>
${svg}
<pre>${escaped}</pre>
</html>
`
}
