// Connectors: one's own class in the option `Connector`, and the classes that are exported to build on.

import { once } from 'node:events'
import { connect, Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { bulk, type FakeServer } from 'slotwise/testing'
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest'
import { freePorts, LocalServer } from '../../scripts/local-server.mjs'
import { failureOf } from '../support/clients.js'
import { hello, startScripted } from '../support/scripted.js'
import { eventually } from '../support/settled.js'
import { describeBoth, type Untyped } from './support/both.js'

const started = [['connecting'], ['connect'], ['ready']]

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

/** A connector that notes what is asked of it. */
function connectorTo(port: () => number) {
  const calls: string[] = []
  const infos: Record<string, string>[] = []
  const made: unknown[] = []
  class Mine {
    stream: Socket | undefined
    answer = true
    constructor(readonly options: Untyped) {
      made.push(this)
    }
    check(info: Record<string, string>) {
      calls.push('check')
      infos.push(info)
      return this.answer
    }
    connect(_emitter: Untyped) {
      calls.push('connect')
      this.stream = connect(port(), '127.0.0.1')
      return Promise.resolve(this.stream)
    }
    disconnect() {
      calls.push('disconnect')
      this.stream?.end()
    }
  }
  return { Mine, calls, infos, made: made as InstanceType<typeof Mine>[] }
}

describeBoth('a connector of one’s own', ({ Redis }) => {
  it('is made with the options, and makes every connection', async () => {
    const { Mine, calls, infos, made } = connectorTo(() => server.port)
    const redis = kept(new Redis({ Connector: Mine, db: 2, mine: 1, retryStrategy: () => 1 }))
    const events = recorded(redis)
    expect(made).toHaveLength(1)
    expect(made[0]!.options).toBe(redis.options)
    expect(made[0]!.options).toMatchObject({ db: 2, mine: 1, Connector: Mine })
    expect(await redis.client('info')).toContain(' db=2 ')
    expect(redis.stream).toBe(made[0]!.stream)
    expect(infos[0]).toMatchObject({ redis_version: expect.any(String), role: 'master', loading: '0' })
    expect(calls).toEqual(['connect', 'check'])
    redis.disconnect(true)
    await next(redis, 'ready')
    expect(calls).toEqual(['connect', 'check', 'disconnect', 'connect', 'check'])
    redis.disconnect()
    await next(redis, 'end')
    expect(calls.slice(5)).toEqual(['disconnect'])
    expect(made).toHaveLength(1)
    expect(events).toEqual([...started, ['close'], ['reconnecting', 1], ...started, ['close'], ['end']])
  })

  it('that refuses the server is asked for another', async () => {
    const { Mine, calls, made } = connectorTo(() => server.port)
    const redis = kept(new Redis({ Connector: Mine, retryStrategy: () => 1 }))
    made[0]!.answer = false
    const events = recorded(redis)
    const command = redis.ping()
    await eventually(() => expect(calls.filter(call => call === 'check').length).toBeGreaterThan(1))
    made[0]!.answer = true
    expect(await command).toBe('PONG')
    expect(calls.slice(0, 6)).toEqual(['connect', 'check', 'disconnect', 'connect', 'check', 'disconnect'])
    expect(events.slice(0, 4)).toEqual([['connecting'], ['connect'], ['close'], ['reconnecting', 1]])
    expect(events).not.toContainEqual(['error', expect.anything()])
    expect(events.at(-1)).toEqual(['ready'])
  })

  it('is not asked to check where there is no ready check', async () => {
    const { Mine, calls } = connectorTo(() => server.port)
    const redis = kept(new Redis({ Connector: Mine, enableReadyCheck: false }))
    expect(await redis.ping()).toBe('PONG')
    expect(calls).toEqual(['connect'])
  })

  it('that fails ends the client with its error, without a retry', async () => {
    const mine = Object.assign(new Error('no way there'), { code: 'MINE' })
    const retryStrategy = vi.fn(() => 1)
    class Failing {
      async connect() {
        await new Promise(resolve => setImmediate(resolve))
        throw mine
      }
      disconnect() {}
      check() {
        return true
      }
    }
    const redis = kept(new Redis({ Connector: Failing, lazyConnect: true, retryStrategy }))
    const events = recorded(redis)
    const command = failureOf(redis.get('k'))
    expect(await command).toBe(mine)
    await eventually(() => expect(events).toEqual([['connecting'], ['error', 'no way there'], ['end']]))
    expect(retryStrategy).not.toHaveBeenCalled()
    expect(await failureOf(redis.connect())).toBe(mine)
  })

  it('may give a socket that is connected already', async () => {
    class Connected {
      stream: Socket | undefined
      async connect() {
        this.stream = connect(server.port, '127.0.0.1')
        await once(this.stream, 'connect')
        return this.stream
      }
      disconnect() {
        this.stream?.end()
      }
      check() {
        return true
      }
    }
    const redis = kept(new Redis({ Connector: Connected }))
    const events = recorded(redis)
    expect(await redis.ping()).toBe('PONG')
    expect(events).toEqual(started)
  })

  it('may give a socket that is gone already, whose first error is told', async () => {
    class Gone {
      firstError: Error | undefined
      async connect() {
        const [port] = await freePorts(1)
        const stream = connect(port!, '127.0.0.1').on('error', error => {
          this.firstError = error
        })
        await once(stream, 'close').catch(() => undefined)
        await eventually(() => expect(stream.destroyed).toBe(true))
        return stream
      }
      disconnect() {}
      check() {
        return true
      }
    }
    const redis = kept(new Redis({ Connector: Gone, retryStrategy: null }))
    const events = recorded(redis)
    await next(redis, 'end')
    expect(events).toEqual([
      ['connecting'],
      ['error', expect.stringMatching(/^connect ECONNREFUSED/)],
      ['close'],
      ['end'],
    ])
  })

  it('may emit by the function it is given', async () => {
    const { Mine } = connectorTo(() => server.port)
    class Telling extends Mine {
      override connect(emitter: Untyped) {
        emitter('error', new Error('told'))
        emitter('mine', 7)
        return super.connect(emitter)
      }
    }
    const redis = kept(new Redis({ Connector: Telling, lazyConnect: true }))
    const events = recorded(redis)
    redis.on('mine', (value: number) => events.push(['mine', value]))
    await redis.connect()
    expect(events).toEqual([['error', 'told'], ['mine', 7], ...started])
  })

  it('may give any stream in both directions', async () => {
    const asked: string[] = []
    class Wire extends Duplex {
      override _read() {}
      override _write(chunk: Buffer, _: string, done: () => void) {
        for (const name of chunk.toString().match(/(?<=\*\d+\r\n\$\d+\r\n)\w+/g) ?? []) {
          asked.push(name)
          const reply = { hello, info: bulk('loading:0\r\n'), get: bulk('from the wire') }[name] ?? '+OK\r\n'
          setImmediate(() => this.push(reply))
        }
        done()
      }
      override _final(done: () => void) {
        this.push(null)
        done()
      }
    }
    class Mine {
      stream: Wire | undefined
      connect() {
        this.stream = new Wire()
        return Promise.resolve(this.stream)
      }
      disconnect() {
        this.stream?.end()
      }
      check() {
        return true
      }
    }
    // A stream that is no socket knows neither of these.
    const redis = kept(new Redis({ Connector: Mine, noDelay: false, keepAlive: null }))
    const events = recorded(redis)
    expect(await redis.get('k')).toBe('from the wire')
    expect(asked).toEqual(['hello', 'client', 'client', 'info', 'get'])
    redis.disconnect()
    await next(redis, 'end')
    expect(events).toEqual([...started, ['close'], ['end']])
  })

  it('goes before sentinels', async () => {
    const { Mine, calls } = connectorTo(() => server.port)
    const redis = kept(new Redis({ Connector: Mine, sentinels: [{ host: 'nowhere.test' }], name: 'mine' }))
    expect(await redis.ping()).toBe('PONG')
    expect(calls).toEqual(['connect', 'check'])
  })
})

describeBoth('AbstractConnector', ({ Redis, module }) => {
  it('has what a connector needs but connect()', async () => {
    const made: Untyped[] = []
    class Mine extends module.AbstractConnector {
      constructor(readonly options: Untyped) {
        super(options.disconnectTimeout)
        made.push(this)
      }
      connect(_emitter: Untyped) {
        const self = this as Untyped
        self.connecting = true
        self.stream = connect(server.port, '127.0.0.1')
        return Promise.resolve(self.stream)
      }
    }
    const redis = kept(new Redis({ Connector: Mine, disconnectTimeout: 300 }))
    expect(made[0].disconnectTimeout).toBe(300)
    expect(made[0].connecting).toBe(true)
    expect(await redis.ping()).toBe('PONG')
    expect(made[0].check({})).toBe(true)
    redis.disconnect()
    expect(made[0].connecting).toBe(false)
    await next(redis, 'end')
    expect(made[0].stream.destroyed).toBe(true)
  })

  it('can be disconnected before it has a stream', () => {
    const connector = new module.AbstractConnector(50)
    expect(connector.connecting).toBe(false)
    expect(connector.disconnect()).toBeUndefined()
    expect(connector.check({ role: 'master' })).toBe(true)
  })

  it('destroys a stream that does not end in time', async () => {
    const connector = new module.AbstractConnector(60)
    const stream = new Socket()
    const destroyed = vi.spyOn(stream, 'destroy')
    // It ends nothing: the other side does not let go.
    vi.spyOn(stream, 'end').mockReturnValue(stream)
    connector.stream = stream
    const before = performance.now()
    connector.disconnect()
    expect(destroyed).not.toHaveBeenCalled()
    await once(stream, 'close')
    expect(performance.now() - before).toBeGreaterThan(55)
  })
})

describeBoth('SentinelConnector', ({ module }) => {
  const { SentinelConnector } = module

  it('needs sentinels and a name', () => {
    expect(() => new SentinelConnector({ sentinels: [], name: 'mine' })).toThrow(
      new Error('Requires at least one sentinel to connect to.'),
    )
    expect(() => new SentinelConnector({ sentinels: [{ port: 1 }] })).toThrow(new Error('Requires the name of master.'))
  })

  it('is a connector, and checks roles', () => {
    const connector = new SentinelConnector({ sentinels: [{ port: 1 }], name: 'mine', role: 'slave' })
    expect(connector).toBeInstanceOf(module.AbstractConnector)
    expect(connector.check({ role: 'slave' })).toBe(true)
    expect(connector.check({ role: 'master' })).toBe(false)
    expect(connector.check({})).toBe(true)
  })

  it('finds the way by itself', async () => {
    const one = await startScripted(([name, word]) => {
      if (name === 'SENTINEL' && word === 'get-master-addr-by-name')
        return `*2\r\n${bulk('127.0.0.1')}${bulk(String(server.port))}`
      return name === 'SENTINEL' ? '*0\r\n' : undefined
    })
    servers.push(one)
    const connector = new SentinelConnector({
      sentinels: [{ host: '127.0.0.1', port: one.port }],
      name: 'mine',
      role: 'master',
      updateSentinels: true,
      protocol: 3,
    })
    const stream: Socket = await connector.connect(() => undefined)
    await once(stream, 'connect')
    expect(stream.remotePort).toBe(server.port)
    connector.disconnect()
    await once(stream, 'close')
  })
})

describeBoth('SentinelIterator', ({ module }) => {
  const { SentinelIterator } = module
  const [a, b, c] = [{ host: 'a' }, { host: 'b', port: 1 }, { host: 'c', port: 2 }]

  it('gives one after the other, and then none until it is reset', () => {
    const given = [a, b]
    const sentinels = new SentinelIterator(given)
    expect(sentinels.next()).toEqual({ done: false, value: a })
    expect(sentinels.next()).toEqual({ done: false, value: b })
    expect(sentinels.next()).toEqual({ done: true, value: undefined })
    expect(sentinels.next()).toEqual({ done: true, value: undefined })
    sentinels.reset(false)
    expect(sentinels.next().value).toBe(a)
    expect(given).toEqual([a, b])
  })

  it('puts the current one first on request', () => {
    const sentinels = new SentinelIterator([a, b, c])
    sentinels.next()
    sentinels.next()
    sentinels.reset(true)
    expect([sentinels.next().value, sentinels.next().value, sentinels.next().value]).toEqual([b, c, a])
  })

  it('takes each only once, by its address', () => {
    const sentinels = new SentinelIterator([a, b])
    expect(sentinels.add(c)).toBe(true)
    expect(sentinels.add({ host: 'c', port: 2 })).toBe(false)
    // No host is this host, no port the usual one.
    expect(sentinels.add({ host: 'a', port: 26379 })).toBe(false)
    expect(sentinels.add({ port: 1 })).toBe(true)
    expect(sentinels.add({ host: '127.0.0.1', port: 1 })).toBe(false)
    expect(String(sentinels)).toBe('[{"host":"a"},{"host":"b","port":1},{"host":"c","port":2},{"port":1}] @0')
  })
})
