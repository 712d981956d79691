// stage: one run. A service on one client at one rate, through baseline, two outages and what follows them.
// Owns    the processes of the run, from start to end.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { LocalCluster } from '../../../scripts/local-cluster.mjs'
import {
  type Census,
  type ColumnName,
  columnNames,
  type Marker,
  type MarkerKind,
  type Phase,
  type Run,
} from '../../../scripts/report/shape.mjs'
import { Child } from './child.mjs'
import { figuresOf, heapPeakBeforeOutage, type Measured, pushesOf } from './figures.mjs'
import { censusOf } from './heap-snapshot.mjs'
import {
  type Crowd,
  decodeBits,
  type LoadOrder,
  type LoadReport,
  type LoadSample,
  type ServiceOrder,
  type ServiceReport,
  type ServiceSample,
  type WorldOrder,
  type WorldReport,
  type WorldSample,
  wallMs,
} from './messages.mjs'
import { dropPackets, letPacketsPass } from './network.mjs'
import type { Mode, PlannedRun, Timing } from './plan.mjs'
import { sampleProcess } from './sampler.mjs'
import { variants } from './variants/index.mjs'
import type { Judged } from './verdicts.mjs'

const sampleMs = 100
/** A sample from within that is older than this says nothing about now: the process is busy. */
const staleAfterMs = 350
const maxMarkersPerKind = 400
const censusRows = 150
const okWithinMs = 30_000
const drainLimitMs = 12_000
const maxPushes = 200_000

export const crowd: Crowd = { users: 40, socketsPerUser: 3, recipients: 2 }
export const payloadBytes = 1000
export const lateAfterMs = 5000
/** Small, so that the outage of a few seconds reaches them at the highest rate. */
export const limits = {
  requestTimeoutMs: 2000,
  backgroundTimeoutMs: 30_000,
  maxQueuedBytes: 2 * 1024 * 1024,
  maxBackgroundPushBytes: 8 * 1024 * 1024,
}

export interface StageOptions extends PlannedRun {
  mode: Mode
  timing: Timing
  requestsPerSec: number
  census: boolean
  cluster: LocalCluster
  /** Told of each phase, and ten times a second of how it goes. */
  onPhase(name: string): void
  onSample(line: string): void
}

export async function runStage(options: StageOptions): Promise<Judged> {
  const stage = new Stage(options)
  try {
    return await stage.run()
  } finally {
    await stage.end()
  }
}

class Stage {
  readonly #options: StageOptions
  readonly #service: Child<ServiceOrder, ServiceReport>
  readonly #world: Child<WorldOrder, WorldReport>
  readonly #load: Child<LoadOrder, LoadReport>
  readonly #folder = mkdtempSync(join(tmpdir(), 'slotwise-lab-'))
  readonly #redisPorts: ReadonlySet<number>
  readonly #startedAt = wallMs()
  readonly #atMs: number[] = []
  readonly #columns: Record<ColumnName, (number | null)[]>
  readonly #markers: Marker[] = []
  readonly #markersLeftOut: Partial<Record<MarkerKind, number>> = {}
  readonly #markerCounts: Partial<Record<MarkerKind, number>> = {}
  readonly #phases: Phase[] = []
  readonly #census: Census[] = []
  readonly #excluded: { fromMs: number; toMs: number }[] = []
  readonly #recoveryMs: (number | null)[] = []
  #firstSuccessAt: number | null = null
  #serviceSample: ServiceSample | null = null
  #worldSample: WorldSample | null = null
  #loadSample: LoadSample | null = null
  #sampler: NodeJS.Timeout | null = null
  #problem: string | null = null

  constructor(options: StageOptions) {
    this.#options = options
    this.#redisPorts = new Set(options.cluster.nodes.map(node => node.port))
    this.#columns = Object.fromEntries(columnNames.map(name => [name, []])) as never
    this.#service = new Child('the service', './service-process.mjs', report => this.#onService(report))
    this.#world = new Child('the Cannons', './world-process.mjs', report => {
      if (report.kind === 'sample') this.#worldSample = report
      if (report.kind === 'problem') this.#problem ??= report.text
    })
    this.#load = new Child('the load', './load-process.mjs', report => {
      if (report.kind === 'sample') this.#loadSample = report
    })
  }

  get #now(): number {
    return wallMs() - this.#startedAt
  }

  #onService(report: ServiceReport): void {
    if (report.kind === 'sample') this.#serviceSample = report
    else if (report.kind === 'markers')
      for (const { atMs, kind, text } of report.markers) this.#mark(kind, text, atMs - this.#startedAt)
    else if (report.kind === 'first-success') {
      this.#firstSuccessAt = report.atMs
      this.#mark('success', 'first success', report.atMs - this.#startedAt)
    }
  }

  #mark(kind: MarkerKind, text: string, atMs = this.#now): void {
    const count = (this.#markerCounts[kind] = (this.#markerCounts[kind] ?? 0) + 1)
    if (count <= maxMarkersPerKind) this.#markers.push({ atMs: round(atMs), kind, text })
    else this.#markersLeftOut[kind] = count - maxMarkersPerKind
  }

  async #phase(name: string, outage: boolean, during: () => Promise<void>): Promise<void> {
    this.#options.onPhase(name)
    const phase: Phase = { name, outage, fromMs: round(this.#now), toMs: 0 }
    this.#phases.push(phase)
    try {
      await during()
    } finally {
      phase.toMs = round(this.#now)
    }
    if (this.#problem !== null) throw new Error(this.#problem)
  }

  #sample(): void {
    const seen = sampleProcess(this.#service.pid, this.#redisPorts)
    if (seen === null) return
    const within = this.#serviceSample
    const fresh = within !== null && wallMs() - within.atMs < staleAfterMs ? within : null
    const load = this.#loadSample
    const row: Record<ColumnName, number | null> = {
      ...seen,
      heapReservedBytes: fresh?.heapReservedBytes ?? null,
      heapUsedBytes: fresh?.heapUsedBytes ?? null,
      externalBytes: fresh?.externalBytes ?? null,
      handles: fresh?.handles ?? null,
      eventLoopDelayMs: fresh === null ? null : round(fresh.eventLoopDelayMs),
      waitingCalls: fresh?.waitingCalls ?? null,
      waitingBytes: fresh?.waitingBytes ?? null,
      oldestWaitMs: fresh === null ? null : round(fresh.oldestWaitMs),
      dialsTotal: fresh?.dialsTotal ?? null,
      refreshesTotal: fresh?.refreshesTotal ?? null,
      requestsOpen: load?.open ?? null,
      requestsOkTotal: load?.ok ?? null,
      requestsRefusedTotal: load?.refused ?? null,
      requestsFailedTotal: load?.failed ?? null,
      pushesAcceptedTotal: load?.pushesAccepted ?? null,
      deliveriesTotal: this.#worldSample?.received ?? null,
    }
    this.#atMs.push(round(this.#now))
    for (const name of columnNames) this.#columns[name].push(row[name])
    const sockets = seen.socketsOpen + seen.socketsConnecting + seen.socketsClosing
    this.#options.onSample(
      `${megabytes(seen.residentBytes)} resident, ${sockets} sockets to Redis, ${within?.waitingCalls ?? 0} calls wait, ` +
        `${load?.ok ?? 0} requests ok, ${(load?.refused ?? 0) + (load?.failed ?? 0)} not`,
    )
  }

  async run(): Promise<Judged> {
    const { variant, rate, mode, timing, requestsPerSec, cluster } = this.#options
    await this.#openAll()
    this.#sampler = setInterval(() => this.#sample(), sampleMs)
    const load = (perSec: number) => {
      this.#load.tell({ kind: 'rate', requestsPerSec: perSec })
      this.#mark('requests', perSec === 0 ? 'requests pause' : `${perSec} requests/s from now on`)
    }

    await this.#phase('warm-up', false, async () => {
      load(requestsPerSec)
      await delay(timing.warmUpMs)
      load(0)
      await this.#drained()
    })
    let heapBaselineBytes: number | null = null
    await this.#phase('census', false, async () => {
      heapBaselineBytes = await this.#measureHeap()
      await this.#takeCensus('baseline')
    })
    const socketsBaseline = this.#socketsNow()
    await this.#phase('baseline', false, async () => {
      load(requestsPerSec)
      await delay(timing.baselineMs)
    })
    for (const round of [1, 2]) {
      await this.#phase(`outage ${round}`, true, async () => {
        await this.#stopServers(mode, cluster)
        await delay(timing.outageMs)
        if (round === 2) await this.#takeCensus('held')
        await this.#startServers(mode, cluster)
      })
      await this.#phase(`settling ${round}`, false, () => delay(timing.settleMs))
      this.#recoveryMs.push(this.#firstSuccessAt === null ? null : round3(this.#firstSuccessAt - this.#okAt))
    }
    let heapAfterBytes: number | null = null
    await this.#phase('quiet', false, async () => {
      load(0)
      await this.#drained()
      heapAfterBytes = await this.#measureHeap()
      await this.#takeCensus('released')
      await delay(500)
    })
    const socketsAfter = this.#socketsNow()
    if (this.#sampler !== null) clearInterval(this.#sampler)

    const measured: Measured = {
      samples: { atMs: this.#atMs, columns: this.#columns },
      phases: this.#phases,
      excluded: this.#excluded,
      heapBaselineBytes,
      heapAfterBytes,
      socketsBaseline,
      socketsAfter,
      recoveryMs: this.#recoveryMs,
      requests: this.#requests(),
      pushes: await this.#collectPushes(),
    }
    const run: Run = {
      id: `${variant}-${rate}x`,
      variant,
      about: variants[variant]?.about ?? '',
      rate,
      requestsPerSec,
      mode,
      phases: this.#phases,
      samples: { atMs: this.#atMs, columns: measuredColumns(this.#columns) },
      markers: this.#markers.sort((a, b) => a.atMs - b.atMs),
      markersLeftOut: this.#markersLeftOut,
      figures: figuresOf(measured),
      census: this.#census,
    }
    return { run, heapBusyBytes: heapPeakBeforeOutage(measured) }
  }

  async #openAll(): Promise<void> {
    const { variant, cluster } = this.#options
    this.#options.onPhase('starting')
    const { port } = await this.#service.ask(
      { kind: 'start', variant, redisAddresses: cluster.addresses, maxPushes, limits },
      'ready',
    )
    const gundeckUrl = `http://127.0.0.1:${port}`
    const { resources } = await this.#world.ask(
      { kind: 'start', gundeckUrl, crowd, maxPushes, lateAfterMs },
      'ready',
      30_000,
    )
    await this.#load.ask({ kind: 'start', gundeckUrl, crowd, resources, maxPushes, payloadBytes }, 'ready')
  }

  #okAt = 0

  async #stopServers(mode: Mode, cluster: LocalCluster): Promise<void> {
    if (mode === 'kill') await cluster.killAll()
    else if (mode === 'freeze') cluster.freezeAll()
    else await dropPackets([...this.#redisPorts])
    const how = { kill: 'killed', freeze: 'frozen', silent: 'cut off: packets are dropped' }
    this.#mark('cluster', `every server is ${how[mode]}`)
  }

  async #startServers(mode: Mode, cluster: LocalCluster): Promise<void> {
    this.#firstSuccessAt = null
    this.#service.tell({ kind: 'arm' })
    if (mode === 'kill') await cluster.restartAll()
    else if (mode === 'freeze') cluster.thawAll()
    else await letPacketsPass()
    this.#mark('cluster', 'every server is started')
    // A cluster whose clients were cut off has not noticed anything.
    if (mode !== 'silent') await cluster.waitUntilOk(okWithinMs)
    this.#okAt = wallMs()
    this.#mark('cluster', 'every server says cluster_state:ok')
  }

  async #measureHeap(): Promise<number> {
    const fromMs = this.#now
    const { heapUsedBytes } = await this.#service.ask({ kind: 'measure' }, 'measured', 30_000)
    this.#excluded.push({ fromMs, toMs: this.#now })
    return heapUsedBytes
  }

  async #takeCensus(name: string): Promise<void> {
    if (!this.#options.census) return
    const path = join(this.#folder, `${name}.heapsnapshot`)
    const fromMs = this.#now
    this.#mark('census', `heap census: ${name}`)
    await this.#service.ask({ kind: 'snapshot', path }, 'snapshot-written', 120_000)
    // What had to wait meanwhile is served first.
    this.#excluded.push({ fromMs, toMs: this.#now + 1000 })
    const rows = await censusOf(path)
    rmSync(path)
    const rest = rows.slice(censusRows)
    const [count, bytes] = [rest.reduce((sum, row) => sum + row[1], 0), rest.reduce((sum, row) => sum + row[2], 0)]
    this.#census.push({
      name,
      atMs: round(fromMs),
      rows: [...rows.slice(0, censusRows), [`(${rest.length} others)`, count, bytes]],
    })
  }

  /** Until nothing is open any more, or is not going to be. */
  async #drained(): Promise<void> {
    const deadline = performance.now() + drainLimitMs
    await delay(3 * sampleMs)
    while (performance.now() < deadline) {
      const idle = this.#serviceSample?.waitingCalls === 0 && this.#serviceSample.background === 0
      if (idle && this.#loadSample?.open === 0) return
      await delay(sampleMs)
    }
  }

  #socketsNow(): number | null {
    const seen = sampleProcess(this.#service.pid, this.#redisPorts)
    return seen === null ? null : seen.socketsOpen + seen.socketsConnecting + seen.socketsClosing
  }

  #requests() {
    const sample = this.#loadSample
    return sample === null
      ? null
      : { sent: sample.sent, ok: sample.ok, refused: sample.refused, failed: sample.failed + sample.open }
  }

  async #collectPushes() {
    const accepted = await this.#load.ask({ kind: 'report' }, 'accepted')
    const reported = await this.#service.ask({ kind: 'end' }, 'ended')
    const received = await this.#world.ask({ kind: 'report' }, 'received')
    return pushesOf(decodeBits(accepted.bits), decodeBits(reported.reported), decodeBits(received.bits), received)
  }

  async end(): Promise<void> {
    if (this.#sampler !== null) clearInterval(this.#sampler)
    await Promise.all([this.#service.kill(), this.#world.kill(), this.#load.kill()])
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** Without the columns that this client does not tell. */
function measuredColumns(columns: Record<ColumnName, (number | null)[]>): Run['samples']['columns'] {
  return Object.fromEntries(Object.entries(columns).filter(([, column]) => column.some(value => value !== null)))
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

function round3(value: number): number {
  return Math.round(value * 1000) / 1000
}

function megabytes(bytes: number): string {
  return `${(bytes / 1048576).toFixed(0)} MB`
}
