// Workloads: what is called, how often at once, and how many operations one call counts for.

import type { BenchClient } from './clients.mjs'

export interface Workload {
  title: string
  concurrency: number
  /** Operations one run stands for. */
  operations: number
  needsBatch: boolean
  run(client: BenchClient, i: number): Promise<unknown>
}

export const keyCount = 10_000
const key = (i: number) => `key:${i % keyCount}`
export const smallValue = 'x'.repeat(32)
const kilobyte = 'y'.repeat(1024)

function single(title: string, run: Workload['run'], concurrency = 200): Workload {
  return { title, concurrency, operations: 1, needsBatch: false, run }
}

export const workloads: Record<string, Workload> = {
  get: single('GET 32 B', (client, i) => client.call('GET', [key(i)])),
  set: single('SET 32 B', (client, i) => client.call('SET', [key(i), smallValue])),
  set1k: single('SET 1 KiB', (client, i) => client.call('SET', [`kb:${i % 1000}`, kilobyte])),
  hgetall: single('HGETALL, 20 fields', (client, i) => client.call('HGETALL', [`h:${i % 100}`])),
  lrange: single('LRANGE, 100 items', (client, i) => client.call('LRANGE', [`l:${i % 100}`, 0, 99])),
  'get-serial': single('GET, one in flight', (client, i) => client.call('GET', [key(i)]), 1),
  batch100: {
    title: '100 GETs in one batch',
    concurrency: 4,
    operations: 100,
    needsBatch: true,
    run: (client, i) =>
      (client.batch as NonNullable<BenchClient['batch']>)(
        Array.from({ length: 100 }, (_, j) => ['GET', [key(i * 100 + j)]] as const),
      ),
  },
}
