// monitor(): a connection of its own that hears every command of the server.

import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { freePorts, LocalServer } from '../../scripts/local-server.mjs'
import { failureOf } from '../support/clients.js'
import { eventually } from '../support/settled.js'
import { describeBoth, type Untyped } from './support/both.js'

let server: LocalServer
const clients: Untyped[] = []

beforeAll(async () => {
  server = await LocalServer.start()
})
afterEach(() => {
  for (const redis of clients.splice(0)) redis.disconnect()
})
afterAll(() => server?.stop())

/** Disconnected after the test, and its errors are not for the console. */
function kept(redis: Untyped): Untyped {
  clients.push(redis.on('error', () => undefined))
  return redis
}

const next = (redis: Untyped, event: string) => new Promise<Untyped>(resolve => redis.once(event, resolve))

type Seen = [time: string, args: string[], source: string, database: string]

/** What the monitor hears of one client's commands; what connections begin with is left out. */
function heardBy(monitor: Untyped): Seen[] {
  const seen: Seen[] = []
  monitor.on('monitor', (...args: Seen) => {
    if (!['hello', 'client', 'info'].includes(args[1][0]!.toLowerCase())) seen.push(args)
  })
  return seen
}

describeBoth('monitor()', ({ Redis }) => {
  const client = (more: object = {}) => kept(new Redis({ port: server.port, host: server.host, ...more }))

  it('gives another client, which is monitoring', async () => {
    const redis = client({ connectionName: 'mine' })
    const monitor = kept(await redis.monitor())
    expect(monitor).not.toBe(redis)
    expect(monitor).toBeInstanceOf(Redis)
    expect(monitor).toMatchObject({ status: 'monitoring', mode: 'monitor' })
    expect(monitor.options).toMatchObject({ monitor: true, lazyConnect: false, connectionName: 'mine' })
    expect(redis.options.monitor).toBeUndefined()
    expect(redis.mode).toBe('normal')
    expect(await redis.ping()).toBe('PONG')
  })

  it('calls back', async () => {
    const redis = client()
    const args = await new Promise<unknown[]>(resolve => redis.monitor((...got: unknown[]) => resolve(got)))
    expect(args).toHaveLength(2)
    expect(args[0]).toBeNull()
    expect(kept(args[1]).status).toBe('monitoring')
  })

  it.each([2, 3])('hears time, arguments, source and database, under protocol %i', async protocol => {
    const redis = client({ protocol })
    const monitor = kept(await redis.monitor())
    const seen = heardBy(monitor)
    await redis.set('k', 'v')
    await redis.select(2)
    await redis.call('GET', 'k')
    await eventually(() => expect(seen).toHaveLength(3))
    const source = `${redis.stream.localAddress}:${redis.stream.localPort}`
    const now = Date.now() / 1000
    for (const [time, , from] of seen) {
      expect(time).toMatch(/^\d{10}\.\d{6}$/)
      expect(Math.abs(Number(time) - now)).toBeLessThan(60)
      expect(from).toBe(source)
    }
    expect(seen.map(([, args, , database]) => [args, database])).toEqual([
      [['set', 'k', 'v'], '0'],
      [['select', '2'], '2'],
      [['GET', 'k'], '2'],
    ])
  })

  it('takes quotes and spaces for what they are', async () => {
    const redis = client()
    const monitor = kept(await redis.monitor())
    const seen = heardBy(monitor)
    await redis.set('a key', 'say "hi"', 'EX', 100)
    await redis.set('empty', '')
    await eventually(() => expect(seen).toHaveLength(2))
    expect(seen.map(([, args]) => args)).toEqual([
      ['set', 'a key', 'say "hi"', 'EX', '100'],
      ['set', 'empty', ''],
    ])
  })

  it('leaves other bytes as the server writes them', async () => {
    const redis = client()
    const monitor = kept(await redis.monitor())
    const seen = heardBy(monitor)
    await redis.set('bytes', Buffer.from([0, 10, 255]))
    await eventually(() => expect(seen).toHaveLength(1))
    expect(seen[0]![1]).toEqual(['set', 'bytes', '\\x00\\n\\xff'])
  })

  it('hears what scripts call, whose source is lua', async () => {
    const redis = client()
    const monitor = kept(await redis.monitor())
    const seen = heardBy(monitor)
    await redis.eval("return redis.call('GET', KEYS[1])", 1, 'k')
    await eventually(() => expect(seen).toHaveLength(2))
    expect(seen[1]!.slice(1)).toEqual([['GET', 'k'], 'lua', '0'])
  })

  it('refuses commands', async () => {
    const redis = client()
    const monitor = kept(await redis.monitor())
    const refused = { name: 'Error', message: "Connection is in monitoring mode, can't process commands." }
    expect(await failureOf(monitor.get('k'))).toMatchObject(refused)
    expect(await failureOf(monitor.quit())).toMatchObject(refused)
    expect(await failureOf(monitor.subscribe('c'))).toMatchObject(refused)
    expect(await monitor.pipeline().get('k').exec()).toEqual([[expect.objectContaining(refused)]])
    expect(monitor.status).toBe('monitoring')
    expect(await redis.ping()).toBe('PONG')
  })

  it('has events in this order', async () => {
    const redis = client()
    const events: string[] = []
    const monitor = kept(redis.duplicate({ monitor: true }))
    for (const name of ['connecting', 'connect', 'ready', 'monitoring', 'close', 'end']) {
      monitor.on(name, () => events.push(name))
    }
    await next(monitor, 'monitoring')
    monitor.disconnect()
    await next(monitor, 'end')
    expect(events).toEqual(['connecting', 'connect', 'ready', 'monitoring', 'close', 'end'])
    expect(monitor.status).toBe('end')
  })

  it('monitors again after a reconnect', async () => {
    const redis = client()
    const monitor = kept(await redis.duplicate({ retryStrategy: () => 5 }).monitor())
    const seen = heardBy(monitor)
    monitor.disconnect(true)
    await next(monitor, 'monitoring')
    expect(await failureOf(monitor.get('k'))).toMatchObject({
      message: "Connection is in monitoring mode, can't process commands.",
    })
    await redis.set('k', 'again')
    await eventually(() => expect(seen.at(-1)?.[1]).toEqual(['set', 'k', 'again']))
  })

  it('monitors again after the server was restarted', async () => {
    const own = await LocalServer.start()
    try {
      const redis = kept(new Redis({ port: own.port, host: own.host, retryStrategy: () => 20 }))
      redis.options.maxRetriesPerRequest = null
      const monitor = kept(await redis.monitor())
      const seen = heardBy(monitor)
      await own.restart()
      await eventually(() => expect(monitor.status).toBe('monitoring'))
      await redis.set('k', 'again')
      await eventually(() => expect(seen.map(([, args]) => args)).toContainEqual(['set', 'k', 'again']))
      monitor.disconnect()
      redis.disconnect()
    } finally {
      await own.stop()
    }
  })

  it('rejects with the first error when there is no server', async () => {
    const [port] = await freePorts(1)
    const redis = kept(new Redis({ port, host: '127.0.0.1', lazyConnect: true, retryStrategy: null }))
    expect(await failureOf(redis.monitor())).toMatchObject({
      message: `connect ECONNREFUSED 127.0.0.1:${port}`,
      code: 'ECONNREFUSED',
    })
    const back = await new Promise<unknown[]>(resolve => redis.monitor((...got: unknown[]) => resolve(got)))
    expect(back).toEqual([expect.objectContaining({ code: 'ECONNREFUSED' })])
  })
})
