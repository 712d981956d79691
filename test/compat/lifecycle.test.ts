// The life of a standalone client: statuses and events in their order, connect, disconnect, quit, and what a connection begins with.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { array, bulk, type FakeServer, type Handler, silence } from 'slotwise/testing'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { freePorts, LocalServer } from '../../scripts/local-server.mjs'
import { makeTestCertificates, type TestCertificates } from '../../scripts/local-tls.mjs'
import { failureOf } from '../support/clients.js'
import { startScripted } from '../support/scripted.js'
import { eventually } from '../support/settled.js'
import { describeBoth, type Untyped } from './support/both.js'

const statuses = ['wait', 'connecting', 'connect', 'ready', 'close', 'reconnecting', 'end']
const started = [['connecting'], ['connect'], ['ready']]
const ended = [['close'], ['end']]
const closed = { name: 'Error', message: 'Connection is closed.' }

let server: LocalServer
let guarded: LocalServer
const clients: Untyped[] = []
const servers: { close(): unknown }[] = []

beforeAll(async () => {
  ;[server, guarded] = await Promise.all([
    LocalServer.start({ unixSocket: true }),
    LocalServer.start({ requirepass: 'secret', users: { me: 'on >word ~* &* +@all' } }),
  ])
})
afterEach(async () => {
  vi.restoreAllMocks()
  for (const redis of clients.splice(0)) redis.disconnect()
  for (const one of servers.splice(0)) await one.close()
})
afterAll(() => Promise.all([server?.stop(), guarded?.stop()]))

/** Disconnected after the test, and its errors are not for the console. */
function kept(redis: Untyped): Untyped {
  clients.push(redis.on('error', () => undefined))
  return redis
}

/** The client's events, in their order, with their arguments; of an error its message. */
function recorded(redis: Untyped): unknown[][] {
  const events: unknown[][] = []
  for (const name of [...statuses, 'select']) {
    redis.on(name, (...args: unknown[]) => events.push([name, ...args.filter(arg => arg !== undefined)]))
  }
  redis.on('error', (error: Error) => events.push(['error', error.message]))
  return events
}

const next = (redis: Untyped, event: string) => new Promise<Untyped>(resolve => redis.once(event, resolve))

/** What every connection needs; the handler goes first. */
async function scripted(handler: Handler = () => undefined): Promise<FakeServer> {
  const one = await startScripted(
    (command, connection) =>
      handler(command, connection) ??
      { INFO: bulk('loading:0\r\n'), READONLY: '+OK\r\n', SET: '+OK\r\n', GET: bulk('value') }[command[0] as string],
  )
  servers.push(one)
  return one
}

/** The commands received, one a line; what the client calls itself is left out, but for a tag. */
const received = (one: FakeServer) =>
  one.commands.map(words => words.join(' ').replace(/(?<=^CLIENT SETINFO LIB-\w+ )[\w.-]+/, '…'))

const clientInfo = ['CLIENT SETINFO LIB-VER …', 'CLIENT SETINFO LIB-NAME …']

describeBoth('a client', ({ Redis }) => {
  const at = (more: object = {}) => ({ port: server.port, host: server.host, ...more })

  describe('that starts', () => {
    it('is connecting, connected, ready', async () => {
      const redis = kept(new Redis(at()))
      const events = recorded(redis)
      const seen: string[] = []
      for (const name of statuses) redis.on(name, () => seen.push(redis.status))
      expect(redis.status).toBe('connecting')
      await next(redis, 'ready')
      expect(redis.status).toBe('ready')
      expect(events).toEqual(started)
      expect(seen).toEqual(['connecting', 'connect', 'ready'])
    })

    it('reaches a Unix socket', async () => {
      const redis = kept(new Redis(server.unixSocketPath))
      expect(await redis.ping()).toBe('PONG')
    })

    it('waits for its first command when it is lazy', async () => {
      const redis = kept(new Redis(at({ lazyConnect: true })))
      const events = recorded(redis)
      await next(redis, 'wait')
      expect(redis.status).toBe('wait')
      const ping = redis.ping()
      expect(redis.status).toBe('connecting')
      expect(await ping).toBe('PONG')
      expect(events).toEqual([['wait'], ...started])
    })

    it('waits for connect() when it is lazy', async () => {
      const redis = kept(new Redis(at({ lazyConnect: true })))
      expect(await redis.connect()).toBeUndefined()
      expect(redis.status).toBe('ready')
    })

    it('has a stream, and none before', async () => {
      const redis = kept(new Redis(at({ lazyConnect: true })))
      expect(redis.stream).toBeUndefined()
      await redis.connect()
      expect(redis.stream).toBeInstanceOf(Socket)
      expect(redis.stream).toMatchObject({ remotePort: server.port, remoteAddress: '127.0.0.1', destroyed: false })
    })

    it.each([{ keepAlive: 0 }, { keepAlive: 5_000, noDelay: false }, { noDelay: true }, { connectTimeout: 0 }])(
      'takes %o',
      async more => {
        expect(await kept(new Redis(at(more))).ping()).toBe('PONG')
      },
    )

    it('calls back from connect()', async () => {
      const redis = kept(new Redis(at({ lazyConnect: true })))
      const args = await new Promise<unknown[]>(resolve => redis.connect((...got: unknown[]) => resolve(got)))
      expect(args).toEqual([null])
      expect(redis.status).toBe('ready')
      const again = await new Promise<unknown[]>(resolve => redis.connect((...got: unknown[]) => resolve(got)))
      expect(again).toEqual([expect.objectContaining({ message: 'Redis is already connecting/connected' })])
    })

    it('refuses to connect twice, at every stage', async () => {
      const refused = { name: 'Error', message: 'Redis is already connecting/connected' }
      const redis = kept(new Redis(at()))
      expect(await failureOf(redis.connect())).toMatchObject(refused)
      await next(redis, 'connect')
      expect(await failureOf(redis.connect())).toMatchObject(refused)
      await eventually(() => expect(redis.status).toBe('ready'))
      expect(await failureOf(redis.connect())).toMatchObject(refused)
      expect(await redis.ping()).toBe('PONG')
    })

    it('keeps what it is asked before, in order', async () => {
      const redis = kept(new Redis(at({ lazyConnect: true })))
      const answers = [redis.set('order', 'a'), redis.append('order', 'b'), redis.get('order')]
      expect(redis.offlineQueue.length).toBe(3)
      expect(redis.commandQueue.length).toBe(0)
      expect(await Promise.all(answers)).toEqual(['OK', 2, 'ab'])
      expect(redis.offlineQueue.length).toBe(0)
    })

    it('fails to connect where nobody listens', async () => {
      const [port] = await freePorts(1)
      const redis = kept(new Redis({ port, host: '127.0.0.1', lazyConnect: true, retryStrategy: null }))
      const events = recorded(redis)
      const command = failureOf(redis.get('k'))
      const error = await next(redis, 'error')
      expect(error).toMatchObject({
        message: `connect ECONNREFUSED 127.0.0.1:${port}`,
        code: 'ECONNREFUSED',
        syscall: 'connect',
        address: '127.0.0.1',
        port,
      })
      expect(await command).toMatchObject(closed)
      await eventually(() => expect(redis.status).toBe('end'))
      expect(events).toEqual([['wait'], ['connecting'], ['error', error.message], ...ended])
    })

    it('rejects connect() with the closed connection, not with its cause', async () => {
      const [port] = await freePorts(1)
      const redis = kept(new Redis({ port, host: '127.0.0.1', lazyConnect: true, retryStrategy: null }))
      expect(await failureOf(redis.connect())).toMatchObject(closed)
    })

    it('goes on after connect() was rejected', async () => {
      const one = await scripted(([name], connection) => {
        if (name !== 'HELLO' || one.accepted > 1) return undefined
        connection.cut()
        return silence
      })
      const redis = kept(new Redis({ port: one.port, lazyConnect: true, retryStrategy: () => 1 }))
      const events = recorded(redis)
      const command = redis.get('k')
      expect(await command).toBe('value')
      expect(events).toEqual([
        ['wait'],
        ['connecting'],
        ['connect'],
        ['close'],
        ['reconnecting', 1],
        ['connecting'],
        ['connect'],
        ['ready'],
      ])
    })
  })

  describe('that is disconnected', () => {
    it('while it waits, is at its end at once', async () => {
      const redis = kept(new Redis(at({ lazyConnect: true })))
      const events = recorded(redis)
      expect(redis.disconnect()).toBeUndefined()
      expect(redis.status).toBe('end')
      await next(redis, 'end')
      expect(events).toEqual([['wait'], ...ended])
    })

    it('in the turn of its construction, never dials', async () => {
      const redis = kept(new Redis(at()))
      const events = recorded(redis)
      const command = failureOf(redis.get('k'))
      redis.disconnect()
      expect(await command).toMatchObject(closed)
      await eventually(() => expect(events).toEqual([['connecting'], ['end']]))
      expect(redis.stream).toBeUndefined()
    })

    it('while it dials, rejects what it was asked', async () => {
      // TLS to somebody who accepts and says nothing is not connected yet.
      const one = await scripted()
      one.mute = true
      const redis = kept(new Redis({ port: one.port, tls: {}, lazyConnect: true, disconnectTimeout: 50 }))
      const events = recorded(redis)
      const connecting = failureOf(redis.connect())
      const command = failureOf(redis.get('k'))
      await eventually(() => expect(one.accepted).toBe(1))
      expect(redis.status).toBe('connecting')
      redis.disconnect()
      expect(await connecting).toMatchObject(closed)
      expect(await command).toMatchObject(closed)
      // What TLS thinks of being cut off is told, too, or not.
      const statusEvents = () => events.filter(([name]) => name !== 'error')
      await eventually(() => expect(statusEvents()).toEqual([['wait'], ['connecting'], ...ended]))
      await eventually(() => expect(one.open).toBe(0))
    })

    it('while it introduces itself, rejects what it was asked', async () => {
      const redis = kept(new Redis(at({ lazyConnect: true })))
      const events = recorded(redis)
      redis.once('connect', () => redis.disconnect())
      const connecting = failureOf(redis.connect())
      expect(await failureOf(redis.get('k'))).toMatchObject(closed)
      expect(await connecting).toMatchObject(closed)
      await eventually(() => expect(events).toEqual([['wait'], ['connecting'], ['connect'], ...ended]))
    })

    it('when it is ready, closes and ends', async () => {
      const retryStrategy = vi.fn(() => 1)
      const redis = kept(new Redis(at({ retryStrategy })))
      const events = recorded(redis)
      const seen: string[] = []
      for (const name of ['close', 'end']) redis.on(name, () => seen.push(redis.status))
      await next(redis, 'ready')
      const { stream } = redis
      redis.disconnect()
      await next(redis, 'end')
      expect(events).toEqual([...started, ...ended])
      expect(seen).toEqual(['end', 'end'])
      expect(stream.destroyed).toBe(true)
      expect(retryStrategy).not.toHaveBeenCalled()
      // Once more changes nothing.
      redis.disconnect()
      expect(redis.status).toBe('end')
    })

    it('rejects what is in flight', async () => {
      const redis = kept(new Redis(at()))
      await next(redis, 'ready')
      const blocked = failureOf(redis.blpop('nothing here', 0))
      redis.disconnect()
      expect(await blocked).toMatchObject(closed)
    })

    it('lets its server answer what it had sent before', async () => {
      const redis = kept(new Redis(at()))
      await next(redis, 'ready')
      const answered = redis.echo('so long')
      redis.disconnect()
      expect(await answered).toBe('so long')
      await eventually(() => expect(redis.status).toBe('end'))
    })

    it('by end(), too', async () => {
      const redis = kept(new Redis(at()))
      const events = recorded(redis)
      await next(redis, 'ready')
      expect(redis.end()).toBeUndefined()
      await next(redis, 'end')
      expect(events).toEqual([...started, ...ended])
    })

    it('while it is about to reconnect, does not', async () => {
      const one = await scripted()
      const redis = kept(new Redis({ port: one.port, retryStrategy: () => 20 }))
      await next(redis, 'ready')
      one.cutAll()
      await next(redis, 'reconnecting')
      redis.disconnect()
      // Another client, dialled later and by a longer delay, has long been there.
      const other = kept(new Redis({ port: one.port, retryStrategy: () => 40 }))
      await next(other, 'ready')
      one.cutAll()
      await next(other, 'ready')
      expect(one.accepted).toBe(3)
    })

    it('with true, comes back', async () => {
      const redis = kept(new Redis(at({ retryStrategy: () => 5 })))
      const events = recorded(redis)
      await next(redis, 'ready')
      const { stream } = redis
      redis.disconnect(true)
      await next(redis, 'ready')
      expect(events).toEqual([...started, ['close'], ['reconnecting', 5], ...started])
      expect(redis.stream).not.toBe(stream)
      expect(await redis.ping()).toBe('PONG')
    })

    it('with true while it waits, dials after the delay', async () => {
      const redis = kept(new Redis(at({ lazyConnect: true, retryStrategy: () => 5 })))
      const events = recorded(redis)
      redis.disconnect(true)
      expect(redis.status).toBe('reconnecting')
      await next(redis, 'ready')
      expect(events).toEqual([['wait'], ['close'], ['reconnecting', 5], ...started])
    })

    it('is destroyed when its server does not let go in time', async () => {
      // This one goes on sending: it never closes its side.
      const stubborn: Server = createServer({ allowHalfOpen: true }, socket => {
        socket.on('error', () => undefined).resume()
      })
      await new Promise<void>(resolve => stubborn.listen(0, '127.0.0.1', resolve))
      servers.push({ close: () => stubborn.close() })
      const { port } = stubborn.address() as { port: number }
      const quiet = { protocol: 2, enableReadyCheck: false, disableClientInfo: true }
      const redis = kept(new Redis({ port, disconnectTimeout: 150, ...quiet }))
      await next(redis, 'ready')
      const before = performance.now()
      redis.disconnect()
      await next(redis, 'end')
      const tookMs = performance.now() - before
      expect(tookMs).toBeGreaterThan(140)
      expect(tookMs).toBeLessThan(1_500)
    })
  })

  describe('that quits', () => {
    it('when it is ready, answers what came before and refuses what comes after', async () => {
      const redis = kept(new Redis(at()))
      const events = recorded(redis)
      await next(redis, 'ready')
      const before = redis.echo('before')
      const quit = redis.quit()
      expect(await before).toBe('before')
      expect(await quit).toBe('OK')
      await eventually(() => expect(redis.status).toBe('end'))
      expect(await failureOf(redis.echo('after'))).toMatchObject(closed)
      expect(events).toEqual([...started, ...ended])
    })

    it('with a callback', async () => {
      const redis = kept(new Redis(at()))
      await next(redis, 'ready')
      expect(await new Promise(resolve => redis.quit((...args: unknown[]) => resolve(args)))).toEqual([null, 'OK'])
    })

    it('while it waits, never dials', async () => {
      const redis = kept(new Redis(at({ lazyConnect: true })))
      const events = recorded(redis)
      expect(await redis.quit()).toBe('OK')
      await eventually(() => expect(events).toEqual([['wait'], ['connecting'], ['end']]))
      expect(redis.stream).toBeUndefined()
    })

    it('in the turn of its construction, never dials', async () => {
      const redis = kept(new Redis(at()))
      const events = recorded(redis)
      expect(await redis.quit()).toBe('OK')
      await eventually(() => expect(events).toEqual([['connecting'], ['end']]))
    })

    it('behind what it was asked while it connects', async () => {
      const redis = kept(new Redis(at()))
      const events = recorded(redis)
      const before = redis.echo('before')
      const quit = redis.quit()
      expect(await before).toBe('before')
      expect(await quit).toBe('OK')
      await eventually(() => expect(events).toEqual([...started, ...ended]))
    })

    it('while it introduces itself, and rejects its connect()', async () => {
      const redis = kept(new Redis(at({ lazyConnect: true })))
      const events = recorded(redis)
      const connecting = failureOf(redis.connect())
      await next(redis, 'connect')
      expect(await redis.quit()).toBe('OK')
      expect(await connecting).toMatchObject(closed)
      await eventually(() => expect(events).toEqual([['wait'], ['connecting'], ['connect'], ...ended]))
    })

    it('while it is about to reconnect', async () => {
      const one = await scripted()
      const redis = kept(new Redis({ port: one.port, retryStrategy: () => 60_000 }))
      await next(redis, 'ready')
      one.cutAll()
      await next(redis, 'reconnecting')
      expect(await redis.quit()).toBe('OK')
    })

    it('at its end is refused like any command', async () => {
      const redis = kept(new Redis(at({ lazyConnect: true })))
      redis.disconnect()
      expect(await failureOf(redis.quit())).toMatchObject(closed)
    })
  })

  describe('at its end', () => {
    it('refuses every command', async () => {
      const redis = kept(new Redis(at()))
      redis.disconnect()
      await next(redis, 'end')
      expect(await failureOf(redis.get('k'))).toMatchObject(closed)
      expect(await failureOf(redis.call('GET', 'k'))).toMatchObject(closed)
      expect(await failureOf(redis.subscribe('c'))).toMatchObject(closed)
      expect(await failureOf(redis.multi({ pipeline: false }))).toMatchObject(closed)
      const results = await redis.pipeline().get('k').set('k', 1).exec()
      expect(results).toEqual([[expect.objectContaining(closed)], [expect.objectContaining(closed)]])
      expect(await failureOf(redis.multi().get('k').exec())).toMatchObject(closed)
      const args = await new Promise(resolve => redis.get('k', (...got: unknown[]) => resolve(got)))
      expect(args).toEqual([expect.objectContaining(closed)])
    })

    it('may connect again', async () => {
      const redis = kept(new Redis(at()))
      const events = recorded(redis)
      await next(redis, 'ready')
      redis.disconnect()
      await next(redis, 'end')
      await redis.connect()
      expect(await redis.ping()).toBe('PONG')
      expect(events).toEqual([...started, ...ended, ...started])
      expect(await redis.quit()).toBe('OK')
    })

    it('is where an assignment of the status puts it', async () => {
      const redis = kept(new Redis(at()))
      await next(redis, 'ready')
      redis.status = 'end'
      expect(redis.status).toBe('end')
      expect(await failureOf(redis.ping())).toMatchObject(closed)
      redis.status = 'ready'
      expect(await redis.ping()).toBe('PONG')
    })
  })

  describe('that is about to reconnect', () => {
    it('connects at once when it is told to', async () => {
      const one = await scripted()
      const redis = kept(new Redis({ port: one.port, retryStrategy: () => 60_000 }))
      const events = recorded(redis)
      await next(redis, 'ready')
      one.cutAll()
      await next(redis, 'reconnecting')
      const command = redis.get('k')
      await redis.connect()
      expect(await command).toBe('value')
      expect(events).toEqual([...started, ['close'], ['reconnecting', 60_000], ...started])
    })
  })

  describe('counts', () => {
    it('what is in flight and what waits', async () => {
      const one = await scripted(([name]) => (name === 'BLPOP' ? silence : undefined))
      const redis = kept(new Redis({ port: one.port, retryStrategy: () => 60_000, maxRetriesPerRequest: null }))
      await next(redis, 'ready')
      expect([redis.commandQueue.length, redis.offlineQueue.length]).toEqual([0, 0])
      const calls = [failureOf(redis.blpop('k', 0)), failureOf(redis.blpop('k', 0))]
      expect([redis.commandQueue.length, redis.offlineQueue.length]).toEqual([2, 0])
      await eventually(() => expect(one.count('BLPOP')).toBe(2))
      const ended = redis.duplicate({ port: one.port, lazyConnect: true })
      kept(ended)
      calls.push(failureOf(ended.get('a')), failureOf(ended.get('b')))
      expect([ended.commandQueue.length, ended.offlineQueue.length]).toEqual([0, 2])
      redis.disconnect()
      ended.disconnect()
      for (const error of await Promise.all(calls)) expect(error).toMatchObject(closed)
      expect([redis.commandQueue.length, ended.offlineQueue.length]).toEqual([0, 0])
    })
  })

  describe('and its mode', () => {
    it('is normal, subscriber under protocol 2, or monitor', async () => {
      const three = kept(new Redis(at()))
      const two = kept(new Redis(at({ protocol: 2 })))
      expect(two.mode).toBe('normal')
      await Promise.all([three.subscribe('c'), two.subscribe('c')])
      expect(three.mode).toBe('normal')
      expect(two.mode).toBe('subscriber')
      await two.unsubscribe('c')
      expect(two.mode).toBe('normal')
      const monitor = kept(await three.monitor())
      expect(monitor.mode).toBe('monitor')
    })
  })

  describe('and its database', () => {
    it('is chosen before it is ready', async () => {
      const redis = kept(new Redis(at({ db: 4 })))
      const events = recorded(redis)
      expect(await redis.client('info')).toContain(' db=4 ')
      expect(events).toEqual(started)
      expect(redis.condition.select).toBe(4)
    })

    it('changes with SELECT, which is told', async () => {
      const redis = kept(new Redis(at()))
      const events = recorded(redis)
      await next(redis, 'ready')
      const selecting = redis.select(3)
      // It is told when the command leaves, before any reply.
      expect(events.at(-1)).toEqual(['select', 3])
      expect(redis.condition.select).toBe(3)
      expect(await selecting).toBe('OK')
      expect(await redis.select('3')).toBe('OK')
      expect(await redis.call('select', '5')).toBe('OK')
      expect(events.slice(3)).toEqual([
        ['select', 3],
        ['select', 5],
      ])
    })

    it('changes before it is connected, too', async () => {
      const redis = kept(new Redis(at({ lazyConnect: true })))
      const events = recorded(redis)
      const selecting = redis.select(6)
      expect(events).toEqual([['select', 6]])
      expect(await selecting).toBe('OK')
      expect(await redis.client('info')).toContain(' db=6 ')
    })

    it('does not change with what is no number', async () => {
      const redis = kept(new Redis(at()))
      const events = recorded(redis)
      await next(redis, 'ready')
      expect(await failureOf(redis.select('x'))).toMatchObject({
        name: 'ReplyError',
        message: 'ERR value is not an integer or out of range',
        command: { name: 'select', args: ['x'] },
      })
      expect(await failureOf(redis.select())).toMatchObject({ name: 'ReplyError' })
      expect(events).toEqual(started)
      expect(redis.condition.select).toBe(0)
    })

    it('is the same after a reconnect', async () => {
      const redis = kept(new Redis(at({ db: 1, retryStrategy: () => 1 })))
      await next(redis, 'ready')
      await redis.select(7)
      redis.disconnect(true)
      await next(redis, 'ready')
      expect(await redis.client('info')).toContain(' db=7 ')
      expect(redis.options.db).toBe(1)
    })

    it('is for each queued command the one it was asked in', async () => {
      const redis = kept(new Redis(at({ lazyConnect: true, keyPrefix: 'queued:' })))
      await Promise.all([
        redis.set('zero', '0'),
        redis.select(8),
        redis.set('eight', '8'),
        redis.select(0),
        redis.select(9),
      ])
      expect(await redis.client('info')).toContain(' db=9 ')
      await redis.select(0)
      expect(await redis.mget('zero', 'eight')).toEqual(['0', null])
      await redis.select(8)
      expect(await redis.mget('zero', 'eight')).toEqual([null, '8'])
    })

    it('that is not there is an error event, and no hindrance', async () => {
      const redis = kept(new Redis(at({ db: 99 })))
      const events = recorded(redis)
      await next(redis, 'ready')
      expect(events).toEqual([['connecting'], ['connect'], ['error', 'ERR DB index is out of range'], ['ready']])
    })
  })
})

describeBoth('TLS', ({ Redis }) => {
  let dir: string
  let files: TestCertificates
  let secure: LocalServer

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'slotwise-tls-'))
    files = makeTestCertificates(dir)
    secure = await LocalServer.start({ tls: { ...files.server, ca: files.ca }, config: { 'tls-auth-clients': 'no' } })
  })
  afterAll(async () => {
    await secure?.stop()
    rmSync(dir, { recursive: true, force: true })
  })

  it('is asked for by options, or by the URL and options', async () => {
    const tls = { ca: readFileSync(files.ca) }
    for (const args of [
      [{ host: '127.0.0.1', port: secure.port, tls }],
      [`rediss://localhost:${secure.port}/1`, { tls }],
    ]) {
      const redis = kept(new Redis(...args))
      const events = recorded(redis)
      expect(await redis.ping()).toBe('PONG')
      expect(events).toEqual(started)
      expect(redis.stream).toMatchObject({ encrypted: true, authorized: true })
    }
  })

  it.each([
    ['an unknown authority', () => ({}), 'SELF_SIGNED_CERT_IN_CHAIN'],
    ['another name', () => ({ ca: readFileSync(files.ca), servername: 'redis.test' }), 'ERR_TLS_CERT_ALTNAME_INVALID'],
  ])('is refused for %s, with an error event', async (_, tls, code) => {
    const redis = kept(
      new Redis({ host: '127.0.0.1', port: secure.port, tls: tls(), lazyConnect: true, retryStrategy: null }),
    )
    const events = recorded(redis)
    const heard = next(redis, 'error')
    expect(await failureOf(redis.connect())).toMatchObject(closed)
    const error = await heard
    expect(error.code).toBe(code)
    await eventually(() => expect(events).toEqual([['wait'], ['connecting'], ['error', error.message], ...ended]))
  })
})

describeBoth('an error', ({ Redis }) => {
  it('nobody listens to is printed', async () => {
    const [port] = await freePorts(1)
    const printed = vi.spyOn(console, 'error').mockImplementation(() => undefined)
    const redis = new Redis({ port, host: '127.0.0.1', retryStrategy: null })
    clients.push(redis)
    await next(redis, 'end')
    expect(printed.mock.calls).toEqual([
      [
        '[ioredis] Unhandled error event:',
        expect.stringMatching(new RegExp(`^Error: connect ECONNREFUSED 127\\.0\\.0\\.1:${port}\n`)),
      ],
    ])
  })

  it('somebody listens to is not', async () => {
    const [port] = await freePorts(1)
    const printed = vi.spyOn(console, 'error').mockImplementation(() => undefined)
    const redis = kept(new Redis({ port, host: '127.0.0.1', retryStrategy: null }))
    await next(redis, 'end')
    expect(printed).not.toHaveBeenCalled()
  })

  it('is emitted by silentEmit() only where it is heard', () => {
    const printed = vi.spyOn(console, 'error').mockImplementation(() => undefined)
    const redis = new Redis({ lazyConnect: true })
    clients.push(redis)
    expect(redis.silentEmit('error', new Error('mine'))).toBe(false)
    expect(printed).toHaveBeenCalledTimes(1)
    expect(redis.silentEmit('other', 1)).toBe(false)
    const heard: unknown[] = []
    redis.on('error', (error: Error) => heard.push(error.message))
    expect(redis.silentEmit('error', new Error('mine'))).toBe(true)
    expect(heard).toEqual(['mine'])
    expect(printed).toHaveBeenCalledTimes(1)
  })
})

describeBoth('a connection begins', ({ Redis, deviates }) => {
  const ownName = deviates('library-name') ? 'slotwise' : 'ioredis'

  const over = (one: FakeServer, more: object = {}) =>
    kept(new Redis({ port: one.port, host: '127.0.0.1', retryStrategy: () => 1, ...more }))

  it('with HELLO, itself, and INFO', async () => {
    const one = await scripted()
    await next(over(one), 'ready')
    expect(received(one)).toEqual(['HELLO 3', ...clientInfo, 'INFO'])
  })

  it('with everything there is an option for', async () => {
    const one = await scripted()
    const options = { username: 'me', password: 'word', db: 2, connectionName: 'mine', readOnly: true }
    await next(over(one, { ...options, clientInfoTag: 'tag' }), 'ready')
    expect(received(one)).toEqual([
      'HELLO 3 AUTH me word',
      'SELECT 2',
      'CLIENT setname mine',
      'READONLY',
      'CLIENT SETINFO LIB-VER …',
      'CLIENT SETINFO LIB-NAME …(tag)',
      'INFO',
    ])
  })

  it('with what it calls itself', async () => {
    const one = await scripted()
    await next(over(one), 'ready')
    await next(over(one, { clientInfoTag: 'tag' }), 'ready')
    expect(one.seen('CLIENT')).toEqual([
      ['CLIENT', 'SETINFO', 'LIB-VER', '6.0.0'],
      ['CLIENT', 'SETINFO', 'LIB-NAME', ownName],
      ['CLIENT', 'SETINFO', 'LIB-VER', '6.0.0'],
      ['CLIENT', 'SETINFO', 'LIB-NAME', `${ownName}(tag)`],
    ])
  })

  it('without it on request', async () => {
    const one = await scripted()
    await next(over(one, { disableClientInfo: true, clientInfoTag: 'tag' }), 'ready')
    expect(received(one)).toEqual(['HELLO 3', 'INFO'])
  })

  it('with everything there is an option for under protocol 2', async () => {
    const one = await scripted()
    const options = { username: 'me', password: 'word', db: 2, connectionName: 'mine', readOnly: true }
    await next(over(one, { ...options, protocol: 2 }), 'ready')
    expect(received(one)).toEqual([
      'AUTH me word',
      'SELECT 2',
      'CLIENT setname mine',
      'READONLY',
      ...clientInfo,
      'INFO',
    ])
  })

  it('with a password for the default user', async () => {
    const one = await scripted()
    await next(over(one, { password: 'word' }), 'ready')
    await next(over(one, { password: 'word', protocol: 2 }), 'ready')
    expect(received(one).filter(line => /^(HELLO|AUTH)/.test(line))).toEqual(['HELLO 3 AUTH default word', 'AUTH word'])
  })

  it('with as little as possible', async () => {
    const one = await scripted()
    const redis = over(one, { disableClientInfo: true, enableReadyCheck: false, protocol: 2 })
    await next(redis, 'ready')
    expect(await redis.get('k')).toBe('value')
    expect(received(one)).toEqual(['GET k'])
  })

  it('with the name it keeps', async () => {
    const redis = kept(new Redis({ port: server.port, connectionName: 'mine', retryStrategy: () => 1 }))
    expect(await redis.client('getname')).toBe('mine')
    redis.disconnect(true)
    await next(redis, 'ready')
    expect(await redis.client('getname')).toBe('mine')
  })

  it('with protocol 2 where HELLO is not known', async () => {
    const one = await scripted(([name, version]) =>
      name === 'HELLO' ? `-ERR unknown command \`HELLO\`, with args beginning with: \`${version}\`, \r\n` : undefined,
    )
    const redis = over(one, { password: 'word', db: 2 })
    const events = recorded(redis)
    await next(redis, 'ready')
    expect(events).toEqual(started)
    expect(redis.condition.protocol).toBe(2)
    expect(received(one)).toEqual([
      'HELLO 3 AUTH default word',
      'SELECT 2',
      ...clientInfo,
      'AUTH word',
      'SELECT 2',
      ...clientInfo,
      'INFO',
    ])
  })

  it('with protocol 2 where version 3 is refused', async () => {
    const one = await scripted(([name]) => (name === 'HELLO' ? '-NOPROTO unsupported protocol version\r\n' : undefined))
    const redis = over(one)
    await next(redis, 'ready')
    expect(redis.condition.protocol).toBe(2)
    expect(redis.options.protocol).toBe(3)
  })

  it('and a warning where replies of protocol 3 were asked for in vain', async () => {
    const warned = vi.spyOn(console, 'warn').mockImplementation(() => undefined)
    const one = await scripted(([name]) => (name === 'HELLO' ? '-NOPROTO unsupported protocol version\r\n' : undefined))
    await next(over(one, { replyMapping: 'resp3' }), 'ready')
    expect(warned.mock.calls).toEqual([
      [
        '[WARN] replyMapping "resp3" was requested, but the server does not support RESP3. Replies will use RESP2-compatible shapes until connected to a server that supports RESP3.',
      ],
    ])
  })

  it('again when HELLO fails for another reason', async () => {
    const one = await scripted(([name]) => (name === 'HELLO' && one.accepted < 3 ? '-ERR not now\r\n' : undefined))
    const redis = over(one)
    const events = recorded(redis)
    const failed = failureOf(redis.get('k'))
    await next(redis, 'ready')
    const retried = [['connecting'], ['connect'], ['error', 'ERR not now'], ['close'], ['reconnecting', 1]]
    expect(events).toEqual([...retried, ...retried, ...started])
    expect(await failed).toMatchObject({
      name: 'ReplyError',
      message: 'ERR not now',
      command: { name: 'hello', args: ['3'] },
    })
  })

  it('whatever the server thinks of its name', async () => {
    const one = await scripted(([name]) => (name === 'CLIENT' || name === 'READONLY' ? '-ERR no\r\n' : undefined))
    const redis = over(one, { connectionName: 'mine', readOnly: true })
    const events = recorded(redis)
    await next(redis, 'ready')
    expect(events).toEqual(started)
  })

  it('with commands of the user that may go before it is ready', async () => {
    const one = await scripted(([name]) => (name === 'INFO' ? silence : undefined))
    const redis = over(one)
    await next(redis, 'connect')
    expect(await redis.client('id')).toBe('OK')
    const waiting = failureOf(redis.get('k'))
    expect(redis.offlineQueue.length).toBe(1)
    expect(redis.status).toBe('connect')
    redis.disconnect()
    expect(await waiting).toMatchObject(closed)
    expect(one.count('GET')).toBe(0)
  })
})

describeBoth('the ready check', ({ Redis }) => {
  const loading = (seconds: number) => bulk(`# Persistence\r\nloading:1\r\nloading_eta_seconds:${seconds}\r\n`)
  const over = (one: FakeServer, more: object = {}) =>
    kept(new Redis({ port: one.port, host: '127.0.0.1', retryStrategy: () => 1, ...more }))

  it('waits until the server has loaded', async () => {
    const askedAt: number[] = []
    const one = await scripted(([name]) => {
      if (name !== 'INFO') return undefined
      askedAt.push(performance.now())
      return askedAt.length < 3 ? loading(5) : undefined
    })
    const redis = over(one, { maxLoadingRetryTime: 60 })
    const events = recorded(redis)
    expect(await redis.get('k')).toBe('value')
    expect(events).toEqual(started)
    expect(received(one).slice(-4)).toEqual(['INFO', 'INFO', 'INFO', 'GET k'])
    expect(askedAt[1]! - askedAt[0]!).toBeGreaterThan(55)
    expect(askedAt[1]! - askedAt[0]!).toBeLessThan(2_000)
  })

  it('asks again after as many seconds as the server believes', async () => {
    const askedAt: number[] = []
    const one = await scripted(([name]) => {
      if (name !== 'INFO') return undefined
      askedAt.push(performance.now())
      return askedAt.length < 2 ? loading(1) : undefined
    })
    await next(over(one), 'ready')
    expect(askedAt[1]! - askedAt[0]!).toBeGreaterThan(990)
    expect(askedAt[1]! - askedAt[0]!).toBeLessThan(3_000)
  })

  it('is satisfied with what says nothing about loading', async () => {
    for (const reply of [bulk('role:master\r\n'), bulk(''), '+OK\r\n', array([])]) {
      const one = await scripted(([name]) => (name === 'INFO' ? reply : undefined))
      await next(over(one), 'ready')
    }
  })

  it('is skipped where INFO is forbidden', async () => {
    const warned = vi.spyOn(console, 'warn').mockImplementation(() => undefined)
    const one = await scripted(([name]) => (name === 'INFO' ? '-NOPERM this user has no permissions\r\n' : undefined))
    const redis = over(one)
    const events = recorded(redis)
    await next(redis, 'ready')
    expect(events).toEqual(started)
    expect(warned.mock.calls).toEqual([
      [
        'Skipping the ready check because INFO command fails: "NOPERM this user has no permissions". You can disable ready check with "enableReadyCheck". More: https://github.com/luin/ioredis/wiki/Disable-ready-check.',
      ],
    ])
  })

  it('begins again on a new connection when INFO fails', async () => {
    const one = await scripted(([name]) => (name === 'INFO' && one.accepted === 1 ? '-LOADING wait\r\n' : undefined))
    const redis = over(one)
    const events = recorded(redis)
    const failed = failureOf(redis.get('k'))
    await next(redis, 'ready')
    expect(events).toEqual([
      ['connecting'],
      ['connect'],
      ['error', 'LOADING wait'],
      ['close'],
      ['reconnecting', 1],
      ...started,
    ])
    // What waited is rejected with what has gone wrong.
    expect(await failed).toMatchObject({ name: 'ReplyError', message: 'LOADING wait', command: { name: 'info' } })
  })

  it('is left out on request, and commands go to a server that loads', async () => {
    const one = await scripted(([name]) => (name === 'INFO' ? loading(60) : undefined))
    const redis = over(one, { enableReadyCheck: false })
    expect(await redis.get('k')).toBe('value')
    expect(one.count('INFO')).toBe(0)
  })
})

describeBoth('a password', ({ Redis, deviates }) => {
  const at = (more: object) =>
    kept(
      new Redis({
        port: guarded.port,
        host: guarded.host,
        retryStrategy: (n: number) => (n < 2 ? 1 : null),
        ...more,
      }),
    )

  it.each([
    { password: 'secret' },
    { password: 'secret', protocol: 2 },
    { username: 'me', password: 'word' },
    { username: 'me', password: 'word', protocol: 2 },
    { username: 'default', password: 'secret' },
  ])('opens the door: %o', async options => {
    const redis = at(options)
    expect(await redis.acl('whoami')).toBe(options.username ?? 'default')
    redis.disconnect(true)
    await next(redis, 'ready')
    expect(await redis.acl('whoami')).toBe(options.username ?? 'default')
  })

  it('may be in the URL', async () => {
    const redis = kept(new Redis(`redis://me:word@${guarded.address}`))
    expect(await redis.acl('whoami')).toBe('me')
  })

  const wrong = 'WRONGPASS invalid username-password pair or user is disabled.'
  const locked = expect.stringMatching(/^NOAUTH HELLO must be called with the client already authenticated, /)
  it.each([
    ['wrong', { password: 'wrong' }, wrong, { name: 'hello', args: ['3', 'AUTH', 'default', 'wrong'] }],
    ['wrong under protocol 2', { password: 'wrong', protocol: 2 }, wrong, { name: 'auth', args: ['wrong'] }],
    [
      'of another',
      { username: 'me', password: 'secret', protocol: 2 },
      wrong,
      { name: 'auth', args: ['me', 'secret'] },
    ],
    ['missing', {}, locked, { name: 'hello', args: ['3'] }],
    ['missing under protocol 2', { protocol: 2 }, 'NOAUTH Authentication required.', { name: 'info', args: [] }],
  ])('that is %s is an error event for each attempt', async (_, options, message, command) => {
    const redis = at({ ...options, lazyConnect: true })
    const events = recorded(redis)
    const errors: Untyped[] = []
    redis.on('error', (error: Error) => errors.push(error))
    const failed = failureOf(redis.get('k'))
    await next(redis, 'end')
    const attempt = [['connecting'], ['connect'], ['error', message], ['close']]
    expect(events).toEqual([['wait'], ...attempt, ['reconnecting', 1], ...attempt, ['end']])
    const secrets: unknown[] = Object.values(options)
    const args = deviates('secrets-masked')
      ? command.args.map(arg => (arg !== 'me' && secrets.includes(arg) ? '?' : arg))
      : command.args
    expect(errors[0]).toMatchObject({ name: 'ReplyError', message, command: { ...command, args } })
    expect(await failed).toBe(errors[0])
  })

  it('rejects connect() with the closed connection', async () => {
    expect(await failureOf(at({ password: 'wrong', lazyConnect: true }).connect())).toMatchObject(closed)
  })

  it('nobody asked for is a warning under protocol 2, and none under 3', async () => {
    const warned = vi.spyOn(console, 'warn').mockImplementation(() => undefined)
    const over = (protocol: number) => kept(new Redis({ port: server.port, password: 'any', protocol }))
    expect(await over(3).ping()).toBe('PONG')
    expect(warned).not.toHaveBeenCalled()
    expect(await over(2).ping()).toBe('PONG')
    expect(warned.mock.calls).toEqual([
      ["[WARN] This Redis server's `default` user does not require a password, but a password was supplied"],
    ])
  })

  it('may come later, too', async () => {
    const redis = at({ protocol: 2, enableReadyCheck: false })
    expect(await failureOf(redis.get('k'))).toMatchObject({ message: 'NOAUTH Authentication required.' })
    expect(await redis.auth('secret')).toBe('OK')
    expect(await redis.auth('me', 'word')).toBe('OK')
    expect(await redis.acl('whoami')).toBe('me')
  })
})
