// demo-load: the process under test. Drives a mixed load through the client at a fixed rate, whatever comes back, and
// reports figures over IPC. Started by demo.mts only; a process of its own, so that its memory and sockets are the client's.

import { readdirSync, readlinkSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { type Client, createClient } from 'slotwise/core'

/** From demo.mts to this process. */
export type Order =
  | { kind: 'rate'; opsPerSec: number }
  | { kind: 'mark' }
  | { kind: 'write-kept'; round: number; count: number }
  | { kind: 'read-kept'; round: number }
  | { kind: 'heap' }
  | { kind: 'end' }

export interface Sample {
  kind: 'sample'
  atMs: number
  opsPerSec: number
  p99Ms: number
  fulfilled: number
  failed: number
  waitingCalls: number
  waitingBytes: number
  heapBytes: number
  heapReservedBytes: number
  externalBytes: number
  residentBytes: number
  sockets: number
  socketFds: number
  dials: number
  refreshes: number
  state: string
}

/** From this process to demo.mts. */
export type Report =
  | Sample
  | { kind: 'ready' }
  | { kind: 'first-success'; atMs: number }
  | { kind: 'kept-written'; round: number; acknowledged: number }
  | { kind: 'kept-read'; round: number; values: [key: string, value: string | null][] }
  | { kind: 'heap'; usedBytes: number; sockets: number; socketFds: number }
  | { kind: 'ended'; issued: number; settled: number; sockets: number; socketFds: number }

const addresses = process.argv.slice(2)
const tickMs = 10
const sampleMs = 200
const valueText = 'v'.repeat(100)

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const report = (message: Report) => process.send?.(message)
const socketsOfProcess = () => {
  let count = 0
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      if (readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:')) count++
    } catch {
      // The descriptor of the listing itself is gone by now.
    }
  }
  return count
}
/** The IPC channel to the parent, and whatever else was open before the client. */
const foreignSockets = socketsOfProcess()
const socketFds = () => socketsOfProcess() - foreignSockets

const client: Client = createClient({ cluster: addresses, name: 'slotwise-demo', maxQueuedBytes: 8 * 1024 * 1024 })
const wallMs = () => performance.timeOrigin + performance.now()

let opsPerSec = 0
let owed = 0
let sequence = 0
let fulfilled = 0
let failed = 0
let latencies: number[] = []
let markedAt: number | null = null
const acknowledged = new Map<number, [key: string, value: string][]>()

function onSuccess(startedAt: number): void {
  fulfilled++
  latencies.push(performance.now() - startedAt)
  if (markedAt !== null && startedAt >= markedAt) {
    markedAt = null
    report({ kind: 'first-success', atMs: wallMs() })
  }
}

function onFailure(): void {
  failed++
}

/** One operation of the mix: half reads, the rest writes, counters, hashes and small batches across slots. */
function operate(): void {
  const startedAt = performance.now()
  const i = sequence++ % 5000
  const kind = sequence % 10
  const done = () => onSuccess(startedAt)
  if (kind < 5) client.execute('GET', [`demo:string:${i}`]).then(done, onFailure)
  else if (kind < 7) client.execute('SET', [`demo:string:${i}`, valueText]).then(done, onFailure)
  else if (kind === 7) client.execute('INCR', [`demo:counter:${i % 100}`]).then(done, onFailure)
  else if (kind === 8) client.execute('HSET', [`demo:hash:${i % 500}`, 'field', i]).then(done, onFailure)
  else {
    client
      .batch([
        ['GET', [`demo:string:${i}`]],
        ['GET', [`demo:string:${i + 1}`]],
      ])
      .then(results => (results.some(result => result instanceof Error) ? onFailure() : done()))
  }
}

let lastTickAt = performance.now()
const ticker = setInterval(() => {
  const now = performance.now()
  owed += (opsPerSec * (now - lastTickAt)) / 1000
  lastTickAt = now
  for (; owed >= 1; owed--) operate()
}, tickMs)

let lastFulfilled = 0
let lastSampleAt = performance.now()
const sampler = setInterval(() => {
  const now = performance.now()
  const inspection = client.inspect()
  const memory = process.memoryUsage()
  const sorted = latencies.sort((a, b) => a - b)
  latencies = []
  report({
    kind: 'sample',
    atMs: wallMs(),
    opsPerSec: ((fulfilled - lastFulfilled) * 1000) / (now - lastSampleAt),
    p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? 0,
    fulfilled,
    failed,
    waitingCalls: inspection.queued,
    waitingBytes: inspection.queuedBytes,
    heapBytes: memory.heapUsed,
    heapReservedBytes: memory.heapTotal,
    externalBytes: memory.external,
    residentBytes: memory.rss,
    sockets: inspection.sockets.total,
    socketFds: socketFds(),
    dials: inspection.dials,
    refreshes: inspection.refreshes,
    state: inspection.state,
  })
  lastFulfilled = fulfilled
  lastSampleAt = now
}, sampleMs)

async function writeKept(round: number, count: number): Promise<void> {
  const written: [string, string][] = []
  const results = await client.batch(
    Array.from({ length: count }, (_, i) => ['SET', [`kept:${round}:${i}`, `value ${round}.${i}`]] as const),
  )
  for (const [i, result] of results.entries())
    if (result === 'OK') written.push([`kept:${round}:${i}`, `value ${round}.${i}`])
  acknowledged.set(round, written)
  report({ kind: 'kept-written', round, acknowledged: written.length })
}

async function readKept(round: number): Promise<void> {
  const written = acknowledged.get(round) ?? []
  const results = await client.batch(written.map(([key]) => ['GET', [key]] as const))
  const values = written.map(([key], i): [string, string | null] => {
    const result = results[i]
    return [key, result instanceof Error ? `error: ${result.message}` : (result as string | null)]
  })
  report({ kind: 'kept-read', round, values })
}

async function end(): Promise<void> {
  clearInterval(ticker)
  clearInterval(sampler)
  await client.close()
  const { issued, settled, sockets } = client.inspect()
  report({ kind: 'ended', issued, settled, sockets: sockets.total, socketFds: socketFds() })
  process.disconnect()
}

function onOrder(order: Order): void {
  switch (order.kind) {
    case 'rate':
      opsPerSec = order.opsPerSec
      break
    case 'mark':
      markedAt = performance.now()
      break
    case 'write-kept':
      void writeKept(order.round, order.count)
      break
    case 'read-kept':
      void readKept(order.round)
      break
    case 'heap':
      collectGarbage()
      collectGarbage()
      report({
        kind: 'heap',
        usedBytes: process.memoryUsage().heapUsed,
        sockets: client.inspect().sockets.total,
        socketFds: socketFds(),
      })
      break
    case 'end':
      void end()
      break
  }
}

process.on('message', onOrder)
// Ctrl-C goes to the whole terminal group; the parent decides when this process ends.
process.on('SIGINT', () => undefined)
process.on('disconnect', () => {
  client.destroy()
  process.exit(0)
})
await client.connect()
report({ kind: 'ready' })
