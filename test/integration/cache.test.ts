// Client-side caching on real servers: what is answered from the cache, and what takes it out.

import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import type { CacheMode, CacheOptions, Client, CommonOptions } from 'slotwise/core'
import { beforeAll, describe, expect, it } from 'vitest'
import { LocalServer } from '../../scripts/local-cluster.mjs'
import { runChild } from '../support/child.js'
import { failureOf, useClients } from '../support/clients.js'
import { eventually, expectSettled, keyIn, useCluster } from '../support/settled.js'

const counters = (client: Client) => {
  const { cache } = client.inspect()
  if (cache === null) throw new Error('no cache')
  return cache
}

/** Waits until as many servers report changes. */
const tracked = (client: Client, regions: number) =>
  eventually(() => expect(counters(client).regions).toBeGreaterThanOrEqual(regions), 10_000)

describe('with one server', () => {
  const test = useClients()
  let server: LocalServer

  beforeAll(async () => {
    server = await LocalServer.start()
    return () => server.stop()
  })

  const open = async (cache: CacheOptions = {}, more: CommonOptions = {}) => {
    const client = test.client({ server: server.address, cache, ...more })
    await client.connect()
    await tracked(client, 1)
    return client
  }
  const write = (...command: (string | number)[]) => server.command(...(command as [string, ...string[]]))

  describe.each(
    (['tracking', 'broadcast', 'optin'] as const).flatMap((mode: CacheMode) => [
      { mode, protocol: 3 as const },
      { mode, protocol: 2 as const },
    ]),
  )('mode $mode, RESP$protocol', ({ mode, protocol }) => {
    const start = (cache: CacheOptions = {}, more: CommonOptions = {}) =>
      open({ mode, ...cache }, { protocol, ...more })

    it('answers from the cache until another client writes', async () => {
      const client = await start()
      await write('SET', 'k', 'one')
      expect(await client.execute('GET', ['k'])).toBe('one')
      const sent = client.inspect().issued
      expect(await client.execute('GET', ['k'])).toBe('one')
      expect(await client.execute('get', ['k'])).toBe('one')
      expect(client.inspect().issued).toBe(sent)
      expect(counters(client)).toMatchObject({ hits: 2, misses: 1, entries: 1 })
      await write('SET', 'k', 'two')
      await eventually(async () => expect(await client.execute('GET', ['k'])).toBe('two'))
      expect(counters(client).invalidations).toBeGreaterThan(0)
    })

    it('keeps that a key is absent', async () => {
      const client = await start()
      await write('DEL', 'none')
      expect(await client.execute('GET', ['none'])).toBeNull()
      expect(await client.execute('GET', ['none'])).toBeNull()
      expect(counters(client)).toMatchObject({ hits: 1, misses: 1 })
      await write('SET', 'none', 'there')
      await eventually(async () => expect(await client.execute('GET', ['none'])).toBe('there'))
    })

    it('forgets all when the server is emptied', async () => {
      const client = await start()
      await write('SET', 'k', 'v')
      await eventually(async () => {
        await client.execute('GET', ['k'])
        expect(counters(client).entries).toBe(1)
      })
      await write('FLUSHALL')
      await eventually(() => expect(counters(client)).toMatchObject({ entries: 0, bytes: 0, flushes: 1 }))
      expect(await client.execute('GET', ['k'])).toBeNull()
    })

    it('forgets all with its connection, and caches again on the next', async () => {
      const client = await start()
      await write('SET', 'k', 'v')
      await eventually(async () => {
        await client.execute('GET', ['k'])
        expect(counters(client).entries).toBe(1)
      })
      await write('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
      await eventually(() => expect(counters(client).flushes).toBe(1))
      await tracked(client, 1)
      await eventually(async () => {
        expect(await client.execute('GET', ['k'])).toBe('v')
        expect(counters(client).entries).toBe(1)
      })
      await write('SET', 'k', 'w')
      await eventually(async () => expect(await client.execute('GET', ['k'])).toBe('w'))
    })

    it('keeps only keys with one of the prefixes', async () => {
      const client = await start({ prefixes: ['user:', 'user:1', 'item:'] })
      await write('MSET', 'user:1', 'a', 'item:1', 'b', 'other', 'c')
      for (const key of ['user:1', 'item:1', 'other', 'user:1', 'item:1', 'other']) await client.execute('GET', [key])
      expect(counters(client)).toMatchObject({ entries: 2, hits: 2, misses: 2 })
      await write('SET', 'user:1', 'new')
      await eventually(async () => expect(await client.execute('GET', ['user:1'])).toBe('new'))
    })
  })

  it('gives aggregates and Buffers of their own to each caller', async () => {
    const client = await open()
    await write('HSET', 'h', 'f', 'v')
    await write('RPUSH', 'l', 'a', 'b')
    await write('SET', 's', 'text')
    for (let i = 0; i < 3; i++) {
      const map = (await client.execute('HGETALL', ['h'])) as Map<string, string>
      expect(map).toEqual(new Map([['f', 'v']]))
      map.clear()
      const list = (await client.execute('LRANGE', ['l', '0', '-1'])) as string[]
      expect(list).toEqual(['a', 'b'])
      list.push('c')
      const bytes = (await client.execute('GET', ['s'], { buffers: true })) as Buffer
      expect(bytes).toEqual(Buffer.from('text'))
      bytes.fill(0)
      expect(await client.execute('GET', ['s'])).toBe('text')
    }
    expect(counters(client)).toMatchObject({ hits: 8, misses: 4 })
  })

  it('answers batches and MGET key by key', async () => {
    const client = await open()
    await write('MSET', 'a', '1', 'b', '2', 'c', '3')
    expect(await client.batch([['GET', ['a']], ['PING'], ['GET', ['a']]])).toEqual(['1', 'PONG', '1'])
    expect(await client.execute('MGET', ['a', 'b', 'c'])).toEqual(['1', '2', '3'])
    expect(await client.execute('MGET', ['c', 'b', 'a'])).toEqual(['3', '2', '1'])
    expect(await client.execute('GET', ['b'])).toBe('2')
    expect(counters(client)).toMatchObject({ misses: 3, shared: 1, hits: 1 + 3 + 1 })
    await write('SET', 'b', 'new')
    await eventually(async () => expect(await client.execute('MGET', ['a', 'b', 'c'])).toEqual(['1', 'new', '3']))
  })

  it('never answers from before a write of its own', async () => {
    const client = await open()
    for (let i = 1; i <= 200; i++) {
      await client.execute('SET', ['own', i])
      expect(await client.execute('GET', ['own'])).toBe(String(i))
      expect(await client.execute('GET', ['own'])).toBe(String(i))
      const written = client.execute('INCRBY', ['own', 1000])
      expect(await client.execute('GET', ['own'])).toBe(String(i + 1000))
      await written
      await client.session(session => session.execute('SET', ['own', 'in a session']))
      expect(await client.execute('GET', ['own'])).toBe('in a session')
    }
    expect(counters(client).hits).toBeGreaterThanOrEqual(200)
  })

  it('shares a read under way, and an aborted caller aborts nobody else', async () => {
    const client = await open()
    await write('SET', 'k', 'v')
    const abort = new AbortController()
    const replies = [
      client.execute('GET', ['k'], { signal: abort.signal }),
      client.execute('GET', ['k']),
      client.execute('GET', ['k'], { timeoutMs: 1000 }),
    ]
    abort.abort()
    expect((await failureOf(replies[0] as Promise<unknown>)).code).toBe('SLOTWISE_ABORTED')
    expect(await Promise.all(replies.slice(1))).toEqual(['v', 'v'])
    expect(counters(client)).toMatchObject({ misses: 1, shared: 2 })
    expectSettled(client)
  })

  it('hears of changes while a caller does nothing but await kept replies', async () => {
    const client = await open()
    await write('SET', 'flag', 'off')
    const written = write('SET', 'flag', 'on')
    for (const options of [undefined, { timeoutMs: 0 }]) {
      while ((await client.execute('GET', ['flag'], options)) !== 'on');
    }
    await written
  })

  it('does not keep errors', async () => {
    const client = await open()
    await write('RPUSH', 'list', 'x')
    for (let i = 0; i < 2; i++)
      expect((await failureOf(client.execute('GET', ['list']))).message).toContain('WRONGTYPE')
    expect(counters(client)).toMatchObject({ misses: 2, hits: 0, entries: 0 })
  })

  it('keeps nothing longer than ttlMs', async () => {
    const client = await open({ ttlMs: 50 })
    await write('SET', 'k', 'v')
    await client.execute('GET', ['k'])
    await eventually(async () => {
      await client.execute('GET', ['k'])
      expect(counters(client).misses).toBeGreaterThan(1)
    })
    expect(counters(client).invalidations).toBe(0)
  })

  it('keeps nothing where the server refuses to report', async () => {
    const own = test.keep(await LocalServer.start({ users: { plain: 'on nopass ~* &* +@all -client|tracking' } }))
    const client = test.client({ server: own.address, username: 'plain', password: 'any', cache: {} })
    for (let i = 0; i < 3; i++) expect(await client.execute('GET', ['k'])).toBeNull()
    expect(counters(client)).toMatchObject({ regions: 0, misses: 3, hits: 0, entries: 0 })
  })

  it('forgets all when the connection that hears the reports is lost (RESP2), until there is another', async () => {
    const client = await open({}, { protocol: 2 })
    await write('SET', 'k', 'v')
    await client.execute('GET', ['k'])
    expect(counters(client)).toMatchObject({ entries: 1, flushes: 0 })
    expect(await write('CLIENT', 'KILL', 'TYPE', 'pubsub')).toBe(1)
    await eventually(() => expect(counters(client)).toMatchObject({ entries: 0, flushes: 1 }))
    await tracked(client, 1)
    await client.execute('GET', ['k'])
    expect(counters(client).entries).toBe(1)
    await write('SET', 'k', 'w')
    await eventually(async () => expect(await client.execute('GET', ['k'])).toBe('w'))
  })

  it('fails calls once it is closed, whatever it held', async () => {
    const client = await open()
    await client.execute('GET', ['k'])
    await client.close()
    expect((await failureOf(client.execute('GET', ['k']))).code).toBe('SLOTWISE_CLOSED')
    expect(counters(client)).toMatchObject({ entries: 0, bytes: 0, regions: 0 })
  })

  it('examples/caching.mjs does what it says', async () => {
    const example = resolve(import.meta.dirname, '../../examples/caching.mjs')
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [example, `redis://${server.address}`])
    expect(stderr).toBe('')
    expect(stdout).toContain('hits: 999')
    expect(stdout).toContain('after a write by another client: second')
  })

  describe('memory', () => {
    const maxBytes = 8 * 1024 * 1024

    beforeAll(async () => {
      const fill = `
        for i = 0, 59999 do redis.call('SET', 'string:' .. i, 'value of ' .. i) end
        for i = 0, 19999 do redis.call('SET', 'unicode:' .. i, string.rep('я', 20) .. i) end
        for i = 0, 9999 do redis.call('HSET', 'hash:' .. i, 'a', i, 'b', i, 'some field', 'some value') end
        for i = 0, 9999 do redis.call('SADD', 'set:' .. i, 'a', 'member ' .. i, 'c', 'd', 'e') end
        for i = 0, 9999 do redis.call('RPUSH', 'list:' .. i, 'a', 'element ' .. i, 'c', 'd', 'e', 'f') end
        for i = 0, 59999 do redis.call('HSET', 'fields:' .. i % 100, 'field ' .. i, 'value of ' .. i) end`
      await write('EVAL', fill, 0)
    })

    it.each([
      ['string', 60_000],
      ['unicode', 20_000],
      ['buffer', 30_000],
      ['hash', 10_000],
      ['field', 60_000],
      ['set', 10_000],
      ['list', 10_000],
    ])('of %s stays within what it says, and that within maxBytes', async (kind, count) => {
      const args = [server.address, kind, count, maxBytes]
      const measured = await runChild<Record<string, number>>('cache-memory.mjs', args, { flags: ['--expose-gc'] })
      process.stdout.write(`${kind}: ${JSON.stringify(measured)}\n`)
      expect(measured.bytes).toBeLessThanOrEqual(maxBytes)
      expect(measured.bytes).toBeGreaterThan(maxBytes / 4)
      // Code that has been compiled meanwhile, and the like.
      const elseBytes = 512 * 1024
      expect(measured.grown).toBeLessThan((measured.counted as number) + elseBytes)
    })
  })
})

describe('with a cluster', () => {
  const test = useCluster({ primaries: 3, replicasPerPrimary: 1, nodeTimeoutMs: 1000 })
  const slots = [100, 8000, 16_000]

  /** A client that keeps a value of each shard. */
  const open = async (cache: CacheOptions = {}, more: CommonOptions = {}) => {
    const client = test.client({ cache, ...more })
    await client.connect()
    for (const slot of slots) await client.execute('SET', [keyIn(slot), 'v'])
    await tracked(client, 3)
    await readAll(client)
    return client
  }
  const readAll = async (client: Client) => {
    for (const slot of slots) await client.execute('GET', [keyIn(slot)])
  }

  it('forgets what comes from a server whose connection is lost, and nothing else', async () => {
    const client = await open()
    expect(counters(client).entries).toBe(3)
    const primary = await test.cluster.primaryOf(slots[0] as number)
    await primary.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    await eventually(() => expect(counters(client)).toMatchObject({ entries: 2, flushes: 1 }))
  })

  it('splits MGET over shards and answers each key from the cache', async () => {
    const client = await open({}, { splitMultiKey: true })
    const keys = slots.map(slot => keyIn(slot))
    const { hits } = counters(client)
    expect(await client.execute('MGET', keys)).toEqual(['v', 'v', 'v'])
    expect(counters(client).hits).toBe(hits + 3)
  })

  it.each([3, 2] as const)(
    'forgets a slot that moves away, and keeps what its new owner says (RESP%i)',
    async protocol => {
      const client = await open({}, { protocol })
      const writer = test.client()
      const slot = (slots[1] as number) + protocol
      const [key, absent] = [keyIn(slot, `moving ${protocol}`), keyIn(slot, `absent ${protocol}`)]
      await writer.execute('SET', [key, 'before'])
      expect(await client.execute('GET', [key])).toBe('before')
      expect(await client.execute('GET', [absent])).toBeNull()
      const from = await test.cluster.primaryOf(slot)
      const to = await test.cluster.primaryOf(slots[0] as number)
      await test.cluster.beginMigration(slot, from, to)
      while ((await test.cluster.migrateKeys(slot, from, to)) > 0);
      await test.cluster.finishMigration(slot, from, to)
      await test.cluster.waitUntilOk(20_000)
      await writer.execute('SET', [key, 'after'])
      await writer.execute('SET', [absent, 'there'])
      // Its old owner has reported that the key is gone; the read of it says that the whole slot is.
      await eventually(async () => expect(await client.execute('GET', [key])).toBe('after'))
      expect(await client.execute('GET', [absent])).toBe('there')
      expect(client.inspect().redirects.moved).toBeGreaterThan(0)
      await eventually(async () => {
        const { hits } = counters(client)
        await client.execute('GET', [key])
        expect(counters(client).hits).toBe(hits + 1)
      })
      await writer.execute('SET', [key, 'last'])
      await eventually(async () => expect(await client.execute('GET', [key])).toBe('last'))
    },
  )

  it('follows a failover', async () => {
    const client = await open()
    const writer = test.client({ timeoutMs: 30_000, maxQueueAgeMs: 30_000 })
    const slot = slots[2] as number
    const key = keyIn(slot)
    const primary = await test.cluster.primaryOf(slot)
    await primary.kill()
    await eventually(() => expect(counters(client)).toMatchObject({ entries: 2, flushes: 1 }))
    await test.cluster.waitUntilOk(30_000)
    await writer.execute('SET', [key, 'after'])
    await eventually(async () => expect(await client.execute('GET', [key])).toBe('after'), 15_000)
    await eventually(async () => {
      const { hits } = counters(client)
      await client.execute('GET', [key])
      expect(counters(client).hits).toBe(hits + 1)
    })
    await writer.execute('SET', [key, 'last'])
    await eventually(async () => expect(await client.execute('GET', [key])).toBe('last'))
    await primary.restart()
    await test.cluster.waitUntilOk(30_000)
  })
})
