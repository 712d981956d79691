// Scan: all keys of a cluster, while slots move, primaries fail over and consumers take their time.

import { createClient, slotOf } from 'slotwise/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { LocalServer } from '../../scripts/local-cluster.mjs'
import { eventually, keyIn, useCluster } from '../support/settled.js'

const test = useCluster({ nodeTimeoutMs: 1000, config: { 'cluster-require-full-coverage': 'no' } })
const shardSlots = [1000, 8000, 14_000]
const fast = { refreshMinIntervalMs: 100 }

/** A replica of the shard, in step with its primary. */
async function replicaOf(primary: LocalServer): Promise<LocalServer> {
  let found: LocalServer | undefined
  await eventually(async () => {
    for (const replica of await test.cluster.replicas()) {
      const [, , port, link] = (await replica.command('ROLE')) as [string, string, number, string]
      if (port === primary.port && link === 'connected') found = replica
    }
    expect(found).toBeDefined()
  }, 15_000)
  return found as LocalServer
}

beforeEach(async () => {
  for (const node of test.cluster.nodes) if (!node.running) await node.restart()
  await test.cluster.waitUntilOk(20_000)
  for (const slot of shardSlots) await replicaOf(await test.cluster.primaryOf(slot))
})

afterEach(async () => {
  for (const primary of await test.cluster.primaries()) await primary.command('FLUSHALL')
})

type TestClient = ReturnType<typeof test.client>

/** `count` keys, over all slots or in those given. */
async function fill(client: TestClient, count: number, slots?: readonly number[]): Promise<string[]> {
  const keys = Array.from({ length: count }, (_, i) =>
    slots === undefined ? `scan:${i}` : keyIn(slots[i % slots.length] as number, `scan:${i}`),
  )
  const written = await client.batch(keys.map(key => ['SET', [key, 1]]))
  expect(new Set(written)).toEqual(new Set(['OK']))
  return keys
}

/** Takes all pages; `between` runs after each. */
async function collect(
  pages: AsyncIterable<string[]>,
  between: (page: number, found: Set<string>) => unknown = () => undefined,
): Promise<{ found: Set<string>; pages: number; keys: number }> {
  const found = new Set<string>()
  let count = 0
  let keys = 0
  for await (const page of pages) {
    expect(page.length).toBeGreaterThan(0)
    for (const key of page) found.add(key)
    keys += page.length
    await between(count++, found)
  }
  return { found, pages: count, keys }
}

function expectAll(found: Set<string>, keys: readonly string[]): void {
  expect(keys.filter(key => !found.has(key))).toEqual([])
}

/** Which of the shards a page is from. */
async function shardOf(page: ReadonlySet<string>): Promise<LocalServer> {
  return test.cluster.primaryOf(slotOf([...page][0] as string))
}

describe('a scan of a quiet cluster', () => {
  it('gives each key, and each once', async () => {
    const client = test.client()
    const keys = await fill(client, 3000)
    const { found, keys: returned } = await collect(test.client().scanIterator({ count: 100 }))
    expectAll(found, keys)
    expect([found.size, returned]).toEqual([3000, 3000])
  })

  it('filters by pattern and type, and gives Buffers', async () => {
    const client = test.client()
    await fill(client, 50)
    await client.batch([0, 1, 2].map(i => ['RPUSH', [`list:${i}`, 1]]))
    expect((await collect(client.scanIterator({ match: 'list:*' }))).found.size).toBe(3)
    expect((await collect(client.scanIterator({ type: 'list', count: 10 }))).found.size).toBe(3)
    expect((await collect(client.scanIterator({ type: 'hash' }))).pages).toBe(0)
    expect((await collect(client.scanIterator({ match: Buffer.from('list:1') }))).found).toEqual(new Set(['list:1']))
    for await (const page of client.scanIterator({ buffers: true }))
      for (const key of page) expect(key).toBeInstanceOf(Buffer)
  })

  it('asks for a page when one is taken, and for no more', async () => {
    const client = test.client()
    await fill(client, 600)
    const pages = client.scanIterator({ count: 50 })
    expect(client.inspect().issued).toBe(600)
    await pages.next()
    const issued = client.inspect().issued
    await new Promise(resolve => setTimeout(resolve, 50))
    expect(client.inspect().issued).toBe(issued)
    await pages.next()
    expect(client.inspect()).toMatchObject({ issued: issued + 1, settled: issued + 1 })
    await pages.return(undefined)
    expect(await pages.next()).toEqual({ value: undefined, done: true })
    expect(client.inspect()).toMatchObject({ issued: issued + 1, settled: issued + 1 })
    for await (const page of client.scanIterator({ count: 50 })) {
      expect(page.length).toBeGreaterThan(0)
      break
    }
    const { settled, issued: made } = client.inspect()
    expect(settled).toBe(made)
  })

  it('ends when it is aborted, between pages or in one', async () => {
    const client = test.client()
    await fill(client, 200)
    const controller = new AbortController()
    const pages = client.scanIterator({ signal: controller.signal, count: 10 })
    await pages.next()
    controller.abort('enough')
    await expect(pages.next()).rejects.toMatchObject({ code: 'SLOTWISE_ABORTED', cause: 'enough' })
    expect(await pages.next()).toEqual({ value: undefined, done: true })

    const late = new AbortController()
    const others = client.scanIterator({ signal: late.signal, count: 10 })
    await others.next()
    for (const node of test.cluster.nodes) node.freeze()
    const next = others.next().catch((reason: unknown) => reason)
    late.abort('enough')
    expect(await next).toMatchObject({ code: 'SLOTWISE_ABORTED', cause: 'enough' })
    for (const node of test.cluster.nodes) node.thaw()
  })

  it('refuses options that mean nothing', () => {
    const client = test.client()
    for (const options of [{ count: 0 }, { count: 1.5 }, { match: 7 }, { type: '' }, { limit: 1 }, { signal: 1 }, null])
      expect(() => client.scanIterator(options as object)).toThrow(
        expect.objectContaining({ code: 'SLOTWISE_INVALID_ARGUMENT' }),
      )
  })
})

describe('slots that move during a scan', () => {
  it('loses no key that goes from a node not yet scanned to one that has been', { timeout: 60_000 }, async () => {
    const client = test.client(fast)
    const slots = [...[1, 2, 3], ...[6001, 6002, 6003], ...[12_001, 12_002, 12_003]]
    const keys = await fill(client, 900, slots)
    let first: LocalServer | undefined
    let last: LocalServer | undefined
    const { found, keys: returned } = await collect(client.scanIterator({ count: 50 }), async (_, found) => {
      first ??= await shardOf(found)
      const owners = await Promise.all([...found].slice(-1).map(key => test.cluster.primaryOf(slotOf(key))))
      if (last !== undefined || owners[0] === first) return
      // The first node is through. What nobody has seen yet goes there.
      const unseen = slots.filter(slot => keys.every(key => slotOf(key) !== slot || !found.has(key)))
      expect(unseen.length).toBeGreaterThan(0)
      for (const slot of unseen) {
        last = await test.cluster.primaryOf(slot)
        await test.cluster.beginMigration(slot, last, first)
        while ((await test.cluster.migrateKeys(slot, last, first)) !== 0);
        await test.cluster.finishMigration(slot, last, first)
      }
      await test.cluster.waitUntilOk(10_000)
    })
    expect(last).toBeDefined()
    expectAll(found, keys)
    // What was there already is not given again: only slots that have come are wanted of a node.
    expect(returned).toBeLessThan(keys.length * 1.5)
  })

  it('loses no key of a slot whose move stays open', async () => {
    const client = test.client(fast)
    const slots = [100, 5999, 11_999]
    const keys = await fill(client, 300, slots)
    let first: LocalServer | undefined
    let open: { slot: number; from: LocalServer; to: LocalServer } | undefined
    const { found } = await collect(client.scanIterator({ count: 20 }), async (_, found) => {
      first ??= await shardOf(found)
      const unseen = slots.find(slot => keys.every(key => slotOf(key) !== slot || !found.has(key)))
      if (open !== undefined || unseen === undefined || (await shardOf(new Set([...found].slice(-1)))) === first) return
      open = { slot: unseen, from: await test.cluster.primaryOf(unseen), to: first }
      await test.cluster.beginMigration(unseen, open.from, open.to)
      expect(await test.cluster.migrateKeys(unseen, open.from, open.to, 60)).toBe(60)
    })
    expectAll(found, keys)
    const { slot, from, to } = open as NonNullable<typeof open>
    // Half the keys here and half there, from the beginning: found, too, and the scan comes to an end.
    expectAll((await collect(client.scanIterator())).found, keys)
    while ((await test.cluster.migrateKeys(slot, from, to)) !== 0);
    await test.cluster.finishMigration(slot, from, to)
    await test.cluster.waitUntilOk(10_000)
  })

  it('finds every key while slots go from node to node all the time', { timeout: 120_000 }, async () => {
    const client = test.client(fast)
    const slots = Array.from({ length: 30 }, (_, i) => 500 + i * 500)
    const keys = await fill(client, 3000, slots)
    let moved = 0
    let stopped = false
    const mover = (async () => {
      for (; !stopped && moved < 100; moved++) {
        const slot = slots[(moved * 7) % slots.length] as number
        const from = await test.cluster.primaryOf(slot)
        const primaries = await test.cluster.primaries()
        const to = primaries[(primaries.indexOf(from) + 1) % primaries.length] as LocalServer
        await test.cluster.beginMigration(slot, from, to)
        while ((await test.cluster.migrateKeys(slot, from, to, 25)) !== 0);
        await test.cluster.finishMigration(slot, from, to)
        await test.cluster.waitUntilOk(10_000)
      }
    })().finally(() => {
      stopped = true
    })
    let scans = 0
    do {
      const { found } = await collect(client.scanIterator({ count: 50 }))
      expectAll(found, keys)
      scans++
    } while (scans < 3 || (moved < 40 && !stopped))
    stopped = true
    await mover
    // All but the first of them began while a scan went on, whichever of the two the machine let go ahead.
    expect(moved).toBeGreaterThanOrEqual(40)
  })
})

describe('primaries that change during a scan', () => {
  /** Runs once, in the middle of a shard: after its first page, and before its last. */
  async function scanThrough(act: (primary: LocalServer) => Promise<unknown>): Promise<void> {
    const client = test.client(fast)
    const keys = await fill(client, 1500)
    await client.execute('WAIT', [1, 2000])
    let acted = 0
    const { found } = await collect(client.scanIterator({ count: 20, timeoutMs: 20_000 }), async (page, found) => {
      // Of the first shard, and of another one.
      if (page !== 3 && page !== 40) return
      acted++
      await act(await shardOf(new Set([...found].slice(-1))))
    })
    expectAll(found, keys)
    expect(acted).toBe(2)
    expect(client.inspect().settled).toBe(client.inspect().issued)
  }

  it('goes on at the promoted replica of a primary that was killed', { timeout: 60_000 }, async () => {
    await scanThrough(async primary => {
      await replicaOf(primary)
      await primary.kill()
    })
  })

  it('goes on at the new primary after a failover by hand', { timeout: 60_000 }, async () => {
    await scanThrough(async primary => test.cluster.failover(await replicaOf(primary)))
  })

  it('starts a node again whose connections were cut', async () => {
    await scanThrough(primary => primary.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'))
  })

  it('says which server it waited for in vain', async () => {
    const client = test.client(fast)
    await fill(client, 300)
    const pages = client.scanIterator({ count: 10, timeoutMs: 500 })
    const { value } = await pages.next()
    const primary = await shardOf(new Set(value ?? []))
    primary.freeze()
    const error = await pages.next().catch((reason: unknown) => reason)
    primary.thaw()
    expect(error).toMatchObject({ code: 'SLOTWISE_TIMEOUT', endpoint: primary.address, command: 'SCAN' })
  })
})

describe('a primary without slots', () => {
  it('finds keys on a node that has no slots yet', async () => {
    const client = test.client(fast)
    const slot = 16_000
    const keys = await fill(client, 40, [slot])
    const from = await test.cluster.primaryOf(slot)
    // A replica becomes a primary without slots.
    const spare = await replicaOf(await test.cluster.primaryOf(1000))
    const shard = (await (await test.cluster.primaryOf(1000)).command('CLUSTER', 'MYID')) as string
    await spare.command('CLUSTER', 'RESET', 'SOFT')
    await spare.command('CLUSTER', 'MEET', from.host, from.port, from.busPort)
    const id = (await spare.command('CLUSTER', 'MYID')) as string
    await eventually(async () => {
      for (const node of test.cluster.nodes) {
        const line = ((await node.command('CLUSTER', 'NODES')) as string).split('\n').find(line => line.startsWith(id))
        expect(line).toMatch(/ (?:myself,)?master - .* connected$/)
      }
      // Until then it refuses keys.
      expect(await spare.command('CLUSTER', 'INFO')).toContain('cluster_state:ok')
    }, 15_000)
    await test.cluster.beginMigration(slot, from, spare)
    expect(await test.cluster.migrateKeys(slot, from, spare, 15)).toBe(15)
    expectAll((await collect(test.client().scanIterator())).found, keys)
    while ((await test.cluster.migrateKeys(slot, from, spare)) !== 0);
    await test.cluster.finishMigration(slot, from, spare)
    await test.cluster.waitUntilOk(10_000)
    expectAll((await collect(client.scanIterator())).found, keys)
    // Back to where it was.
    await test.cluster.beginMigration(slot, spare, from)
    while ((await test.cluster.migrateKeys(slot, spare, from)) !== 0);
    await test.cluster.finishMigration(slot, spare, from)
    await test.cluster.waitUntilOk(10_000)
    await spare.command('CLUSTER', 'REPLICATE', shard)
  })
})

describe('a standalone server', () => {
  it('is scanned from its start again when it has been restarted: its cursors mean nothing any more', async () => {
    const server = await LocalServer.start({ persistence: 'aof', config: { appendfsync: 'always' } })
    const client = createClient({ server: server.address, backoffMaxMs: 50 })
    try {
      const keys = Array.from({ length: 2000 }, (_, i) => `scan:${i}`)
      await client.batch(keys.map(key => ['SET', [key, 1]]))
      // By another process's cursors, some keys would be skipped: its hash function has another seed.
      const { found, keys: returned } = await collect(client.scanIterator({ count: 100 }), async page => {
        if (page !== 9) return
        await server.kill()
        await server.restart()
      })
      expectAll(found, keys)
      expect(returned).toBeGreaterThan(keys.length)
      expect((await collect(client.scanIterator({ count: 100, match: 'scan:1?' }))).found.size).toBe(10)
    } finally {
      await client.close()
      await server.stop()
    }
  })
})
