// Constructing a client: what may be given, what becomes of it in `redis.options`, and what is refused.

import { afterEach, expect, it } from 'vitest'
import { describeBoth, type Untyped } from './support/both.js'

const made: Untyped[] = []

afterEach(() => {
  for (const redis of made.splice(0)) redis.disconnect()
})

/** A client that is ended before it could dial anybody: the disconnect comes in the same turn as the construction. */
function undialled(redis: Untyped): Untyped {
  redis.on('error', () => undefined)
  redis.disconnect()
  return redis
}

function kept(redis: Untyped): Untyped {
  made.push(redis.on('error', () => undefined))
  return redis
}

const lazy = { lazyConnect: true }

/** Those of the options that the expectation names; undefined and missing are the same. */
function named(redis: Untyped, expected: object): Record<string, unknown> {
  return Object.fromEntries(Object.keys(expected).map(name => [name, redis.options[name]]))
}

/** What was given, and what must be found in `redis.options`. */
const shapes: [title: string, args: unknown[], options: Record<string, unknown>][] = [
  ['nothing', [], { host: 'localhost', port: 6379, db: 0, family: 0, path: undefined }],
  ['null and undefined', [null, undefined, null], { host: 'localhost', port: 6379 }],
  ['options after nothing', [undefined, null, { db: 2 }], { host: 'localhost', port: 6379, db: 2 }],
  ['a port', [6380], { host: 'localhost', port: 6380 }],
  ['a numeric string', ['6380'], { host: 'localhost', port: 6380, path: undefined }],
  ['the empty string', [''], { host: 'localhost', port: 6379, path: undefined }],
  ['a port and a host', [6380, 'a.test'], { host: 'a.test', port: 6380 }],
  ['a numeric string and a host', ['6380', 'a.test'], { host: 'a.test', port: 6380 }],
  ['a port, a host and options', [6380, 'a.test', { db: 3 }], { host: 'a.test', port: 6380, db: 3 }],
  ['a port and options', [6380, { host: 'a.test', db: 3 }], { host: 'a.test', port: 6380, db: 3 }],
  ['a host and a port', ['a.test', 6380], { host: 'a.test', port: 6380 }],
  ['options', [{ host: 'a.test', port: 6380, family: 6 }], { host: 'a.test', port: 6380, family: 6 }],
  ['options with strings for numbers', [{ port: '6380', db: '4' }], { port: 6380, db: 4 }],
  ['options that say undefined', [{ host: undefined, port: undefined }], { host: 'localhost', port: 6379 }],
  ['options that say null', [{ host: null, keyPrefix: null }], { host: null, keyPrefix: null, port: 6379 }],
  ['options it has never heard of', [{ mine: 7 }], { mine: 7 }],
  ['a Unix path in options', [{ path: '/run/a.sock' }], { path: '/run/a.sock', host: 'localhost', port: 6379 }],
  ['a Unix path', ['/run/a.sock'], { path: '/run/a.sock', host: 'localhost', port: 6379, db: 0 }],
  ['a Unix path with a query', ['/run/a.sock?db=2&password=p%3Dq'], { path: '/run/a.sock', db: 2, password: 'p=q' }],
  ['a Unix path and options', ['/run/a.sock', { db: 3 }], { path: '/run/a.sock', db: 3 }],
  ['a host', ['a.test'], { host: 'a.test', port: 6379 }],
  ['host:port', ['a.test:6380'], { host: 'a.test', port: 6380 }],
  ['host:port with a query', ['a.test:6380?db=3'], { host: 'a.test', port: 6380, db: 3 }],
  ['host:port/path, whose path is a Unix path', ['a.test:6380/x'], { host: 'a.test', port: 6380, path: '/x', db: 0 }],
  ['an address without a scheme', ['//a.test:6380/4'], { host: 'a.test', port: 6380, db: 4, path: undefined }],
  ['redis://', ['redis://a.test'], { host: 'a.test', port: 6379, db: 0, tls: undefined, path: undefined }],
  ['redis:// with a bare slash', ['redis://a.test:6380/'], { host: 'a.test', port: 6380, db: 0 }],
  ['redis:// with a database', ['redis://a.test:6380/5'], { host: 'a.test', port: 6380, db: 5 }],
  ['redis:// with IPv6', ['redis://[::1]:6380'], { host: '::1', port: 6380 }],
  ['redis:// with nothing behind', ['redis://'], { host: 'localhost', port: 6379 }],
  ['rediss://', ['rediss://a.test:6380'], { host: 'a.test', port: 6380, tls: true }],
  [
    'rediss:// with TLS options, which stay',
    ['rediss://a.test', { tls: { servername: 's' } }],
    { tls: { servername: 's' } },
  ],
  ['user and password', ['redis://me:secret@a.test'], { username: 'me', password: 'secret' }],
  [
    'user and password, percent-encoded',
    ['redis://m%40e:p%3A%2F%25w@a.test'],
    { username: 'm@e', password: 'p:/%w', host: 'a.test' },
  ],
  ['a password alone', ['redis://:secret@a.test'], { username: '', password: 'secret' }],
  ['a user alone', ['redis://me@a.test'], { username: 'me', password: '' }],
  ['user and password of host:port', ['me:secret@a.test:6380'], { username: 'me', password: 'secret', port: 6380 }],
  ['a query, whose family is a number', ['redis://a.test?family=6'], { family: 6 }],
  ['a query, whose family is no number', ['redis://a.test?family=IPv6'], { family: 'IPv6' }],
  ['a query, whose db is a number', ['redis://a.test?db=3'], { db: 3 }],
  ['a query, whose other values are strings', ['redis://a.test?connectTimeout=50'], { connectTimeout: '50' }],
  ['a query with any name', ['redis://a.test?mine=a%20b'], { mine: 'a b' }],
  ['a query that repeats a name', ['redis://a.test?mine=1&mine=2'], { mine: '2' }],
  ['a query that contradicts its address', ['redis://a.test:1/2?host=b.test&port=3&db=4'], { host: 'a.test', port: 1 }],
]

/** Who wins when two arguments say different things. */
const precedence: [title: string, args: unknown[], options: Record<string, unknown>][] = [
  ['URL over options', ['redis://a.test:1/2', { host: 'b.test', port: 9, db: 5 }], { host: 'a.test', port: 1, db: 2 }],
  ['options fill what the URL leaves out', ['redis://a.test', { port: 9, db: 5 }], { host: 'a.test', port: 9, db: 5 }],
  [
    'user and password of the URL over options',
    ['redis://me:secret@a.test', { username: 'b', password: 'c' }],
    { username: 'me', password: 'secret' },
  ],
  ['query over options', ['redis://a.test?keyPrefix=q', { keyPrefix: 'o' }], { keyPrefix: 'q' }],
  ['port over options', [6380, { port: 6381 }], { port: 6380 }],
  ['port and host over options', [6380, 'a.test', { port: 1, host: 'b.test' }], { port: 6380, host: 'a.test' }],
  ['a number behind a URL over the URL', ['redis://a.test:5', 7], { host: 'a.test', port: 7 }],
  ['a number behind options over the options', [{ port: 5, host: 'a.test' }, 7], { host: 'a.test', port: 7 }],
  ['earlier options over later ones', [{ db: 1 }, { db: 2, family: 4 }], { db: 1, family: 4 }],
]

describeBoth('the constructor takes', ({ Redis, module, deviates }) => {
  it.each(shapes)('%s', (_, args, options) => {
    expect(named(undialled(new Redis(...args)), options)).toEqual(options)
    expect(named(undialled(Redis.createClient(...args)), options)).toEqual(options)
  })

  it.each(precedence)('by precedence: %s', (_, args, options) => {
    expect(named(undialled(new Redis(...args)), options)).toEqual(options)
  })

  it('options without changing them', () => {
    const given = Object.freeze({ host: 'a.test', tls: Object.freeze({ servername: 's' }), ...lazy })
    const redis = kept(new Redis(given))
    expect(redis.options).not.toBe(given)
    expect(redis.options.tls).toBe(given.tls)
    expect(given).toEqual({ host: 'a.test', tls: { servername: 's' }, lazyConnect: true })
  })

  it('options that are inherited', () => {
    expect(kept(new Redis(Object.create({ db: 7, ...lazy }))).options).toMatchObject({ db: 7, lazyConnect: true })
  })

  it('a TLS profile by its name', () => {
    if (deviates('tls-profiles')) {
      const refused = 'TLS profile "RedisCloudFixed" is not known: give its certificate as tls.ca'
      for (const tls of ['RedisCloudFixed', { profile: 'RedisCloudFixed' }])
        expect(() => new Redis({ tls, ...lazy })).toThrow(refused)
      return
    }
    for (const tls of ['RedisCloudFixed', 'RedisCloudFlexible']) {
      const { options } = kept(new Redis({ tls, ...lazy }))
      expect(Object.keys(options.tls)).toEqual(['ca'])
      expect(options.tls.ca).toMatch(/^-----BEGIN CERTIFICATE-----\n/)
    }
    const { options } = kept(new Redis({ tls: { profile: 'RedisCloudFixed', servername: 's' }, ...lazy }))
    expect(options.tls).toEqual({ ca: expect.stringContaining('BEGIN CERTIFICATE'), servername: 's' })
    expect(kept(new Redis({ tls: 'unheard of', ...lazy })).options.tls).toBe('unheard of')
  })

  it('scripts, which become commands', () => {
    const redis = kept(new Redis({ scripts: { 'echo:1': { lua: 'return ARGV[1]', numberOfKeys: 0 } }, ...lazy }))
    expect(typeof redis['echo:1']).toBe('function')
    expect(typeof redis['echo:1Buffer']).toBe('function')
  })

  it('fieldsets, which are copied and frozen', () => {
    const given = [{ name: 'set', fields: ['a', 'b'] }]
    const { options } = kept(new Redis({ himportFieldsets: given, ...lazy }))
    expect(options.himportFieldsets).toEqual(given)
    expect(options.himportFieldsets).not.toBe(given)
    expect(Object.isFrozen(options.himportFieldsets)).toBe(true)
  })

  it('by every name it has', () => {
    expect(module).toBe(Redis)
    expect(module.default).toBe(Redis)
    expect(kept(Redis.createClient(6380, 'a.test', lazy))).toBeInstanceOf(Redis)
    expect(kept(new module.Redis(lazy))).toBeInstanceOf(module)
    expect(Redis.name).toBe('Redis')
  })

  it('Redis.Cluster, too', () => {
    expect(Redis.Cluster).toBe(module.Cluster)
    const cluster = kept(new Redis.Cluster([6380], lazy))
    expect(cluster).toBeInstanceOf(module.Cluster)
    expect(cluster.isCluster).toBe(true)
    expect(module.Cluster.name).toBe('Cluster')
  })
})

describeBoth('the default options', ({ Redis }) => {
  const values = {
    port: 6379,
    host: 'localhost',
    family: 0,
    connectTimeout: 10_000,
    disconnectTimeout: 2_000,
    keepAlive: 30_000,
    noDelay: true,
    connectionName: null,
    disableClientInfo: false,
    clientInfoTag: undefined,
    sentinels: null,
    name: null,
    role: 'master',
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
    maxLoadingRetryTime: 10_000,
    enableAutoPipelining: false,
    autoPipeliningIgnoredCommands: [],
    sentinelMaxConnections: 10,
    blockingTimeoutGrace: 100,
  }

  it('are these', () => {
    const { retryStrategy, sentinelRetryStrategy, sentinelReconnectStrategy, ...rest } = Redis.defaultOptions
    expect(rest).toEqual(values)
    expect([1, 2, 99, 100, 101].map(n => sentinelRetryStrategy(n))).toEqual([10, 20, 990, 1000, 1000])
    expect(sentinelReconnectStrategy()).toBe(60_000)
    expect(typeof retryStrategy).toBe('function')
  })

  it('are in redis.options', () => {
    const { options } = undialled(new Redis())
    expect(options).toMatchObject(values)
    for (const name of ['retryStrategy', 'sentinelRetryStrategy', 'sentinelReconnectStrategy'])
      expect(options[name]).toBe(Redis.defaultOptions[name])
    // What has no default is not there.
    for (const name of ['commandTimeout', 'socketTimeout', 'blockingTimeout', 'tls', 'path', 'Connector'])
      expect(name in options).toBe(false)
  })
})

describeBoth('the constructor refuses', ({ Redis }) => {
  const thrown = (make: () => unknown) => {
    try {
      make()
    } catch (error) {
      return error as Untyped
    }
    throw new Error('Nothing was thrown')
  }

  it.each([
    ['a boolean', [true], 'Error', 'Invalid argument true'],
    ['a boolean behind a port', [6379, false], 'Error', 'Invalid argument false'],
    ['a function', [Object.assign(() => 1, { toString: () => 'f()' })], 'Error', 'Invalid argument f()'],
    ['a bigint', [1n], 'Error', 'Invalid argument 1'],
    ['no address at all', ['not an address'], 'TypeError', 'Invalid URL'],
    ['a port that is too high', ['redis://a.test:99999'], 'TypeError', 'Invalid URL'],
    ['what is no percent-encoding', ['redis://me:%E0%A4%A@a.test'], 'URIError', 'URI malformed'],
    [
      'replies of protocol 3 under protocol 2',
      [{ replyMapping: 'resp3', protocol: 2 }],
      'Error',
      'The "resp3" replyMapping is only supported with protocol 3',
    ],
    ['an empty list of sentinels', [{ sentinels: [] }], 'Error', 'Requires at least one sentinel to connect to.'],
    ['sentinels without a name', [{ sentinels: [{}] }], 'Error', 'Requires the name of master.'],
    ['fieldsets that are no list', [{ himportFieldsets: {} }], 'TypeError', 'himportFieldsets must be an array'],
    ['a fieldset that is none', [{ himportFieldsets: [1] }], 'TypeError', 'Each HIMPORT fieldset must be an object'],
    [
      'a fieldset without a name',
      [{ himportFieldsets: [{ fields: [] }] }],
      'TypeError',
      'Each HIMPORT fieldset name must be a string or Buffer',
    ],
    [
      'a fieldset without fields',
      [{ himportFieldsets: [{ name: 'a' }] }],
      'TypeError',
      'Each HIMPORT fieldset fields value must be an array',
    ],
    [
      'a field that is no string',
      [{ himportFieldsets: [{ name: 'a', fields: [1] }] }],
      'TypeError',
      'Each HIMPORT field must be a string or Buffer',
    ],
    [
      'two fieldsets of one name',
      [
        {
          himportFieldsets: [
            { name: 'a', fields: [] },
            { name: 'a', fields: [] },
          ],
        },
      ],
      'TypeError',
      'Duplicate HIMPORT fieldset name',
    ],
  ])('%s', (_, args, name, message) => {
    expect(thrown(() => new Redis(...args))).toMatchObject({ name, message })
  })

  it('to be called without new', () => {
    expect(thrown(() => Redis(6379))).toMatchObject({
      name: 'TypeError',
      message: "Class constructor Redis cannot be invoked without 'new'",
    })
  })
})

describeBoth('a new client', ({ Redis, module }) => {
  it('that is lazy waits, and says so', async () => {
    const redis = kept(new Redis(lazy))
    expect(redis.status).toBe('wait')
    expect(await new Promise(resolve => redis.once('wait', () => resolve(redis.status)))).toBe('wait')
    expect(redis).toMatchObject({ isCluster: false, mode: 'normal', autoPipelineQueueSize: 0 })
    expect(redis.condition).toBeUndefined()
    expect(redis.stream).toBeUndefined()
    expect(redis.commandQueue.length).toBe(0)
    expect(redis.offlineQueue.length).toBe(0)
  })

  it('that is not lazy is connecting at once', () => {
    const redis = new Redis(6380)
    expect(redis.status).toBe('connecting')
    expect(redis.condition).toMatchObject({ select: 0, auth: null, subscriber: false })
    undialled(redis)
  })

  it('has what every Node event emitter has', () => {
    const redis = kept(new Redis(lazy))
    const heard: unknown[] = []
    const hear = (...args: unknown[]) => heard.push(args)
    expect(redis.on('mine', hear)).toBe(redis)
    expect(redis.prependListener('mine', (...args: unknown[]) => heard.push(['first', ...args]))).toBe(redis)
    expect(redis.once('mine', hear)).toBe(redis)
    expect(redis.listenerCount('mine')).toBe(3)
    expect(redis.emit('mine', 1, 2)).toBe(true)
    expect(heard).toEqual([
      ['first', 1, 2],
      [1, 2],
      [1, 2],
    ])
    expect(redis.listenerCount('mine')).toBe(2)
    expect(redis.off('mine', hear)).toBe(redis)
    expect(redis.addListener('mine', hear).removeListener('mine', hear)).toBe(redis)
    expect(redis.rawListeners('mine')).toHaveLength(1)
    expect(redis.eventNames()).toEqual(expect.arrayContaining(['mine', 'error']))
    expect(redis.removeAllListeners('mine')).toBe(redis)
    expect(redis.listeners('mine')).toEqual([])
    expect(redis.emit('mine')).toBe(false)
    expect(redis.getMaxListeners()).toBe(10)
    expect(redis.setMaxListeners(20)).toBe(redis)
    expect(redis.getMaxListeners()).toBe(20)
  })

  it('may be of a subclass', () => {
    class Mine extends Redis {
      readonly extra = 'mine'
      greet() {
        return `${this.extra} ${(this as Untyped).options.db}`
      }
    }
    const redis = kept(new (Mine as Untyped)({ db: 3, ...lazy }))
    expect(redis.greet()).toBe('mine 3')
    expect(redis).toBeInstanceOf(module)
    // A duplicate is a plain client, whatever it was made from.
    expect(Object.getPrototypeOf(kept(redis.duplicate()))).toBe(Redis.prototype)
  })
})

describeBoth('duplicate()', ({ Redis }) => {
  it('makes a client of its own with the same options', () => {
    const retryStrategy = () => 5
    const redis = kept(new Redis(6380, 'a.test', { db: 2, keyPrefix: 'p:', retryStrategy, mine: 1, ...lazy }))
    const twin = kept(redis.duplicate())
    expect(twin).not.toBe(redis)
    expect(twin).toBeInstanceOf(Redis)
    expect(twin.options).toEqual(redis.options)
    expect(twin.options).not.toBe(redis.options)
    expect(twin.options.retryStrategy).toBe(retryStrategy)
    expect(twin.status).toBe('wait')
  })

  it('lets its argument win', () => {
    const redis = kept(new Redis('redis://me:secret@a.test:1/2', { keyPrefix: 'p:', ...lazy }))
    const twin = kept(redis.duplicate({ host: 'b.test', db: 5, password: 'other', connectionName: 'twin' }))
    expect(twin.options).toMatchObject({
      host: 'b.test',
      port: 1,
      db: 5,
      username: 'me',
      password: 'other',
      keyPrefix: 'p:',
      connectionName: 'twin',
      lazyConnect: true,
    })
    expect(redis.options).toMatchObject({ host: 'a.test', db: 2, password: 'secret', connectionName: null })
  })

  it('takes undefined for the default, not for what was', () => {
    const redis = kept(new Redis({ host: 'a.test', db: 2, ...lazy }))
    expect(kept(redis.duplicate({ host: undefined, db: undefined })).options).toMatchObject({
      host: 'localhost',
      db: 0,
    })
    expect(kept(redis.duplicate(null)).options).toMatchObject({ host: 'a.test', db: 2 })
  })

  it('of a lazy client need not be lazy', () => {
    const redis = kept(new Redis(lazy))
    const twin = redis.duplicate({ lazyConnect: false })
    expect(twin.status).toBe('connecting')
    undialled(twin)
  })

  it('leaves listeners and defined commands behind', () => {
    const redis = kept(new Redis(lazy))
    redis.on('mine', () => undefined)
    redis.defineCommand('late', { lua: 'return 1', numberOfKeys: 0 })
    const twin = kept(redis.duplicate())
    expect(twin.listenerCount('mine')).toBe(0)
    expect(twin.late).toBeUndefined()
  })
})
