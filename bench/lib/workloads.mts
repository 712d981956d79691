// Workloads: what is called, how many of them at once, how many operations one run counts for, and the data they read.

import type { BareClient } from '../bare-client.mjs'
import type { BenchClient } from './clients.mjs'

export interface Workload {
  title: string
  /** Loops that run at the same time, each with one run in flight. */
  concurrency: number
  /** Operations one run stands for. */
  operations: number
  needsGetMany: boolean
  run(client: BenchClient, i: number): Promise<unknown>
  /** True when a reply is what was asked for: what measures a failing client says nothing. */
  ok(reply: unknown): boolean
}

const keyCount = 10_000
const aggregateCount = 100
const batchSize = 100
const key = (i: number) => `key:${i % keyCount}`
const small = 'x'.repeat(32)
const kilobyte = 'y'.repeat(1024)

function single(title: string, run: Workload['run'], ok: Workload['ok'], concurrency = 200): Workload {
  return { title, concurrency, operations: 1, needsGetMany: false, run, ok }
}

const isSmall = (reply: unknown) => reply === small
const isOk = (reply: unknown) => reply === 'OK'
const isHash = (reply: unknown) => (reply instanceof Map ? reply.size : Object.keys(reply as object).length) === 20
const isList = (reply: unknown) => Array.isArray(reply) && reply.length === 100

export const workloads: Record<string, Workload> = {
  get: single('GET, 32 B', (client, i) => client.get(key(i)), isSmall),
  set: single('SET, 32 B', (client, i) => client.set(key(i), small), isOk),
  // Keys of its own, so that what GET reads stays as it is.
  set1k: single('SET, 1 KiB', (client, i) => client.set(`kb:${i % 1000}`, kilobyte), isOk),
  hgetall: single('HGETALL, 20 fields', (client, i) => client.hgetall(`h:${i % aggregateCount}`), isHash),
  lrange: single('LRANGE, 100 items', (client, i) => client.lrange(`l:${i % aggregateCount}`, 0, 99), isList),
  'get-serial': single('GET, 1 in flight', (client, i) => client.get(key(i)), isSmall, 1),
  batch100: {
    title: '100 GETs in a batch, each',
    // 200 GETs in flight, as with single ones.
    concurrency: 2,
    operations: batchSize,
    needsGetMany: true,
    run: (client, i) =>
      (client.getMany as NonNullable<BenchClient['getMany']>)(
        Array.from({ length: batchSize }, (_, j) => key(i * batchSize + j)),
      ),
    ok: reply => isList(reply) && (reply as unknown[]).every(isSmall),
  },
}

/** Writes what the workloads read. */
export async function fill(client: BareClient): Promise<void> {
  await Promise.all(Array.from({ length: keyCount }, (_, i) => client.call('SET', [key(i), small])))
  const fields = Array.from({ length: 20 }, (_, field) => [`field${field}`, `value${field}`]).flat()
  const items = Array.from({ length: 100 }, (_, item) => `item-${item}`)
  for (let i = 0; i < aggregateCount; i++) {
    await Promise.all([client.call('HSET', [`h:${i}`, ...fields]), client.call('RPUSH', [`l:${i}`, ...items])])
  }
}
