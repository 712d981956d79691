// What a Cluster is made of: startup nodes, options and their defaults, the options of its nodes, names and addresses, duplicate().

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { array, bulk, type FakeServer, type Handler } from 'slotwise/testing'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { freePorts, LocalCluster } from '../../scripts/local-cluster.mjs'
import { makeTestCertificates, type TestCertificates } from '../../scripts/local-tls.mjs'
import { failureOf } from '../support/clients.js'
import { startScripted } from '../support/scripted.js'
import { eventually, keyIn, useCluster } from '../support/settled.js'
import { describeBoth, type Untyped } from './support/both.js'

const test = useCluster({ primaries: 3, replicasPerPrimary: 0 })
const ports = () => test.cluster.nodes.map(({ port }) => port)
const seeds = () => ports().map(port => ({ host: '127.0.0.1', port }))
const onePort = () => ports()[0] as number
/** One key for each of the three nodes. */
const spread = [keyIn(1, 'o'), keyIn(8000, 'o'), keyIn(16_000, 'o')] as const

const made: Untyped[] = []
const servers: { close(): unknown }[] = []

/** Disconnected after the test, and its errors are not for the console. */
function kept(cluster: Untyped): Untyped {
  made.push(cluster.on('error', () => undefined))
  return cluster
}

afterEach(async () => {
  vi.restoreAllMocks()
  for (const cluster of made.splice(0)) cluster.disconnect()
  for (const server of servers.splice(0)) await server.close()
})

const next = (emitter: Untyped, event: string) => new Promise<Untyped>(resolve => emitter.once(event, resolve))

/** A scripted node; the handler goes first, and what every client asks has an answer. */
async function scripted(handler: Handler = () => undefined): Promise<FakeServer> {
  const server = await startScripted((command, connection) => {
    const own = handler(command, connection)
    if (own !== undefined) return own
    const [name, subcommand] = command
    if (name === 'CLUSTER' && subcommand === 'INFO') return bulk('cluster_state:ok\r\n')
    return { INFO: bulk('loading:0\r\n'), GET: bulk(`from ${server.port}`), SET: '+OK\r\n' }[name as string]
  })
  server.layout = [[0, 16_383, server.port]]
  servers.push(server)
  return server
}

/** CLUSTER SLOTS of one node that calls itself so. */
const servedBy = (host: string, port: number) =>
  array([array([':0\r\n', ':16383\r\n', array([bulk(host), `:${port}\r\n`, bulk('id')])])])
const asksForSlots = ([name, subcommand]: string[]) => name === 'CLUSTER' && subcommand?.toUpperCase() === 'SLOTS'

describeBoth('the startup nodes of a Cluster', ({ Cluster, deviates }) => {
  const open = (nodes: unknown, options: object = {}) => kept(new Cluster(nodes, options))

  it.each<[string, (port: number) => unknown]>([
    ['a number', port => port],
    ['a number as a string', port => String(port)],
    ['host:port', port => `127.0.0.1:${port}`],
    ['//host:port', port => `//127.0.0.1:${port}`],
    ['a name and a port', port => `localhost:${port}`],
    ['a URL', port => `redis://127.0.0.1:${port}`],
    ['a URL with a database, of which a cluster has one', port => `redis://127.0.0.1:${port}/5`],
    ['a URL with options', port => `redis://127.0.0.1:${port}?family=4`],
    ['an object', port => ({ host: '127.0.0.1', port })],
    ['an object with its port as a string', port => ({ host: '127.0.0.1', port: String(port) })],
    ['an object without a host', port => ({ port })],
    ['an object with a database', port => ({ host: '127.0.0.1', port, db: 3 })],
  ])('may be %s', async (_, toNode) => {
    const cluster = open([toNode(onePort())])
    expect(await Promise.all(spread.map(key => cluster.set(key, 'v')))).toEqual(['OK', 'OK', 'OK'])
    const nodes = cluster.nodes('master')
    expect(nodes.map(({ options }: Untyped) => options.port).sort()).toEqual(ports().sort())
    expect(nodes.map(({ options }: Untyped) => [options.host, options.db])).toEqual(Array(3).fill(['127.0.0.1', 0]))
  })

  it('may be of all kinds at once', async () => {
    const [a, b, c] = ports()
    const cluster = open([a, `127.0.0.1:${b}`, { host: '127.0.0.1', port: c }])
    expect(await cluster.set('k', 'v')).toBe('OK')
  })

  it('may be dead but for one', async () => {
    const cluster = open([...(await freePorts(2)), onePort()])
    expect(await cluster.set('k', 'v')).toBe('OK')
    expect(
      cluster
        .nodes()
        .map(({ options }: Untyped) => options.port)
        .sort(),
    ).toEqual(ports().sort())
  })

  it('are left as they were given', async () => {
    const nodes = [{ port: onePort() }, `127.0.0.1:${ports()[1]}`]
    const cluster = open(nodes)
    await cluster.ping()
    expect(nodes).toEqual([{ port: onePort() }, `127.0.0.1:${ports()[1]}`])
  })

  it('bring options of their own, which are for that node alone', async () => {
    const redisOptions = { connectionName: 'common' }
    const cluster = open([{ host: '127.0.0.1', port: onePort(), connectionName: 'special' }], { redisOptions })
    await next(cluster, 'ready')
    const named = await Promise.all(
      cluster.nodes().map(async (node: Untyped) => [node.options.port, await node.client('GETNAME')]),
    )
    expect(Object.fromEntries(named)).toEqual(
      Object.fromEntries(
        ports().map(port => [port, port === onePort() && !deviates('startup-node-options') ? 'special' : 'common']),
      ),
    )
  })

  it.each([
    ['an empty list', []],
    ['no list', undefined],
    ['a node that is no list', { port: 1 }],
  ])('must not be %s', async (_, nodes) => {
    const strategy = vi.fn(() => null)
    const cluster = open(nodes, { lazyConnect: true, clusterRetryStrategy: strategy })
    const errors: unknown[] = []
    cluster.on('error', (error: unknown) => errors.push(error))
    const error = await failureOf(cluster.connect())
    expect(error).toMatchObject({ name: 'Error', message: '`startupNodes` should contain at least one node.' })
    expect(strategy.mock.calls).toEqual([[1, error]])
    await next(cluster, 'end')
    expect([cluster.status, errors]).toEqual(['end', []])
  })

  it('must not be of another type', async () => {
    const strategy = vi.fn((times: number) => (times < 3 ? 1 : null))
    const cluster = open([true], { lazyConnect: true, clusterRetryStrategy: strategy })
    const error = await failureOf(cluster.connect())
    expect(error).toMatchObject({ name: 'Error', message: 'Invalid argument true' })
    await next(cluster, 'end')
    expect(strategy.mock.calls.map(([times, reason]: Untyped) => [times, reason.message])).toEqual([
      [1, error.message],
      [2, error.message],
      [3, error.message],
    ])
  })

  it('do not make the constructor throw', async () => {
    const cluster = open([], { clusterRetryStrategy: null })
    expect(cluster.status).toBe('connecting')
    await next(cluster, 'end')
  })

  it('may be replaced by the strategy that is asked when none of them answers', async () => {
    const cluster = open(await freePorts(1), {
      lazyConnect: true,
      clusterRetryStrategy(this: Untyped) {
        this.startupNodes = seeds()
        return 1
      },
    })
    await failureOf(cluster.connect())
    await next(cluster, 'ready')
    expect(await cluster.set('k', 'v')).toBe('OK')
  })
})

describeBoth('the options of a Cluster', ({ Cluster }) => {
  const lazy = (options: object = {}) => kept(new Cluster(seeds(), { lazyConnect: true, ...options }))
  const open = (options: object = {}) => kept(new Cluster(seeds(), options))

  it('are these by default', () => {
    const { clusterRetryStrategy, dnsLookup, resolveSrv, ...options } = lazy().options
    expect(options).toEqual({
      lazyConnect: true,
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
    expect([typeof dnsLookup, typeof resolveSrv]).toEqual(['function', 'function'])
    expect([1, 2, 100, 949, 950, 951].map(times => clusterRetryStrategy(times))).toEqual([
      102, 104, 300, 1998, 2000, 2000,
    ])
  })

  it('keep what was given, the unknown included, and do not change what was given', () => {
    const given = {
      maxRedirections: 3,
      retryDelayOnFailover: 1,
      clusterRetryStrategy: null,
      madeUp: { a: 1 },
      scaleReads: undefined,
    }
    const before = { ...given }
    const cluster = kept(new Cluster(seeds(), Object.assign(given, { lazyConnect: true })))
    expect(cluster.options).not.toBe(given)
    expect(cluster.options).toMatchObject({ ...before, scaleReads: 'master', lazyConnect: true })
    expect(given).toEqual({ ...before, lazyConnect: true })
  })

  it('hold no more of redisOptions than there was', () => {
    const redisOptions = { connectionName: 'x', maxRetriesPerRequest: null }
    const { options } = lazy({ redisOptions })
    expect(options.redisOptions).toBe(redisOptions)
    expect(options.redisOptions).toEqual({ connectionName: 'x', maxRetriesPerRequest: null })
    expect(lazy().options.redisOptions).toBeUndefined()
  })

  it.each(['master', 'slave', 'all', () => undefined])('may have scaleReads: %s', scaleReads => {
    expect(lazy({ scaleReads }).options.scaleReads).toBe(scaleReads)
  })

  it.each(['nobody', 'MASTER', '', null, 1])('may not have scaleReads: %j', scaleReads => {
    const message = `Invalid option scaleReads "${scaleReads}". Expected "all", "master", "slave" or a custom function`
    expect(() => lazy({ scaleReads })).toThrow(new Error(message))
  })

  it.each([
    { enableAutoPipelining: true, autoPipeliningIgnoredCommands: ['get'] },
    { clusterNodeRetryStrategy: () => 100 },
    { slotsRefreshTimeout: 500, slotsRefreshInterval: 5000 },
    { showFriendlyErrorStack: true },
    { redisOptions: { enableReadyCheck: false } },
    { redisOptions: { protocol: 2 } },
    { redisOptions: { maxRetriesPerRequest: null, enableOfflineQueue: false } },
    { redisOptions: { noDelay: false, keepAlive: 1000, connectTimeout: 5000, family: 4 } },
    { enableReadyCheck: false },
  ])('may be %j', async options => {
    const cluster = open(options)
    expect(await Promise.all(spread.map(key => cluster.set(key, 'v')))).toEqual(['OK', 'OK', 'OK'])
    expect(cluster.options).toMatchObject(options)
  })

  it('make it wait for its first use, or not', async () => {
    const waiting = lazy()
    expect([waiting.status, waiting.slots, waiting.nodes()]).toEqual(['wait', [], []])
    expect(open().status).toBe('connecting')
    expect(open({ lazyConnect: false }).status).toBe('connecting')
  })

  it('are seen on an object of the class Cluster', () => {
    const cluster = lazy()
    expect(cluster).toBeInstanceOf(Cluster)
    expect([Cluster.name, cluster.isCluster]).toEqual(['Cluster', true])
    expect(() => Cluster(seeds(), { lazyConnect: true })).toThrow(TypeError)
  })

  it('give it scripts', async () => {
    const cluster = open({ scripts: { both: { lua: 'return {KEYS[1], ARGV[1]}', numberOfKeys: 1, readOnly: true } } })
    expect(await cluster.both('k', 'a')).toEqual(['k', 'a'])
    expect(await cluster.bothBuffer('k', 'a')).toEqual([Buffer.from('k'), Buffer.from('a')])
  })

  describe('that name a prefix', () => {
    it('for its own commands, and not for those of its nodes', async () => {
      const [cluster, plain] = [open({ keyPrefix: '{p}:' }), open()]
      expect(cluster.options.keyPrefix).toBe('{p}:')
      await cluster.set('x', 'own')
      expect(await plain.get('{p}:x')).toBe('own')
      expect(new Set(cluster.nodes().map(({ options }: Untyped) => options.keyPrefix))).toEqual(new Set(['']))
      const found = await Promise.all(cluster.nodes().map((node: Untyped) => node.get('{p}:x').catch(() => 'moved')))
      expect(found.sort()).toEqual(['moved', 'moved', 'own'])
    })

    it('in redisOptions, for both', async () => {
      const [cluster, plain] = [open({ redisOptions: { keyPrefix: '{q}:' } }), open()]
      expect(cluster.options.keyPrefix).toBe('{q}:')
      await cluster.set('x', 'both')
      expect(await plain.get('{q}:x')).toBe('both')
      expect(await plain.get('{q}:{q}:x')).toBeNull()
      expect(new Set(cluster.nodes().map(({ options }: Untyped) => options.keyPrefix))).toEqual(new Set(['{q}:']))
      const found = await Promise.all(cluster.nodes().map((node: Untyped) => node.get('x').catch(() => 'moved')))
      expect(found.sort()).toEqual(['both', 'moved', 'moved'])
    })

    it('in both places, of which its own counts', async () => {
      const [cluster, plain] = [open({ keyPrefix: '{own}:', redisOptions: { keyPrefix: '{node}:' } }), open()]
      expect(cluster.options.keyPrefix).toBe('{own}:')
      await cluster.set('x', '1')
      expect([await plain.get('{own}:x'), await plain.get('{node}:x')]).toEqual(['1', null])
    })
  })

  describe('that are for its nodes', () => {
    it('reach each of them', async () => {
      const redisOptions = {
        connectionName: 'of-a-node',
        commandTimeout: 7000,
        connectTimeout: 4321,
        maxRetriesPerRequest: null,
        stringNumbers: true,
        protocol: 2,
      }
      const cluster = open({ redisOptions })
      await next(cluster, 'ready')
      for (const node of cluster.nodes()) {
        expect(node.options).toMatchObject(redisOptions)
        expect(await node.client('GETNAME')).toBe('of-a-node')
      }
      expect(await Promise.all(spread.map(key => cluster.append(key, 'x').then((n: unknown) => typeof n)))).toEqual(
        Array(3).fill('string'),
      )
    })

    it('cannot change what a node of a cluster must be', async () => {
      const redisOptions = {
        enableOfflineQueue: false,
        retryStrategy: () => 10,
        host: 'nowhere',
        port: 1,
      }
      const cluster = open({ redisOptions })
      await next(cluster, 'ready')
      for (const { options } of cluster.nodes()) {
        expect(options).toMatchObject({
          host: '127.0.0.1',
          lazyConnect: true,
          enableOfflineQueue: true,
          retryStrategy: null,
          readOnly: false,
        })
        expect(ports()).toContain(options.port)
      }
    })

    it('have the defaults of a Redis otherwise', async () => {
      const cluster = open()
      await next(cluster, 'ready')
      for (const { options } of cluster.nodes()) {
        expect(options).toMatchObject({ connectTimeout: 10_000, maxRetriesPerRequest: 20, db: 0, keyPrefix: '' })
        expect([options.password, options.username, options.connectionName]).toEqual([null, null, null])
      }
    })

    it('limit the time of a command', async () => {
      const server = await scripted(([name]) => (name === 'GET' ? '' : undefined))
      const cluster = kept(new Cluster([server.port], { redisOptions: { commandTimeout: 50 } }))
      expect(await failureOf(cluster.get('k'))).toMatchObject({ name: 'Error', message: 'Command timed out' })
    })

    it('log every connection in', async () => {
      const server = await scripted()
      const redisOptions = { username: 'me', password: 'secret' }
      const cluster = kept(new Cluster([server.port], { redisOptions }))
      await cluster.set('k', 'v')
      const greetings = server.commands
        .filter(([name]) => name === 'HELLO' || name === 'AUTH')
        .map(words => words.join(' '))
      expect(greetings).toContain('HELLO 3 AUTH me secret')
      expect(new Set(greetings.filter(text => text !== 'AUTH me secret'))).toEqual(new Set(['HELLO 3 AUTH me secret']))
      expect(greetings).toHaveLength(server.accepted)
    })

    it('log in by the URL of a startup node', async () => {
      const server = await scripted()
      const cluster = kept(new Cluster([`redis://me:s%20t@127.0.0.1:${server.port}`]))
      await cluster.set('k', 'v')
      expect(server.seen('HELLO')[0]).toEqual(['HELLO', '3', 'AUTH', 'me', 's t'])
    })
  })
})

describeBoth('the names and addresses of a Cluster', ({ Cluster }) => {
  const answering = () =>
    vi.fn((_name: string, callback: (error: Error | null, address?: string) => void) => callback(null, '127.0.0.1'))

  it('are looked up by its own function, each name once', async () => {
    const dnsLookup = answering()
    const [a, b, c] = ports()
    const nodes = [
      { host: 'one.test', port: a },
      `one.test:${b}`,
      `redis://two.test:${c}`,
      { host: '127.0.0.1', port: a },
    ]
    const cluster = kept(new Cluster(nodes, { dnsLookup }))
    expect(await cluster.set('k', 'v')).toBe('OK')
    expect(dnsLookup.mock.calls.map(([name]) => name).sort()).toEqual(['one.test', 'two.test'])
    expect(new Set(cluster.nodes().map(({ options }: Untyped) => options.host))).toEqual(new Set(['127.0.0.1']))
  })

  it('are looked up again at each connect()', async () => {
    const [port] = await freePorts(1)
    const dnsLookup = answering()
    const options = { dnsLookup, clusterRetryStrategy: (times: number) => (times < 3 ? 1 : null), lazyConnect: true }
    const cluster = kept(new Cluster([{ host: 'dead.test', port }], options))
    await failureOf(cluster.connect())
    await next(cluster, 'end')
    expect(dnsLookup.mock.calls.map(([name]) => name)).toEqual(['dead.test', 'dead.test', 'dead.test'])
  })

  it('are not looked up where an address was given', async () => {
    const dnsLookup = answering()
    const cluster = kept(new Cluster(seeds(), { dnsLookup }))
    await cluster.ping()
    expect(dnsLookup).not.toHaveBeenCalled()
  })

  it('are a reason not to connect when they are not found', async () => {
    const notFound = Object.assign(new Error('getaddrinfo ENOTFOUND no.test'), { code: 'ENOTFOUND' })
    const strategy = vi.fn(() => null)
    const options = {
      dnsLookup: (_: string, callback: (error: Error) => void) => callback(notFound),
      clusterRetryStrategy: strategy,
      lazyConnect: true,
    }
    const cluster = kept(new Cluster([{ host: 'no.test', port: 1 }, onePort()], options))
    const errors: unknown[] = []
    cluster.on('error', (error: unknown) => errors.push(error))
    expect(await failureOf(cluster.connect())).toBe(notFound)
    expect(strategy.mock.calls).toEqual([[1, notFound]])
    await next(cluster, 'end')
    expect(errors).toEqual([])
  })

  it('are as the nodes call themselves, with ElastiCache’s way to connect', async () => {
    const server = await scripted(command => (asksForSlots(command) ? servedBy('localhost', server.port) : undefined))
    const dnsLookup = vi.fn((name: string, callback: (error: null, address: string) => void) => callback(null, name))
    const cluster = kept(new Cluster([{ host: 'localhost', port: server.port }], { dnsLookup }))
    expect(await cluster.get('k')).toBe(`from ${server.port}`)
    expect(dnsLookup.mock.calls.map(([name]) => name)).toEqual(['localhost'])
    expect(cluster.nodes().map(({ options }: Untyped) => options.host)).toEqual(['localhost'])
    expect(cluster.slots[0]).toEqual([`localhost:${server.port}`])
  })

  describe('come from SRV records', () => {
    const record = (name: string, port: number, priority = 1, weight = 1) => ({ name, port, priority, weight })

    it('if it is told so', async () => {
      const dnsLookup = answering()
      const resolveSrv = vi.fn((_: string, callback: (error: null, records: unknown[]) => void) =>
        callback(null, [record('node.test', onePort())]),
      )
      const cluster = kept(new Cluster([{ host: 'srv.test' }], { useSRVRecords: true, resolveSrv, dnsLookup }))
      expect(await cluster.set('k', 'v')).toBe('OK')
      expect(resolveSrv.mock.calls.map(([name]) => name)).toEqual(['srv.test'])
      expect(dnsLookup.mock.calls.map(([name]) => name)).toEqual(['node.test'])
    })

    it('by their priority, and the next one when a name is not found', async () => {
      const asked: string[] = []
      const options = {
        useSRVRecords: true,
        resolveSrv: (_: string, callback: (error: null, records: unknown[]) => void) =>
          callback(null, [
            record('third.test', 3, 30),
            record('second.test', onePort(), 20),
            record('first.test', 1, 10),
          ]),
        dnsLookup: (name: string, callback: (error: Error | null, address?: string) => void) => {
          asked.push(name)
          if (name === 'first.test') callback(new Error('not found'))
          else callback(null, '127.0.0.1')
        },
      }
      const cluster = kept(new Cluster([{ host: 'srv.test' }], options))
      expect(await cluster.set('k', 'v')).toBe('OK')
      expect(asked).toEqual(['first.test', 'second.test'])
    })

    it('and fail with them', async () => {
      const failed = new Error('querySrv ENOTFOUND srv.test')
      const options = {
        useSRVRecords: true,
        resolveSrv: (_: string, callback: (error: Error) => void) => callback(failed),
        clusterRetryStrategy: null,
        lazyConnect: true,
      }
      const cluster = kept(new Cluster([{ host: 'srv.test' }], options))
      expect(await failureOf(cluster.connect())).toBe(failed)
    })
  })

  describe('are replaced where they do not lead here', () => {
    const inside = (port: number) => `10.99.0.1:${port}`
    /** A server that calls itself by an address nobody reaches. */
    const hidden = async () => {
      const server = await scripted(command => (asksForSlots(command) ? servedBy('10.99.0.1', server.port) : undefined))
      return server
    }

    it('by an object', async () => {
      const server = await hidden()
      const natMap = { [inside(server.port)]: { host: '127.0.0.1', port: server.port } }
      const cluster = kept(new Cluster([server.port], { natMap }))
      expect(await cluster.get('k')).toBe(`from ${server.port}`)
      expect(cluster.slots[5]).toEqual([`127.0.0.1:${server.port}`])
      expect(cluster.nodes().map(({ options }: Untyped) => options.host)).toEqual(['127.0.0.1'])
      expect(natMap).toEqual({ [inside(server.port)]: { host: '127.0.0.1', port: server.port } })
    })

    it('by a function', async () => {
      const server = await hidden()
      const natMap = vi.fn((key: string) =>
        key === inside(server.port) ? { host: 'localhost', port: server.port } : null,
      )
      const cluster = kept(new Cluster([server.port], { natMap }))
      expect(await cluster.get('k')).toBe(`from ${server.port}`)
      expect(cluster.slots[5]).toEqual([`localhost:${server.port}`])
      expect(new Set(natMap.mock.calls.map(([key]) => key))).toEqual(new Set([inside(server.port)]))
    })

    it.each([
      ['an object', {}],
      ['a function', () => null],
    ])('and stay what they are without an entry in %s', async (_, natMap) => {
      const cluster = kept(new Cluster(seeds(), { natMap }))
      expect(await Promise.all(spread.map(key => cluster.set(key, 'v')))).toEqual(['OK', 'OK', 'OK'])
      expect(new Set(cluster.nodes().map(({ options }: Untyped) => options.host))).toEqual(new Set(['127.0.0.1']))
    })
  })
})

describeBoth('a Cluster with TLS and a password', ({ Cluster }) => {
  let dir: string
  let certificates: TestCertificates
  let secured: LocalCluster

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'slotwise-cluster-tls-'))
    certificates = makeTestCertificates(dir)
    const { ca, server } = certificates
    secured = await LocalCluster.start({
      primaries: 1,
      replicasPerPrimary: 0,
      requirepass: 'secret',
      tls: { ...server, ca },
    })
  })
  afterAll(async () => {
    await secured?.stop()
    rmSync(dir, { recursive: true, force: true })
  })

  const read = (file: string) => readFileSync(file)
  const options = (more: object = {}) => ({
    password: 'secret',
    tls: { ca: read(certificates.ca), cert: read(certificates.client.cert), key: read(certificates.client.key) },
    ...more,
  })
  const port = () => secured.nodes[0]?.port as number

  it('connects by redisOptions', async () => {
    const cluster = kept(new Cluster([{ host: '127.0.0.1', port: port() }], { redisOptions: options() }))
    expect(await cluster.set('k', 'v')).toBe('OK')
    const [node] = cluster.nodes()
    expect([node.stream.encrypted, node.stream.authorized]).toEqual([true, true])
  })

  it('connects by the options of its startup nodes', async () => {
    const cluster = kept(new Cluster([{ host: '127.0.0.1', port: port(), ...options() }]))
    expect(await cluster.set('k', 'v')).toBe('OK')
  })

  it('fails as a whole with a wrong password', async () => {
    const redisOptions = options({ password: 'wrong' })
    const cluster = kept(new Cluster([port()], { redisOptions, clusterRetryStrategy: null, lazyConnect: true }))
    const failed = next(cluster, 'error')
    expect((await failureOf(cluster.connect())).message).toBe('None of startup nodes is available')
    const { name, message, lastNodeError } = await failed
    expect({ name, message }).toEqual({ name: 'ClusterAllFailedError', message: 'Failed to refresh slots cache.' })
    expect(lastNodeError).toBeInstanceOf(Error)
  })
})

describeBoth('duplicate() of a Cluster', ({ Cluster }) => {
  const lazy = (options: object = {}, nodes: unknown[] = seeds()) =>
    kept(new Cluster(nodes, { lazyConnect: true, ...options }))

  it('has the same startup nodes and options, and connections of its own', async () => {
    const cluster = kept(new Cluster(seeds(), { maxRedirections: 5, redisOptions: { connectionName: 'c' } }))
    await cluster.set('k', 'v')
    const other = kept(cluster.duplicate())
    expect(other).toBeInstanceOf(Cluster)
    expect(other).not.toBe(cluster)
    expect(other.options).toEqual(cluster.options)
    expect(other.options).not.toBe(cluster.options)
    expect(other.status).toBe('connecting')
    expect(await other.get('k')).toBe('v')
    cluster.disconnect()
    expect(await other.get('k')).toBe('v')
  })

  it('is lazy if the first one was', async () => {
    const cluster = lazy()
    const other = kept(cluster.duplicate())
    expect(other.status).toBe('wait')
    expect(await other.set('k', 'lazy')).toBe('OK')
    expect(cluster.status).toBe('wait')
  })

  it.each([[undefined], [[]]])('keeps the startup nodes for %j', async nodes => {
    const other = kept(lazy().duplicate(nodes, { lazyConnect: false }))
    expect(await other.set('k', 'v')).toBe('OK')
  })

  it('takes other startup nodes', async () => {
    const server = await scripted()
    const other = kept(lazy().duplicate([server.port]))
    expect(await other.get('k')).toBe(`from ${server.port}`)
  })

  it('merges redisOptions, and replaces the rest, as BullMQ wants it', async () => {
    const cluster = lazy({
      keyPrefix: 'p:',
      slotsRefreshTimeout: 800,
      redisOptions: { connectionName: 'one', commandTimeout: 3000, tls: undefined },
    })
    const other = kept(
      cluster.duplicate(undefined, {
        slotsRefreshTimeout: 900,
        redisOptions: { connectionName: 'two', maxRetriesPerRequest: null },
      }),
    )
    expect(other.options).toMatchObject({ keyPrefix: 'p:', slotsRefreshTimeout: 900, lazyConnect: true })
    expect(other.options.redisOptions).toEqual({
      connectionName: 'two',
      commandTimeout: 3000,
      maxRetriesPerRequest: null,
      tls: undefined,
    })
    expect(cluster.options.redisOptions).toEqual({ connectionName: 'one', commandTimeout: 3000, tls: undefined })
    expect(await other.client('GETNAME')).toBe('two')
  })

  it('takes redisOptions where there were none', async () => {
    const other = kept(lazy().duplicate([], { redisOptions: { connectionName: 'three' } }))
    expect(other.options.redisOptions).toEqual({ connectionName: 'three' })
    expect(await other.client('GETNAME')).toBe('three')
  })

  it('knows the scripts of the options, and not those that came later', async () => {
    const cluster = lazy({ scripts: { early: { lua: 'return 1', numberOfKeys: 0 } } })
    cluster.defineCommand('late', { lua: 'return 2', numberOfKeys: 0 })
    const other = kept(cluster.duplicate())
    expect([typeof other.early, typeof other.late]).toEqual(['function', 'undefined'])
    expect(await other.early()).toBe(1)
  })

  it('lives on when the first one has ended', async () => {
    const cluster = lazy()
    cluster.disconnect()
    expect(cluster.status).toBe('end')
    const other = kept(cluster.duplicate())
    expect(await other.ping()).toBe('PONG')
    await eventually(() => expect(other.status).toBe('ready'))
  })
})
