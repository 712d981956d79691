// Cache: replies kept by a client, against real servers: when they are, and everything that ends it (docs/caching.md).

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { CacheOptions, Client, CommonOptions } from 'slotwise/core'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { LocalServer } from '../../scripts/local-server.mjs'
import { failureOf, useClients } from '../support/clients.js'
import { bulk, ScriptedServer } from '../support/scripted-server.js'
import { type ClusterUnderTest, eventually, expectSettled, keyIn, useCluster } from '../support/settled.js'

const counted = (client: Client) => client.inspect().cache ?? expect.unreachable('a client with a cache')

/** Waits until the connections of so many nodes are tracked. */
async function tracked(client: Client, nodes: number): Promise<void> {
  await eventually(() => expect(counted(client).trackedNodes).toBe(nodes))
}

/** Reads until the value comes from the cache; what it is then. */
async function readCached(client: Client, key: string): Promise<unknown> {
  let value: unknown
  await eventually(async () => {
    const { hits } = counted(client)
    value = await client.execute('GET', [key])
    expect(counted(client).hits).toBeGreaterThan(hits)
  })
  return value
}

describe('one server', () => {
  const test = useClients()
  let server: LocalServer
  beforeAll(async () => {
    server = await LocalServer.start()
  })
  beforeEach(() => server.command('FLUSHALL'))
  afterAll(() => server?.stop())

  async function open(cache: CacheOptions = {}, more: CommonOptions = {}): Promise<Client> {
    const client = test.client({ server: server.address, cache, ...more })
    await client.connect()
    await tracked(client, 1)
    return client
  }
  /** Commands that the server has run, by name. */
  const runs = async (name: string) =>
    Number(
      new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(String(await server.command('INFO', 'commandstats')))?.[1] ?? 0,
    )

  describe.each(['tracking', 'broadcast', 'optin'] as const)('in mode %s', mode => {
    it('asks once, until somebody else changes the key', async () => {
      const client = await open({ mode })
      const before = await runs('get')
      await server.command('SET', 'k', 'one')
      expect(await client.execute('GET', ['k'])).toBe('one')
      // The news of that SET may come only after the reply (broadcast), and is harmless.
      expect(await readCached(client, 'k')).toBe('one')
      const asked = await runs('get')
      for (let i = 0; i < 100; i++) expect(await client.execute('GET', ['k'])).toBe('one')
      expect(await runs('get')).toBe(asked)
      expect(asked).toBeGreaterThan(before)
      await server.command('SET', 'k', 'two')
      await eventually(async () => expect(await client.execute('GET', ['k'])).toBe('two'))
      expect(counted(client).invalidations).toBeGreaterThan(0)
    })

    it('sees its own changes at once', async () => {
      const client = await open({ mode })
      for (let i = 1; i <= 200; i++) {
        expect(await client.execute('INCR', ['k'])).toBe(i)
        expect(await client.execute('GET', ['k'])).toBe(String(i))
        // Not even awaited: a read behind a change on the same connection.
        const [, read] = await Promise.all([client.execute('APPEND', ['l', 'x']), client.execute('STRLEN', ['l'])])
        expect(read).toBe(i)
      }
    })

    it('forgets everything with FLUSHALL', async () => {
      const client = await open({ mode })
      await server.command('MSET', 'a', '1', 'b', '2')
      for (const key of ['a', 'b']) await readCached(client, key)
      await server.command('FLUSHALL')
      await eventually(() => expect(counted(client)).toMatchObject({ entries: 0, flushes: 1 }))
      expect(await client.execute('GET', ['a'])).toBeNull()
    })

    it('begins anew when its connection is cut', async () => {
      const client = await open({ mode })
      await server.command('SET', 'k', 'one')
      await readCached(client, 'k')
      await server.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
      await eventually(() => expect(counted(client)).toMatchObject({ entries: 0, flushes: 1 }))
      await server.command('SET', 'k', 'two')
      expect(await client.execute('GET', ['k'])).toBe('two')
      await tracked(client, 1)
      expect(await readCached(client, 'k')).toBe('two')
    })
  })

  it('tracks in mode optin only what is cached', async () => {
    const client = await open({ mode: 'optin', prefixes: ['kept:'] })
    await client.execute('GET', ['other'])
    expect(await server.command('INFO', 'stats')).toContain('tracking_total_keys:0')
    await client.execute('GET', ['kept:1'])
    expect(await server.command('INFO', 'stats')).toContain('tracking_total_keys:1')
  })

  it('is told in mode broadcast of its prefixes only, which may overlap', async () => {
    const client = await open({ mode: 'broadcast', prefixes: ['a:', 'a:b', 'c:'] })
    await readCached(client, 'a:b')
    await server.command('MSET', 'other', '1', 'b:1', '1')
    await server.command('SET', 'a:b', 'new')
    await eventually(async () => expect(await client.execute('GET', ['a:b'])).toBe('new'))
    expect(counted(client).invalidations).toBe(1)
  })

  it('caches MGET key by key, together with GET', async () => {
    const client = await open()
    await server.command('MSET', 'a', '1', 'b', '2')
    await client.execute('GET', ['a'])
    expect(await client.execute('MGET', ['a', 'b', 'none'])).toEqual(['1', '2', null])
    expect(counted(client)).toMatchObject({ hits: 1, misses: 3 })
    expect(await client.execute('MGET', ['none', 'b', 'a', 'a'])).toEqual([null, '2', '1', '1'])
    expect(await client.execute('GET', ['b'])).toBe('2')
    expect(counted(client)).toMatchObject({ hits: 6, misses: 3 })
    await server.command('SET', 'none', 'some')
    await eventually(async () => expect(await client.execute('MGET', ['a', 'none'])).toEqual(['1', 'some']))
  })

  it('tells GET from MGET of a key that holds no string', async () => {
    const client = await open()
    await server.command('RPUSH', 'list', 'x')
    expect(await client.execute('MGET', ['list'])).toEqual([null])
    expect(await client.execute('MGET', ['list'])).toEqual([null])
    for (let i = 0; i < 2; i++) {
      expect(await failureOf(client.execute('GET', ['list']))).toMatchObject({ code: 'WRONGTYPE' })
    }
    expect(counted(client)).toMatchObject({ hits: 1, misses: 3 })
  })

  it('gives values of their own, Buffers apart from strings', async () => {
    const client = await open()
    await server.command('HSET', 'h', 'f', 'v')
    for (let i = 0; i < 3; i++) {
      const map = (await client.execute('HGETALL', ['h'])) as Map<string, string>
      expect([...map]).toEqual([['f', 'v']])
      map.clear()
      const buffer = (await client.execute('HGET', ['h', 'f'], { buffers: true })) as Buffer
      expect(buffer).toEqual(Buffer.from('v'))
      buffer.fill(0)
      expect(await client.execute('HGET', ['h', 'f'])).toBe('v')
    }
    expect(counted(client)).toMatchObject({ hits: 6, misses: 3, entries: 3 })
  })

  it('finds a key by its bytes, however it is given', async () => {
    const client = await open()
    const key = 'schlüssel €'
    await server.command('SET', key, '1')
    expect(await client.execute('GET', [key])).toBe('1')
    expect(await client.execute('GET', [Buffer.from(key)])).toBe('1')
    expect(counted(client).hits).toBe(1)
    await server.command('SET', key, '2')
    await eventually(async () => expect(await client.execute('GET', [key])).toBe('2'))
    // Bytes that are no text, and text that no bytes spell, are read and not cached.
    for (const odd of [Buffer.from([0xff]), '\ud800', 'a\ufffd']) {
      const before = counted(client)
      for (let i = 0; i < 2; i++) await client.execute('GET', [odd])
      expect(counted(client)).toMatchObject({ hits: before.hits, entries: before.entries })
    }
  })

  it('caches no error', async () => {
    const client = await open()
    await server.command('RPUSH', 'k', 'x')
    const reads = await Promise.all([1, 2, 3].map(() => failureOf(client.execute('GET', ['k']))))
    expect(reads.map(({ code }) => code)).toEqual(['WRONGTYPE', 'WRONGTYPE', 'WRONGTYPE'])
    expect(counted(client)).toMatchObject({ entries: 0, misses: 1, shared: 2 })
  })

  it('ends entries after ttlMs', async () => {
    const client = await open({ ttlMs: 50 })
    const startedAt = performance.now()
    await client.execute('GET', ['k'])
    await client.execute('GET', ['k'])
    if (performance.now() - startedAt < 50) expect(counted(client)).toMatchObject({ hits: 1, misses: 1 })
    await new Promise(resolve => setTimeout(resolve, 60))
    const { misses } = counted(client)
    await client.execute('GET', ['k'])
    expect(counted(client).misses).toBe(misses + 1)
  })

  it('answers batches, too', async () => {
    const client = await open()
    await server.command('SET', 'k', '1')
    const items = [
      ['GET', ['k']],
      ['GET', ['k']],
      ['INCR', ['n']],
    ] as const
    expect(await client.batch(items)).toEqual(['1', '1', 1])
    expect(await client.batch(items)).toEqual(['1', '1', 2])
    expect(counted(client)).toMatchObject({ hits: 2, misses: 1, shared: 1 })
  })

  it('does what its example says', async () => {
    const example = new URL('../../examples/caching.mjs', import.meta.url).pathname
    const { stdout } = await promisify(execFile)(process.execPath, [example, server.address], { timeout: 20_000 })
    expect(stdout).toBe('hits 999, misses 1\ngood evening\n')
  })

  it('answers nothing from an aborted call, nor once it is closed', async () => {
    const client = await open()
    await client.execute('GET', ['k'])
    const aborted = client.execute('GET', ['k'], { signal: AbortSignal.abort() })
    expect(await failureOf(aborted)).toMatchObject({ code: 'SLOTWISE_ABORTED' })
    const closing = client.close()
    expect(await failureOf(client.execute('GET', ['k']))).toMatchObject({ code: 'SLOTWISE_CLOSED' })
    await closing
  })

  it('does without where the server has no RESP3, or does not let it track, and says so', async () => {
    await server.command('ACL', 'SETUSER', 'reader', 'on', '>secret', '~*', '&*', '+@all', '-client|tracking')
    const client = test.client({ server: server.address, username: 'reader', password: 'secret', cache: {} })
    await client.connect()
    await eventually(() => expect(counted(client)).toMatchObject({ trackedNodes: 0, untrackedNodes: 1 }))
    const old = test.keep(
      await ScriptedServer.start(([name]) => {
        if (name === 'HELLO') return "-ERR unknown command 'HELLO'\r\n"
        return name === 'GET' ? bulk('v') : undefined
      }),
    )
    const other = test.client({ server: old.address, cache: {} })
    for (const each of [client, other]) {
      for (let i = 0; i < 2; i++) await each.execute('GET', ['k'])
      expect(counted(each)).toMatchObject({ hits: 0, entries: 0, untrackedNodes: 1 })
    }
    expect(old.count('GET')).toBe(2)
  })
})

describe('a server that says things in an order of its own', () => {
  const test = useClients()
  const invalidate = (key: string) => `>2\r\n${bulk('invalidate')}*1\r\n${bulk(key)}`

  async function start(answer: (reads: number) => string): Promise<{ server: ScriptedServer; client: Client }> {
    let reads = 0
    const server = test.keep(await ScriptedServer.start(([name]) => (name === 'GET' ? answer(++reads) : undefined)))
    const client = test.client({ server: server.address, cache: {} })
    await client.connect()
    await tracked(client, 1)
    return { server, client }
  }

  it('has a read not kept whose key is invalidated before its reply', async () => {
    const { server, client } = await start(reads => `${reads === 1 ? invalidate('k') : ''}${bulk(`v${reads}`)}`)
    const first = [client.execute('GET', ['k']), client.execute('GET', ['k'])]
    expect(await Promise.all(first)).toEqual(['v1', 'v1'])
    expect(await client.execute('GET', ['k'])).toBe('v2')
    expect(await client.execute('GET', ['k'])).toBe('v2')
    expect(server.count('GET')).toBe(2)
  })

  it('has an entry removed whose key is invalidated right behind its reply', async () => {
    const { client } = await start(reads => `${bulk(`v${reads}`)}${reads === 1 ? invalidate('k') : ''}`)
    expect(await client.execute('GET', ['k'])).toBe('v1')
    expect(await client.execute('GET', ['k'])).toBe('v2')
    expect(await client.execute('GET', ['k'])).toBe('v2')
  })

  it('has readers wait on their own when the connection is lost under them', async () => {
    let cut = false
    const server = test.keep(
      await ScriptedServer.start(([name], connection) => {
        if (name !== 'GET') return undefined
        if (cut) return bulk('v')
        cut = true
        connection.cut()
        return undefined
      }),
    )
    const client = test.client({ server: server.address, cache: {} })
    await client.connect()
    await tracked(client, 1)
    const reads = Array.from({ length: 10 }, () => client.execute('GET', ['k']))
    const watch = setInterval(() => expectSettled(client), 1)
    expect(new Set(await Promise.all(reads))).toEqual(new Set(['v']))
    clearInterval(watch)
    expect(counted(client)).toMatchObject({ misses: 1, shared: 9, waiting: 0, entries: 0 })
  })
})

describe('a cluster', () => {
  const test: ClusterUnderTest = useCluster({ nodeTimeoutMs: 1000 })
  const slot = 1000

  async function open(cache: CacheOptions = {}): Promise<Client> {
    const client = test.client({ cache })
    // All primaries are dialled once they are needed.
    await client.connect()
    for (const each of [1000, 8000, 14_000]) await client.execute('GET', [keyIn(each)])
    await eventually(() => expect(counted(client).trackedNodes).toBeGreaterThanOrEqual(3))
    return client
  }

  it('caches for every node, and hears from each', async () => {
    const client = await open()
    const writer = test.client()
    const keys = [1000, 8000, 14_000].map(each => keyIn(each, 'spread'))
    for (const each of keys) {
      await writer.execute('SET', [each, 'one'])
      expect(await readCached(client, each)).toBe('one')
      await writer.execute('SET', [each, 'two'])
      await eventually(async () => expect(await client.execute('GET', [each])).toBe('two'))
    }
  })

  it('forgets a slot that moves', async () => {
    const client = await open()
    const { cluster } = test
    const from = await cluster.primaryOf(slot)
    const to = (await cluster.primaries()).find(node => node !== from) as LocalServer
    const [present, absent] = [keyIn(slot, 'present'), keyIn(slot, 'absent')]
    await client.execute('SET', [present, 'before'])
    expect(await readCached(client, present)).toBe('before')
    // Nothing is announced for this one: it is not there to be moved.
    expect(await readCached(client, absent)).toBeNull()
    await cluster.beginMigration(slot, from, to)
    // Answered with ASK: what the other server says is not kept.
    await client.execute('GET', [keyIn(slot, 'asked')])
    await cluster.migrateKeys(slot, from, to)
    await cluster.finishMigration(slot, from, to)
    for (const key of [present, absent]) await to.command('SET', key, 'after')
    // Answered with MOVED, unless the client knows already.
    await client.execute('GET', [keyIn(slot, 'moved')])
    for (const key of [present, absent]) {
      expect(await client.execute('GET', [key])).toBe('after')
      expect(await readCached(client, key)).toBe('after')
    }
  })

  it('follows a failover', async () => {
    const client = await open()
    const { cluster } = test
    const failing = 14_000
    const moving = keyIn(failing, 'failover')
    await client.execute('SET', [moving, '1'])
    await readCached(client, moving)
    const primary = await cluster.primaryOf(failing)
    const id = String(await primary.command('CLUSTER', 'MYID'))
    const replicas = await cluster.replicas()
    const owners = await Promise.all(replicas.map(replica => replica.command('CLUSTER', 'NODES')))
    const replica = replicas.find((_each, i) =>
      String(owners[i])
        .split('\n')
        .some(line => line.includes('myself') && line.split(' ')[3] === id),
    ) as LocalServer
    await cluster.failover(replica)
    await replica.command('SET', moving, '2')
    // The client hears of it by itself, or else by its next call: either way it reads what is there now.
    await eventually(async () => expect(await client.execute('GET', [moving])).toBe('2'))
    expect(await readCached(client, moving)).toBe('2')
    await replica.command('SET', moving, '3')
    await eventually(async () => expect(await client.execute('GET', [moving])).toBe('3'))
  })
})
