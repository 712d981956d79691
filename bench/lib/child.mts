// Child: one measurement, one process: one client, one workload. Prints one line of JSON. Started by measure().
//
// Phases, one after the other, so that none distorts another: warm-up, CPU, allocation (watched by V8's GC profiler), latency (which reads
// the clock twice a call), and in the end the heap after a collection.

import { setTimeout as delay } from 'node:timers/promises'
import { GCProfiler } from 'node:v8'
import { build } from 'hdr-histogram-js'
import { type BenchClient, missing, openClient, readAuthority } from './clients.mjs'
import type { Job, Measured, Outcome } from './measured.mjs'
import { allocatedBetween, type Collection } from './measured.mjs'
import { startPublisher } from './publisher.mjs'
import { isMessages, type MessageWorkload, script, type Workload, workloads } from './workloads.mjs'

/** Something that goes on until it is told to stop, and counts its operations. */
interface Load {
  count(): number
  stop(): Promise<void>
}

type Latency = Pick<Measured, 'p50Us' | 'p99Us' | 'p999Us'>

const collectGarbage = (globalThis as { gc?: () => void }).gc as () => void

function startLoops(run: (i: number) => Promise<unknown>, { concurrency, operations }: Workload): Load {
  let next = 0
  let done = 0
  let running = true
  // A flag and not the clock ends the loops: reading the clock each time would be a part of every figure.
  const loop = async () => {
    while (running) {
      await run(next++)
      done += operations
    }
  }
  const loops = Promise.all(Array.from({ length: concurrency }, loop))
  const failed = loops.then(() => undefined)
  failed.catch(fail)
  return {
    count: () => done,
    async stop() {
      running = false
      await loops
    },
  }
}

/** A call that fails ends the measurement: what a failing client costs says nothing. */
function fail(error: unknown): void {
  process.stderr.write(`${(error as Error).stack ?? error}\n`)
  process.exit(1)
}

async function measureCpu(load: Load, seconds: number): Promise<{ cpuUsPerOp: number; opsPerSec: number }> {
  const before = load.count()
  const startedAt = performance.now()
  const cpuBefore = process.cpuUsage()
  await delay(seconds * 1000)
  const { user, system } = process.cpuUsage(cpuBefore)
  const elapsedSec = (performance.now() - startedAt) / 1000
  const operations = load.count() - before
  return { cpuUsPerOp: (user + system) / operations, opsPerSec: operations / elapsedSec }
}

async function measureAllocation(
  load: Load,
  seconds: number,
): Promise<{ allocatedBytesPerOp: number; gcPercent: number }> {
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
  const load = startLoops(timed, workload)
  await delay(seconds * 1000)
  await load.stop()
  const at = (percentile: number) => histogram.getValueAtPercentile(percentile)
  return { p50Us: at(50), p99Us: at(99), p999Us: at(99.9) }
}

async function heapKiB(): Promise<number> {
  // What has just ended lets go of its last objects.
  await delay(20)
  collectGarbage()
  collectGarbage()
  return process.memoryUsage().heapUsed / 1024
}

async function measureCalls(client: BenchClient, workload: Workload, job: Job): Promise<Outcome> {
  const run = workload.run(client)
  if (run === null) return { absent: 'refused' }
  const first = await run(0)
  if (!workload.ok(first)) throw new Error(`not the reply that was asked for: ${String(first).slice(0, 200)}`)
  const load = startLoops(run, workload)
  await delay(job.warmUpSeconds * 1000)
  const cpu = await measureCpu(load, job.seconds)
  const allocation = await measureAllocation(load, job.seconds / 3)
  await load.stop()
  const latency = await measureLatency(run, workload, job.seconds / 2)
  return { ...cpu, ...allocation, ...latency, heapKiB: await heapKiB() }
}

async function measureMessages(load: Load, job: Job): Promise<Outcome> {
  await delay(job.warmUpSeconds * 1000)
  const cpu = await measureCpu(load, job.seconds)
  const allocation = await measureAllocation(load, job.seconds / 3)
  await load.stop()
  return { ...cpu, ...allocation, heapKiB: await heapKiB() }
}

async function main(job: Job): Promise<Outcome> {
  const why = await missing(job.client)
  if (why !== null) return { absent: 'not installed' }
  const workload = workloads[job.workload] as Workload | MessageWorkload
  const target = {
    addresses: job.addresses,
    clustered: workload.stage !== 'standalone',
    ca: readAuthority(job.caPath),
    protocol: workload.protocol,
    buffers: workload.buffers,
  }
  if (!isMessages(workload)) return measureCalls(await openClient(job.client, target, script), workload, job)
  const publisher = startPublisher(job.addresses[0] as string, workload.channel, workload.messageBytes)
  const onMessage = (payload: unknown) => publisher.received(payload)
  await openClient(job.client, { ...target, subscription: { channel: workload.channel, onMessage } }, script)
  publisher.start()
  return measureMessages(publisher, job)
}

const outcome = await main(JSON.parse(process.argv[2] as string) as Job)
// Whatever a client leaves behind must not hold up the next measurement.
process.stdout.write(`${JSON.stringify(outcome)}\n`, () => process.exit(0))
