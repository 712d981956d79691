// Errors a program can test for: class, name, message and fields of each that a standalone client has.

import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bulk, type FakeServer, type Handler, silence } from 'slotwise/testing'
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest'
import { freePorts, LocalServer } from '../../scripts/local-server.mjs'
import { failureOf } from '../support/clients.js'
import { startScripted } from '../support/scripted.js'
import { describeBoth, type Untyped } from './support/both.js'

let server: LocalServer
const clients: Untyped[] = []
const servers: FakeServer[] = []

beforeAll(async () => {
  server = await LocalServer.start()
})
afterEach(async () => {
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

/** What every connection needs; the handler goes first. */
async function scripted(handler: Handler): Promise<FakeServer> {
  const one = await startScripted(
    (command, connection) =>
      handler(command, connection) ??
      { INFO: bulk('loading:0\r\n'), SET: '+OK\r\n', GET: bulk('value') }[command[0] as string],
  )
  servers.push(one)
  return one
}

/** The names of an error's classes, from its own to Error. */
function classesOf(error: object): string[] {
  const names: string[] = []
  for (let at = Object.getPrototypeOf(error); at !== Object.prototype; at = Object.getPrototypeOf(at))
    names.push(at.constructor.name)
  return names
}

describeBoth('an error reply', ({ Redis, module }) => {
  const connected = (more: object = {}) => kept(new Redis({ port: server.port, host: server.host, ...more }))

  it.each([2, 3])('is a ReplyError with the command, under protocol %i', async protocol => {
    const redis = connected({ protocol })
    await redis.set('text', 'abc')
    const error = await failureOf(redis.hget('text', 'field'))
    expect(error).toBeInstanceOf(module.ReplyError)
    expect(error).toBeInstanceOf(Error)
    expect(classesOf(error).slice(-3)).toEqual(['ReplyError', 'RedisError', 'Error'])
    expect(error).toMatchObject({
      name: 'ReplyError',
      message: 'WRONGTYPE Operation against a key holding the wrong kind of value',
      command: { name: 'hget', args: ['text', 'field'] },
    })
    expect(String(error)).toBe('ReplyError: WRONGTYPE Operation against a key holding the wrong kind of value')
    expect(error.stack).toMatch(/^ReplyError: WRONGTYPE /)
  })

  it('names the arguments as they were sent', async () => {
    const redis = connected({ keyPrefix: 'p:' })
    await redis.set('text', 'abc')
    expect(await failureOf(redis.lpush('text', 1, true, null, undefined))).toMatchObject({
      command: { name: 'lpush', args: ['p:text', '1', 'true', '', ''] },
    })
    expect(await failureOf(redis.lpush('text', Buffer.from('b')))).toMatchObject({
      command: { name: 'lpush', args: ['p:text', Buffer.from('b')] },
    })
    expect(await failureOf(redis.call('LPUSH', 'text', ['a', 'b']))).toMatchObject({
      command: { name: 'LPUSH', args: ['p:text', 'a', 'b'] },
    })
    expect(await failureOf(redis.lpushBuffer('text', 'a'))).toMatchObject({ command: { name: 'lpush' } })
  })

  it('comes from unknown commands and wrong numbers of arguments', async () => {
    const redis = connected()
    expect(await failureOf(redis.call('nonsense', 'a', 1))).toMatchObject({
      name: 'ReplyError',
      message: "ERR unknown command 'nonsense', with args beginning with: 'a' '1' ",
      command: { name: 'nonsense', args: ['a', '1'] },
    })
    expect(await failureOf(redis.get())).toMatchObject({
      message: "ERR wrong number of arguments for 'get' command",
      command: { name: 'get', args: [] },
    })
    expect(await redis.ping()).toBe('PONG')
  })

  it('comes from scripts', async () => {
    const redis = connected({
      scripts: { broken: { lua: "return redis.error_reply('MINE went wrong')", numberOfKeys: 0 } },
    })
    expect(await failureOf(redis.eval("return redis.error_reply('MINE oh')", 0))).toMatchObject({
      name: 'ReplyError',
      message: 'MINE oh',
      command: { name: 'eval', args: ["return redis.error_reply('MINE oh')", '0'] },
    })
    expect(await failureOf(redis.broken('a'))).toMatchObject({ name: 'ReplyError', message: 'MINE went wrong' })
    expect(await failureOf(redis.evalsha('0'.repeat(40), 0))).toMatchObject({
      message: 'NOSCRIPT No matching script. Please use EVAL.',
      command: { name: 'evalsha' },
    })
  })

  it('is the only argument of a callback', async () => {
    const redis = connected()
    const args = await new Promise<unknown[]>(resolve => {
      redis.call('nonsense', (...got: unknown[]) => resolve(got))
    })
    expect(args).toEqual([expect.any(module.ReplyError)])
    expect(args[0]).toMatchObject({ command: { name: 'nonsense', args: [] } })
  })

  it('in a pipeline is in its place', async () => {
    const redis = connected()
    const results = await redis.pipeline().set('k', 'v').lpush('k', 'a').get('k').exec()
    expect(results).toEqual([[null, 'OK'], [expect.any(module.ReplyError)], [null, 'v']])
    expect(results[1]).toHaveLength(1)
    expect(results[1][0]).toMatchObject({ name: 'ReplyError', command: { name: 'lpush', args: ['k', 'a'] } })
  })

  it('in a transaction is in its place, without a command', async () => {
    const redis = connected()
    const results = await redis.multi().set('k', 'v').lpush('k', 'a').get('k').exec()
    expect(results).toEqual([[null, 'OK'], [expect.any(module.ReplyError)], [null, 'v']])
    expect(results[1][0].command).toBeUndefined()
  })

  it('that aborts a transaction brings what went before', async () => {
    const redis = connected()
    const error = (await failureOf(redis.multi().set('k').get('k').call('nonsense').exec())) as Untyped
    expect(error).toMatchObject({
      name: 'ReplyError',
      message: 'EXECABORT Transaction discarded because of previous errors.',
      command: { name: 'exec', args: [] },
    })
    expect(error.previousErrors).toEqual([expect.any(module.ReplyError), expect.any(module.ReplyError)])
    expect(error.previousErrors[0]).toMatchObject({
      message: "ERR wrong number of arguments for 'set' command",
      command: { name: 'set', args: ['k'] },
    })
    expect(error.previousErrors[1]).toMatchObject({ command: { name: 'nonsense', args: [] } })
  })

  it('to EXEC without MULTI is like any other', async () => {
    expect(await failureOf(connected().exec())).toMatchObject({
      name: 'ReplyError',
      message: 'ERR EXEC without MULTI',
      command: { name: 'exec', args: [] },
    })
  })

  it('tells where the command was called, on request', async () => {
    const here = fileURLToPath(import.meta.url)
    const friendly = connected({ showFriendlyErrorStack: true })
    const error = await failureOf(friendly.call('nonsense'))
    expect(error.stack).toMatch(/^ReplyError: ERR unknown command/)
    expect(error.stack!.split('\n')[1]).toContain(here)
    const plain = await failureOf(connected().call('nonsense'))
    expect(plain.stack).not.toContain(here)
  })
})

describeBoth('an error of the client', ({ Redis, deviates }) => {
  it('for too many reconnects is a MaxRetriesPerRequestError, which is an AbortError', async () => {
    const [port] = await freePorts(1)
    const redis = kept(new Redis({ port, maxRetriesPerRequest: 1, retryStrategy: () => 1 }))
    const error = await failureOf(redis.get('k'))
    expect(classesOf(error)).toEqual(['MaxRetriesPerRequestError', 'AbortError', 'RedisError', 'Error'])
    expect(error).toMatchObject({
      name: 'MaxRetriesPerRequestError',
      message:
        'Reached the max retries per request limit (which is 1). Refer to "maxRetriesPerRequest" option for details.',
    })
    expect(error.stack).toMatch(/^MaxRetriesPerRequestError: Reached the max retries/)
  })

  it('for half a pipeline is an AbortError with the command', async () => {
    const one = await scripted(([name, key], connection) => {
      if (one.accepted > 1 || name !== 'GET' || key === 'a') return undefined
      connection.cut()
      return silence
    })
    const redis = kept(new Redis({ port: one.port, retryStrategy: () => 1 }))
    await next(redis, 'ready')
    const [, [error, reply]] = await redis.pipeline().get('a').get('b').exec()
    if (deviates('half-pipeline')) {
      expect([error, reply]).toEqual([null, 'value'])
      return
    }
    expect(classesOf(error)).toEqual(['AbortError', 'RedisError', 'Error'])
    expect(error).toMatchObject({
      name: 'AbortError',
      message: 'Command aborted due to connection close',
      command: { name: 'get', args: ['b'] },
    })
  })

  it.each([
    ['Connection is closed.', {}, (redis: Untyped) => redis.disconnect()],
    ["Stream isn't writeable and enableOfflineQueue options is false", { enableOfflineQueue: false }, () => undefined],
  ])('"%s" is a plain Error', async (message, more, prepare) => {
    const [port] = await freePorts(1)
    const redis = kept(new Redis({ port, lazyConnect: true, retryStrategy: null, ...more }))
    prepare(redis)
    const error = await failureOf(redis.get('k'))
    expect(classesOf(error)).toEqual(['Error'])
    expect(error).toMatchObject({ name: 'Error', message })
    expect('command' in error).toBe(false)
    expect('code' in error).toBe(false)
  })

  it('"Redis is already connecting/connected" is a plain Error', async () => {
    const redis = kept(new Redis({ port: server.port }))
    const error = await failureOf(redis.connect())
    expect(classesOf(error)).toEqual(['Error'])
    expect(error.message).toBe('Redis is already connecting/connected')
    await next(redis, 'ready')
  })

  it('"Command timed out" is a plain Error', async () => {
    const one = await scripted(([name]) => (name === 'GET' ? silence : undefined))
    const redis = kept(new Redis({ port: one.port, commandTimeout: 20 }))
    const error = await failureOf(redis.get('k'))
    expect(classesOf(error)).toEqual(['Error'])
    expect(error.message).toBe('Command timed out')
    expect('command' in error).toBe(false)
  })

  it('"connect ETIMEDOUT" has code, errorno and syscall', async () => {
    const one = await scripted(() => undefined)
    one.mute = true
    const redis = kept(new Redis({ port: one.port, tls: {}, connectTimeout: 20, retryStrategy: null }))
    const error = await next(redis, 'error')
    expect(classesOf(error)).toEqual(['Error'])
    expect({ ...error }).toEqual({ code: 'ETIMEDOUT', errorno: 'ETIMEDOUT', syscall: 'connect' })
    expect(error.message).toBe('connect ETIMEDOUT')
  })

  it('for a refused connection is the system’s', async () => {
    const [port] = await freePorts(1)
    const redis = kept(new Redis({ port, host: '127.0.0.1', retryStrategy: null }))
    const error = await next(redis, 'error')
    expect(error.message).toBe(`connect ECONNREFUSED 127.0.0.1:${port}`)
    expect({ ...error }).toEqual({
      errno: -111,
      code: 'ECONNREFUSED',
      syscall: 'connect',
      address: '127.0.0.1',
      port,
    })
  })

  it('for a Unix socket that is not there is the system’s', async () => {
    const path = join(server.dir, 'gone.sock')
    const redis = kept(new Redis({ path, retryStrategy: null }))
    const error = await next(redis, 'error')
    expect(error).toMatchObject({
      message: `connect ENOENT ${path}`,
      code: 'ENOENT',
      syscall: 'connect',
      address: path,
    })
  })

  it('for a subscriber under protocol 2 is a plain Error', async () => {
    const redis = kept(new Redis({ port: server.port, protocol: 2 }))
    await redis.subscribe('c')
    const error = await failureOf(redis.get('k'))
    expect(classesOf(error)).toEqual(['Error'])
    expect(error.message).toBe('Connection in subscriber mode, only subscriber commands may be used')
  })

  it('for a monitor is a plain Error', async () => {
    const redis = kept(new Redis({ port: server.port }))
    const monitor = kept(await redis.monitor())
    const error = await failureOf(monitor.get('k'))
    expect(classesOf(error)).toEqual(['Error'])
    expect(error.message).toBe("Connection is in monitoring mode, can't process commands.")
  })

  it('for bytes that are no reply rejects what is in flight, and reconnects', async () => {
    const one = await scripted(([name]) => (name === 'GET' && one.accepted === 1 ? 'what\r\n' : undefined))
    const redis = kept(new Redis({ port: one.port, retryStrategy: () => 1 }))
    await next(redis, 'ready')
    const heard = next(redis, 'error')
    const calls = [redis.get('a'), redis.get('b')].map(call => call.catch((reason: unknown) => reason))
    const error = await heard
    if (deviates('broken-reply')) {
      expect(error).toMatchObject({ code: 'SLOTWISE_PROTOCOL' })
      expect(await calls[0]).toBe(error)
    } else {
      expect(error).toMatchObject({ name: 'Error', message: 'Unknown RESP type 119 "w". Please report this.' })
      for (const one of await Promise.all(calls)) expect(one).toBe(error)
    }
    await next(redis, 'ready')
    expect(await redis.get('k')).toBe('value')
    expect(one.accepted).toBe(2)
  })

  it('for a reply nobody waits for is an event, and nothing else', async () => {
    const one = await scripted(([name]) => (name === 'GET' ? `${bulk('value')}+more\r\n` : undefined))
    const redis = kept(new Redis({ port: one.port, retryStrategy: () => 1 }))
    await next(redis, 'ready')
    const heard = next(redis, 'error')
    expect(await redis.get('k')).toBe('value')
    if (deviates('stray-reply')) {
      expect(await heard).toMatchObject({ code: 'SLOTWISE_PROTOCOL' })
      await next(redis, 'ready')
      return
    }
    expect(await heard).toMatchObject({
      name: 'Error',
      message: 'Command queue state error. If you can reproduce this, please report it. Last reply: more',
    })
    expect(redis.status).toBe('ready')
  })

  it('for an error nobody waits for is an event, too', async () => {
    const one = await scripted(([name]) => (name === 'GET' ? `${bulk('value')}-ERR more\r\n` : undefined))
    const redis = kept(new Redis({ port: one.port, retryStrategy: () => 1 }))
    await next(redis, 'ready')
    const heard = next(redis, 'error')
    expect(await redis.get('k')).toBe('value')
    const { message, code } = await heard
    if (deviates('stray-reply')) expect(code).toBe('SLOTWISE_PROTOCOL')
    else
      expect(message).toBe(
        'Command queue state error. If you can reproduce this, please report it. Last error: ERR more',
      )
  })

  it('is passed on as it is by every kind of call', async () => {
    const redis = kept(new Redis({ port: server.port, lazyConnect: true }))
    redis.disconnect()
    const closed = { message: 'Connection is closed.' }
    const back = vi.fn()
    expect(await failureOf(redis.get('k', back))).toMatchObject(closed)
    expect(back.mock.calls).toEqual([[expect.objectContaining(closed)]])
    expect(await failureOf(redis.getBuffer('k'))).toMatchObject(closed)
    expect(await failureOf(redis.send_command('GET', 'k'))).toMatchObject(closed)
    expect(await failureOf(redis.callBuffer('GET', 'k'))).toMatchObject(closed)
  })
})
