// What the API of ioredis promises here beyond what ioredis keeps: each test shows one entry of the register of deviations.

import { createRequire } from 'node:module'
import { createServer, type Server } from 'node:net'
import type { Redis } from 'slotwise'
import { bulk, type FakeServer, type Handler, silence } from 'slotwise/testing'
import { afterEach, describe, expect, it } from 'vitest'
import { freePorts } from '../../scripts/local-server.mjs'
import { startScripted } from '../support/scripted.js'
import { eventually, socketFdsTo } from '../support/settled.js'

// The root is CommonJS by hand, so that it can be a constructor: it is tested as built.
const package_ = createRequire(import.meta.url)('../../dist/index.js') as typeof import('slotwise')
const { Redis: Client } = package_

let made: Redis[] = []
let servers: { close(): unknown }[] = []
function kept(redis: Redis): Redis {
  redis.on('error', () => undefined)
  made.push(redis)
  return redis
}
async function scripted(handler?: Handler): Promise<FakeServer> {
  const server = await startScripted((command, connection) => {
    const own = handler?.(command, connection)
    if (own !== undefined) return own
    return command[0] === 'INFO' ? bulk('loading:0\r\n') : command[0] === 'GET' ? bulk('value') : undefined
  })
  servers.push(server)
  return server
}
afterEach(async () => {
  for (const redis of made) redis.disconnect()
  for (const server of servers) await server.close()
  made = []
  servers = []
})
const once = (redis: Redis, event: string) => new Promise(resolve => redis.once(event, resolve))
const failure = (call: Promise<unknown>) =>
  call.then(
    () => null,
    (error: Error & { code?: string }) => error,
  )
const ended = (redis: Redis) => eventually(() => expect(redis.status).toBe('end'))

describe('while the server is away', () => {
  it('what waits is bounded in bytes, and the rest fails at once (bounded-queue)', async () => {
    const [port] = await freePorts(1)
    const redis = kept(
      new Client({ port: port as number, maxRetriesPerRequest: null, slotwise: { maxQueuedBytes: 100_000 } }),
    )
    const outcomes = Array.from({ length: 1000 }, (_, i) => failure(redis.set(`key:${i}`, 'x'.repeat(1000))))
    const early = await Promise.race([Promise.all(outcomes.slice(500)), once(redis, 'never')])
    expect(new Set((early as { code: string }[]).map(({ code }) => code))).toEqual(new Set(['SLOTWISE_QUEUE_FULL']))
    expect(redis.offlineQueue.length).toBeLessThan(100)
    redis.disconnect()
    await Promise.all(outcomes)
  })

  it('disconnect() ends it in every state, and settles everything (always-settles)', async () => {
    const [port] = await freePorts(1)
    const redis = kept(new Client({ port: port as number, maxRetriesPerRequest: null, retryStrategy: () => 60_000 }))
    const waiting = failure(redis.get('k'))
    await once(redis, 'reconnecting')
    redis.disconnect()
    expect((await waiting)?.message).toBe('Connection is closed.')
    await ended(redis)
    expect((await failure(redis.get('k')))?.message).toBe('Connection is closed.')
  })

  it('a command that has timed out is not sent later (timed-out-in-queue)', async () => {
    const server = await scripted(([name]) =>
      name === 'INFO' && server.count('INFO') < 3 ? bulk('loading:1\r\nloading_eta_seconds:1\r\n') : undefined,
    )
    const redis = kept(new Client({ port: server.port, commandTimeout: 30, maxLoadingRetryTime: 50 }))
    expect((await failure(redis.get('late')))?.message).toBe('Command timed out')
    await once(redis, 'ready')
    await redis.get('in time')
    expect(server.seen('GET')).toEqual([['GET', 'in time']])
  })

  it('MaxRetriesPerRequestError says why (cause, attempts, elapsedMs)', async () => {
    const [port] = await freePorts(1)
    const redis = kept(new Client({ port: port as number, maxRetriesPerRequest: 2, retryStrategy: () => 1 }))
    const error = await failure(redis.get('k'))
    expect(error).toMatchObject({ name: 'MaxRetriesPerRequestError', attempts: 3, cause: { code: 'ECONNREFUSED' } })
  })
})

describe('a server that says nothing', () => {
  it('is given up by connectTimeout, whatever it has accepted (connect-deadline)', async () => {
    const silent: Server = createServer(socket => socket.on('error', () => undefined))
    await new Promise<void>(resolve => silent.listen(0, '127.0.0.1', resolve))
    servers.push({ close: () => silent.close() })
    const { port } = silent.address() as { port: number }
    const redis = kept(new Client({ port, connectTimeout: 50, retryStrategy: () => 1 }))
    await once(redis, 'reconnecting')
    await once(redis, 'reconnecting')
    redis.disconnect()
    await ended(redis)
    await eventually(() => expect(socketFdsTo([port])).toBe(0))
  })

  it('to a command is given up, and asked again on a new connection (silent-peer)', async () => {
    const server = await scripted(([name]) => (name === 'GET' && server.accepted === 1 ? silence : undefined))
    const redis = kept(new Client({ port: server.port, slotwise: { silenceTimeoutMs: 60 }, retryStrategy: () => 1 }))
    expect(await redis.get('k')).not.toBeUndefined()
    expect(server.accepted).toBe(2)
  })

  it('while autoResendUnfulfilledCommands is off fails what it owes (always-settles)', async () => {
    const server = await scripted(([name], connection) => {
      if (name !== 'GET' || server.accepted > 1) return undefined
      connection.cut()
      return silence
    })
    const redis = kept(new Client({ port: server.port, autoResendUnfulfilledCommands: false, retryStrategy: () => 1 }))
    const error = await failure(redis.get('k'))
    expect(error).toMatchObject({ name: 'AbortError', code: 'SLOTWISE_CONNECTION_LOST', maybeExecuted: true })
  })
})

it('subscriptions end however many there are of each kind (always-settles)', async () => {
  const { LocalServer } = await import('../../scripts/local-server.mjs')
  const server = await LocalServer.start({})
  servers.push({ close: () => server.stop() })
  for (const protocol of [2, 3] as const) {
    const redis = kept(new Client({ port: server.port, protocol }))
    expect(await redis.subscribe('a', 'b')).toBe(2)
    expect(await redis.psubscribe('p*')).toBe(3)
    expect(await redis.unsubscribe()).toBe(1)
    expect(await redis.punsubscribe()).toBe(0)
    expect(await redis.unsubscribe()).toBe(0)
    expect(await redis.ping()).toBe('PONG')
  }
})
