// markers: vertical lines for what happened, and shading for outages, on any chart.

import type uPlot from 'uplot'
import type { Marker, MarkerKind, Phase, Run } from '../shape.mts'
import { themeColour } from './dom.ts'

/** Which kinds are drawn; one for the page. */
export const shownKinds = new Set<MarkerKind>(['cluster', 'lost', 'connected', 'success', 'census'])

export const kindNames: Record<MarkerKind, string> = {
  cluster: 'servers stop and start',
  requests: 'batch of requests',
  lost: 'connection lost',
  dial: 'dial',
  connected: 'connected',
  refresh: 'topology asked for',
  redirect: 'redirect',
  success: 'first success',
  census: 'heap census',
}

export function kindColour(kind: MarkerKind): string {
  return themeColour(`--marker-${kind}`)
}

const nearPx = 5

/** Shown markers within a few pixels of the cursor. */
export function markersNear(chart: uPlot, run: Run): Marker[] {
  const left = chart.cursor.left ?? -1
  if (left < 0) return []
  return run.markers.filter(
    marker => shownKinds.has(marker.kind) && Math.abs(chart.valToPos(marker.atMs / 1000, 'x') - left) <= nearPx,
  )
}

export function phaseAt(run: Run, atMs: number): Phase | undefined {
  return run.phases.findLast(phase => phase.fromMs <= atMs && atMs <= phase.toMs)
}

/** A uPlot plugin. */
export function markerPlugin(run: Run): uPlot.Plugin {
  const shade = (chart: uPlot) => {
    const { ctx, bbox } = chart
    ctx.save()
    ctx.fillStyle = themeColour('--outage')
    for (const phase of run.phases) {
      if (!phase.outage) continue
      const from = Math.max(bbox.left, chart.valToPos(phase.fromMs / 1000, 'x', true))
      const to = Math.min(bbox.left + bbox.width, chart.valToPos(phase.toMs / 1000, 'x', true))
      ctx.fillRect(from, bbox.top, to - from, bbox.height)
    }
    ctx.restore()
  }
  const draw = (chart: uPlot) => {
    const { ctx, bbox } = chart
    ctx.save()
    ctx.lineWidth = devicePixelRatio
    for (const marker of run.markers) {
      if (!shownKinds.has(marker.kind)) continue
      const x = Math.round(chart.valToPos(marker.atMs / 1000, 'x', true)) + 0.5
      if (x < bbox.left || x > bbox.left + bbox.width) continue
      ctx.strokeStyle = ctx.fillStyle = kindColour(marker.kind)
      ctx.beginPath()
      ctx.moveTo(x, bbox.top)
      ctx.lineTo(x, bbox.top + bbox.height)
      ctx.stroke()
      const size = 4 * devicePixelRatio
      ctx.beginPath()
      ctx.moveTo(x - size, bbox.top - size)
      ctx.lineTo(x + size, bbox.top - size)
      ctx.lineTo(x, bbox.top + size / 2)
      ctx.fill()
    }
    ctx.restore()
  }
  return { hooks: { drawClear: shade, draw } }
}
