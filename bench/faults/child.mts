// Child: a process in which callers use one client library while the parent makes things go wrong. Speaks with its parent by messages.

import { closeSync, openSync, readdirSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { getHeapStatistics } from 'node:v8'
import { type Driver, type DriverName, drive, type Ledger } from './drivers.mjs'
import type { Write } from './history.mjs'

export interface Work {
  driver: DriverName
  addresses: string[]
  /** One caller for each key. */
  keys: string[]
  /** Between a settled call and the next, in milliseconds. */
  pauseMs: number
  /** Scripts, transactions, several calls at once and pub/sub, besides single appends. */
  mixed: boolean
}

export type ToChild =
  | { do: 'start'; work: Work }
  /** Uses up every file descriptor that is left, or gives them back. */
  | { do: 'exhaust'; on: boolean }
  /** The wall clock jumps by so many milliseconds. */
  | { do: 'jump'; byMs: number }
  /** No new calls; what is open may settle for so long. */
  | { do: 'stop'; settleMs: number }

export interface Report {
  writes: Write[]
  /** Messages published with success, and those that arrived. */
  published: number
  received: number
  /** Samples in which the client's own count did not add up. */
  badSamples: string[]
  ledger: Ledger | null
  /** Sockets and files after the client has been ended. */
  fdsBefore: number
  fdsPeak: number
  fdsAfter: number
  heapBeforeMiB: number
  heapPeakMiB: number
  heapAfterMiB: number
  dialsPerSecondPeak: number
  refreshesPerSecondPeak: number
  unhandled: string[]
}

export type FromChild = { said: 'started' } | { said: 'done' } | ({ said: 'report' } & Report)

const now = () => Number(process.hrtime.bigint() / 1000n)
function fds(): number {
  try {
    return readdirSync('/proc/self/fd').length
  } catch {
    // There is none left to look with.
    return 0
  }
}
const heapMiB = () => getHeapStatistics().used_heap_size / 2 ** 20

const writes: Write[] = []
const badSamples: string[] = []
const unhandled: string[] = []
process.on('unhandledRejection', reason => unhandled.push(String((reason as Error)?.message ?? reason)))

let driver: Driver | null = null
let stopping = false
let [published, received] = [0, 0]
const before = { fds: 0, heap: 0 }
const peak = { fds: 0, heap: 0, dials: 0, refreshes: 0 }
let token = 0

async function write(key: string, append: (key: string, token: number) => Promise<unknown>): Promise<void> {
  const entry: Write = { key, token: ++token, from: now(), to: 0, outcome: 'open' }
  writes.push(entry)
  try {
    await append(key, entry.token)
    entry.outcome = 'acked'
  } catch (error) {
    const { code, name, maybeExecuted } = error as { code?: string; name?: string; maybeExecuted?: boolean }
    entry.outcome = code ?? name ?? 'error'
    if (maybeExecuted !== undefined) entry.maybe = maybeExecuted
  }
  entry.to = now()
}

async function caller(own: Driver, key: string, { pauseMs, mixed }: Work): Promise<void> {
  for (let turn = 0; !stopping; turn++) {
    const kind = mixed ? turn % 4 : 0
    if (kind === 1) await write(key, own.appendByScript)
    else if (kind === 2) await write(key, own.appendInTransaction)
    // Several at once, in this order.
    else if (kind === 3) await Promise.all([1, 2, 3, 4].map(() => write(key, own.append)))
    else await write(key, own.append)
    await delay(pauseMs)
  }
}

async function publisher(own: Driver): Promise<void> {
  for (let i = 0; !stopping; i++) {
    await own.publish('news', String(i)).then(
      () => published++,
      () => undefined,
    )
    await delay(20)
  }
}

function sample(own: Driver, last: { ledger: Ledger | null; at: number }): void {
  peak.fds = Math.max(peak.fds, fds())
  peak.heap = Math.max(peak.heap, heapMiB())
  const ledger = own.ledger()
  if (ledger === null) return
  const { issued, settled, queued, inFlight, queuedBytes } = ledger
  if (issued !== settled + queued + inFlight) badSamples.push(`${issued} issued, ${settled} + ${queued} + ${inFlight}`)
  if (queuedBytes < 0) badSamples.push(`${queuedBytes} bytes queued`)
  if (last.ledger !== null && now() - last.at < 1e6) return
  if (last.ledger !== null) {
    const seconds = (now() - last.at) / 1e6
    peak.dials = Math.max(peak.dials, (ledger.dials - last.ledger.dials) / seconds)
    peak.refreshes = Math.max(peak.refreshes, (ledger.refreshes - last.ledger.refreshes) / seconds)
  }
  last.ledger = ledger
  last.at = now()
}

async function start(work: Work): Promise<void> {
  globalThis.gc?.()
  before.fds = fds()
  before.heap = heapMiB()
  const own = await drive(work.driver, work.addresses)
  driver = own
  if (work.mixed) await own.subscribe('news', () => received++)
  // The first call of each key is made when the client has found its way.
  await Promise.all(work.keys.map(key => write(key, own.append)))
  const last = { ledger: null, at: 0 }
  setInterval(() => sample(own, last), 50).unref()
  for (const key of work.keys) void caller(own, key, work)
  if (work.mixed) void publisher(own)
  process.send?.({ said: 'started' })
}

const held: number[] = []
let holding: NodeJS.Timeout | null = null

function exhaust(on: boolean): void {
  if (holding !== null) clearInterval(holding)
  holding = null
  if (on) {
    holdAll()
    // What is given back meanwhile, too.
    holding = setInterval(holdAll, 1)
  } else for (const fd of held.splice(0)) closeSync(fd)
}

function holdAll(): void {
  try {
    for (;;) held.push(openSync('/dev/null', 'r'))
  } catch {
    // None is left.
  }
}

async function stop(settleMs: number): Promise<Report> {
  stopping = true
  const deadline = performance.now() + settleMs
  while (writes.some(({ outcome }) => outcome === 'open') && performance.now() < deadline) await delay(20)
  const own = driver as Driver
  sample(own, { ledger: null, at: 0 })
  const ledger = own.ledger()
  await own.end()
  for (let i = 0; i < 100 && fds() > before.fds; i++) await delay(20)
  await delay(100)
  globalThis.gc?.()
  return {
    writes,
    published,
    received,
    badSamples: badSamples.slice(0, 5),
    ledger,
    fdsBefore: before.fds,
    fdsPeak: peak.fds,
    fdsAfter: fds(),
    heapBeforeMiB: before.heap,
    heapPeakMiB: peak.heap,
    heapAfterMiB: heapMiB(),
    dialsPerSecondPeak: peak.dials,
    refreshesPerSecondPeak: peak.refreshes,
    unhandled,
  }
}

process.on('message', (message: ToChild) => {
  if (message.do === 'start') void start(message.work)
  else if (message.do === 'stop')
    void stop(message.settleMs).then(report => process.send?.({ said: 'report', ...report }))
  else {
    if (message.do === 'exhaust') exhaust(message.on)
    else {
      const real = Date.now
      Date.now = () => real() + message.byMs
    }
    process.send?.({ said: 'done' })
  }
})
process.on('disconnect', () => process.exit(0))
