// Reconnecting: when, how often, after what delay; and what becomes of the commands meanwhile.

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { bulk, type FakeServer, type Handler, silence } from 'slotwise/testing'
import { afterEach, expect, it, vi } from 'vitest'
import { freePorts, LocalServer } from '../../scripts/local-server.mjs'
import { failureOf } from '../support/clients.js'
import { startScripted } from '../support/scripted.js'
import { eventually } from '../support/settled.js'
import { describeBoth, type Untyped } from './support/both.js'

const started = [['connecting'], ['connect'], ['ready']]
const closed = { name: 'Error', message: 'Connection is closed.' }
const exhausted = (limit: number) => ({
  name: 'MaxRetriesPerRequestError',
  message: `Reached the max retries per request limit (which is ${limit}). Refer to "maxRetriesPerRequest" option for details.`,
})

const clients: Untyped[] = []
const servers: { close?(): unknown; stop?(): unknown }[] = []

afterEach(async () => {
  for (const redis of clients.splice(0)) redis.disconnect()
  for (const one of servers.splice(0)) await (one.close?.() ?? one.stop?.())
})

/** Disconnected after the test, and its errors are not for the console. */
function kept(redis: Untyped): Untyped {
  clients.push(redis.on('error', () => undefined))
  return redis
}

/** The client's events, in their order, with their arguments; of an error its message. */
function recorded(redis: Untyped): unknown[][] {
  const events: unknown[][] = []
  for (const name of ['connecting', 'connect', 'ready', 'close', 'reconnecting', 'end']) {
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
      {
        INFO: bulk('loading:0\r\n'),
        SET: '+OK\r\n',
        GET: bulk(`value of ${command[1]}`),
        INCR: ':1\r\n',
        MULTI: '+OK\r\n',
        EXEC: '*0\r\n',
      }[command[0] as string],
  )
  servers.push(one)
  return one
}

/** Ends the first connection when the command arrives on it. */
const cutAtFirst =
  (name: string): Handler =>
  (command, connection) => {
    if (command[0] !== name || cut.has(connection) || cut.size > 0) return undefined
    cut.add(connection)
    connection.cut()
    return silence
  }
let cut = new Set<unknown>()
afterEach(() => {
  cut = new Set()
})

/** The commands received, without what a connection begins with, one a line. */
const received = (one: FakeServer) =>
  one.commands.filter(([name]) => !['HELLO', 'CLIENT', 'INFO'].includes(name as string)).map(words => words.join(' '))

describeBoth('retryStrategy', ({ Redis }) => {
  const nowhere = async (more: object) => {
    const [port] = await freePorts(1)
    return kept(new Redis({ port, host: '127.0.0.1', lazyConnect: true, ...more }))
  }

  it('is asked with 1, 2, 3, and ends it all with what is no number', async () => {
    const retryStrategy = vi.fn((n: number) => (n < 4 ? n : null))
    const redis = await nowhere({ retryStrategy })
    const events = recorded(redis)
    const command = failureOf(redis.get('k'))
    await next(redis, 'end')
    expect(retryStrategy.mock.calls).toEqual([[1], [2], [3], [4]])
    const attempt = [['connecting'], ['error', expect.stringContaining('ECONNREFUSED')], ['close']]
    expect(events).toEqual([
      ...attempt,
      ['reconnecting', 1],
      ...attempt,
      ['reconnecting', 2],
      ...attempt,
      ['reconnecting', 3],
      ...attempt,
      ['end'],
    ])
    expect(await command).toMatchObject(closed)
    expect(await failureOf(redis.get('k'))).toMatchObject(closed)
  })

  it.each([[null], [undefined], [false], [true], ['10'], [{}]])('that returns %o ends it', async answer => {
    const retryStrategy = vi.fn(() => answer)
    const redis = await nowhere({ retryStrategy })
    const command = failureOf(redis.get('k'))
    await next(redis, 'end')
    expect(retryStrategy).toHaveBeenCalledTimes(1)
    expect(await command).toMatchObject(closed)
  })

  it.each([[null], [false], ['always']])('that is %o ends it', async retryStrategy => {
    const redis = await nowhere({ retryStrategy })
    const events = recorded(redis)
    redis.connect().catch(() => undefined)
    await next(redis, 'end')
    expect(events.map(([name]) => name)).toEqual(['connecting', 'error', 'close', 'end'])
  })

  it('says how long to wait, in milliseconds', async () => {
    const redis = await nowhere({ retryStrategy: (n: number) => (n === 1 ? 120 : n === 2 ? 0 : null) })
    redis.connect().catch(() => undefined)
    const at: Record<string, number[]> = { reconnecting: [], connecting: [] }
    for (const [name, times] of Object.entries(at)) redis.on(name, () => times.push(performance.now()))
    await next(redis, 'end')
    const [first, second] = at.reconnecting as [number, number]
    expect(at.connecting![1]! - first).toBeGreaterThan(115)
    expect(at.connecting![1]! - first).toBeLessThan(1_000)
    expect(at.connecting![2]! - second).toBeLessThan(500)
  })

  it('starts at 1 again after the client was ready', async () => {
    const one = await scripted()
    const retryStrategy = vi.fn(() => 1)
    const redis = kept(new Redis({ port: one.port, retryStrategy }))
    for (let i = 0; i < 3; i++) {
      await next(redis, 'ready')
      one.cutAll()
    }
    await next(redis, 'ready')
    expect(retryStrategy.mock.calls).toEqual([[1], [1], [1]])
  })

  it('goes on counting while connections open and never get ready', async () => {
    const one = await scripted(([name], connection) => {
      if (name !== 'HELLO' || one.accepted > 3) return undefined
      connection.cut()
      return silence
    })
    const retryStrategy = vi.fn(() => 1)
    const redis = kept(new Redis({ port: one.port, retryStrategy }))
    const events = recorded(redis)
    await next(redis, 'ready')
    expect(retryStrategy.mock.calls).toEqual([[1], [2], [3]])
    const attempt = [['connecting'], ['connect'], ['close'], ['reconnecting', 1]]
    expect(events).toEqual([...attempt, ...attempt, ...attempt, ...started])
  })

  it('is by default twice as long each time, up to five seconds and a bit', () => {
    const { retryStrategy } = Redis.defaultOptions
    const shortest = [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]
    for (const [i, least] of shortest.entries()) {
      for (let turn = 0; turn < 50; turn++) {
        const delayMs = retryStrategy(i + 1)
        expect(Number.isInteger(delayMs)).toBe(true)
        expect(delayMs).toBeGreaterThanOrEqual(least)
        expect(delayMs).toBeLessThan(least + 200)
      }
    }
  })

  it('is by default what reconnects', async () => {
    const one = await scripted()
    const redis = kept(new Redis({ port: one.port }))
    await next(redis, 'ready')
    one.cutAll()
    const delayMs = await next(redis, 'reconnecting')
    expect(delayMs).toBeGreaterThanOrEqual(50)
    expect(delayMs).toBeLessThan(250)
    await next(redis, 'ready')
  })
})

describeBoth('a connection that is lost', ({ Redis }) => {
  it.each([
    ['closed', (one: FakeServer) => one.cutAll()],
    ['closed by the client’s own socket', (_: FakeServer, redis: Untyped) => redis.stream.destroy()],
    ['ended by the client’s own socket', (_: FakeServer, redis: Untyped) => redis.stream.end()],
  ])('is opened again: %s', async (_, lose) => {
    const one = await scripted()
    const redis = kept(new Redis({ port: one.port, retryStrategy: () => 3 }))
    const events = recorded(redis)
    const seen: string[] = []
    for (const name of ['close', 'reconnecting', 'connecting']) redis.on(name, () => seen.push(redis.status))
    await next(redis, 'ready')
    lose(one, redis)
    await next(redis, 'ready')
    expect(events).toEqual([...started, ['close'], ['reconnecting', 3], ...started])
    expect(seen).toEqual(['connecting', 'reconnecting', 'reconnecting', 'connecting'])
    expect(await redis.get('k')).toBe('value of k')
  })

  it('by a reset is an error event first', async () => {
    const one = await scripted(([name], connection) => {
      if (name !== 'GET' || one.accepted > 1) return undefined
      connection.reset()
      return silence
    })
    const redis = kept(new Redis({ port: one.port, retryStrategy: () => 3 }))
    const events = recorded(redis)
    await next(redis, 'ready')
    const errors: Untyped[] = []
    redis.on('error', (error: Error) => errors.push(error))
    expect(await redis.get('k')).toBe('value of k')
    expect(events).toEqual([
      ...started,
      ['error', 'read ECONNRESET'],
      ['close'],
      ['reconnecting', 3],
      ['connecting'],
      ['connect'],
      ['ready'],
    ])
    expect(errors[0]).toMatchObject({ code: 'ECONNRESET', syscall: 'read' })
  })

  it('for good is the end of what waits', async () => {
    const one = await scripted(([name], connection) => {
      if (name !== 'GET') return undefined
      connection.cut()
      return silence
    })
    const redis = kept(new Redis({ port: one.port, retryStrategy: null }))
    const events = recorded(redis)
    await next(redis, 'ready')
    const calls = [failureOf(redis.get('a')), failureOf(redis.get('b'))]
    for (const error of await Promise.all(calls)) expect(error).toMatchObject(closed)
    await eventually(() => expect(events).toEqual([...started, ['close'], ['end']]))
  })
})

describeBoth('maxRetriesPerRequest', ({ Redis }) => {
  const nowhere = async (more: object) => {
    const [port] = await freePorts(1)
    return kept(new Redis({ port, host: '127.0.0.1', lazyConnect: true, retryStrategy: () => 1, ...more }))
  }

  it.each([0, 1, 3])('of %i is that many reconnects for what waits', async limit => {
    const redis = await nowhere({ maxRetriesPerRequest: limit })
    const events = recorded(redis)
    const calls = [redis.get('a'), redis.set('b', 1), redis.subscribe('c')].map(failureOf)
    for (const error of await Promise.all(calls)) expect(error).toMatchObject(exhausted(limit))
    // The last failure has come, and the reconnect after it is announced in the same turn.
    expect(events.filter(([name]) => name === 'close').length).toBe(limit + 1)
    expect(redis.status).toBe('reconnecting')
    // The next has as many again.
    expect(await failureOf(redis.get('d'))).toMatchObject(exhausted(limit))
    expect(events.filter(([name]) => name === 'close').length).toBe(2 * (limit + 1))
  })

  it('is 20 by default', async () => {
    const redis = await nowhere({})
    const events = recorded(redis)
    expect(await failureOf(redis.get('k'))).toMatchObject(exhausted(20))
    expect(events.filter(([name]) => name === 'close').length).toBe(21)
  })

  it('rejects a pipeline command by command, and a transaction as a whole', async () => {
    const redis = await nowhere({ maxRetriesPerRequest: 0 })
    const results = redis.pipeline().get('a').get('b').exec()
    const transaction = failureOf(redis.multi().get('a').exec())
    expect(await results).toEqual([[expect.objectContaining(exhausted(0))], [expect.objectContaining(exhausted(0))]])
    expect(await transaction).toMatchObject(exhausted(0))
  })

  it.each([[null], [-1], [undefined]])('of %o lets them wait', async maxRetriesPerRequest => {
    // Undefined is the default, and that is more than the failures here.
    const server = await LocalServer.start()
    servers.push(server)
    await server.kill()
    const redis = kept(
      new Redis({ port: server.port, host: server.host, maxRetriesPerRequest, retryStrategy: () => 1 }),
    )
    let failures = 0
    redis.on('close', () => failures++)
    const command = redis.set('k', 'v')
    await eventually(() => expect(failures).toBeGreaterThan(maxRetriesPerRequest === undefined ? 3 : 30))
    redis.options.retryStrategy = () => 200
    await server.restart()
    expect(await command).toBe('OK')
  })

  it.each([0, 1])('of %i is that many reconnects for what is in flight', async limit => {
    const one = await scripted(([name], connection) => {
      if (name !== 'GET') return undefined
      void one.close()
      connection.cut()
      return silence
    })
    servers.splice(0)
    const redis = kept(new Redis({ port: one.port, maxRetriesPerRequest: limit, retryStrategy: () => 1 }))
    const events = recorded(redis)
    await next(redis, 'ready')
    expect(await failureOf(redis.get('k'))).toMatchObject(exhausted(limit))
    expect(events.filter(([name]) => name === 'close').length).toBe(limit + 1)
  })
})

describeBoth('enableOfflineQueue: false', ({ Redis }) => {
  const refused = { name: 'Error', message: "Stream isn't writeable and enableOfflineQueue options is false" }

  it('refuses what comes before it is ready, and connects all the same', async () => {
    const one = await scripted()
    const redis = kept(new Redis({ port: one.port, lazyConnect: true, enableOfflineQueue: false }))
    expect(await failureOf(redis.get('k'))).toMatchObject(refused)
    expect(await failureOf(redis.quit())).toMatchObject(refused)
    await eventually(() => expect(redis.status).toBe('ready'))
    expect(await redis.get('k')).toBe('value of k')
    expect(received(one)).toEqual(['GET k'])
  })

  it('refuses what comes while it reconnects', async () => {
    const one = await scripted()
    const redis = kept(new Redis({ port: one.port, enableOfflineQueue: false, retryStrategy: () => 1 }))
    await next(redis, 'ready')
    one.cutAll()
    await next(redis, 'reconnecting')
    expect(await failureOf(redis.get('k'))).toMatchObject(refused)
    expect(await redis.pipeline().get('k').exec()).toEqual([[expect.objectContaining(refused)]])
    const args = await new Promise(resolve => redis.get('k', (...got: unknown[]) => resolve(got)))
    expect(args).toEqual([expect.objectContaining(refused)])
    await next(redis, 'ready')
    expect(await redis.get('k')).toBe('value of k')
  })

  it('resends what was in flight', async () => {
    const one = await scripted(cutAtFirst('GET'))
    const redis = kept(new Redis({ port: one.port, enableOfflineQueue: false, retryStrategy: () => 1 }))
    await next(redis, 'ready')
    expect(await redis.get('k')).toBe('value of k')
    expect(one.count('GET')).toBe(2)
  })
})

describeBoth('commands in flight when the connection closes', ({ Redis, deviates }) => {
  const over = async (one: FakeServer, more: object = {}) => {
    const redis = kept(new Redis({ port: one.port, retryStrategy: () => 5, ...more }))
    await next(redis, 'ready')
    return redis
  }

  it('are sent again, writes included, in their order and before what came later', async () => {
    const one = await scripted((command, connection) => {
      if (one.accepted > 1 || !['INCR', 'SET', 'GET'].includes(command[0] as string)) return undefined
      if (command[0] === 'GET') connection.cut()
      return silence
    })
    const redis = await over(one)
    const calls = [redis.incr('n'), redis.set('k', 'v'), redis.get('k')]
    await next(redis, 'reconnecting')
    calls.push(redis.get('later'), redis.set('later', 1))
    expect(await Promise.all(calls)).toEqual([1, 'OK', 'value of k', 'value of later', 'OK'])
    const again = ['INCR n', 'SET k v', 'GET k']
    expect(received(one)).toEqual([...again, ...again, 'GET later', 'SET later 1'])
  })

  it('are sent again until they are answered', async () => {
    const one = await scripted(([name], connection) =>
      name === 'GET' && one.accepted < 4 ? (connection.cut() ?? silence) : undefined,
    )
    const redis = await over(one)
    expect(await redis.get('k')).toBe('value of k')
    expect(one.count('GET')).toBe(4)
  })

  it('are not sent again on request', async () => {
    const one = await scripted(cutAtFirst('GET'))
    // Without the limit nobody would ever hear of the first one.
    const redis = await over(one, { autoResendUnfulfilledCommands: false, commandTimeout: 300 })
    const failed = failureOf(redis.get('k'))
    await next(redis, 'reconnecting')
    expect(await redis.get('later')).toBe('value of later')
    expect(await failed).toBeInstanceOf(Error)
    expect(received(one)).toEqual(['GET k', 'GET later'])
  })

  it('that were answered are not sent again', async () => {
    const one = await scripted(cutAtFirst('GET'))
    const redis = await over(one)
    expect(await Promise.all([redis.set('a', 1), redis.get('k')])).toEqual(['OK', 'value of k'])
    expect(received(one)).toEqual(['SET a 1', 'GET k', 'GET k'])
  })

  it('are sent again in their database', async () => {
    const one = await scripted(cutAtFirst('GET'))
    const redis = await over(one, { db: 1 })
    await redis.select(2)
    const call = redis.get('k')
    expect(await call).toBe('value of k')
    const seen = received(one)
    expect(seen.slice(0, 3)).toEqual(['SELECT 1', 'SELECT 2', 'GET k'])
    expect(seen.slice(-1)).toEqual(['GET k'])
    expect(seen.slice(3, -1).at(-1)).toBe('SELECT 2')
  })

  it('that are a pipeline are sent again as a whole when none of it was answered', async () => {
    const one = await scripted((command, connection) => {
      if (one.accepted > 1 || command[0] !== 'GET') return undefined
      if (command[1] === 'c') connection.cut()
      return silence
    })
    const redis = await over(one)
    expect(await redis.pipeline().get('a').get('b').get('c').exec()).toEqual([
      [null, 'value of a'],
      [null, 'value of b'],
      [null, 'value of c'],
    ])
    expect(received(one)).toEqual(['GET a', 'GET b', 'GET c', 'GET a', 'GET b', 'GET c'])
  })

  it('that are a pipeline are aborted when some of it was answered', async () => {
    const one = await scripted((command, connection) => {
      if (one.accepted > 1 || command[0] !== 'GET' || command[1] === 'a') return undefined
      if (command[1] === 'c') connection.cut()
      return silence
    })
    const redis = await over(one)
    const results = await redis.pipeline().get('a').get('b').get('c').exec()
    if (deviates('half-pipeline')) {
      const all = ['a', 'b', 'c'].map(key => [null, `value of ${key}`])
      expect(results).toEqual(all)
      expect(received(one)).toEqual(['GET a', 'GET b', 'GET c', 'GET b', 'GET c'])
      return
    }
    const aborted = { name: 'AbortError', message: 'Command aborted due to connection close' }
    expect(results).toEqual([
      [null, 'value of a'],
      [expect.objectContaining({ ...aborted, command: { name: 'get', args: ['b'] } })],
      [expect.objectContaining({ ...aborted, command: { name: 'get', args: ['c'] } })],
    ])
    await next(redis, 'ready')
    expect(received(one)).toEqual(['GET a', 'GET b', 'GET c'])
  })

  it('that are a transaction are sent again as a whole when none of it was answered', async () => {
    const one = await scripted((command, connection) => {
      if (one.accepted > 1 || !['MULTI', 'SET', 'EXEC'].includes(command[0] as string)) return undefined
      if (command[0] === 'EXEC') connection.cut()
      return silence
    })
    const redis = await over(one)
    expect(await redis.multi().set('a', 1).exec()).toEqual([])
    expect(received(one)).toEqual(['MULTI', 'SET a 1', 'EXEC', 'MULTI', 'SET a 1', 'EXEC'])
  })

  it('that are a transaction are aborted when some of it was answered', async () => {
    const one = await scripted((command, connection) => {
      if (command[0] === 'SET') return '+QUEUED\r\n'
      return command[0] === 'EXEC' && one.accepted === 1 ? (connection.cut() ?? silence) : undefined
    })
    const redis = await over(one)
    expect(await failureOf(redis.multi().set('a', 1).exec())).toMatchObject({
      name: 'AbortError',
      message: 'Command aborted due to connection close',
      command: { name: 'exec', args: [] },
    })
    await next(redis, 'ready')
    expect(received(one)).toEqual(['MULTI', 'SET a 1', 'EXEC'])
  })
})

describeBoth('reconnectOnError', ({ Redis }) => {
  const failing: Handler = ([name]) => (name === 'GET' ? '-READONLY no writes here\r\n' : undefined)
  const error = { name: 'ReplyError', message: 'READONLY no writes here', command: { name: 'get', args: ['k'] } }

  it.each([[false], [0], [null], [undefined], [3], ['yes']])('that returns %o changes nothing', async answer => {
    const one = await scripted(failing)
    const reconnectOnError = vi.fn(() => answer)
    const redis = kept(new Redis({ port: one.port, reconnectOnError }))
    const events = recorded(redis)
    expect(await failureOf(redis.get('k'))).toMatchObject(error)
    expect(reconnectOnError.mock.calls).toEqual([[expect.objectContaining(error)]])
    expect(await redis.set('k', 'v')).toBe('OK')
    expect(events).toEqual(started)
  })

  it.each([[true], [1]])('that returns %o reconnects, and rejects', async answer => {
    const one = await scripted(failing)
    const redis = kept(new Redis({ port: one.port, reconnectOnError: () => answer, retryStrategy: () => 5 }))
    const events = recorded(redis)
    expect(await failureOf(redis.get('k'))).toMatchObject(error)
    await eventually(() => expect(events).toEqual([...started, ['close'], ['reconnecting', 5], ...started]))
    expect(one.count('GET')).toBe(1)
  })

  it('that returns 2 reconnects, and sends the command again', async () => {
    let failures = 0
    const one = await scripted((command, connection) =>
      command[0] === 'GET' && failures++ === 0 ? failing(command, connection) : undefined,
    )
    const redis = kept(new Redis({ port: one.port, reconnectOnError: () => 2, retryStrategy: () => 5 }))
    const events = recorded(redis)
    expect(await redis.get('k')).toBe('value of k')
    expect(events).toEqual([...started, ['close'], ['reconnecting', 5], ...started])
    expect(one.count('GET')).toBe(2)
  })

  it('is not asked about what a connection begins with', async () => {
    const one = await scripted(([name]) => (name === 'SELECT' || name === 'CLIENT' ? '-ERR no\r\n' : undefined))
    const reconnectOnError = vi.fn(() => false)
    const redis = kept(new Redis({ port: one.port, db: 1, connectionName: 'mine', reconnectOnError }))
    await next(redis, 'ready')
    expect(await failureOf(redis.client('id'))).toMatchObject({ message: 'ERR no' })
    expect(reconnectOnError).not.toHaveBeenCalled()
    expect(await failureOf(redis.select(3))).toMatchObject({ message: 'ERR no' })
    expect(reconnectOnError).toHaveBeenCalledTimes(1)
  })
})

describeBoth('a time limit', ({ Redis }) => {
  it('of commands ends one in flight, and its late reply goes to nobody', async () => {
    const one = await scripted(([name, key]) => {
      if (name !== 'GET') return undefined
      return key === 'late' ? silence : bulk('late') + bulk('in time')
    })
    const redis = kept(new Redis({ port: one.port, commandTimeout: 60 }))
    await next(redis, 'ready')
    const before = performance.now()
    expect(await failureOf(redis.get('late'))).toMatchObject({ name: 'Error', message: 'Command timed out' })
    expect(performance.now() - before).toBeGreaterThan(55)
    redis.options.commandTimeout = 5_000
    expect(await redis.get('k')).toBe('in time')
    expect(redis.status).toBe('ready')
  })

  it('of commands counts the time in the offline queue', async () => {
    const [port] = await freePorts(1)
    const redis = kept(new Redis({ port, commandTimeout: 60, retryStrategy: () => 20, maxRetriesPerRequest: null }))
    expect(await failureOf(redis.get('k'))).toMatchObject({ name: 'Error', message: 'Command timed out' })
  })

  it('of commands is not for those that are answered', async () => {
    const one = await scripted()
    const redis = kept(new Redis({ port: one.port, commandTimeout: 60 }))
    expect(await redis.get('k')).toBe('value of k')
    expect(await redis.pipeline().get('a').set('b', 1).exec()).toEqual([
      [null, 'value of a'],
      [null, 'OK'],
    ])
  })

  const timedOut = {
    name: 'Error',
    message: 'connect ETIMEDOUT',
    errorno: 'ETIMEDOUT',
    code: 'ETIMEDOUT',
    syscall: 'connect',
  }

  it('of connecting is an error event, and the next attempt', async () => {
    // TLS to somebody who accepts and says nothing is not connected yet.
    const one = await scripted()
    one.mute = true
    const redis = kept(
      new Redis({
        port: one.port,
        lazyConnect: true,
        tls: {},
        connectTimeout: 60,
        retryStrategy: (n: number) => (n < 2 ? 1 : null),
      }),
    )
    const events = recorded(redis)
    const errors: Untyped[] = []
    redis.on('error', (error: Error) => errors.push(error))
    const before = performance.now()
    expect(await failureOf(redis.connect())).toMatchObject(closed)
    expect(performance.now() - before).toBeGreaterThan(55)
    await next(redis, 'end')
    const attempt = [['connecting'], ['error', 'connect ETIMEDOUT'], ['close']]
    expect(events).toEqual([...attempt, ['reconnecting', 1], ...attempt, ['end']])
    for (const error of errors) expect(error).toMatchObject(timedOut)
  })

  it('of connecting holds where nobody even accepts', async () => {
    const server = await LocalServer.start({ config: { 'tcp-backlog': '1' } })
    servers.push(server)
    server.freeze()
    const fillers: Socket[] = []
    try {
      for (let refused = false; !refused; ) {
        const socket = connect(server.port, '127.0.0.1').on('error', () => undefined)
        fillers.push(socket)
        refused = await Promise.race([
          once(socket, 'connect').then(() => false),
          new Promise<boolean>(resolve => setTimeout(resolve, 300, true)),
        ])
      }
      const redis = kept(new Redis({ port: server.port, host: '127.0.0.1', connectTimeout: 80, retryStrategy: null }))
      expect(await next(redis, 'error')).toMatchObject(timedOut)
      await eventually(() => expect(redis.status).toBe('end'))
    } finally {
      for (const socket of fillers) socket.destroy()
      server.thaw()
    }
  })

  it('of a silent socket is an error event, and commands are sent again', async () => {
    const one = await scripted(([name]) => (name === 'GET' && one.accepted === 1 ? silence : undefined))
    const redis = kept(new Redis({ port: one.port, socketTimeout: 80, retryStrategy: () => 5 }))
    const events = recorded(redis)
    const errors: Untyped[] = []
    redis.on('error', (error: Error) => errors.push(error))
    expect(await redis.get('k')).toBe('value of k')
    const message = "Socket timeout. Expecting data, but didn't receive any in 80ms."
    expect(events).toEqual([...started, ['error', message], ['close'], ['reconnecting', 5], ...started])
    expect(errors).toHaveLength(1)
    expect(errors[0]).toMatchObject({ name: 'Error', message })
    expect(one.count('GET')).toBe(2)
  })

  it('of a silent socket does not count while nothing is expected', async () => {
    const one = await scripted()
    const redis = kept(new Redis({ port: one.port, socketTimeout: 40, retryStrategy: () => 5 }))
    const events = recorded(redis)
    await redis.get('k')
    const slow = kept(new Redis({ port: one.port, commandTimeout: 120 }))
    await next(slow, 'ready')
    one.handler = () => silence
    expect(await failureOf(slow.get('k'))).toMatchObject({ message: 'Command timed out' })
    expect(events).toEqual(started)
  })
})

describeBoth('blockingTimeout', ({ Redis }) => {
  const blocking = ['BLPOP', 'BRPOP', 'BLMOVE', 'BLMPOP', 'BZPOPMIN', 'BZMPOP', 'XREAD', 'XREADGROUP', 'BRPOPLPUSH']
  const over = async (more: object) => {
    const one = await scripted(([name]) => (blocking.includes(name as string) ? silence : undefined))
    const redis = kept(new Redis({ port: one.port, blockingTimeout: 400, blockingTimeoutGrace: 20, ...more }))
    await next(redis, 'ready')
    return redis
  }
  /** When each settles, by the order and by the clock, and with what. */
  const timed = async (call: Promise<unknown>) => {
    const before = performance.now()
    const value = await call
    return { value, tookMs: performance.now() - before }
  }

  it('is null for what would block for ever', async () => {
    const redis = await over({ blockingTimeout: 80 })
    const calls = [
      redis.blpop('k', 0),
      redis.brpop('k', 'l', '0'),
      redis.blmove('k', 'l', 'LEFT', 'RIGHT', 0),
      redis.blmpop(0, 1, 'k', 'LEFT'),
      redis.bzpopmin('k', 0),
      redis.bzmpop(0, 1, 'k', 'MIN'),
      redis.brpoplpush('k', 'l', 0),
      redis.xread('BLOCK', 0, 'STREAMS', 's', '$'),
      redis.xreadgroup('GROUP', 'g', 'c', 'BLOCK', 0, 'STREAMS', 's', '>'),
      redis.xread('STREAMS', 's', '$'),
    ]
    for (const { value, tookMs } of await Promise.all(calls.map(timed))) {
      expect(value).toBeNull()
      expect(tookMs).toBeGreaterThan(70)
      expect(tookMs).toBeLessThan(2_000)
    }
    expect(redis.status).toBe('ready')
  })

  it('is not for what says itself how long, and then gets a grace', async () => {
    const redis = await over({ blockingTimeout: 10_000 })
    const [seconds, milliseconds, first] = await Promise.all([
      timed(redis.blpop('k', 0.06)),
      timed(redis.xread('block', '60', 'STREAMS', 's', '$')),
      timed(redis.blmpop('0.06', 1, 'k', 'LEFT')),
    ])
    for (const { value, tookMs } of [seconds!, milliseconds!, first!]) {
      expect(value).toBeNull()
      expect(tookMs).toBeGreaterThan(75)
      expect(tookMs).toBeLessThan(2_000)
    }
  })

  it('holds in the offline queue, too', async () => {
    const [port] = await freePorts(1)
    const redis = kept(new Redis({ port, blockingTimeout: 60, retryStrategy: () => 20, maxRetriesPerRequest: null }))
    expect(await redis.blpop('k', 10)).toBeNull()
  })

  it('leaves commands alone that do not block, and those that are answered', async () => {
    const server = await LocalServer.start()
    servers.push(server)
    const redis = kept(new Redis({ port: server.port, blockingTimeout: 60, blockingTimeoutGrace: 5_000 }))
    await redis.rpush('list', 'a')
    expect(await redis.blpop('list', 0)).toEqual(['list', 'a'])
    // The server itself lets go of this one.
    expect(await redis.blpop('list', 0.1)).toBeNull()
  })
})

describeBoth('a server that dies and comes back', ({ Redis }) => {
  it('is found again, with what waited, in its database', async () => {
    const server = await LocalServer.start({ persistence: 'aof', config: { appendfsync: 'always' } })
    servers.push(server)
    const redis = kept(new Redis({ port: server.port, host: server.host, db: 2, retryStrategy: () => 20 }))
    redis.options.maxRetriesPerRequest = null
    const events = recorded(redis)
    await redis.set('k', 'v')
    await redis.select(3)
    await redis.set('k', 'three')
    await server.kill()
    await eventually(() => expect(redis.status).not.toBe('ready'))
    const waiting = [redis.get('k'), redis.set('l', 'late'), redis.multi().get('k').get('l').exec()]
    await eventually(() => expect(events.filter(([name]) => name === 'close').length).toBeGreaterThan(2))
    await server.restart()
    expect(await Promise.all(waiting)).toEqual([
      'three',
      'OK',
      [
        [null, 'three'],
        [null, 'late'],
      ],
    ])
    expect(await redis.client('info')).toContain(' db=3 ')
    const names = events.map(([name]) => name)
    expect(names.slice(0, 5)).toEqual(['connecting', 'connect', 'ready', 'close', 'reconnecting'])
    expect(names.slice(-4)).toEqual(['reconnecting', 'connecting', 'connect', 'ready'])
    expect(events).toContainEqual(['error', `connect ECONNREFUSED ${server.address}`])
  })

  it('answers what blocked when it went', async () => {
    const server = await LocalServer.start()
    servers.push(server)
    const redis = kept(new Redis({ port: server.port, host: server.host, retryStrategy: () => 20 }))
    redis.options.maxRetriesPerRequest = null
    await next(redis, 'ready')
    const popped = redis.blpop('jobs', 0)
    await server.kill()
    await server.restart()
    await eventually(() => expect(redis.status).toBe('ready'))
    const other = kept(redis.duplicate())
    await other.rpush('jobs', 'job')
    expect(await popped).toEqual(['jobs', 'job'])
  })

  it('by SHUTDOWN is no different', async () => {
    const server = await LocalServer.start()
    servers.push(server)
    const redis = kept(new Redis({ port: server.port, host: server.host, retryStrategy: null }))
    const events = recorded(redis)
    await next(redis, 'ready')
    await server.kill('SIGTERM')
    await eventually(() => expect(events).toEqual([...started, ['close'], ['end']]))
  })
})

describeBoth('the offline queue', ({ Redis }) => {
  it('is sent in its order when the client is ready', async () => {
    const one = await scripted(([name], connection) => {
      if (name !== 'HELLO' || one.accepted > 2) return undefined
      connection.cut()
      return silence
    })
    const redis = kept(new Redis({ port: one.port, retryStrategy: () => 1 }))
    const calls = Array.from({ length: 50 }, (_, i) => redis.get(`k${i}`))
    expect(redis.offlineQueue.length).toBe(50)
    expect(await Promise.all(calls)).toEqual(calls.map((_, i) => `value of k${i}`))
    expect(received(one)).toEqual(calls.map((_, i) => `GET k${i}`))
  })

  it('is written before what a `ready` listener asks', async () => {
    const one = await scripted()
    const redis = kept(new Redis({ port: one.port, lazyConnect: true }))
    const inListener = new Promise(resolve => redis.once('ready', () => resolve(redis.get('second'))))
    await redis.get('first')
    await inListener
    expect(received(one)).toEqual(['GET first', 'GET second'])
  })
})
