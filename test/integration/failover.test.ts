// Failover: primaries that die, come back and change places under load.

import { slotOf } from 'slotwise/core'
import { beforeEach, describe, expect, it } from 'vitest'
import type { LocalServer } from '../../scripts/local-cluster.mjs'
import { type ClusterUnderTest, eventually, keyIn, startLoad, useCluster, watchSettlement } from '../support/settled.js'

// Without full coverage the shards that live go on serving while one has no primary: what the client adds is seen alone.
const test: ClusterUnderTest = useCluster({
  nodeTimeoutMs: 1000,
  config: { 'cluster-require-full-coverage': 'no' },
})

const shardSlots = [1000, 8000, 14_000]
/** What a call may fail with while its shard has no primary (docs/errors.md). */
const documented = ['SLOTWISE_CONNECTION_LOST', 'SLOTWISE_QUEUE_EXPIRED', 'SLOTWISE_TIMEOUT']

interface Outcome {
  shard: number
  command: 'GET' | 'INCR'
  startedAt: number
  elapsedMs: number
  error: { code: string; maybeExecuted?: boolean; cause?: unknown } | null
}

let loads = 0

/** Reads of one key, and INCRs of a new key each time, on every shard. Replies are checked, failures recorded. */
class ShardLoad {
  readonly outcomes: Outcome[] = []
  readonly client = test.client()
  readonly #watch = watchSettlement(this.client)
  readonly #tokens: string[] = []
  /** Keys live as long as the cluster: no two loads may share one. */
  readonly #name = `load ${++loads}`
  #load: { stop(): Promise<void> } | null = null

  async start(): Promise<void> {
    for (const slot of shardSlots) await this.client.execute('SET', [keyIn(slot, 'read'), `value in ${slot}`])
    const callers = shardSlots.flatMap((slot, shard) =>
      [0, 1, 2].flatMap(caller => [
        () => this.#record(shard, 'GET', keyIn(slot, 'read'), `value in ${slot}`),
        () => this.#record(shard, 'INCR', keyIn(slot, `${this.#name}, token ${caller}/${this.#tokens.length}`), 1),
      ]),
    )
    this.#load = startLoad(callers, 2)
    await this.#succeedEverywhere()
  }

  async #record(shard: number, command: 'GET' | 'INCR', key: string, expected: unknown): Promise<void> {
    if (command === 'INCR') this.#tokens.push(key)
    const startedAt = performance.now()
    let error: Outcome['error'] = null
    try {
      expect(await this.client.execute(command, [key])).toBe(expected)
    } catch (caught) {
      if ((caught as Error).name !== 'SlotwiseError') throw caught
      error = caught as unknown as NonNullable<Outcome['error']>
    }
    this.outcomes.push({ shard, command, startedAt, elapsedMs: performance.now() - startedAt, error })
  }

  /** Waits until calls made after now have succeeded, of each kind on each shard. */
  async #succeedEverywhere(): Promise<void> {
    const from = performance.now()
    await eventually(() => {
      const done = this.outcomes.filter(outcome => outcome.startedAt > from && outcome.error === null)
      expect(new Set(done.map(({ shard, command }) => `${shard} ${command}`)).size).toBe(2 * shardSlots.length)
    }, 15_000)
  }

  async proceed(): Promise<void> {
    await this.#succeedEverywhere()
  }

  failures(): Outcome[] {
    return this.outcomes.filter(outcome => outcome.error !== null)
  }

  /** Stops; no token may have been counted twice, whatever became of its call. */
  async stop(): Promise<void> {
    await this.#load?.stop()
    const values = await this.client.batch(this.#tokens.map(key => ['GET', [key]]))
    expect(values.filter(value => value !== '1' && value !== null)).toEqual([])
    expect(this.#tokens.length).toBeGreaterThan(50)
    this.#watch.stop()
    expect(this.client.inspect()).toMatchObject({ queued: 0, inFlight: 0, queuedBytes: 0 })
    await test.expectSocketsCounted(this.client)
  }
}

/** A replica of the shard, in step with its primary. */
async function replicaOf(primary: LocalServer): Promise<LocalServer> {
  let found: LocalServer | undefined
  await eventually(async () => {
    for (const replica of await test.cluster.replicas()) {
      const [, , port, link] = (await replica.command('ROLE')) as [string, string, number, string, number]
      if (port === primary.port && link === 'connected') found = replica
    }
    expect(found).toBeDefined()
  }, 15_000)
  return found as LocalServer
}

// A test starts from a whole cluster: a primary with a replica in step for each shard.
beforeEach(async () => {
  for (const node of test.cluster.nodes) if (!node.running) await node.restart()
  await test.cluster.waitUntilOk(20_000)
  for (const slot of shardSlots) await replicaOf(await test.cluster.primaryOf(slot))
})

describe('a primary that is killed', () => {
  it('concerns its own shard alone, which is served by the promoted replica', async () => {
    const load = new ShardLoad()
    await load.start()
    const primary = await test.cluster.primaryOf(shardSlots[0] as number)
    const replica = await replicaOf(primary)
    const killedAt = performance.now()
    await primary.kill()
    await load.proceed()

    expect(await test.cluster.primaryOf(shardSlots[0] as number)).toBe(replica)
    expect(load.failures().filter(({ shard }) => shard !== 0)).toEqual([])
    const slowest = Math.max(...load.outcomes.filter(({ shard }) => shard !== 0).map(({ elapsedMs }) => elapsedMs))
    expect(slowest).toBeLessThan(500)
    for (const { command, error, elapsedMs } of load.failures()) {
      expect(documented).toContain(error?.code)
      expect(error?.cause).toBeInstanceOf(Error)
      // What only reads is sent again, so it can fail only by its age; the bound is that of the queue plus two ticks.
      if (command === 'GET') expect(elapsedMs).toBeGreaterThan(4_900)
      else expect(error?.maybeExecuted).toBe(error?.code === 'SLOTWISE_CONNECTION_LOST')
    }
    // One INCR of each of the shard's three callers was in flight at the most.
    const lost = load.failures().filter(({ error }) => error?.code === 'SLOTWISE_CONNECTION_LOST')
    expect(lost.length).toBeLessThanOrEqual(3)
    const first = load.outcomes.find(
      ({ shard, startedAt, error }) => shard === 0 && startedAt > killedAt && error === null,
    )
    expect(first).toBeDefined()

    // The old primary comes back as a replica of the new one: nothing to be noticed.
    const failed = load.failures().length
    await primary.restart()
    await test.cluster.waitUntilOk(15_000)
    expect(((await primary.command('ROLE')) as string[])[0]).toBe('slave')
    await load.proceed()
    expect(load.failures().length).toBe(failed)
    await load.stop()
  })

  it('is redialled by the client while it is away, and no call waits for it once the shard is served', async () => {
    const client = test.client()
    const slot = shardSlots[1] as number
    await client.execute('SET', [keyIn(slot), 'x'])
    const primary = await test.cluster.primaryOf(slot)
    await replicaOf(primary)
    await primary.kill()
    const node = () => client.nodes().find(({ endpoint }) => endpoint === primary.address)
    // The first dial may still have been accepted by the kernel, and then reset.
    await eventually(() => expect(node()?.lastError).toContain('ECONNREFUSED'))
    expect(node()?.failures).toBeGreaterThan(1)
    expect(client.state).toBe('degraded')
    // Made while nobody serves the shard: waits for the promotion.
    expect(await client.execute('GET', [keyIn(slot)])).toBe('x')
    await primary.restart()
    await test.cluster.waitUntilOk(15_000)
    expect(await client.execute('SET', [keyIn(slot), 'y'])).toBe('OK')
    await test.expectSocketsCounted(client)
  })
})

describe('a failover by hand', () => {
  it.each([undefined, 'TAKEOVER'] as const)('%s fails no read, and no write that has certainly not run', async mode => {
    const load = new ShardLoad()
    await load.start()
    for (const slot of [shardSlots[0] as number, shardSlots[2] as number]) {
      const primary = await test.cluster.primaryOf(slot)
      const replica = await replicaOf(primary)
      await test.cluster.failover(replica, mode)
      expect(await test.cluster.primaryOf(slot)).toBe(replica)
      await load.proceed()
    }
    for (const { command, error } of load.failures()) {
      expect(command).toBe('INCR')
      expect(error?.maybeExecuted).toBe(true)
    }
    expect(load.failures().filter(({ shard }) => shard === 1)).toEqual([])
    expect(load.client.inspect().redirects.moved).toBeGreaterThan(0)
    await load.stop()
    // The client has come to the same opinion as the cluster: no redirect is needed any more.
    const moved = load.client.inspect().redirects.moved
    for (const slot of shardSlots) await load.client.execute('SET', [keyIn(slot, 'after'), slotOf(keyIn(slot))])
    expect(load.client.inspect().redirects.moved).toBe(moved)
  })
})
