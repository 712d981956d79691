// Client-side caching on real servers: what is answered from the cache, and what takes it out.

import type { CacheMode, CacheOptions, Client, CommonOptions } from 'slotwise/core'
import { beforeAll, describe, expect, it } from 'vitest'
import { LocalServer } from '../../scripts/local-cluster.mjs'
import { useClients } from '../support/clients.js'
import { eventually } from '../support/settled.js'

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
})
