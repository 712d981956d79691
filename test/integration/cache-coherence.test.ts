// Coherence: processes that write and read the same keys, through caches and past them, while connections are cut and a primary hands
// over to its replica. Each key is written by one process, which counts its versions up.
//
// Two guarantees are checked (docs/caching.md). Both hold across a failover by hand, which loses no write:
//  - A client never sees a version that is older than one it has seen before. Not checked of reads that begin while the primary hands
//    over: for a moment it may take itself for the primary still, and answer reads, cached or not.
//  - `staleLimitMs` after a write was acknowledged, no read that begins returns an older version, in any process. A report takes
//    milliseconds; the limit is what the client grants a connection that has gone silent (pingIntervalMs + silenceTimeoutMs), plus the
//    cluster's own time for a hand-over, and more than a busy machine needs.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { eventually, useCluster } from '../support/settled.js'

const test = useCluster({ primaries: 3, replicasPerPrimary: 1, nodeTimeoutMs: 2000 })
const staleLimitMs = 5_000
const root = new URL('../../', import.meta.url).pathname

interface Result {
  writes: [key: string, version: number, acknowledgedAt: number][]
  backwards: [client: number, key: string, before: number, version: number, startedAt: number][]
  latest: [key: string, version: number, startedAt: number][]
  failures: Record<string, number>
  reads: number
  caches: { hits: number; misses: number; flushes: number; invalidations: number; evictions: number }[]
}

class Reader {
  readonly #child: ChildProcess
  readonly #lines: string[] = []
  #wake: () => void = () => undefined

  constructor(options: object) {
    const command = ['test/integration/fixtures/cache-reader.mjs', JSON.stringify(options)]
    this.#child = spawn(process.execPath, command, { cwd: root, stdio: ['pipe', 'pipe', 'inherit'] })
    createInterface({ input: this.#child.stdout as NodeJS.ReadableStream }).on('line', line => {
      this.#lines.push(line)
      this.#wake()
    })
  }

  async #line(): Promise<string> {
    while (this.#lines.length === 0) await new Promise<void>(resolve => (this.#wake = resolve))
    return this.#lines.shift() as string
  }

  async ready(): Promise<void> {
    expect(await this.#line()).toBe('ready')
  }

  async stop(): Promise<Result> {
    const exited = once(this.#child, 'exit')
    this.#child.stdin?.write('stop\n')
    const result = JSON.parse(await this.#line()) as Result
    await exited
    return result
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }
}

/** Ends every client's connections to one server, those that hear reports included. */
async function cutAll(node: { command(...command: [string, ...string[]]): Promise<unknown> }): Promise<void> {
  for (const type of ['normal', 'pubsub']) await node.command('CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'yes')
}

it('no cached read is older than a guarantee allows', async () => {
  const modes = [
    { mode: 'tracking', protocol: 3 },
    { mode: 'optin', protocol: 3 },
    { mode: 'broadcast', protocol: 3 },
    { mode: 'tracking', protocol: 2 },
  ]
  const shared = { cluster: test.cluster.addresses, writers: 3, keysEach: 20 }
  const readers = [0, 1, 2].map(me => new Reader({ ...shared, me, modes: [modes[me], modes[(me + 1) % modes.length]] }))
  const now = () => performance.timeOrigin + performance.now()
  const handOver: [from: number, to: number] = [0, 0]
  let results: Result[]
  try {
    for (const reader of readers) await reader.ready()
    await delay(2000)
    for (const node of await test.cluster.primaries()) await cutAll(node)
    await delay(1000)
    const [replica] = await test.cluster.replicas()
    if (replica === undefined) throw new Error('no replica')
    await eventually(async () => expect((await replica.command('ROLE')) as unknown[]).toContain('connected'))
    handOver[0] = now()
    await test.cluster.failover(replica)
    await test.cluster.waitUntilOk(10_000)
    await delay(1500)
    handOver[1] = now()
    for (const node of await test.cluster.primaries()) await cutAll(node)
    await delay(2000)
    results = await Promise.all(readers.map(reader => reader.stop()))
  } finally {
    for (const reader of readers) reader.kill()
  }

  const backwards = results.flatMap(({ backwards }) => backwards)
  expect(backwards.filter(([, , , , at]) => at < handOver[0] || at > handOver[1])).toEqual([])
  const writes = new Map<string, [version: number, acknowledgedAt: number][]>()
  for (const [key, version, at] of results.flatMap(result => result.writes)) {
    const ofKey = writes.get(key) ?? []
    writes.set(key, ofKey)
    ofKey.push([version, at])
  }
  const stale: unknown[] = []
  let longestMs = 0
  for (const [key, version, startedAt] of results.flatMap(({ latest }) => latest)) {
    // The first acknowledged write of something newer than what was read.
    const newer = writes.get(key)?.find(([written, at]) => written > version && at <= startedAt)
    if (newer === undefined) continue
    longestMs = Math.max(longestMs, startedAt - newer[1])
    if (startedAt - newer[1] > staleLimitMs) stale.push({ key, version, newer, startedAt })
  }
  expect(stale).toEqual([])

  const caches = results.flatMap(result => result.caches)
  const sum = (name: keyof Result['caches'][0]) => caches.reduce((total, cache) => total + cache[name], 0)
  const totals = { reads: results.reduce((total, { reads }) => total + reads, 0), writes: writes.size }
  process.stdout.write(
    `${JSON.stringify({ ...totals, hits: sum('hits'), misses: sum('misses'), flushes: sum('flushes') })}, ` +
      `longest time behind ${longestMs.toFixed(0)} ms, failures ${JSON.stringify(results.map(({ failures }) => failures))}\n`,
  )
  // The caches were at work, and were disturbed.
  for (const cache of caches) {
    expect(cache.hits).toBeGreaterThan(100)
    expect(cache.invalidations).toBeGreaterThan(10)
    expect(cache.flushes).toBeGreaterThanOrEqual(3)
  }
})
