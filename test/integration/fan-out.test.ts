// FanOut: commands that concern a whole cluster.

import { setTimeout as delay } from 'node:timers/promises'
import { beforeEach, describe, expect, it } from 'vitest'
import type { LocalServer } from '../../scripts/local-cluster.mjs'
import { eventually, keyIn, useCluster } from '../support/settled.js'

const test = useCluster({
  nodeTimeoutMs: 1000,
  config: { 'cluster-require-full-coverage': 'no', 'busy-reply-threshold': '50' },
})
const shardSlots = [1000, 8000, 14_000]

async function primaries(): Promise<LocalServer[]> {
  return Promise.all(shardSlots.map(slot => test.cluster.primaryOf(slot)))
}

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
  for (const primary of await primaries()) {
    await replicaOf(primary)
    await primary.command('FLUSHALL')
  }
  // CLUSTER SLOTS leaves out replicas of which the node asked has not heard since they are in step.
  await eventually(async () => {
    for (const node of test.cluster.nodes) {
      for (const range of (await node.command('CLUSTER', 'SLOTS')) as unknown[][]) expect(range).toHaveLength(4)
    }
  }, 15_000)
})

describe('a command for the whole cluster', () => {
  it('DBSIZE, KEYS, RANDOMKEY and FLUSHALL concern all shards, or one with fanOut: false', async () => {
    const client = test.client()
    const keys = shardSlots.flatMap(slot => [0, 1, 2].map(i => keyIn(slot, `key ${i}`)))
    // The first call of a client: there is no topology yet.
    expect(await client.execute('DBSIZE')).toBe(0)
    expect(await client.execute('RANDOMKEY')).toBeNull()
    await client.batch(keys.map(key => ['SET', [key, 1]]))
    expect(await client.execute('dbsize')).toBe(9)
    expect(await client.execute('DBSIZE', [], { fanOut: false })).toBe(3)
    expect(await test.client({ stringNumbers: true }).execute('DBSIZE')).toBe('9')
    expect(((await client.execute('KEYS', ['*'])) as string[]).sort()).toEqual([...keys].sort())
    expect(await client.execute('KEYS', ['*'], { fanOut: false })).toHaveLength(3)
    const buffers = (await client.execute('KEYS', ['*'], { buffers: true })) as Buffer[]
    expect(buffers.map(String).sort()).toEqual([...keys].sort())

    await client.batch(keys.slice(0, 6).map(key => ['DEL', [key]]))
    // Two of the three shards are empty.
    for (let i = 0; i < 10; i++) expect(keys.slice(6)).toContain(await client.execute('RANDOMKEY'))
    expect(await client.batch([['DBSIZE'], ['FLUSHALL'], ['DBSIZE']])).toEqual([3, 'OK', 0])
    expect(await client.execute('FLUSHDB', ['ASYNC'])).toBe('OK')
  })

  it('scripts and functions are on every server they are for', async () => {
    const client = test.client()
    const sha = (await client.execute('SCRIPT', ['LOAD', 'return 7'])) as string
    expect(sha).toMatch(/^[0-9a-f]{40}$/)
    for (const node of test.cluster.nodes) expect(await node.command('SCRIPT', 'EXISTS', sha)).toEqual([1])
    const [one] = await primaries()
    const other = '0'.repeat(40)
    expect(await client.execute('SCRIPT', ['EXISTS', sha, other])).toEqual([1, 0])
    await one?.command('SCRIPT', 'FLUSH')
    expect(await client.execute('SCRIPT', ['EXISTS', sha, other])).toEqual([0, 0])
    expect(await client.execute('script', ['flush'])).toBe('OK')
    for (const node of test.cluster.nodes) expect(await node.command('SCRIPT', 'EXISTS', sha)).toEqual([0])

    const library = "#!lua name=lib\nredis.register_function('seven', function() return 7 end)"
    expect(await client.execute('FUNCTION', ['LOAD', library])).toBe('lib')
    for (const slot of shardSlots) expect(await client.execute('FCALL', ['seven', 1, keyIn(slot)])).toBe(7)
    // Alike on all: the servers' own answer.
    await expect(client.execute('FUNCTION', ['LOAD', library])).rejects.toMatchObject({
      name: 'ReplyError',
      code: 'ERR',
    })
    expect(await client.execute('FUNCTION', ['DELETE', 'lib'])).toBe('OK')
    await expect(client.execute('FUNCTION', ['KILL'])).rejects.toMatchObject({ code: 'NOTBUSY' })
  })

  it('KILL is done when one server has done it', async () => {
    const [client, other] = [test.client(), test.client()]
    await other.connect()
    const script = client.execute('EVAL', ['while true do end', 1, keyIn(8000)]).catch((reason: unknown) => reason)
    // Over a connection of its own: behind the script nothing is read from the first one.
    await eventually(async () => expect(await other.execute('SCRIPT', ['KILL'])).toBe('OK'))
    expect(await script).toMatchObject({ name: 'ReplyError' })
  })

  it('CONFIG SET and SLOWLOG reach replicas, too', async () => {
    const client = test.client()
    const valueOn = async (node: LocalServer) =>
      ((await node.command('CONFIG', 'GET', 'slowlog-max-len')) as string[])[1]
    expect(await client.execute('CONFIG', ['SET', 'slowlog-max-len', 77])).toBe('OK')
    for (const node of test.cluster.nodes) expect(await valueOn(node)).toBe('77')
    expect(await client.execute('CONFIG', ['SET', 'slowlog-max-len', 78], { fanOut: false })).toBe('OK')
    const values = await Promise.all(test.cluster.nodes.map(valueOn))
    expect(values.filter(value => value === '78')).toHaveLength(1)
    expect(await client.execute('SLOWLOG', ['RESET'])).toBe('OK')
    expect(await client.execute('SLOWLOG', ['LEN'])).toEqual(expect.any(Number))
    expect(await client.execute('SLOWLOG', ['GET', 2])).toEqual(expect.any(Array))
  })

  it('WAIT gives the least number of replicas', async () => {
    const client = test.client()
    for (const slot of shardSlots) await client.execute('SET', [keyIn(slot), 1])
    expect(await client.execute('WAIT', [1, 2000])).toBe(1)
    expect(await client.execute('WAIT', [5, 50])).toBe(1)
  })

  it('others go to one server', async () => {
    const client = test.client()
    await client.connect()
    const before = client.inspect().issued
    expect(await client.execute('PING')).toBe('PONG')
    expect(await client.execute('CLUSTER', ['INFO'])).toContain('cluster_state:ok')
    expect(await client.execute('INFO', ['server'])).toContain('redis_version')
    expect(client.inspect().issued).toBe(before + 3)
  })
})

describe('when servers fail', () => {
  it('says which, and keeps to one deadline', async () => {
    const client = test.client()
    await client.connect()
    const [away] = await primaries()
    away?.freeze()
    const startedAt = performance.now()
    const error = await client.execute('FLUSHALL', [], { timeoutMs: 300 }).catch((reason: unknown) => reason)
    const elapsedMs = performance.now() - startedAt
    away?.thaw()
    expect(error).toMatchObject({
      code: 'SLOTWISE_PARTIAL_FAILURE',
      command: 'FLUSHALL',
      endpoint: away?.address,
      cause: { code: 'SLOTWISE_TIMEOUT' },
    })
    const { parts } = error as { parts: Map<string, unknown> }
    expect([...parts.keys()].sort()).toEqual((await primaries()).map(node => node.address).sort())
    expect([...parts.values()].filter(part => part === 'ok')).toHaveLength(2)
    expect(elapsedMs).toBeLessThan(1500)
  })

  it('ends as a whole when it is aborted', async () => {
    const client = test.client()
    await client.connect()
    const [away] = await primaries()
    const controller = new AbortController()
    away?.freeze()
    const call = client.execute('DBSIZE', [], { signal: controller.signal }).catch((reason: unknown) => reason)
    await delay(50)
    controller.abort('enough')
    const error = await call
    away?.thaw()
    expect(error).toMatchObject({ code: 'SLOTWISE_ABORTED', cause: 'enough', endpoint: away?.address })
    const before = client.inspect().issued
    await expect(client.execute('DBSIZE', [], { signal: controller.signal })).rejects.toMatchObject({
      code: 'SLOTWISE_ABORTED',
    })
    expect(client.inspect().issued).toBe(before + 3)
  })

  it('asks the promoted replica of a primary that was killed', async () => {
    const client = test.client()
    await client.batch(shardSlots.map(slot => ['SET', [keyIn(slot), 1]]))
    await client.execute('WAIT', [1, 2000])
    const [killed] = await primaries()
    await killed?.kill()
    // Made while the shard has no primary: one answer from each shard, and none from two servers of one.
    expect(await client.execute('DBSIZE', [], { timeoutMs: 20_000 })).toBe(3)
    expect(await client.execute('FLUSHALL', [], { timeoutMs: 20_000 })).toBe('OK')
    expect(await client.execute('DBSIZE')).toBe(0)
  })

  it('asks the new primary after a failover of which the client has not heard', async () => {
    const client = test.client({ refreshPeriodMs: 0 })
    await client.batch(shardSlots.map(slot => ['SET', [keyIn(slot), 1]]))
    const [old] = await primaries()
    await test.cluster.failover(await replicaOf(old as LocalServer))
    // The old primary refuses to write: READONLY.
    expect(await client.execute('FLUSHALL', [], { timeoutMs: 20_000 })).toBe('OK')
    for (const node of await primaries()) expect(await node.command('DBSIZE')).toBe(0)
  })
})
