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
import type { BlackHoles } from './black-holes.mjs'
import { Child } from './child.mjs'
import { figuresOf, type Measured, pushesOf } from './figures.mjs'
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

const sampleMs = 100
/** A sample from within that is older than this says nothing about now: the process is busy. */
const staleAfterMs = 350
const maxMarkersPerKind = 400
const censusRows = 150
const okWithinMs = 30_000
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
  /** What cuts the servers off where packets cannot be dropped; their ports are those that clients know. */
  holes: BlackHoles | null
  /** Told of each phase, and ten times a second of how it goes. */
  onPhase(name: string): void
  onSample(line: string): void
}

/** The figures of a run; then, in processes of their own, its census: a snapshot leaves behind memory that would be taken for the service's. */
export async function runStage(options: StageOptions): Promise<Run> {
  const run = await onStage(options, stage => stage.measure())
  if (options.census) run.census = await onStage(options, stage => stage.takeCensus())
  return run
}

async function onStage<T>(options: StageOptions, act: (stage: Stage) => Promise<T>): Promise<T> {
  const stage = new Stage(options)
  try {
    return await act(stage)
  } finally {
    await stage.end()
  }
}

class Stage {
  readonly #options: StageOptions
  readonly #service: Child<ServiceOrder, ServiceReport>
  readonly #world: Child<WorldOrder, WorldReport>
  readonly #load: Child<LoadOrder, LoadReport>
  readonly #folder = temporaryFolder()
  readonly #redisPorts: ReadonlySet<number>
  readonly #startedAt = wallMs()
  readonly #atMs: number[] = []
  readonly #columns: Record<ColumnName, (number | null)[]>
  readonly #markers: Marker[] = []
  readonly #markersLeftOut: Partial<Record<MarkerKind, number>> = {}
  readonly #markerCounts: Partial<Record<MarkerKind, number>> = {}
  readonly #phases: Phase[] = []
  readonly #excluded: { fromMs: number; toMs: number }[] = []
  readonly #recoveryMs: (number | null)[] = []
  #firstSuccessAt: number | null = null
  #serviceSample: ServiceSample | null = null
  #worldSample: WorldSample | null = null
  #loadSample: LoadSample | null = null
  #sampler: NodeJS.Timeout | null = null
  #problem: string | null = null
  #okAt = 0
  #serversAgree: Promise<void> = Promise.resolve()

  constructor(options: StageOptions) {
    this.#options = options
    this.#redisPorts = new Set(options.holes?.ports ?? options.cluster.nodes.map(node => node.port))
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
    if (count <= maxMarkersPerKind) this.#markers.push({ atMs: tenths(atMs), kind, text })
    else this.#markersLeftOut[kind] = count - maxMarkersPerKind
  }

  async #phase(name: string, outage: boolean, during: () => Promise<void>): Promise<void> {
    this.#options.onPhase(name)
    const phase: Phase = { name, outage, fromMs: tenths(this.#now), toMs: 0 }
    this.#phases.push(phase)
    try {
      await during()
    } finally {
      phase.toMs = tenths(this.#now)
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
      eventLoopDelayMs: fresh === null ? null : tenths(fresh.eventLoopDelayMs),
      waitingCalls: fresh?.waitingCalls ?? null,
      waitingBytes: fresh?.waitingBytes ?? null,
      oldestWaitMs: fresh === null ? null : tenths(fresh.oldestWaitMs),
      dialsTotal: fresh?.dialsTotal ?? null,
      refreshesTotal: fresh?.refreshesTotal ?? null,
      requestsOpen: load?.open ?? null,
      requestsOkTotal: load?.ok ?? null,
      requestsRefusedTotal: load?.refused ?? null,
      requestsFailedTotal: load?.failed ?? null,
      pushesAcceptedTotal: load?.pushesAccepted ?? null,
      deliveriesTotal: this.#worldSample?.received ?? null,
    }
    this.#atMs.push(tenths(this.#now))
    for (const name of columnNames) this.#columns[name].push(row[name])
    const sockets = seen.socketsOpen + seen.socketsConnecting + seen.socketsClosing
    this.#options.onSample(
      `${megabytes(seen.residentBytes)} resident, ${sockets} sockets to Redis, ${within?.waitingCalls ?? 0} calls wait, ` +
        `${load?.ok ?? 0} requests ok, ${(load?.refused ?? 0) + (load?.failed ?? 0)} not`,
    )
  }

  async measure(): Promise<Run> {
    const { variant, rate, mode, timing, requestsPerSec } = this.#options
    await this.#openAll()
    this.#sampler = setInterval(() => this.#sample(), sampleMs)
    await this.#warmUp()
    let heapBaselineBytes: number | null = null
    await this.#phase('quiet', false, async () => {
      heapBaselineBytes = (await this.#measureHeap()).heapUsedBytes
    })
    const socketsBaseline = this.#socketsNow()
    await this.#phase('baseline', false, async () => {
      this.#setLoad(requestsPerSec)
      await delay(timing.baselineMs)
    })
    let heapHeldBytes = 0
    for (const round of [1, 2]) {
      await this.#phase(`outage ${round}`, true, async () => {
        await this.#stopServers()
        await delay(timing.outageMs)
        heapHeldBytes = Math.max(heapHeldBytes, (await this.#measureHeap()).heapUsedBytes)
        await this.#startServers()
      })
      await this.#phase(`settling ${round}`, false, async () => {
        await this.#serversAgree
        await delay(timing.settleMs)
      })
      const first = this.#firstSuccessAt
      this.#recoveryMs.push(first === null ? null : tenths(first - this.#okAt))
    }
    let heapAfterBytes: number | null = null
    let socketsAfterByClient: number | null = null
    await this.#phase('quiet', false, async () => {
      this.#setLoad(0)
      await this.#drained()
      const measured = await this.#measureHeap()
      heapAfterBytes = measured.heapUsedBytes
      socketsAfterByClient = measured.sockets
      await delay(5 * sampleMs)
    })
    const socketsAfter = this.#socketsNow()
    if (this.#sampler !== null) clearInterval(this.#sampler)

    const measured: Measured = {
      samples: { atMs: this.#atMs, columns: this.#columns },
      phases: this.#phases,
      excluded: this.#excluded,
      heapBaselineBytes,
      heapHeldBytes,
      heapAfterBytes,
      socketsBaseline,
      socketsAfter,
      socketsAfterByClient,
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
      census: [],
    }
    return run
  }

  /** What the heap holds before an outage, at the end of one, and after it, when all is quiet again. */
  async takeCensus(): Promise<Census[]> {
    const { timing, requestsPerSec } = this.#options
    await this.#openAll()
    await this.#warmUp()
    const census: Census[] = []
    await this.#phase('census: baseline', false, async () => {
      census.push(await this.#censusNow('baseline'))
    })
    await this.#phase('census: outage', true, async () => {
      this.#setLoad(requestsPerSec)
      await this.#stopServers()
      await delay(timing.outageMs)
      census.push(await this.#censusNow('held'))
      await this.#startServers()
    })
    await this.#phase('census: released', false, async () => {
      await this.#serversAgree
      await delay(timing.settleMs)
      this.#setLoad(0)
      await this.#drained()
      census.push(await this.#censusNow('released'))
    })
    return census
  }

  #setLoad(perSec: number): void {
    this.#load.tell({ kind: 'rate', requestsPerSec: perSec })
    this.#mark('requests', perSec === 0 ? 'requests pause' : `${perSec} requests/s from now on`)
  }

  async #warmUp(): Promise<void> {
    await this.#phase('warm-up', false, async () => {
      this.#setLoad(this.#options.requestsPerSec)
      await delay(this.#options.timing.warmUpMs)
      this.#setLoad(0)
      await this.#drained()
    })
  }

  async #openAll(): Promise<void> {
    const { variant } = this.#options
    this.#options.onPhase('starting')
    const { port } = await this.#service.ask(
      {
        kind: 'start',
        variant,
        redisAddresses: [...this.#redisPorts].map(port => `127.0.0.1:${port}`),
        maxPushes,
        limits,
      },
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

  async #stopServers(): Promise<void> {
    const { mode, cluster, holes } = this.#options
    if (mode === 'kill') await cluster.killAll()
    else if (mode === 'freeze') cluster.freezeAll()
    else if (holes !== null) holes.swallow()
    else if (mode === 'silent') await dropPackets([...this.#redisPorts])
    const how = { kill: 'killed', freeze: 'frozen', silent: 'cut off: nothing passes', none: 'left alone' }
    this.#mark('cluster', `every server is ${how[mode]}`)
  }

  /** Until the first primary says that the cluster is ok, which is when a client could be served. */
  async #startServers(): Promise<void> {
    const { mode, cluster, holes } = this.#options
    this.#firstSuccessAt = null
    this.#service.tell({ kind: 'arm' })
    if (mode !== 'none') this.#mark('cluster', 'every server is started')
    if (mode === 'kill') await cluster.restartAll()
    else if (mode === 'freeze') cluster.thawAll()
    else if (holes !== null) holes.pass()
    else if (mode === 'silent') await letPacketsPass()
    // A cluster whose clients were cut off has not noticed anything.
    if (mode !== 'silent') await firstOk(cluster)
    this.#okAt = wallMs()
    this.#mark('cluster', 'the first primary says cluster_state:ok')
    this.#serversAgree = mode === 'silent' ? Promise.resolve() : cluster.waitUntilOk(okWithinMs)
    this.#serversAgree.then(
      () => this.#mark('cluster', 'every server says cluster_state:ok'),
      () => undefined,
    )
  }

  async #measureHeap(): Promise<{ heapUsedBytes: number; sockets: number | null }> {
    const fromMs = this.#now
    this.#mark('census', 'garbage is collected, and the heap measured')
    const measured = await this.#service.ask({ kind: 'measure' }, 'measured', 30_000)
    this.#excluded.push({ fromMs, toMs: this.#now })
    return measured
  }

  async #censusNow(name: string): Promise<Census> {
    if (name !== 'held') await this.#measureHeap()
    const path = join(this.#folder, `${name}.heapsnapshot`)
    const atMs = tenths(this.#now)
    await this.#service.ask({ kind: 'snapshot', path }, 'snapshot-written', 120_000)
    const rows = await censusOf(path)
    rmSync(path)
    const rest = rows.slice(censusRows)
    const [count, bytes] = [rest.reduce((sum, row) => sum + row[1], 0), rest.reduce((sum, row) => sum + row[2], 0)]
    return { name, atMs, rows: [...rows.slice(0, censusRows), [`(${rest.length} others)`, count, bytes]] }
  }

  /** Until nothing is open any more, or is not going to be. */
  async #drained(): Promise<void> {
    const deadline = performance.now() + this.#options.timing.drainLimitMs
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
    const { late, duplicated } = received
    const [wanted, told, got] = [accepted.bits, reported.reported, received.bits].map(decodeBits) as [
      Uint32Array,
      Uint32Array,
      Uint32Array,
    ]
    return pushesOf(wanted, told, got, { late, duplicated })
  }

  async end(): Promise<void> {
    if (this.#sampler !== null) clearInterval(this.#sampler)
    await Promise.all([this.#service.kill(), this.#world.kill(), this.#load.kill()])
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

const folders = new Set<string>()
process.on('exit', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'slotwise-lab-'))
  folders.add(folder)
  return folder
}

/** Without the columns that this client does not tell. */
function measuredColumns(columns: Record<ColumnName, (number | null)[]>): Run['samples']['columns'] {
  return Object.fromEntries(Object.entries(columns).filter(([, column]) => column.some(value => value !== null)))
}

function tenths(value: number): number {
  return Math.round(value * 10) / 10
}

/**
 * Until a primary that owns slots says that the cluster is ok. Replicas say so earlier: a primary that has just started refuses everything for two
 * more seconds. Source: Redis, cluster.c, CLUSTER_WRITABLE_DELAY
 */
async function firstOk(cluster: LocalCluster): Promise<void> {
  const deadline = performance.now() + okWithinMs
  const serves = async (node: LocalCluster['nodes'][number]) => {
    try {
      const [[role], info] = await Promise.all([
        node.command('ROLE') as Promise<[string]>,
        node.command('CLUSTER', 'INFO') as Promise<string>,
      ])
      return role === 'master' && info.includes('cluster_state:ok')
    } catch {
      return false
    }
  }
  while (performance.now() < deadline) {
    if ((await Promise.all(cluster.nodes.map(serves))).includes(true)) return
    await delay(5)
  }
  throw new Error(`no primary said cluster_state:ok within ${okWithinMs} ms`)
}

function megabytes(bytes: number): string {
  return `${(bytes / 1048576).toFixed(0)} MB`
}
