// Child: a process in which callers use one client library while the parent makes things go wrong. Speaks with its parent by messages.

import dns from 'node:dns'
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
  /** Deadline of each call, in milliseconds; by default the library's own. */
  timeoutMs?: number
  /** Names and the addresses for which they stand. */
  names?: Record<string, string>
}

export type ToChild =
  | { do: 'start'; work: Work }
  /** Uses up every file descriptor that is left, or gives them back. */
  | { do: 'exhaust'; on: boolean }
  /** The wall clock jumps by so many milliseconds. */
  | { do: 'jump'; byMs: number }
  /** Names stand for other addresses. */
  | { do: 'rename'; names: Record<string, string> }
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
  /** What would keep the process alive and was not there before the client, by kind. */
  resourcesLeft: string[]
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
// With --unhandled-rejections=strict they come here.
process.on('uncaughtException', error => unhandled.push(String((error as Error)?.message ?? error)))

// Listeners that pile up, timers that cannot be: nothing that a client should do.
process.on('warning', warning => unhandled.push(`${warning.name}: ${warning.message}`))

/** In place of a name server: every library asks dns.lookup() in the end. */
const names = new Map<string, string>()
const systemLookup = dns.lookup
dns.lookup = ((name: string, options: dns.LookupOptions, callback: (...told: unknown[]) => void) => {
  const address = names.get(name)
  const told = typeof options === 'function' ? options : callback
  if (address === undefined) systemLookup(name, options, callback)
  else if (options.all === true) process.nextTick(told, null, [{ address, family: 4 }])
  else process.nextTick(told, null, address, 4)
}) as typeof dns.lookup

function rename(to: Record<string, string>): void {
  for (const [name, address] of Object.entries(to)) names.set(name, address)
}

let driver: Driver | null = null
let stopping = false
let [published, received] = [0, 0]
const before = { fds: 0, heap: 0, resources: [] as string[] }
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

async function publisher(own: Driver, channel: string): Promise<void> {
  for (let i = 0; !stopping; i++) {
    await own.publish(channel, String(i)).then(
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
  // It is made when it is first used, by whomever.
  void process.stderr
  globalThis.gc?.()
  before.fds = fds()
  before.heap = heapMiB()
  before.resources = process.getActiveResourcesInfo()
  rename(work.names ?? {})
  const own = await drive(work.driver, work.addresses, work.timeoutMs)
  driver = own
  // Each client hears itself alone.
  const channel = `news of ${work.driver}`
  if (work.mixed) await own.subscribe(channel, () => received++)
  // The first call of each key is made when the client has found its way.
  await Promise.all(work.keys.map(key => write(key, own.append)))
  const last = { ledger: null, at: 0 }
  setInterval(() => sample(own, last), 50).unref()
  for (const key of work.keys) void caller(own, key, work)
  if (work.mixed) void publisher(own, channel)
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

/** Kinds of what is there beyond what was there before; the timer of whoever looks is not. */
function resourcesLeft(): string[] {
  const known = [...before.resources]
  return process.getActiveResourcesInfo().filter(kind => {
    const at = known.indexOf(kind)
    if (at !== -1) known.splice(at, 1)
    return at === -1
  })
}

async function stop(settleMs: number): Promise<Report> {
  stopping = true
  const deadline = performance.now() + settleMs
  while (writes.some(({ outcome }) => outcome === 'open') && performance.now() < deadline) await delay(20)
  const own = driver as Driver
  sample(own, { ledger: null, at: 0 })
  const ledger = own.ledger()
  await own.end()
  for (let i = 0; i < 100 && (fds() > before.fds || resourcesLeft().length > 0); i++) await delay(20)
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
    resourcesLeft: resourcesLeft(),
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
    else if (message.do === 'rename') rename(message.names)
    else {
      const real = Date.now
      Date.now = () => real() + message.byMs
    }
    process.send?.({ said: 'done' })
  }
})
process.on('disconnect', () => process.exit(0))
