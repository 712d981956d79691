// Workloads: what is called, how many of them at once, how many operations one run counts for, and the data they read.

import { createHash } from 'node:crypto'
import type { BareClient } from '../bare-client.mjs'
import type { BenchClient, Script } from './clients.mjs'

/** The servers that a workload needs. */
export type Stage = 'cluster' | 'standalone' | 'tls'

export interface Workload {
  title: string
  stage: Stage
  /** Loops that run at the same time, each with one run in flight. */
  concurrency: number
  /** Operations one run stands for. */
  operations: number
  /** What the limits say about it: `judged` as they stand, `variant` with more room (another transport or shape), `shown` nothing. */
  kind: 'judged' | 'variant' | 'shown'
  /** A reply larger than a call: a decoder of one's own can do better than the bare client's there. */
  aggregate: boolean
  protocol: 2 | undefined
  buffers: boolean
  /** Null where this client refuses it. */
  run(client: BenchClient): ((i: number) => Promise<unknown>) | null
  /** True when a reply is what was asked for: what measures a failing client says nothing. */
  ok(reply: unknown): boolean
}

/** Messages of a publisher are counted, instead of calls that are made. */
export interface MessageWorkload extends Omit<Workload, 'run' | 'ok'> {
  channel: string
  messageBytes: number
}

const scriptText = "return redis.call('GET', KEYS[1])"
export const script: Script = { text: scriptText, sha: createHash('sha1').update(scriptText).digest('hex') }

const keyCount = 10_000
const aggregateCount = 100
const tagCount = 30
const batchSize = 100
const bigCount = 20
const bigBytes = 256 * 1024
const mixedCount = 1000
const key = (i: number) => `key:${i % keyCount}`
const taggedKey = (tag: number, i: number) => `{t${tag}}:${i}`
const small = 'x'.repeat(32)
const smallBytes = Buffer.from(small)
const kilobyte = 'y'.repeat(1024)
const tenKilobytes = 'z'.repeat(10 * 1024)

const isSmall = (reply: unknown) => reply === small
const isOk = (reply: unknown) => reply === 'OK'
const isCount = (reply: unknown) => Number(reply) > 0
const isList = (reply: unknown) => Array.isArray(reply) && reply.length === 100
const isSmalls = (reply: unknown) => isList(reply) && (reply as unknown[]).every(isSmall)

function isHash(reply: unknown): boolean {
  if (reply instanceof Map) return reply.size === 20
  return (Array.isArray(reply) ? reply : Object.keys(reply as object)).length === 20
}

const usual = {
  stage: 'cluster',
  concurrency: 200,
  operations: 1,
  kind: 'judged',
  aggregate: false,
  protocol: undefined,
  buffers: false,
} as const

const getSmall: Pick<Workload, 'run' | 'ok'> = {
  run: client => i => client.get(key(i)),
  ok: isSmall,
}

export const workloads: Record<string, Workload | MessageWorkload> = {
  get: { ...usual, title: 'GET, 32 B', ...getSmall },
  set: {
    ...usual,
    title: 'SET, 1 KiB',
    // Keys of its own, so that what GET reads stays as it is.
    run: client => i => client.set(`kb:${i % 1000}`, kilobyte),
    ok: isOk,
  },
  hgetall: {
    ...usual,
    title: 'HGETALL, 20 fields',
    aggregate: true,
    run: client => i => client.hgetall(`h:${i % aggregateCount}`),
    ok: isHash,
  },
  lrange: {
    ...usual,
    title: 'LRANGE, 100 items',
    aggregate: true,
    run: client => i => client.lrange(`l:${i % aggregateCount}`, 0, 99),
    ok: isList,
  },
  get256k: {
    ...usual,
    title: 'GET, 256 KiB',
    concurrency: 20,
    run: client => i => client.get(`big:${i % bigCount}`),
    ok: reply => (reply as string).length === bigBytes,
  },
  pipeline: {
    ...usual,
    title: '100 GETs in a pipeline, each',
    // 200 GETs in flight, as with single ones.
    concurrency: 2,
    operations: batchSize,
    run: ({ pipelineGets }) =>
      pipelineGets === null
        ? null
        : i => pipelineGets(Array.from({ length: batchSize }, (_, j) => key(i * batchSize + j))),
    ok: isSmalls,
  },
  serial: { ...usual, title: 'GET, 1 in flight', concurrency: 1, ...getSmall },
  mget: {
    ...usual,
    title: 'MGET, 100 keys of a slot',
    concurrency: 20,
    aggregate: true,
    run: client => i => client.mget(Array.from({ length: batchSize }, (_, j) => taggedKey(i % tagCount, j))),
    ok: isSmalls,
  },
  'mget-any': {
    ...usual,
    title: 'MGET, 100 keys of any slots',
    concurrency: 2,
    kind: 'shown',
    run: ({ mgetAnySlot }) =>
      mgetAnySlot === null
        ? null
        : i => mgetAnySlot(Array.from({ length: batchSize }, (_, j) => key(i * batchSize + j))),
    ok: isSmalls,
  },
  incr: { ...usual, title: 'INCR', run: client => i => client.incr(`count:${i % 1000}`), ok: isCount },
  evalsha: {
    ...usual,
    title: 'EVALSHA',
    run: ({ evalsha }) => (evalsha === null ? null : i => evalsha(key(i), 'an argument')),
    ok: isSmall,
  },
  stream: {
    ...usual,
    title: 'XADD, XREADGROUP, each',
    operations: 2,
    run: ({ xadd, xreadgroup }) =>
      xreadgroup === null
        ? null
        : async i => {
            const name = `stream:${i % aggregateCount}`
            await xadd(name, small)
            return xreadgroup(name)
          },
    ok: reply => JSON.stringify(reply, spelledOut).includes(small),
  },
  mixed: {
    ...usual,
    title: '80 % GET, 20 % SET, 10 KiB',
    run: client => i =>
      i % 5 === 0 ? client.set(`mixed:${i % mixedCount}`, tenKilobytes) : client.get(`mixed:${i % mixedCount}`),
    ok: isOk,
  },
  'get-10k': { ...usual, title: 'GET, 10,000 at once', concurrency: 10_000, ...getSmall },
  buffer: {
    ...usual,
    title: 'GET, as a Buffer',
    kind: 'variant',
    buffers: true,
    run: client => i => client.get(key(i)),
    ok: reply => Buffer.isBuffer(reply) && reply.equals(smallBytes),
  },
  resp2: { ...usual, title: 'GET, RESP2', kind: 'variant', protocol: 2, ...getSmall },
  tls: { ...usual, title: 'GET, TLS', stage: 'tls', kind: 'variant', ...getSmall },
  standalone: { ...usual, title: 'GET, standalone', stage: 'standalone', ...getSmall },
  pubsub: {
    ...usual,
    title: 'pub/sub, 1 KiB, a message',
    stage: 'standalone',
    channel: 'news',
    messageBytes: 1024,
  },
}

export function isMessages(workload: Workload | MessageWorkload): workload is MessageWorkload {
  return 'channel' in workload
}

/** JSON of what has none: a client may give maps. */
function spelledOut(_: string, value: unknown): unknown {
  return value instanceof Map ? [...value] : value
}

/** Writes what the workloads read. */
export async function fill(client: BareClient): Promise<void> {
  const every = (count: number, write: (i: number) => Promise<unknown>) =>
    Promise.all(Array.from({ length: count }, (_, i) => write(i)))
  const fields = Array.from({ length: 20 }, (_, field) => [`field${field}`, `value${field}`]).flat()
  const items = Array.from({ length: 100 }, (_, item) => `item-${item}`)
  await every(keyCount, i => client.call('SET', [key(i), small]))
  await every(aggregateCount, i => client.call('HSET', [`h:${i}`, ...fields]))
  await every(aggregateCount, i => client.call('RPUSH', [`l:${i}`, ...items]))
  await every(aggregateCount, i => client.call('XGROUP', ['CREATE', `stream:${i}`, 'g', '0', 'MKSTREAM'], 1))
  await every(bigCount, i => client.call('SET', [`big:${i}`, 'b'.repeat(bigBytes)]))
  await every(mixedCount, i => client.call('SET', [`mixed:${i}`, tenKilobytes]))
  for (let tag = 0; tag < tagCount; tag++) {
    await every(batchSize, i => client.call('SET', [taggedKey(tag, i), small]))
  }
}
