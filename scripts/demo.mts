// demo: the main job, on a real cluster. Six redis-server processes, a mixed load through the client, every node killed while the
// load goes on, started again; twice. Ends by itself with a verdict.

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { type DemoCluster, FakeDemoCluster } from './demo-fake.mjs'
import type { Order, Report, Sample } from './demo-load.mjs'
import { DemoRecord } from './demo-record.mjs'
import { Screen } from './demo-screen.mjs'
import { LocalCluster } from './local-cluster.mjs'
import { findRedisServer } from './redis-server.mjs'

const help = `npm run demo [-- --fake] [-- --help]

Starts a Redis Cluster of 3 primaries and 3 replicas on 127.0.0.1, drives a mixed load through slotwise, kills every
node while the load goes on, starts them again, and does it twice, the second time at four times the rate. Takes less than
a minute and ends with "demo: OK …" (exit status 0) or "demo: FAILED …" (1), and with the path of a report with charts.

Uses redis-server. If it is missing, Debian's package is installed through apt-get where that is allowed; name
another one with REDIS_SERVER=/path/to/redis-server. Where none can be had, and with --fake, the nodes are fake
servers of slotwise/testing: connections are real, Redis is not.
`

/** Every node is killed in the middle of a round; the rounds differ only in the rate of the load. */
const rounds = [
  { opsPerSec: 2_000, outageMs: 6_000 },
  { opsPerSec: 8_000, outageMs: 6_000 },
]
const steadyMs = 3_000
const settleMs = 3_000
const keptCount = 2_000
const okWithinMs = 15_000
const firstSuccessLimitMs = 200
const heapSlackBytes = 4 * 1024 * 1024

interface Outage {
  dialsPerSec: number
  peakHeapBytes: number
  firstSuccessMs: number
  keptLost: number
  keptWrong: number
  keptChecked: number
}

/** The load process, and what it has reported. */
class Load {
  readonly #child: ChildProcess
  readonly #waiting = new Map<Report['kind'], (report: Report) => void>()
  last: Sample | null = null
  samples: Sample[] = []

  constructor(addresses: string[], screen: Screen, record: DemoRecord) {
    this.#child = fork(new URL('./demo-load.mjs', import.meta.url), addresses)
    this.#child.on('message', (report: Report) => {
      if (report.kind === 'sample') {
        this.last = report
        this.samples.push(report)
        screen.sample(report)
        record.sample(report)
      }
      this.#waiting.get(report.kind)?.(report)
    })
  }

  tell(order: Order): void {
    this.#child.send(order)
  }

  /** The next report of a kind. */
  next<Kind extends Report['kind']>(kind: Kind, limitMs: number): Promise<Extract<Report, { kind: Kind }>> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no ${kind} within ${limitMs} ms`)), limitMs)
      this.#waiting.set(kind, report => {
        clearTimeout(timer)
        this.#waiting.delete(kind)
        resolve(report as Extract<Report, { kind: Kind }>)
      })
    })
  }

  async ask<Kind extends Report['kind']>(order: Order, kind: Kind, limitMs = 10_000) {
    const answer = this.next(kind, limitMs)
    this.tell(order)
    return answer
  }

  async ended(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'exit')
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }
}

/** One outage: kill all, wait, start all, until the client serves again; with what it showed. */
async function outage(
  round: number,
  load: Load,
  cluster: DemoCluster,
  screen: Screen,
  record: DemoRecord,
): Promise<Outage> {
  const { opsPerSec, outageMs } = rounds[round] as (typeof rounds)[number]
  const phase = (name: string, isOutage: boolean) => {
    screen.phase(name)
    record.phase(name, isOutage)
  }
  phase(`steady ${opsPerSec}/s`, false)
  load.tell({ kind: 'rate', opsPerSec })
  await delay(steadyMs)
  const kept = await load.ask({ kind: 'write-kept', round, count: keptCount }, 'kept-written')

  phase('every node killed', true)
  load.samples = []
  await cluster.killAll()
  record.mark('cluster', 'every node is killed')
  // The first moment, in which every node is redialled at once, is the same at any rate; count what goes on.
  await delay(1_000)
  const dialsBefore = load.last?.dials ?? 0
  await delay(outageMs - 1_000)
  const dialsPerSec = ((load.last?.dials ?? 0) - dialsBefore) / ((outageMs - 1_000) / 1000)
  const peakHeapBytes = Math.max(...load.samples.map(sample => sample.heapBytes))

  screen.phase('starting again')
  load.tell({ kind: 'mark' })
  const firstSuccess = load.next('first-success', okWithinMs)
  await cluster.restartAll()
  record.mark('cluster', 'every node is started')
  await cluster.waitUntilOk(okWithinMs)
  const okAt = performance.timeOrigin + performance.now()
  record.mark('cluster', 'every node says cluster_state:ok')
  const first = (await firstSuccess).atMs
  record.mark('success', 'first success', first)
  const firstSuccessMs = first - okAt

  phase('settling', false)
  await delay(settleMs)
  const read = await load.ask({ kind: 'read-kept', round }, 'kept-read')
  const served = await readFromServers(
    cluster,
    read.values.map(([key]) => key),
  )
  const keptLost = kept.acknowledged - served.size
  const keptWrong = read.values.filter(([key, value]) => served.has(key) && served.get(key) !== value).length
  return { dialsPerSec, peakHeapBytes, firstSuccessMs, keptLost, keptWrong, keptChecked: served.size }
}

/** What the primaries themselves hold, asked without slotwise. */
async function readFromServers(cluster: DemoCluster, keys: string[]): Promise<Map<string, string>> {
  const served = new Map<string, string>()
  const wanted = new Set(keys)
  for (const server of await cluster.primaries()) {
    const held = ((await server.command('KEYS', 'kept:*')) as string[]).filter(key => wanted.has(key))
    const values = await Promise.all(held.map(key => server.command('GET', key)))
    for (const [i, key] of held.entries()) served.set(key, values[i] as string)
  }
  return served
}

async function run(screen: Screen, cluster: DemoCluster, load: Load, record: DemoRecord): Promise<string[]> {
  await load.next('ready', 10_000)
  screen.phase('warming up')
  record.phase('warming up', false)
  load.tell({ kind: 'rate', opsPerSec: (rounds[0] as (typeof rounds)[number]).opsPerSec })
  await delay(steadyMs)
  const baseline = await load.ask({ kind: 'heap' }, 'heap')
  const outages: Outage[] = []
  const problems: string[] = []
  const check = (ok: boolean, problem: string, promise: string, limit: string, measured: string) => {
    if (!ok) problems.push(problem)
    record.verdicts.push({ promise, limit, measured, holds: ok })
  }
  for (const [round] of rounds.entries()) {
    const result = await outage(round, load, cluster, screen, record)
    outages.push(result)
    screen.note(
      `outage ${round + 1}: first success ${result.firstSuccessMs.toFixed(0)} ms after the cluster said ok, ` +
        `${result.dialsPerSec.toFixed(1)} dials/s, peak heap ${megabytes(result.peakHeapBytes)} MB, ` +
        `${result.keptChecked} acknowledged keys read back, ${result.keptLost} lost by the servers`,
    )
    const which = `outage ${round + 1}: `
    check(
      result.firstSuccessMs <= firstSuccessLimitMs,
      `first success ${result.firstSuccessMs.toFixed(0)} ms after ok`,
      `${which}back at once when the cluster is`,
      `${firstSuccessLimitMs} ms after every node says cluster_state:ok`,
      `${result.firstSuccessMs.toFixed(0)} ms`,
    )
    check(
      result.keptWrong === 0,
      `${result.keptWrong} acknowledged keys read back wrong`,
      `${which}what was acknowledged is read back`,
      'none wrong',
      `${result.keptWrong} wrong of ${result.keptChecked}`,
    )
    check(
      result.keptChecked > 0,
      'the servers kept no acknowledged key',
      `${which}the servers have kept what they acknowledged`,
      'some',
      `${result.keptChecked} keys`,
    )
  }
  const [first, second] = outages as [Outage, Outage]
  check(
    Math.abs(second.dialsPerSec - first.dialsPerSec) <= 0.25 * first.dialsPerSec + 1,
    `dials depend on the load: ${first.dialsPerSec.toFixed(1)}/s, then ${second.dialsPerSec.toFixed(1)}/s`,
    'dials do not depend on the load',
    'within 25 % + 1/s',
    `${first.dialsPerSec.toFixed(1)}/s, then ${second.dialsPerSec.toFixed(1)}/s at four times the load`,
  )
  load.tell({ kind: 'rate', opsPerSec: 0 })
  await delay(500)
  const after = await load.ask({ kind: 'heap' }, 'heap')
  check(
    after.usedBytes <= baseline.usedBytes * 1.1 + heapSlackBytes,
    `heap ${megabytes(after.usedBytes)} MB, baseline ${megabytes(baseline.usedBytes)} MB`,
    'the heap is back where it was, after garbage collection',
    '10 % + 4 MB over the baseline',
    `${megabytes(baseline.usedBytes)} MB, then ${megabytes(after.usedBytes)} MB`,
  )
  check(
    after.sockets === after.socketFds,
    `${after.socketFds} sockets open, ${after.sockets} in the ledger`,
    'the client knows every socket it has',
    `${after.sockets} in its ledger`,
    `${after.socketFds} open`,
  )
  const ended = await load.ask({ kind: 'end' }, 'ended')
  check(
    ended.issued === ended.settled,
    `${ended.issued - ended.settled} of ${ended.issued} calls never settled`,
    'every call has settled',
    `${ended.issued} made`,
    `${ended.settled} settled`,
  )
  check(
    ended.sockets === 0 && ended.socketFds === 0,
    `${ended.socketFds} sockets left open`,
    'no socket is left after close()',
    '0',
    `${ended.socketFds}`,
  )
  record.figures = figures(baseline.usedBytes, after, outages, record)
  await load.ended()
  screen.note(
    `heap after GC: ${megabytes(baseline.usedBytes)} MB before, ${megabytes(after.usedBytes)} MB after; ` +
      `${ended.issued} calls, all settled: ${ended.issued === ended.settled}; sockets left: ${ended.socketFds}`,
  )
  return problems
}

function figures(
  heapBaselineBytes: number,
  after: Extract<Report, { kind: 'heap' }>,
  outages: Outage[],
  record: DemoRecord,
) {
  return record.figuresWith({
    heapBaselineBytes,
    heapAfterBytes: after.usedBytes,
    socketsAfter: after.socketFds,
    socketsAfterByClient: after.sockets,
    dialsPerSec: outages.map(outage => outage.dialsPerSec),
    recoveryMs: outages.map(outage => outage.firstSuccessMs),
  })
}

function megabytes(bytes: number): string {
  return (bytes / 1048576).toFixed(1)
}

/** Null when there is a redis-server now, else why there is none. One that was named and is not there is an error. */
async function whyNoServer(): Promise<string | null> {
  try {
    await findRedisServer({ install: true, log: line => process.stdout.write(`${line}\n`) })
    return null
  } catch (error) {
    if ((process.env.REDIS_SERVER ?? '') !== '') throw error
    return (error as Error).message
  }
}

function startReal(): Promise<LocalCluster> {
  process.stdout.write('Starting 6 redis-server processes on 127.0.0.1 …\n')
  return LocalCluster.start({
    primaries: 3,
    replicasPerPrimary: 1,
    nodeTimeoutMs: 2000,
    persistence: 'aof',
    // Each write reaches the operating system before it is acknowledged, so a killed server has lost none.
    config: { appendfsync: 'no' },
    onProgress: line => process.stdout.write(`  ${line}\n`),
  })
}

async function startFake(why: string): Promise<FakeDemoCluster> {
  const cluster = await FakeDemoCluster.start()
  process.stdout.write(
    `NO REAL REDIS: ${why}.\n` +
      'The demo runs on 6 FAKE servers of slotwise/testing in this process: connections, outages and the client are real,\n' +
      'what the servers do is played. Figures of speed say nothing about Redis.\n',
  )
  return cluster
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { help: { type: 'boolean', short: 'h' }, fake: { type: 'boolean' } } })
  if (values.help === true) {
    process.stdout.write(help)
    return
  }
  const startedAt = performance.now()
  const noServer = values.fake === true ? 'as you asked for' : await whyNoServer()
  await using cluster = noServer === null ? await startReal() : await startFake(noServer)
  const screen = new Screen()
  const record = new DemoRecord()
  const load = new Load(cluster.addresses, screen, record)
  let problems: string[]
  try {
    problems = await run(screen, cluster, load, record)
  } catch (error) {
    problems = [(error as Error).message]
  } finally {
    load.kill()
  }
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(0)
  const where = noServer === null ? '' : ', on FAKE servers'
  if (problems.length === 0)
    process.stdout.write(`demo: OK (${rounds.length} outages survived, ${seconds} s${where})\n`)
  else process.stdout.write(`demo: FAILED: ${problems.join('; ')}\n`)
  const servers = noServer === null ? 'redis-server' : 'FAKE servers of slotwise/testing'
  process.stdout.write(`${await record.write(rounds, servers)}\n`)
  process.exitCode = problems.length === 0 ? 0 : 1
}

try {
  await main()
} catch (error) {
  process.stdout.write(`demo: FAILED: ${(error as Error).message}\n`)
  process.exitCode = 1
}
