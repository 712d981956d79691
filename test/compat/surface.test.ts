// The surface: every name of ioredis that a program can lay hands on is there, and is of the same type.

import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import type { FakeServer } from 'slotwise/testing'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { startScripted } from '../support/scripted.js'
import { describeBoth, implementations, type Untyped } from './support/both.js'

// As a program that has the package installed would load it; slotwise finds itself by its name.
const require = createRequire(new URL('../../package.json', import.meta.url))
const reference = implementations.find(({ name }) => name === 'ioredis') as (typeof implementations)[number]

const builtFolder = dirname(require.resolve('ioredis'))
const builtFiles = readdirSync(builtFolder, { recursive: true, withFileTypes: true })
  .filter(entry => entry.isFile() && entry.name.endsWith('.js'))
  .map(entry => relative(builtFolder, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
  .sort()

let fake: FakeServer

beforeAll(async () => {
  fake = await startScripted(([name]) => (name === 'HELLO' || name === 'CLIENT' ? undefined : '+OK\r\n'))
})

afterAll(() => fake.close())

/** Name to type of everything public on the object and on its prototypes. */
function publicNames(object: Untyped): Record<string, string> {
  const names: Record<string, string> = {}
  for (
    let at = object;
    at !== null && at !== Object.prototype && at !== Function.prototype;
    at = Object.getPrototypeOf(at)
  ) {
    for (const name of Object.getOwnPropertyNames(at)) {
      if (!name.startsWith('_') && name !== 'constructor' && !(name in names)) names[name] = typeof object[name]
    }
  }
  return names
}

/** Those of the names that the object has not, or has as another type. */
function differing(object: Untyped, names: Record<string, string>): string[] {
  return Object.entries(names)
    .map(([name, type]) => [name, type, name in object ? typeof object[name] : 'missing'])
    .filter(([, type, found]) => type !== found)
    .map(([name, type, found]) => `${name}: ${type}, here ${found}`)
}

const commands: string[] = reference.module.prototype.getBuiltinCommands()
const methods = new Set(commands.flatMap(name => [name, `${name}Buffer`]))

/** Private in ioredis' own types, or of the inside of a class that its root does not name. */
const internals = new Set(
  [
    'createScanStream getBlockingTimeoutInMs getConfiguredBlockingTimeout parseOptions reconnectTimeout resetCommandQueue',
    'resetOfflineQueue setSocketTimeout transformed fillResult replyPending clearNodesRefreshInterval connectionPool',
    'createShardedSubscriberGroup delayQueue dnsLookup executeOfflineCommands flushQueue getInfoFromNode handleCloseEvent',
    'invokeReadyDelayedCallbacks isRefreshing natMapper offlineQueue readyCheck resetNodesRefreshInterval resolveSrv',
    'resolveStartupNodeHostnames subscriber connectToSentinel failoverDetector initFailoverDetector resolve resolveMaster',
    'resolveSlave sentinelNatResolve updateSentinels',
  ].flatMap(names => names.split(' ')),
)

describeBoth('surface', ({ name: implementation, module, Redis, Cluster, deviates }) => {
  let made: Untyped[] = []

  function kept(one: Untyped): Untyped {
    made.push(one)
    return one
  }

  const client = (from = module, options: object = {}) =>
    kept(new from.Redis({ host: '127.0.0.1', lazyConnect: true, ...options }))
  const cluster = (from = module, options: object = {}) =>
    kept(new from.Cluster([{ host: '127.0.0.1', port: 1 }], { lazyConnect: true, ...options }))
  const ready = async (from = module) => {
    const redis = client(from, { port: fake.port, enableReadyCheck: false })
    await redis.connect()
    return redis
  }

  afterEach(() => {
    vi.restoreAllMocks()
    for (const one of made) one.disconnect()
    made = []
  })

  describe('of the module', () => {
    let warn: Untyped

    // Reading its `Promise` warns, and what looks at every name reads that one, too.
    beforeEach(() => {
      warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined)
    })

    it('is the Redis constructor, with everything else hung on it', () => {
      expect(typeof module).toBe('function')
      expect(module.default).toBe(module)
      expect(module.Redis).toBe(module)
      expect(Object.keys(module)).toEqual(
        expect.arrayContaining([
          'AbstractConnector',
          'Cluster',
          'Command',
          'Pipeline',
          'Redis',
          'ReplyError',
          'ScanStream',
          'SentinelConnector',
          'SentinelIterator',
          'default',
          'defaultOptions',
          'print',
        ]),
      )
      expect(differing(module, publicNames(reference.module))).toEqual([])
    })

    it('has classes of the names known', () => {
      for (const name of [
        'Redis',
        'Cluster',
        'Command',
        'Pipeline',
        'ScanStream',
        'AbstractConnector',
        'SentinelConnector',
        'SentinelIterator',
        'ReplyError',
      ]) {
        expect(module[name].name, name).toBe(name)
      }
    })

    it('has instances of the names known', () => {
      const redis = client()
      expect(redis.pipeline().constructor.name).toBe('Pipeline')
      expect(redis.multi().constructor.name).toBe('Pipeline')
      expect(redis.scanStream().constructor.name).toBe('ScanStream')
      expect(new module.Command('get').constructor.name).toBe('Command')
      expect(redis).toBeInstanceOf(module)
      expect(cluster()).toBeInstanceOf(module.Cluster)
      expect(redis.isCluster).toBe(false)
      expect(cluster().isCluster).toBe(true)
    })

    it('has statics on Redis, Cluster and Command', () => {
      for (const name of ['Redis', 'Cluster', 'Command', 'Pipeline', 'ScanStream']) {
        expect(differing(module[name], publicNames(reference.module[name])), name).toEqual([])
      }
      expect(Redis.Cluster).toBe(module.Cluster)
      expect(Redis.Command).toBe(module.Command)
    })

    it('is seen by the named imports of ES modules', async () => {
      const file = implementation === 'ioredis' ? require.resolve('ioredis') : require.resolve('slotwise')
      const { stdout } = await promisify(execFile)(process.execPath, [
        '--input-type=module',
        '--eval',
        `import * as all from ${JSON.stringify(pathToFileURL(file).href)}
        import Redis, { Cluster, Command } from ${JSON.stringify(pathToFileURL(file).href)}
        console.log(JSON.stringify([Object.keys(all), Redis === all.Redis, Cluster.name, Command.name]))`,
      ])
      const [names, same, ...classes] = JSON.parse(stdout)
      expect(names).toEqual(
        expect.arrayContaining([
          'AbstractConnector',
          'Cluster',
          'Command',
          'Pipeline',
          'Redis',
          'ReplyError',
          'ScanStream',
          'SentinelConnector',
          'SentinelIterator',
          'default',
          'print',
        ]),
      )
      expect([same, ...classes]).toEqual([true, 'Cluster', 'Command'])
    })

    it('has ReplyError, an Error with a name', () => {
      const error = new module.ReplyError('ERR no')
      expect(error).toBeInstanceOf(Error)
      expect([error.name, error.message]).toEqual(['ReplyError', 'ERR no'])
      expect(String(error)).toBe('ReplyError: ERR no')
    })

    it('has print, a callback that prints', () => {
      const log = vi.spyOn(console, 'log').mockImplementation(() => undefined)
      module.print(null, 'x')
      module.print(undefined, ['a', 'b'])
      module.print(new Error('no'))
      expect(log.mock.calls).toEqual([['Reply: x'], ['Reply: a,b'], ['Error: Error: no']])
    })

    it('has Promise, which warns, and is the one there is', () => {
      expect(module.Promise).toBe(Promise)
      module.Promise = class {}
      expect(module.Promise).toBe(Promise)
      expect(warn).toHaveBeenCalledTimes(3)
      expect(warn.mock.calls[0]?.[0]).toContain('does not support plugging third-party Promise library anymore')
      expect(Object.keys(module)).not.toContain('Promise')
    })

    it('has createClient, which is new Redis', () => {
      const redis = kept(module.createClient({ lazyConnect: true, db: 3 }))
      expect(redis).toBeInstanceOf(module)
      expect([redis.status, redis.options.db]).toEqual(['wait', 3])
    })

    it('is no function to call', () => {
      expect(() => module({ lazyConnect: true })).toThrow(TypeError)
    })
  })

  describe('of instances', () => {
    const pairs: [title: string, from: (from: Untyped) => Untyped][] = [
      ['Redis', from => client(from)],
      ['Cluster', from => cluster(from)],
      ['Pipeline', from => client(from).pipeline()],
      ['a Pipeline in a transaction', from => client(from).multi()],
      ['a Pipeline of a Cluster', from => cluster(from).pipeline()],
      ['Command', from => new from.Command('get', ['k'])],
      ['ScanStream', from => client(from).scanStream()],
      ['AbstractConnector', from => new from.AbstractConnector(5)],
      ['SentinelIterator', from => new from.SentinelIterator([{ host: 'a', port: 1 }])],
      ['SentinelConnector', from => new from.SentinelConnector({ sentinels: [{ host: 'a', port: 1 }], name: 'm' })],
    ]

    for (const [title, from] of pairs) {
      it(`has all the names of ${title}`, () => {
        const names = Object.fromEntries(
          Object.entries(publicNames(from(reference.module)))
            .filter(([name]) => !methods.has(name))
            .filter(([name]) => !(deviates('private-members') && internals.has(name)))
            // Properties that nothing was put into yet are no promise of a type.
            .filter(([, type]) => type !== 'undefined'),
        )
        expect(Object.keys(names).length).toBeGreaterThan(2)
        expect(differing(from(module), names)).toEqual([])
      })
    }

    it('has all the names of Redis that is connected', async () => {
      const names = publicNames(await ready(reference.module))
      expect(names).toMatchObject({
        condition: 'object',
        stream: 'object',
        commandQueue: 'object',
        offlineQueue: 'object',
      })
      for (const name of methods) delete names[name]
      if (deviates('private-members')) for (const name of internals) delete names[name]
      expect(differing(await ready(), names)).toEqual([])
    })

    it('tells its state', async () => {
      const redis = await ready()
      expect(redis.status).toBe('ready')
      expect(redis.mode).toBe('normal')
      expect(redis.autoPipelineQueueSize).toBe(0)
      expect(redis.condition).toMatchObject({ select: 0, subscriber: false })
      expect(redis.stream.writable).toBe(true)
      expect([redis.commandQueue.length, redis.offlineQueue.length]).toEqual([0, 0])
      const reply = redis.echo('x')
      expect(redis.commandQueue.length).toBe(1)
      await reply
      expect(redis.commandQueue.length).toBe(0)
      const lazy = client()
      expect([lazy.status, lazy.offlineQueue.length]).toEqual(['wait', 0])
    })

    for (const [title, from] of pairs.slice(0, 5)) {
      it(`has the methods of all commands on ${title}`, () => {
        const names = Object.fromEntries([...methods].map(name => [name, 'function']))
        expect(Object.keys(names).length).toBeGreaterThan(590)
        expect(differing(from(module), names)).toEqual([])
        const known = new Set(from(module).getBuiltinCommands())
        expect(commands.filter(name => !known.has(name))).toEqual([])
      })
    }

    it('has no scanStream, monitor or end on Cluster, and no then on any of them', () => {
      const one = cluster()
      expect([one.scanStream, one.scanBufferStream, one.monitor, one.end]).toEqual(Array(4).fill(undefined))
      expect([one.then, client().then, client().pipeline().then, client().multi().then]).toEqual(
        Array(4).fill(undefined),
      )
    })

    it('has the methods of EventEmitter', () => {
      for (const one of [client(), cluster()]) {
        const seen: unknown[][] = []
        const listener = (...args: unknown[]) => seen.push(args)
        expect(one.on('mine', listener)).toBe(one)
        expect(one.emit('mine', 1, 2)).toBe(true)
        expect(one.emit('nobody')).toBe(false)
        expect(one.listenerCount('mine')).toBe(1)
        expect(one.eventNames()).toContain('mine')
        expect(one.off('mine', listener)).toBe(one)
        one.once('mine', listener)
        one.emit('mine', 3)
        one.emit('mine', 4)
        expect(seen).toEqual([[1, 2], [3]])
        expect(one.setMaxListeners(50)).toBe(one)
        expect(one.getMaxListeners()).toBe(50)
      }
    })
  })

  describe('of options', () => {
    const fn = expect.any(Function)

    it('has the defaults of Redis', () => {
      const defaults = {
        port: 6379,
        host: 'localhost',
        family: 0,
        connectTimeout: 10000,
        disconnectTimeout: 2000,
        retryStrategy: fn,
        keepAlive: 30000,
        noDelay: true,
        connectionName: null,
        disableClientInfo: false,
        sentinels: null,
        name: null,
        role: 'master',
        sentinelRetryStrategy: fn,
        sentinelReconnectStrategy: fn,
        natMap: null,
        enableTLSForSentinelMode: false,
        updateSentinels: true,
        failoverDetector: false,
        username: null,
        password: null,
        db: 0,
        enableOfflineQueue: true,
        enableReadyCheck: true,
        autoResubscribe: true,
        autoResendUnfulfilledCommands: true,
        lazyConnect: false,
        keyPrefix: '',
        reconnectOnError: null,
        readOnly: false,
        stringNumbers: false,
        protocol: 3,
        replyMapping: 'legacy',
        maxRetriesPerRequest: 20,
        maxLoadingRetryTime: 10000,
        enableAutoPipelining: false,
        autoPipeliningIgnoredCommands: [],
        sentinelMaxConnections: 10,
        blockingTimeoutGrace: 100,
      }
      expect(module.defaultOptions).toEqual(defaults)
      expect(kept(new Redis({ lazyConnect: true })).options).toEqual({ ...defaults, lazyConnect: true })
      expect(reference.module.defaultOptions).toEqual(defaults)
    })

    it('has the defaults of Cluster', () => {
      const defaults = {
        clusterRetryStrategy: fn,
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
        resolveSrv: fn,
        dnsLookup: fn,
        enableAutoPipelining: false,
        autoPipeliningIgnoredCommands: [],
        shardedSubscribers: false,
        lazyConnect: true,
      }
      expect(kept(new Cluster([1], { lazyConnect: true })).options).toEqual(defaults)
    })

    it('has strategies that grow, and stop growing', () => {
      const { retryStrategy, sentinelRetryStrategy, sentinelReconnectStrategy } = module.defaultOptions
      for (const [times, least] of [
        [1, 50],
        [2, 100],
        [5, 800],
        [8, 5000],
        [100, 5000],
      ] as const) {
        for (let i = 0; i < 20; i++) {
          const delay = retryStrategy(times)
          expect(Number.isInteger(delay)).toBe(true)
          expect(delay).toBeGreaterThanOrEqual(least)
          expect(delay).toBeLessThan(least + 200)
        }
      }
      expect([1, 50, 100, 500].map(times => sentinelRetryStrategy(times))).toEqual([10, 500, 1000, 1000])
      expect(sentinelReconnectStrategy(1)).toBe(60000)
      const { clusterRetryStrategy } = cluster().options
      expect([1, 100, 950, 5000].map(times => clusterRetryStrategy(times))).toEqual([102, 300, 2000, 2000])
    })
  })

  describe('of the classes', () => {
    it('may be extended', async () => {
      class Mine extends Redis {
        greet(name: string): Promise<unknown> {
          return (this as Untyped).echo(`hello ${name}`)
        }
      }
      const mine: Untyped = kept(new (Mine as Untyped)({ host: '127.0.0.1', port: fake.port, enableReadyCheck: false }))
      await once(mine, 'ready')
      expect(mine).toBeInstanceOf(Mine)
      expect(mine).toBeInstanceOf(Redis)
      expect(await mine.greet('you')).toBe('OK')
      expect(fake.seen('ECHO').at(-1)).toEqual(['ECHO', 'hello you'])
    })

    it('may have methods of their prototypes replaced', async () => {
      const redis = await ready()
      expect('get' in Redis.prototype && 'getBuffer' in Redis.prototype && 'multi' in Redis.prototype).toBe(true)
      expect('sendCommand' in Redis.prototype && 'connect' in Redis.prototype).toBe(true)
      Redis.prototype.get = async () => 'mine'
      try {
        expect(await redis.get('k')).toBe('mine')
      } finally {
        delete Redis.prototype.get
      }
      expect(await redis.get('k')).toBe('OK')
    })

    it('may be watched at sendCommand, where every command passes, as a Command', async () => {
      const redis = await ready()
      const { sendCommand } = Redis.prototype
      const passed: Untyped[] = []
      Redis.prototype.sendCommand = function (...args: Untyped[]) {
        passed.push(args[0])
        return sendCommand.apply(this, args)
      }
      try {
        expect(await redis.set('k', 1)).toBe('OK')
        await redis.call('Mine', 'a')
        await redis.pipeline().get('k').getBuffer('k').exec()
      } finally {
        Redis.prototype.sendCommand = sendCommand
      }
      expect(passed.map(command => [command.name, command.args])).toEqual([
        ['set', ['k', '1']],
        ['Mine', ['a']],
        ['get', ['k']],
        ['get', ['k']],
      ])
      for (const command of passed) {
        expect(command).toBeInstanceOf(module.Command)
        expect(command.promise).toBeInstanceOf(Promise)
      }
    })

    it('may be watched at connect, which the constructor calls', async () => {
      const { connect } = Redis.prototype
      let calls = 0
      Redis.prototype.connect = function (...args: unknown[]) {
        calls++
        return connect.apply(this, args)
      }
      try {
        const redis = kept(new Redis({ host: '127.0.0.1', port: fake.port, enableReadyCheck: false }))
        expect(calls).toBe(1)
        await once(redis, 'ready')
      } finally {
        Redis.prototype.connect = connect
      }
    })
  })

  describe('of built/', () => {
    const load = (path: string): Untyped => require(`${implementation}/built${path}`)

    /** Those whose exports other packages use. */
    const used = [
      'utils/index',
      'errors/index',
      'Command',
      'Pipeline',
      'Redis',
      'ScanStream',
      'cluster/index',
      'cluster/util',
      'connectors/index',
      'utils/RedisCommander',
      'redis/RedisOptions',
    ]

    it('answers for every file there is', () => {
      expect(builtFiles.length).toBeGreaterThan(40)
      const missing = builtFiles.filter(file => {
        try {
          return !['object', 'function'].includes(typeof load(`/${file}`))
        } catch {
          return true
        }
      })
      // Those that other packages use answer, by the tests below.
      if (deviates('internal-files')) expect(missing.length).toBeLessThan(builtFiles.length / 2 + 5)
      else expect(missing).toEqual([])
    })

    it('answers without the ending, and for folders', () => {
      const missing = builtFiles
        .map(file => `/${file.replace(/\.js$/, '')}`)
        .flatMap(path => (path.endsWith('/index') ? [path, path.slice(0, -'/index'.length)] : [path]))
        .filter(path => {
          try {
            return load(path) === undefined
          } catch {
            return true
          }
        })
      if (deviates('internal-files')) expect(missing.filter(path => used.some(file => path === `/${file}`))).toEqual([])
      else expect(missing).toEqual([])
    })

    for (const file of used) {
      it(`has all that ${file} exports`, () => {
        const theirs = require(`ioredis/built/${file}`)
        const names = Object.fromEntries(Object.keys(theirs).map(name => [name, typeof theirs[name]]))
        expect(differing(load(`/${file}`), names)).toEqual([])
      })
    }

    it('has the same classes as the module', () => {
      expect(load('')).toBe(module)
      expect(load('/index')).toBe(module)
      expect(load('/Redis').default).toBe(module)
      expect(load('/cluster').default).toBe(module.Cluster)
      expect(load('/Command').default).toBe(module.Command)
      expect(load('/Pipeline').default).toBe(module.Pipeline)
      expect(load('/ScanStream').default).toBe(module.ScanStream)
      expect(load('/connectors').SentinelConnector).toBe(module.SentinelConnector)
      expect(load('/redis/RedisOptions').DEFAULT_REDIS_OPTIONS).toBe(module.defaultOptions)
    })

    it('has the errors', () => {
      const { MaxRetriesPerRequestError } = load('/errors')
      const error = new MaxRetriesPerRequestError(3)
      expect(error).toBeInstanceOf(Error)
      expect(error.name).toBe('MaxRetriesPerRequestError')
      expect(error.message).toBe(
        'Reached the max retries per request limit (which is 3). Refer to "maxRetriesPerRequest" option for details.',
      )
      const ClusterAllFailedError = load('/errors/ClusterAllFailedError').default
      const last = new Error('last')
      const failed = new ClusterAllFailedError('all of them', last)
      expect([failed.name, failed.message]).toEqual(['ClusterAllFailedError', 'all of them'])
      expect(failed.lastNodeError).toBe(last)
      expect(ClusterAllFailedError.defaultMessage).toBe('Failed to refresh slots cache.')
    })

    it('has utils that do what they are named for', () => {
      const utils = load('/utils')
      expect(utils.CONNECTION_CLOSED_ERROR_MSG).toBe('Connection is closed.')
      expect(utils.convertBufferToString([Buffer.from('a'), [Buffer.from('b'), 1], null])).toEqual([
        'a',
        ['b', 1],
        null,
      ])
      expect(utils.convertBufferToString(Buffer.from('a'), 'hex')).toBe('61')
      expect(utils.convertBufferToString({ a: Buffer.from('b') }, 'utf8')).toEqual({ a: 'b' })
      const error = new Error('no')
      expect(utils.wrapMultiResult(['a', error, null])).toEqual([[null, 'a'], [error], [null, null]])
      expect(utils.wrapMultiResult(null)).toBe(null)
      expect(['1', 1, '1.5', '', 'a', null].map(utils.isInt)).toEqual([true, true, false, false, false, false])
      expect(utils.packObject(['a', 1, 'b', 2])).toEqual({ a: 1, b: 2 })
      expect(utils.convertObjectToArray({ a: 1, b: 2 })).toEqual(['a', 1, 'b', 2])
      expect(utils.convertMapToArray(new Map([[1, '2']]))).toEqual([1, '2'])
      expect([null, undefined, 1, 2 ** 60, true].map(utils.toArg)).toEqual(['', '', '1', '1152921504606846976', 'true'])
      expect(utils.parseURL('redis://u:p@a.test:6380/3?family=6')).toEqual({
        username: 'u',
        password: 'p',
        host: 'a.test',
        port: '6380',
        db: '3',
        family: 6,
      })
      expect(utils.defaults({ a: 1, b: undefined }, { a: 2, b: 3, c: 4 })).toEqual({ a: 1, b: 3, c: 4 })
      expect(utils.noop()).toBe(undefined)
      expect([...utils.shuffle([1, 2, 3])].sort()).toEqual([1, 2, 3])
      expect([utils.sample([1]), utils.sample([1, 2], 1), utils.sample([])]).toEqual([1, 2, null])
      expect([...utils.zipMap(['a'], [1])]).toEqual([['a', 1]])
      expect(utils.isResp2SubscriberMode({ subscriber: {}, protocol: 2 })).toBe(true)
      expect(utils.isResp2SubscriberMode({ subscriber: {}, protocol: 3 })).toBe(false)
      expect(typeof utils.Debug('x')).toBe('function')
    })

    it('has keys of nodes', () => {
      const { getNodeKey, nodeKeyToRedisOptions, normalizeNodeOptions } = load('/cluster/util')
      expect(getNodeKey({ host: 'a.test', port: 5 })).toBe('a.test:5')
      expect(getNodeKey({})).toBe('127.0.0.1:6379')
      expect(nodeKeyToRedisOptions('::1:5')).toEqual({ host: '::1', port: 5 })
      expect(() => nodeKeyToRedisOptions('a')).toThrow('Invalid node key a')
      expect(normalizeNodeOptions([5, 'a.test:6', { host: 'b.test' }])).toEqual([
        { host: '127.0.0.1', port: 5 },
        { host: 'a.test', port: 6 },
        { host: 'b.test', port: 6379 },
      ])
    })
  })
})
