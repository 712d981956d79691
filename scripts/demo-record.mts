// DemoRecord: what the demo has seen, as data for a report.

import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Sample } from './demo-load.mjs'
import type { ColumnName, Figures, Marker, MarkerKind, Phase, ReportData, Verdict } from './report/shape.mjs'

const wallMs = () => performance.timeOrigin + performance.now()

/** A sample's value for each column that the demo knows. */
const columns: Partial<Record<ColumnName, (sample: Sample) => number>> = {
  residentBytes: sample => sample.residentBytes,
  heapReservedBytes: sample => sample.heapReservedBytes,
  heapUsedBytes: sample => sample.heapBytes,
  externalBytes: sample => sample.externalBytes,
  socketsOpen: sample => sample.socketFds,
  waitingCalls: sample => sample.waitingCalls,
  waitingBytes: sample => sample.waitingBytes,
  dialsTotal: sample => sample.dials,
  refreshesTotal: sample => sample.refreshes,
  requestsOkTotal: sample => sample.fulfilled,
  requestsFailedTotal: sample => sample.failed,
}

const unknown: Figures = {
  heapBaselineBytes: null,
  heapHeldBytes: null,
  heapPeakBytes: null,
  heapAfterBytes: null,
  residentBaselineBytes: null,
  residentPeakBytes: null,
  residentAfterBytes: null,
  socketsBaseline: null,
  socketsPeak: null,
  socketsAfter: null,
  socketsAfterByClient: null,
  waitingPeakCalls: null,
  waitingPeakBytes: null,
  dialsPerSec: [],
  recoveryMs: [],
  requests: null,
  pushes: null,
}

export class DemoRecord {
  readonly #startedAt = wallMs()
  readonly #samples: Sample[] = []
  readonly #phases: Phase[] = []
  readonly #markers: Marker[] = []
  readonly verdicts: Verdict[] = []
  figures: Figures = unknown

  sample(sample: Sample): void {
    this.#samples.push(sample)
  }

  phase(name: string, outage: boolean): void {
    const fromMs = wallMs() - this.#startedAt
    const last = this.#phases.at(-1)
    if (last !== undefined) last.toMs = fromMs
    this.#phases.push({ name, outage, fromMs, toMs: fromMs })
  }

  mark(kind: MarkerKind, text: string, at = wallMs()): void {
    this.#markers.push({ atMs: at - this.#startedAt, kind, text })
  }

  /** With the peaks of the samples. */
  figuresWith(known: Partial<Figures>): Figures {
    const firstOutage = this.#phases.find(phase => phase.outage)?.fromMs ?? Number.POSITIVE_INFINITY
    const before = this.#samples.filter(sample => sample.atMs - this.#startedAt < firstOutage).at(-1)
    const last = this.#samples.at(-1)
    const peak = (of: (sample: Sample) => number) => this.#samples.reduce((most, one) => Math.max(most, of(one)), 0)
    return {
      ...unknown,
      heapPeakBytes: peak(sample => sample.heapBytes),
      residentBaselineBytes: before?.residentBytes ?? null,
      residentPeakBytes: peak(sample => sample.residentBytes),
      residentAfterBytes: last?.residentBytes ?? null,
      socketsBaseline: before?.socketFds ?? null,
      socketsPeak: peak(sample => sample.socketFds),
      waitingPeakCalls: peak(sample => sample.waitingCalls),
      waitingPeakBytes: peak(sample => sample.waitingBytes),
      requests:
        last === undefined
          ? null
          : { sent: last.fulfilled + last.failed, ok: last.fulfilled, refused: 0, failed: last.failed },
      ...known,
    }
  }

  #data(rates: readonly { opsPerSec: number; outageMs: number }[], servers: string): ReportData {
    const last = this.#phases.at(-1)
    if (last !== undefined) last.toMs = wallMs() - this.#startedAt
    return {
      format: 'slotwise-report/1',
      title: 'slotwise while every server of its cluster is killed, twice',
      startedAt: new Date(this.#startedAt).toISOString(),
      machine: `${cpus()[0]?.model.trim() ?? 'unknown processor'}, ${cpus().length} cores, Node.js ${process.version}`,
      command: 'npm run demo',
      summary: `A mixed load on a cluster of six servers (${servers}). All are killed while it goes on, and started again; the second time at four times the rate.`,
      settings: Object.fromEntries(
        rates.map(({ opsPerSec, outageMs }, i) => [`outage ${i + 1}`, `${outageMs / 1000} s at ${opsPerSec} calls/s`]),
      ),
      runs: [
        {
          id: 'demo',
          variant: 'slotwise',
          about: 'The native client in a process of its own, with maxQueuedBytes of 8 MB.',
          rate: 1,
          requestsPerSec: rates[0]?.opsPerSec ?? 0,
          mode: 'kill',
          phases: this.#phases,
          samples: {
            atMs: this.#samples.map(sample => sample.atMs - this.#startedAt),
            columns: Object.fromEntries(Object.entries(columns).map(([name, of]) => [name, this.#samples.map(of)])),
          },
          markers: this.#markers,
          markersLeftOut: {},
          figures: this.figures,
          census: [],
        },
      ],
      verdicts: this.verdicts,
    }
  }

  /** Writes the report; returns what there is to say about it. A demo without a report is a demo all the same. */
  async write(rates: readonly { opsPerSec: number; outageMs: number }[], servers: string): Promise<string> {
    try {
      const { writeReport } = await import('./report/render.mjs')
      const folder = fileURLToPath(new URL('../demo-report', import.meta.url))
      return `report: ${await writeReport(this.#data(rates, servers), folder)} (open it in a browser)`
    } catch (error) {
      return `no report: ${(error as Error).message}`
    }
  }
}
