// Tracing: what is published on the diagnostics channels named `tracing:ioredis:…`, event by event.

import { tracingChannel } from 'node:diagnostics_channel'
import { join } from 'node:path'
import { bulk, type FakeServer, silence } from 'slotwise/testing'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { freePorts, LocalServer } from '../../scripts/local-server.mjs'
import { failureOf } from '../support/clients.js'
import { startScripted } from '../support/scripted.js'
import { eventually } from '../support/settled.js'
import { describeBoth, type Untyped } from './support/both.js'

type Published = [event: string, payload: Record<string, Untyped>]

const host = '127.0.0.1'
let server: LocalServer
const clients: Untyped[] = []
const servers: FakeServer[] = []
let unsubscribe: (() => void)[] = []

beforeAll(async () => {
  server = await LocalServer.start({ unixSocket: true })
})
afterEach(async () => {
  for (const stop of unsubscribe) stop()
  unsubscribe = []
  for (const redis of clients.splice(0)) redis.disconnect()
  for (const one of servers.splice(0)) await one.close()
})
afterAll(() => server?.stop())

/** Disconnected after the test, and its errors are not for the console. */
function kept(redis: Untyped): Untyped {
  clients.push(redis.on('error', () => undefined))
  return redis
}

const next = (redis: Untyped, event: string) => new Promise<Untyped>(resolve => redis.once(event, resolve))

/** What is published from now on, with each payload as it was at that moment. */
function published(channel: 'command' | 'batch' | 'connect'): Published[] {
  const seen: Published[] = []
  const note = (event: string) => (payload: object) => {
    seen.push([event, { ...payload }])
  }
  const subscribers = {
    start: note('start'),
    end: note('end'),
    asyncStart: note('asyncStart'),
    asyncEnd: note('asyncEnd'),
    error: note('error'),
  }
  const tracing = tracingChannel(`ioredis:${channel}`)
  tracing.subscribe(subscribers)
  unsubscribe.push(() => tracing.unsubscribe(subscribers))
  return seen
}

/** The five events of something that succeeds, or fails. */
const succeeds = (payload: object, result: unknown): Published[] => [
  ['start', { ...payload }],
  ['end', { ...payload }],
  ['asyncStart', { ...payload, result }],
  ['asyncEnd', { ...payload, result }],
]
const fails = (payload: object, error: unknown): Published[] => [
  ['start', { ...payload }],
  ['end', { ...payload }],
  ['error', { ...payload, error }],
  ['asyncStart', { ...payload, error }],
  ['asyncEnd', { ...payload, error }],
]

describeBoth('tracing:ioredis:command', ({ Redis, deviates }) => {
  const ready = async (more: object = {}) => {
    const redis = kept(new Redis({ port: server.port, host, ...more }))
    await next(redis, 'ready')
    return redis
  }
  const of = (command: string, args: string[], more: object = {}) => ({
    command,
    args,
    database: 0,
    serverAddress: host,
    serverPort: server.port,
    ...more,
  })

  it('tells of a command that is answered', async () => {
    const redis = await ready()
    const seen = published('command')
    expect(await redis.set('k', 'v', 'EX', 10)).toBe('OK')
    expect(seen).toEqual(succeeds(of('set', ['k', '?', '?', '?']), 'OK'))
    expect(Object.keys(seen[0]![1])).toEqual(['command', 'args', 'database', 'serverAddress', 'serverPort'])
    expect(Object.keys(seen[3]![1])).toEqual(['command', 'args', 'database', 'serverAddress', 'serverPort', 'result'])
    seen.length = 0
    expect(await redis.get('k')).toBe('v')
    expect(seen).toEqual(succeeds(of('get', ['k']), 'v'))
  })

  it('tells of a command that fails', async () => {
    const redis = await ready()
    await redis.set('k', 'v')
    const seen = published('command')
    const error = await failureOf(redis.incr('k'))
    expect(seen).toEqual(fails(of('incr', ['k']), error))
    expect(seen[2]![1].error).toBe(error)
  })

  it('publishes one and the same object each time', async () => {
    const redis = await ready()
    const payloads = new Set<object>()
    const note = (payload: object) => void payloads.add(payload)
    const subscribers = { start: note, end: note, asyncStart: note, asyncEnd: note, error: note }
    const tracing = tracingChannel('ioredis:command')
    tracing.subscribe(subscribers)
    unsubscribe.push(() => tracing.unsubscribe(subscribers))
    await redis.get('k')
    expect(payloads.size).toBe(1)
  })

  it('publishes the start before the command returns, and the end before its caller goes on', async () => {
    const redis = await ready()
    const seen = published('command')
    const call = redis.get('nothing')
    expect(seen.map(([event]) => event)).toEqual(['start', 'end'])
    await call
    expect(seen.map(([event]) => event)).toEqual(['start', 'end', 'asyncStart', 'asyncEnd'])
  })

  it('tells the name as it was called, the prefix, the bytes and the database', async () => {
    const redis = await ready({ keyPrefix: 'p:', db: 1 })
    await redis.select(2)
    const seen = published('command')
    await redis.call('GET', 'k')
    await redis.setBuffer('k', Buffer.from('v'))
    await redis.getBuffer(Buffer.from('k'))
    const starts = seen.filter(([event]) => event === 'start').map(([, payload]) => payload)
    expect(starts).toEqual([
      of('GET', ['p:k'], { database: 2 }),
      of('set', ['p:k', '?'], { database: 2 }),
      of('get', ['p:k'], { database: 2 }),
    ])
    expect(seen.at(-1)![1].result).toEqual(Buffer.from('v'))
  })

  it('tells the reply as the caller gets it', async () => {
    const redis = await ready()
    await redis.del('h')
    await redis.hset('h', { f: 1, g: 2 })
    const seen = published('command')
    await redis.hgetall('h')
    expect(seen.at(-1)![1].result).toEqual({ f: '1', g: '2' })
  })

  it('tells of what a connection begins with', async () => {
    const seen = published('command')
    await ready({ db: 3, connectionName: 'mine' })
    const starts = seen.filter(([event]) => event === 'start').map(([, { command, args }]) => [command, args])
    const nothing: unknown[] = []
    if (deviates('trace-handshake')) expect(starts).toEqual(nothing)
    else
      expect(starts).toEqual([
        ['hello', ['?']],
        ['select', ['?']],
        ['client', ['setname', 'mine']],
        ['client', ['SETINFO', 'LIB-VER', expect.any(String)]],
        ['client', ['SETINFO', 'LIB-NAME', expect.any(String)]],
        ['info', []],
      ])
  })

  it('hides passwords', async () => {
    const redis = await ready()
    const seen = published('command')
    redis.auth('me', 'secret').catch(() => undefined)
    redis.hello(2, 'AUTH', 'me', 'secret').catch(() => undefined)
    await redis.ping()
    expect(seen.filter(([event]) => event === 'start').map(([, { command, args }]) => [command, args])).toEqual([
      ['auth', ['?', '?']],
      ['hello', ['?', '?', '?', '?']],
      ['ping', []],
    ])
  })

  it('is of each command that waited, once it is sent', async () => {
    const redis = kept(new Redis({ port: server.port, host, lazyConnect: true, disableClientInfo: true }))
    const seen = published('command')
    const call = redis.get('nothing')
    const starts = () => seen.filter(([event]) => event === 'start').map(([, { command }]) => command)
    expect(starts()).toEqual(deviates('trace-when-called') ? ['get'] : [])
    await call
    expect(starts()).toEqual(deviates('trace-handshake') ? ['get'] : ['hello', 'info', 'get'])
  })

  it('is of a command that is sent again only once', async () => {
    const one = await startScripted(([name], connection) => {
      if (name === 'INFO') return bulk('loading:0\r\n')
      if (name !== 'GET') return undefined
      if (one.count('GET') > 1) return bulk('value')
      connection.cut()
      return silence
    })
    servers.push(one)
    const redis = kept(new Redis({ port: one.port, host, retryStrategy: () => 1 }))
    await next(redis, 'ready')
    const seen = published('command')
    expect(await redis.get('k')).toBe('value')
    expect(one.count('GET')).toBe(2)
    const own = seen.filter(([, { command }]) => command === 'get')
    expect(own).toEqual(succeeds(of('get', ['k'], { serverPort: one.port }), 'value'))
  })

  it('is of nothing that is refused', async () => {
    const redis = await ready()
    redis.disconnect()
    await next(redis, 'end')
    const seen = published('command')
    await failureOf(redis.get('k'))
    expect(seen).toEqual([])
  })

  it('is of each command of a pipeline', async () => {
    const redis = await ready()
    const commands = published('command')
    const batches = published('batch')
    await redis.pipeline().set('k', 'v').get('k').incr('k').exec()
    await eventually(() => expect(commands).toHaveLength(13))
    for (const [command, events] of [
      ['set', succeeds(of('set', ['k', '?']), 'OK')],
      ['get', succeeds(of('get', ['k']), 'v')],
      ['incr', fails(of('incr', ['k']), expect.any(Error))],
    ] as const) {
      expect(commands.filter(([, payload]) => payload.command === command)).toEqual(events)
    }
    expect(commands.filter(([event]) => event === 'start').map(([, { command }]) => command)).toEqual([
      'set',
      'get',
      'incr',
    ])
    expect(batches).toEqual([])
  })

  it('is of commands that are pipelined by themselves', async () => {
    const redis = await ready({ enableAutoPipelining: true })
    const seen = published('command')
    await Promise.all([redis.set('k', 'v'), redis.get('k')])
    expect(seen.filter(([event]) => event === 'start').map(([, { command }]) => command)).toEqual(['set', 'get'])
  })
})

describeBoth('arguments that are told, and those that are hidden', ({ Redis }) => {
  it.each<[name: string, args: unknown[], told: string[]]>([
    ['get', ['k'], ['k']],
    ['getset', ['k', 'v'], ['k', '?']],
    ['select', [3], ['?']],
    ['set', ['k', 'v'], ['k', '?']],
    ['setex', ['k', 10, 'v'], ['k', '?', '?']],
    ['setnx', ['k', 'v'], ['k', '?']],
    ['psetex', ['k', 10, 'v'], ['k', '?', '?']],
    ['mset', ['k', 'v', 'l', 'w'], ['k', '?', '?', '?']],
    ['msetnx', ['k', 'v'], ['k', '?']],
    ['mget', ['k', 'l'], ['?', '?']],
    ['append', ['k', 'v'], ['?', '?']],
    ['strlen', ['k'], ['?']],
    ['incrby', ['k', 5], ['k', '5']],
    ['decr', ['k'], ['k']],
    ['del', ['k', 'l'], ['k', 'l']],
    ['exists', ['k'], ['k']],
    ['expire', ['k', 5], ['k', '5']],
    ['ttl', ['k'], ['?']],
    ['type', ['k'], ['?']],
    ['keys', ['*'], ['?']],
    ['scan', [0, 'COUNT', 5], ['0', 'COUNT', '5']],
    ['hset', ['k', 'f', 'v', 'g', 'w'], ['k', 'f', '?', '?', '?']],
    ['hsetnx', ['k', 'f', 'v'], ['k', 'f', '?']],
    ['hmset', ['k', 'f', 'v'], ['k', 'f', '?']],
    ['hget', ['k', 'f'], ['?', '?']],
    ['hmget', ['k', 'f'], ['k', 'f']],
    ['hincrby', ['k', 'f', 1], ['k', 'f', '1']],
    ['lpush', ['k', 'v', 'w'], ['k', '?', '?']],
    ['rpush', ['k', 'v'], ['k', '?']],
    ['rpop', ['k'], ['k']],
    ['lset', ['k', 0, 'v'], ['k', '0', '?']],
    ['linsert', ['k', 'BEFORE', 'p', 'v'], ['k', 'BEFORE', '?', '?']],
    ['lrange', ['k', 0, -1], ['k', '0', '-1']],
    ['lindex', ['k', 0], ['?', '?']],
    ['blpop', ['k', 1], ['k', '1']],
    ['sadd', ['k', 'v'], ['k', '?']],
    ['smembers', ['k'], ['k']],
    ['zadd', ['k', 1, 'v'], ['k', '?', '?']],
    ['zrange', ['k', 0, -1], ['k', '0', '-1']],
    ['pfadd', ['k', 'v'], ['k', '?']],
    ['xadd', ['k', '*', 'f', 'v'], ['k', '?', '?', '?']],
    ['xrange', ['k', '-', '+'], ['k', '-', '+']],
    ['geoadd', ['k', 1, 2, 'v'], ['k', '1', '2', 'v']],
    ['eval', ['return 1', 1, 'k', 'v'], ['return 1', '1', 'k', 'v']],
    ['publish', ['c', 'v'], ['c', '?']],
    ['spublish', ['c', 'v'], ['c', '?']],
    ['echo', ['v'], ['?']],
    ['config', ['SET', 'maxmemory', 5], ['SET', 'maxmemory', '5']],
    ['client', ['id'], ['id']],
    ['auth', ['v'], ['?']],
    ['NONSENSE', ['v', 'w'], ['?', '?']],
    ['SeT', ['k', 'v'], ['k', '?']],
  ])('of %s', async (name, args, told) => {
    const one = await startScripted(([word]) =>
      word === 'INFO' ? bulk('loading:0\r\n') : word === 'HELLO' ? undefined : '+OK\r\n',
    )
    servers.push(one)
    const redis = kept(new Redis({ port: one.port, host }))
    await next(redis, 'ready')
    const seen = published('command')
    await redis.call(name, ...args)
    expect(seen[0]).toEqual(['start', expect.objectContaining({ command: name, args: told })])
  })
})

describeBoth('tracing:ioredis:batch', ({ Redis }) => {
  const ready = async (more: object = {}) => {
    const redis = kept(new Redis({ port: server.port, host, ...more }))
    await next(redis, 'ready')
    return redis
  }
  const of = (batchSize: number, more: object = {}) => ({
    batchMode: 'MULTI',
    batchSize,
    database: 0,
    serverAddress: host,
    serverPort: server.port,
    ...more,
  })

  it('tells of a transaction, whose commands are told, too', async () => {
    const redis = await ready({ db: 2 })
    const batches = published('batch')
    const commands = published('command')
    const result = await redis.multi().set('k', 'v').get('k').exec()
    await eventually(() => expect(batches).toHaveLength(4))
    expect(batches).toEqual(succeeds(of(2, { database: 2 }), result))
    expect(Object.keys(batches[0]![1])).toEqual(['batchMode', 'batchSize', 'database', 'serverAddress', 'serverPort'])
    const starts = commands.filter(([event]) => event === 'start')
    expect(starts.map(([, { command, args }]) => [command, args])).toEqual([
      ['multi', []],
      ['set', ['k', '?']],
      ['get', ['k']],
      ['exec', []],
    ])
  })

  it('tells of a transaction that is aborted', async () => {
    const redis = await ready()
    const batches = published('batch')
    const error = await failureOf(redis.multi().set('k').get('k').exec())
    expect(batches).toEqual(fails(of(2), error))
  })

  it('tells of a transaction that is discarded', async () => {
    const redis = await ready()
    const other = await ready()
    await redis.watch('k')
    await other.set('k', Date.now())
    const batches = published('batch')
    expect(await redis.multi().get('k').exec()).toBeNull()
    await eventually(() => expect(batches).toEqual(succeeds(of(1), null)))
  })

  it('is not of a transaction that is sent command by command', async () => {
    const redis = await ready()
    const batches = published('batch')
    await redis.multi({ pipeline: false })
    await redis.set('k', 'v')
    expect(await redis.exec()).toEqual([[null, 'OK']])
    expect(batches).toEqual([])
  })
})

describeBoth('tracing:ioredis:connect', ({ Redis }) => {
  it('tells of a connection, and of each one after it', async () => {
    const seen = published('connect')
    const redis = kept(new Redis({ port: server.port, host, retryStrategy: () => 1 }))
    const of = (connectionEpoch: number) => ({ serverAddress: host, serverPort: server.port, connectionEpoch })
    expect(seen.map(([event]) => event)).toEqual(['start', 'end'])
    await next(redis, 'ready')
    await eventually(() => expect(seen).toEqual(succeeds(of(0), undefined)))
    expect(Object.keys(seen[0]![1])).toEqual(['serverAddress', 'serverPort', 'connectionEpoch'])
    redis.disconnect(true)
    await next(redis, 'ready')
    await eventually(() => expect(seen.slice(4)).toEqual(succeeds(of(1), undefined)))
  })

  it('tells of a Unix socket by its path', async () => {
    const seen = published('connect')
    const redis = kept(new Redis({ path: join(server.dir, 'redis.sock') }))
    await next(redis, 'ready')
    expect(seen[0]).toEqual([
      'start',
      { serverAddress: server.unixSocketPath, serverPort: undefined, connectionEpoch: 0 },
    ])
    const commands = published('command')
    await redis.ping()
    expect(commands[0]![1]).toMatchObject({ serverAddress: server.unixSocketPath, serverPort: undefined })
  })

  it('tells of a connection that fails', async () => {
    const [port] = await freePorts(1)
    const seen = published('connect')
    const redis = kept(new Redis({ port, host, lazyConnect: true, retryStrategy: null }))
    const error = await failureOf(redis.connect())
    const payload = { serverAddress: host, serverPort: port, connectionEpoch: 0 }
    await eventually(() => expect(seen).toEqual(fails(payload, error)))
    expect(error.message).toBe('Connection is closed.')
  })

  it('tells of connecting what is connected', async () => {
    const redis = kept(new Redis({ port: server.port, host }))
    await next(redis, 'ready')
    const seen = published('connect')
    const error = await failureOf(redis.connect())
    expect(error.message).toBe('Redis is already connecting/connected')
    expect(seen).toEqual(fails({ serverAddress: host, serverPort: server.port, connectionEpoch: 1 }, error))
  })
})
