// Cluster: what its users rely on first, against a real cluster.

import { afterEach, describe, expect, it, vi } from 'vitest'
import { freePorts } from '../../scripts/local-cluster.mjs'
import { failureOf } from '../support/clients.js'
import { eventually, keyIn, useCluster } from '../support/settled.js'
import { describeBoth, type Untyped } from './support/both.js'

const test = useCluster({ primaries: 3, replicasPerPrimary: 0 })
const seeds = () => test.cluster.nodes.map(({ port }) => ({ host: '127.0.0.1', port }))

let made: Untyped[] = []
function kept(cluster: Untyped): Untyped {
  made.push(cluster)
  return cluster
}
afterEach(() => {
  vi.restoreAllMocks()
  for (const cluster of made) cluster.disconnect()
  made = []
})

const next = (emitter: Untyped, event: string) => new Promise(resolve => emitter.once(event, resolve))
const statuses = ['wait', 'connecting', 'connect', 'ready', 'disconnecting', 'close', 'reconnecting', 'end', 'refresh']
function recorded(cluster: Untyped): string[] {
  const seen: string[] = []
  for (const event of statuses) cluster.on(event, () => seen.push(event))
  return seen
}

describeBoth('a Cluster', ({ Redis, Cluster, deviates }) => {
  const open = (options: object = {}, nodes: unknown[] = seeds()) => kept(new Cluster(nodes, options))

  describe('is made', () => {
    it.each([
      ['objects', (port: number) => ({ host: '127.0.0.1', port })],
      ['addresses', (port: number) => `127.0.0.1:${port}`],
      ['URLs', (port: number) => `redis://127.0.0.1:${port}`],
      ['ports', (port: number) => port],
    ])('of %s', async (_, toNode) => {
      const cluster = open({}, [toNode(test.cluster.nodes[0]?.port as number)])
      expect(await cluster.set('k', 'v')).toBe('OK')
      expect(cluster.constructor.name === 'Cluster' || cluster.isCluster).toBe(true)
      expect(cluster.nodes('master')).toHaveLength(3)
    })

    it('as Redis.Cluster, too', () => {
      expect(Redis.Cluster).toBe(Cluster)
    })

    it('with these options by default', () => {
      const { options } = open({ lazyConnect: true })
      expect(options).toMatchObject({
        clusterNodeRetryStrategy: null,
        enableOfflineQueue: true,
        enableReadyCheck: true,
        scaleReads: 'master',
        maxRedirections: 16,
        retryDelayOnMoved: 0,
        retryDelayOnFailover: 100,
        retryDelayOnClusterDown: 100,
        retryDelayOnTryAgain: 100,
        slotsRefreshTimeout: 1000,
        useSRVRecords: false,
        enableAutoPipelining: false,
        autoPipeliningIgnoredCommands: [],
        shardedSubscribers: false,
      })
      expect([1, 10, 950, 951].map(n => options.clusterRetryStrategy(n))).toEqual([102, 120, 2000, 2000])
    })

    it('not with a scaleReads that is none', () => {
      expect(() => open({ scaleReads: 'nobody', lazyConnect: true })).toThrow(
        'Invalid option scaleReads "nobody". Expected "all", "master", "slave" or a custom function',
      )
    })

    it('of no nodes, and ends', async () => {
      const cluster = open({ lazyConnect: true, clusterRetryStrategy: null }, [])
      expect((await failureOf(cluster.connect())).message).toBe('`startupNodes` should contain at least one node.')
      await eventually(() => expect(cluster.status).toBe('end'))
    })

    it('again by duplicate(), with other options', async () => {
      const cluster = open({ redisOptions: { connectionName: 'one', commandTimeout: 3000 }, keyPrefix: 'p:' })
      const other = kept(cluster.duplicate(undefined, { redisOptions: { connectionName: 'two' } }))
      expect(other).not.toBe(cluster)
      expect(other.options.redisOptions).toEqual({ connectionName: 'two', commandTimeout: 3000 })
      expect(other.options.keyPrefix).toBe('p:')
      expect(await other.client('getname')).toBe('two')
    })
  })

  describe('lives', () => {
    it('by these events', async () => {
      const cluster = open({ lazyConnect: true })
      const seen = recorded(cluster)
      expect(cluster.status).toBe('wait')
      const connecting = cluster.connect()
      expect(cluster.status).toBe('connecting')
      expect((await failureOf(cluster.connect())).message).toBe('Redis is already connecting/connected')
      await connecting
      expect(cluster.status).toBe('ready')
      cluster.disconnect()
      expect(cluster.status).toBe('disconnecting')
      await next(cluster, 'end')
      // ioredis closes once for each of its two listeners.
      const once = seen.filter((event, i) => event !== seen[i - 1])
      expect(once).toEqual(['wait', 'connecting', 'refresh', 'connect', 'ready', 'disconnecting', 'close', 'end'])
      expect((await failureOf(cluster.get('k'))).message).toBe('Connection is closed.')
    })

    it('once more after its end', async () => {
      const cluster = open()
      await next(cluster, 'ready')
      cluster.disconnect()
      await next(cluster, 'end')
      await cluster.connect()
      expect(await cluster.set('again', '1')).toBe('OK')
    })

    it('from its first command on, when it is lazy', async () => {
      const cluster = open({ lazyConnect: true })
      expect(await cluster.set('k', 'lazy')).toBe('OK')
      expect(cluster.status).toBe('ready')
    })

    it('until quit(), which says OK', async () => {
      const cluster = open()
      await next(cluster, 'ready')
      const before = cluster.get('k')
      expect(await cluster.quit()).toBe('OK')
      await before
      await eventually(() => expect(cluster.status).toBe('end'))
    })

    it('on nodes, each of which it tells of', async () => {
      const cluster = open()
      const added: number[] = []
      cluster.on('+node', (node: Untyped) => added.push(node.options.port))
      await next(cluster, 'ready')
      await eventually(() => expect(added.sort()).toEqual(test.cluster.nodes.map(({ port }) => port).sort()))
    })
  })

  describe('whose startup nodes do not answer', () => {
    it('says so, asks its strategy, and ends', async () => {
      const [port] = await freePorts(1)
      const strategy = vi.fn((times: number) => (times < 3 ? 10 : null))
      const cluster = open({ clusterRetryStrategy: strategy, lazyConnect: true }, [{ host: '127.0.0.1', port }])
      const errors: Untyped[] = []
      const nodeErrors: unknown[][] = []
      cluster.on('error', (error: Error) => errors.push(error))
      cluster.on('node error', (...args: unknown[]) => nodeErrors.push(args))
      const seen = recorded(cluster)
      const waiting = failureOf(cluster.get('k'))
      expect((await waiting).message).toBe('None of startup nodes is available')
      await eventually(() => expect(cluster.status).toBe('end'))
      expect(strategy.mock.calls.map(([times]) => times)).toEqual([1, 2, 3])
      expect(errors).toHaveLength(3)
      expect(errors[0]).toMatchObject({ name: 'ClusterAllFailedError', message: 'Failed to refresh slots cache.' })
      expect(errors[0].lastNodeError).toBeInstanceOf(Error)
      expect(nodeErrors[0]?.[1]).toBe(`127.0.0.1:${port}`)
      const round = ['connecting', 'close', 'reconnecting']
      expect(seen).toEqual(['wait', ...round, ...round, 'connecting', 'close', 'end'])
    })

    it('rejects connect()', async () => {
      const [port] = await freePorts(1)
      const cluster = open({ clusterRetryStrategy: () => null, lazyConnect: true }, [{ host: '127.0.0.1', port }])
      cluster.on('error', () => undefined)
      expect((await failureOf(cluster.connect())).message).toBe('None of startup nodes is available')
    })

    it('refuses commands without an offline queue', async () => {
      const cluster = open({ enableOfflineQueue: false })
      expect((await failureOf(cluster.get('k'))).message).toBe(
        "Cluster isn't ready and enableOfflineQueue options is false",
      )
    })
  })

  describe('carries out', () => {
    it('commands on all slots, in whatever shape', async () => {
      const cluster = open()
      const keys = Array.from({ length: 300 }, (_, i) => `key:${i}`)
      await Promise.all(keys.map((key, i) => cluster.set(key, i)))
      expect(await Promise.all(keys.map(key => cluster.get(key)))).toEqual(keys.map((_, i) => String(i)))
      expect(await cluster.getBuffer('key:1')).toEqual(Buffer.from('1'))
      expect(await cluster.hset('h', { a: 1, b: 2 })).toBe(2)
      expect(await cluster.hgetall('h')).toEqual({ a: '1', b: '2' })
      expect(await new Promise(resolve => cluster.get('key:2', (_: unknown, value: string) => resolve(value)))).toBe(
        '2',
      )
      expect(await cluster.call('GET', 'key:3')).toBe('3')
      expect(await cluster.ping()).toBe('PONG')
    })

    it('what the server refuses, as its error', async () => {
      const cluster = open()
      const error = await failureOf(cluster.mget(keyIn(1), keyIn(2)))
      expect(error).toMatchObject({
        name: 'ReplyError',
        message: "CROSSSLOT Keys in request don't hash to the same slot",
      })
      expect((error as Untyped).command).toEqual({ name: 'mget', args: [keyIn(1), keyIn(2)] })
    })

    it('commands with a prefix before each key', async () => {
      const [prefixed, plain] = [open({ keyPrefix: 'p:' }), open()]
      await prefixed.set('x', '1')
      expect(await plain.get('p:x')).toBe('1')
      const byNode = open({ redisOptions: { keyPrefix: 'q:' } })
      await byNode.set('x', '2')
      expect(await plain.get('q:x')).toBe('2')
    })

    it('scripts, known to the node or not', async () => {
      const cluster = open({ scripts: { stored: { lua: 'return redis.call("get", KEYS[1])', numberOfKeys: 1 } } })
      cluster.defineCommand('echoed', { lua: 'return {KEYS[1], ARGV[1]}', numberOfKeys: 1 })
      const keys = [keyIn(1), keyIn(8000), keyIn(16_000)]
      for (const key of keys) expect(await cluster.echoed(key, 'a')).toEqual([key, 'a'])
      await cluster.set(keys[0], 'v')
      expect(await cluster.stored(keys[0])).toBe('v')
      await Promise.all(cluster.nodes('master').map((node: Untyped) => node.script('flush')))
      for (const key of keys) expect(await cluster.echoed(key, 'b')).toEqual([key, 'b'])
      const results = await cluster.pipeline().echoed(keys[0], 'c').exec()
      expect(results).toEqual([[null, [keys[0], 'c']]])
    })

    it('scans of one key', async () => {
      const cluster = open()
      await cluster.sadd(
        's',
        Array.from({ length: 500 }, (_, i) => i),
      )
      const found: string[] = []
      for await (const batch of cluster.sscanStream('s')) found.push(...batch)
      expect(new Set(found).size).toBe(500)
    })
  })

  describe('takes pipelines and transactions', () => {
    it('of one slot', async () => {
      const cluster = open()
      const [a, b] = [`{t}a`, `{t}b`]
      expect(await cluster.pipeline().set(a, 1).incr(a).get(b).exec()).toEqual([
        [null, 'OK'],
        [null, 2],
        [null, null],
      ])
      expect(await cluster.multi().set(a, 5).incr(a).hset(`{t}h`, { f: 1 }).hgetall(`{t}h`).exec()).toEqual([
        [null, 'OK'],
        [null, 6],
        [null, expect.any(Number)],
        [null, { f: '1' }],
      ])
      expect(await cluster.multi([['get', a]]).exec()).toEqual([[null, '6']])
    })

    it('of many slots only as pipelines, and then only here', async () => {
      const cluster = open()
      await next(cluster, 'ready')
      const keys = [keyIn(1, 'x'), keyIn(8000, 'x'), keyIn(16_000, 'x')]
      const pipeline = cluster.pipeline()
      for (const [i, key] of keys.entries()) pipeline.set(key, i).get(key)
      if (deviates('pipeline-across-slots')) {
        expect(await pipeline.exec()).toEqual(
          keys.flatMap((_, i) => [
            [null, 'OK'],
            [null, String(i)],
          ]),
        )
      } else {
        expect((await failureOf(pipeline.exec())).message).toBe(
          'All keys in the pipeline should belong to the same slots allocation group',
        )
      }
      const multi = cluster.multi().set(keys[0], 1).set(keys[1], 1)
      expect((await failureOf(multi.exec())).message).toBe(
        'All keys in the pipeline should belong to the same slots allocation group',
      )
    })

    it('with errors among the results', async () => {
      const cluster = open()
      await cluster.set('{e}s', 'text')
      const [[error], second] = await cluster.pipeline().lpush('{e}s', 1).get('{e}s').exec()
      expect(error).toMatchObject({ name: 'ReplyError', message: expect.stringContaining('WRONGTYPE') })
      expect(second).toEqual([null, 'text'])
      const aborted = await failureOf(cluster.multi().set('{e}s').get('{e}s').exec())
      expect(aborted.message).toBe('EXECABORT Transaction discarded because of previous errors.')
      expect((aborted as Untyped).previousErrors).toHaveLength(1)
    })

    it('while the slot moves', async () => {
      const [from, to] = [await test.cluster.primaryOf(300), await test.cluster.primaryOf(16_000)]
      const cluster = open()
      const key = keyIn(300, 'moving')
      await cluster.set(key, '1')
      await test.cluster.beginMigration(300, from, to)
      await test.cluster.migrateKeys(300, from, to)
      expect(await cluster.get(key)).toBe('1')
      await test.cluster.finishMigration(300, from, to)
      expect(await cluster.pipeline().incr(key).get(key).exec()).toEqual([
        [null, 2],
        [null, '2'],
      ])
      expect(await cluster.multi().incr(key).get(key).exec()).toEqual([
        [null, 3],
        [null, '3'],
      ])
      await test.cluster.beginMigration(300, to, from)
      await test.cluster.migrateKeys(300, to, from)
      await test.cluster.finishMigration(300, to, from)
    })
  })

  describe('has nodes', () => {
    it('that are Redis objects', async () => {
      const cluster = open()
      await next(cluster, 'ready')
      const masters = cluster.nodes('master')
      expect(masters).toHaveLength(3)
      expect(cluster.nodes('slave')).toEqual([])
      expect(cluster.nodes()).toHaveLength(3)
      expect(() => cluster.nodes('none')).toThrow('Invalid role "none". Expected "all", "master" or "slave"')
      await Promise.all(masters.map((node: Untyped) => node.flushall()))
      await Promise.all(Array.from({ length: 90 }, (_, i) => cluster.set(`n:${i}`, i)))
      const sizes = await Promise.all(masters.map((node: Untyped) => node.dbsize()))
      expect(sizes.reduce((sum: number, size: number) => sum + size)).toBe(90)
      for (const node of masters) {
        expect(node).toBeInstanceOf(Redis)
        expect(node.status).toBe('ready')
        const keys: string[] = []
        for await (const batch of node.scanStream()) keys.push(...batch)
        expect(new Set(keys).size).toBe(await node.dbsize())
        const [[, info]] = await node.pipeline().info('server').exec()
        expect(info).toContain(`tcp_port:${node.options.port}`)
      }
      const own = await failureOf(masters[0].get(await foreignKey(masters[0])))
      expect(own.message).toMatch(/^MOVED /)
    })

    async function foreignKey(node: Untyped): Promise<string> {
      for (const slot of [1, 8000, 16_000]) {
        const primary = await test.cluster.primaryOf(slot)
        if (primary.port !== node.options.port) return keyIn(slot, 'foreign')
      }
      throw new Error('no foreign slot')
    }

    it('that serve slots, as it tells', async () => {
      const cluster = open()
      await next(cluster, 'ready')
      expect(cluster.slots).toHaveLength(16_384)
      const owner = await test.cluster.primaryOf(1)
      expect(cluster.slots[1]).toEqual([`127.0.0.1:${owner.port}`])
      expect(cluster._groupsBySlot[1]).toBe(cluster._groupsIds[`127.0.0.1:${owner.port}`])
    })

    it('whose slots can be asked for', async () => {
      const cluster = open()
      await next(cluster, 'ready')
      const refreshed = next(cluster, 'refresh')
      expect(await new Promise(resolve => cluster.refreshSlotsCache((error?: Error) => resolve(error)))).toBeUndefined()
      await refreshed
    })

    it('reached by other addresses', async () => {
      const asked: string[] = []
      const natMap = (key: string) => {
        asked.push(key)
        const port = Number(key.split(':')[1])
        return { host: 'localhost', port }
      }
      const cluster = open({ natMap })
      expect(await cluster.set('nat', '1')).toBe('OK')
      expect(cluster.nodes('master').map((node: Untyped) => node.options.host)).toEqual(Array(3).fill('localhost'))
      expect(asked.length).toBeGreaterThan(2)
    })

    it('whose names are looked up by its own function', async () => {
      const dnsLookup = vi.fn((_name: string, callback: (error: null, address: string) => void) =>
        callback(null, '127.0.0.1'),
      )
      const cluster = open({ dnsLookup }, [{ host: 'nodes.test', port: test.cluster.nodes[0]?.port }])
      expect(await cluster.set('dns', '1')).toBe('OK')
      expect(dnsLookup.mock.calls[0]?.[0]).toBe('nodes.test')
    })
  })
})
