// waiting-heap PORT CALLS BYTES MAX_BYTES: makes that many SETs while nobody listens on PORT; prints what they cost.

import { createClient } from '../../../dist/core.js'

const [port, calls, valueBytes, maxQueuedBytes] = process.argv.slice(2).map(Number)
const open = () =>
  createClient({ cluster: [`127.0.0.1:${port}`], maxQueuedBytes, maxQueueAgeMs: 60_000, timeoutMs: 60_000 })
const turn = () => new Promise(resolve => setImmediate(resolve))
const heap = () => {
  global.gc()
  global.gc()
  return process.memoryUsage().heapUsed
}
const value = i => Buffer.alloc(valueBytes, String(i)).toString('latin1')
const key = i => Buffer.from(`key:${String(i).padStart(8, '0')}`).toString('latin1')

// What the strings alone take, held in an array that is there from the start.
const held = new Array(20_000)
const beforeStrings = heap()
for (let i = 0; i < 10_000; i++) {
  held[2 * i] = key(i)
  held[2 * i + 1] = value(i)
}
const stringBytes = (heap() - beforeStrings) / 10_000
held.fill(undefined)

const outcomes = { fulfilled: 0, rejected: 0, codes: {} }
const onFulfilled = () => outcomes.fulfilled++
const onRejected = error => {
  outcomes.rejected++
  outcomes.codes[error.code] = (outcomes.codes[error.code] ?? 0) + 1
}
// Nobody listens to these, so that no promise but the call's own is measured.
process.on('unhandledRejection', onRejected)
const few = 10_000

// Code and its feedback are made by the first calls, and are nobody's queue.
const warm = open()
for (let i = 0; i < 30_000; i++) warm.execute('SET', [key(i), value(i)])
await turn()
warm.destroy()
await new Promise(resolve => setTimeout(resolve, 50))
outcomes.rejected = 0
outcomes.codes = {}

const client = open()
const baseline = heap()
for (let i = 0; i < few; i++) client.execute('SET', [key(i), value(i)])
await turn()
const perCallBytes = (heap() - baseline) / few - stringBytes

for (let i = few; i < calls; i++) {
  client.execute('SET', [key(i), value(i)]).then(onFulfilled, onRejected)
  if (i % 1000 === 0) await turn()
}
await turn()
const grownBytes = heap() - baseline
const waiting = client.inspect()
client.destroy()
await new Promise(resolve => setTimeout(resolve, 100))
const after = client.inspect()
process.stdout.write(
  `${JSON.stringify({ perCallBytes, stringBytes, grownBytes, waiting, after, outcomes, leftBytes: heap() - baseline })}\n`,
)
process.exit(0)
