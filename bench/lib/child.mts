// Child: one client with one workload, in a process of its own. Does what it is told, one phase at a time, and rests in between; while it
// rests, others are measured. Started by MeasuredProcess.
//
// Allocation is watched (by V8's GC profiler) and latency recorded (the clock is read twice a call) in phases of their own, so that CPU
// is that of the client and the loop around it.

import { setTimeout as delay } from 'node:timers/promises'
import { GCProfiler } from 'node:v8'
import { build } from 'hdr-histogram-js'
import { missing, openClient, readAuthority, type Target } from './clients.mjs'
import {
  type Absent,
  type Allocation,
  allocatedBetween,
  type Collection,
  type Heap,
  type Job,
  type Latency,
  type NoLatency,
  type Order,
  type Slice,
} from './measured.mjs'
import { startPublisher } from './publisher.mjs'
import { isMessages, type MessageWorkload, script, type Workload, workloads } from './workloads.mjs'

/** Something that goes on while it is told to, and counts its operations. */
interface Load {
  count(): number
  start(): void
  stop(): Promise<void>
}

/** A load, and the latency of its runs, where it has such. */
interface Subject {
  load: Load
  latency: ((seconds: number) => Promise<Latency>) | null
}

/** From the start of the loops until all is as it goes on. */
const rampMs = 15

const collectGarbage = (globalThis as { gc?: () => void }).gc as () => void

class Loops implements Load {
  readonly #run: (i: number) => Promise<unknown>
  readonly #workload: Workload
  #next = 0
  #done = 0
  // A flag and not the clock ends the loops: reading the clock each time would be a part of every figure.
  #running = false
  #loops: Promise<unknown> = Promise.resolve()

  constructor(run: (i: number) => Promise<unknown>, workload: Workload) {
    this.#run = run
    this.#workload = workload
  }

  count(): number {
    return this.#done
  }

  start(): void {
    this.#running = true
    this.#loops = Promise.all(Array.from({ length: this.#workload.concurrency }, () => this.#loop()))
    this.#loops.catch(fail)
  }

  async #loop(): Promise<void> {
    while (this.#running) {
      await this.#run(this.#next++)
      this.#done += this.#workload.operations
    }
  }

  async stop(): Promise<void> {
    this.#running = false
    await this.#loops
  }
}

/** A call that fails ends the measurement: what a failing client costs says nothing. */
function fail(error: unknown): never {
  process.stderr.write(`${(error as Error).stack ?? error}\n`)
  process.exit(1)
}

async function during<Result>(load: Load, measure: () => Promise<Result>): Promise<Result> {
  load.start()
  await delay(rampMs)
  const result = await measure()
  await load.stop()
  return result
}

async function measureCpu(load: Load, seconds: number): Promise<Slice> {
  const before = load.count()
  const startedAt = performance.now()
  const cpuBefore = process.cpuUsage()
  // A slice in which nothing has been done, because the machine had other things to do, says nothing.
  do await delay(seconds * 1000)
  while (load.count() === before)
  const { user, system } = process.cpuUsage(cpuBefore)
  const elapsedSec = (performance.now() - startedAt) / 1000
  const operations = load.count() - before
  return { cpuUsPerOp: (user + system) / operations, opsPerSec: operations / elapsedSec }
}

async function measureAllocation(load: Load, seconds: number): Promise<Allocation> {
  const profiler = new GCProfiler()
  const before = load.count()
  const heapBefore = process.memoryUsage().heapUsed
  const cpuBefore = process.cpuUsage()
  profiler.start()
  await delay(seconds * 1000)
  const { statistics } = profiler.stop()
  const { user, system } = process.cpuUsage(cpuBefore)
  const heapAfter = process.memoryUsage().heapUsed
  const operations = load.count() - before
  const collections = statistics.map(
    ({ beforeGC, afterGC }): Collection => ({
      usedBefore: beforeGC.heapStatistics.usedHeapSize,
      usedAfter: afterGC.heapStatistics.usedHeapSize,
    }),
  )
  const gcUs = statistics.reduce((sum, { cost }) => sum + cost, 0)
  return {
    allocatedBytesPerOp: allocatedBetween(heapBefore, collections, heapAfter) / operations,
    gcPercent: (100 * gcUs) / (user + system),
  }
}

async function measureLatency(
  run: (i: number) => Promise<unknown>,
  workload: Workload,
  seconds: number,
): Promise<Latency> {
  const histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: 60_000_000,
    numberOfSignificantValueDigits: 3,
  })
  const timed = async (i: number) => {
    const calledAt = performance.now()
    await run(i)
    histogram.recordValue(Math.max(1, Math.round((performance.now() - calledAt) * 1000)))
  }
  const loops = new Loops(timed, workload)
  loops.start()
  // Compiles the recording, and gets over the burst in which all loops start.
  await delay(seconds * 250)
  histogram.reset()
  await delay(seconds * 1000)
  const at = (percentile: number) => histogram.getValueAtPercentile(percentile)
  const latency = { p50Us: at(50), p99Us: at(99), p999Us: at(99.9) }
  await loops.stop()
  return latency
}

async function measureHeap(): Promise<Heap> {
  // What has just ended lets go of its last objects.
  await delay(20)
  collectGarbage()
  collectGarbage()
  return { heapKiB: process.memoryUsage().heapUsed / 1024 }
}

async function obey(
  { load, latency }: Subject,
  { phase, seconds }: Order,
): Promise<Slice | Allocation | Latency | NoLatency | Heap> {
  switch (phase) {
    case 'cpu':
      return during(load, () => measureCpu(load, seconds))
    case 'allocation':
      return during(load, () => measureAllocation(load, seconds))
    case 'latency':
      return latency === null ? { none: true } : latency(seconds)
    case 'heap':
      return measureHeap()
  }
}

async function openCalls(job: Job, target: Target, workload: Workload): Promise<Subject | Absent> {
  const run = workload.run(await openClient(job.client, target, script))
  if (run === null) return { absent: 'refused' }
  const first = await run(0)
  if (!workload.ok(first)) throw new Error(`not the reply that was asked for: ${String(first).slice(0, 200)}`)
  return { load: new Loops(run, workload), latency: seconds => measureLatency(run, workload, seconds) }
}

async function openMessages(job: Job, target: Target, workload: MessageWorkload): Promise<Subject> {
  // One's own: the others' processes, at rest, are not to hear it.
  const channel = `${workload.channel}:${process.pid}`
  const publisher = startPublisher(job.addresses[0] as string, channel, workload.messageBytes)
  const onMessage = (payload: unknown) => publisher.received(payload)
  await openClient(job.client, { ...target, subscription: { channel, onMessage } }, script)
  return { load: publisher, latency: null }
}

async function open(job: Job): Promise<Subject | Absent> {
  if ((await missing(job.client)) !== null) return { absent: 'not installed' }
  const workload = workloads[job.workload] as Workload | MessageWorkload
  const target: Target = {
    addresses: job.addresses,
    clustered: workload.stage !== 'standalone',
    ca: readAuthority(job.caPath),
    protocol: workload.protocol,
    buffers: workload.buffers,
  }
  return isMessages(workload) ? openMessages(job, target, workload) : openCalls(job, target, workload)
}

function tell(message: object): void {
  process.send?.(message)
}

const subject = await open(JSON.parse(process.argv[2] as string) as Job).catch(fail)
// Whatever a client leaves behind must not hold up the next measurement.
process.on('disconnect', () => process.exit(0))
if ('absent' in subject) tell(subject)
else {
  process.on('message', order => void obey(subject, order as Order).then(tell, fail))
  tell({})
}
