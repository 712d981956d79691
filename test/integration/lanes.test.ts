// Lanes: blocking commands and sessions have connections of their own, which nobody else waits for, and which are never left behind.

import type { Client, ClientOptions } from 'slotwise/core'
import { silence } from 'slotwise/testing'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { LocalServer } from '../../scripts/local-server.mjs'
import { failureOf, useClients } from '../support/clients.js'
import { startScripted } from '../support/scripted.js'
import { eventually } from '../support/settled.js'

const test = useClients()
let server: LocalServer
beforeAll(async () => {
  server = await LocalServer.start()
})
beforeEach(() => server.command('FLUSHALL'))
afterAll(() => server?.stop())

const open = (options: Partial<ClientOptions> = {}) =>
  test.client({ server: server.address, ...options } as ClientOptions)
const lanesOf = (client: Client) => client.inspect().sockets.lane
/** Connections that the server has, but for the one that asks. */
const connected = async () =>
  String(await server.command('CLIENT', 'LIST'))
    .split('\n')
    .filter(Boolean).length - 1
const blocked = async () => Number(/blocked_clients:(\d+)/.exec(String(await server.command('INFO', 'clients')))?.[1])

describe.each([2, 3] as const)('a blocking command over RESP%i', protocol => {
  it('holds up nothing else of its client', async () => {
    const client = open({ protocol })
    const pops = Array.from({ length: 20 }, (_, i) => client.execute('BLPOP', [`list:${i}`, 0]))
    await eventually(async () => expect(await blocked()).toBe(20))
    expect(await client.execute('GET', ['k'])).toBeNull()
    expect(client.inspect()).toMatchObject({ inFlight: 20, sockets: { shared: 1, lane: 20 } })
    for (let i = 0; i < 20; i++) await client.execute('RPUSH', [`list:${i}`, i])
    expect(await Promise.all(pops)).toEqual(Array.from({ length: 20 }, (_, i) => [`list:${i}`, String(i)]))
  })

  it('uses one lane after the other, when one is enough', async () => {
    const client = open({ protocol })
    for (let i = 0; i < 10; i++) {
      await client.execute('RPUSH', ['list', i])
      expect(await client.execute('BLPOP', ['list', 1])).toEqual(['list', String(i)])
    }
    expect(client.inspect()).toMatchObject({ dials: 2, sockets: { shared: 1, lane: 1 } })
  })

  it('needs no second socket where its client does nothing else', async () => {
    const client = open({ protocol })
    for (let i = 0; i < 3; i++) {
      const pop = client.execute('BLPOP', ['list', 5])
      await eventually(async () => expect(await blocked()).toBe(1))
      await server.command('RPUSH', 'list', String(i))
      expect(await pop).toEqual(['list', String(i)])
    }
    expect(client.inspect()).toMatchObject({ state: 'ready', dials: 1, sockets: { shared: 0, lane: 1, total: 1 } })
    expect(await client.execute('GET', ['k'])).toBeNull()
    expect(client.inspect()).toMatchObject({ dials: 2, sockets: { shared: 1, lane: 1 } })
  })

  it('is freed by its signal at once, and takes its lane along', async () => {
    const client = open({ protocol })
    const controller = new AbortController()
    const pop = failureOf(client.execute('BLPOP', ['list', 0], { signal: controller.signal }))
    await eventually(async () => expect(await blocked()).toBe(1))
    controller.abort()
    expect(await pop).toMatchObject({ code: 'SLOTWISE_ABORTED', phase: 'flight', maybeExecuted: true })
    await eventually(async () => expect(await blocked()).toBe(0))
    expect(lanesOf(client)).toBe(0)
    // Nobody is there any more to take it.
    await client.execute('RPUSH', ['list', 'kept'])
    expect(await client.execute('LPOP', ['list'])).toBe('kept')
  })

  it('is freed by its deadline', async () => {
    const client = open({ protocol })
    const error = await failureOf(client.execute('BLPOP', ['list', 0], { timeoutMs: 60 }))
    expect(error).toMatchObject({ code: 'SLOTWISE_TIMEOUT', phase: 'flight' })
    await eventually(async () => expect(await blocked()).toBe(0))
  })

  it('is freed by destroy()', async () => {
    const client = open({ protocol })
    const pops = Array.from({ length: 5 }, () => failureOf(client.execute('BLPOP', ['list', 0])))
    await eventually(async () => expect(await blocked()).toBe(5))
    client.destroy()
    for (const pop of pops) expect(await pop).toMatchObject({ code: 'SLOTWISE_CLOSED' })
    await eventually(async () => expect(await connected()).toBe(0))
  })

  it('gives the server time, and no longer, when the client is closed', async () => {
    const client = open({ protocol, closeTimeoutMs: 50 })
    const pop = failureOf(client.execute('BLPOP', ['list', 0]))
    await eventually(async () => expect(await blocked()).toBe(1))
    await client.close()
    expect(await pop).toMatchObject({ code: 'SLOTWISE_CLOSED' })
    expect(await connected()).toBe(0)
  })

  it('waits for a lane no longer than its age limit, and the lanes are no more than maxLanes', async () => {
    const client = open({ protocol, maxLanes: 3, maxQueueAgeMs: 80 })
    const pops = Array.from({ length: 3 }, () => client.execute('BLPOP', ['list', 5]))
    await eventually(async () => expect(await blocked()).toBe(3))
    const late = await failureOf(client.execute('BLPOP', ['list', 5]))
    expect(late).toMatchObject({ code: 'SLOTWISE_QUEUE_EXPIRED', maybeExecuted: false, endpoint: server.address })
    expect(String(late.cause)).toMatch(/All 3 lanes to .* are in use/)
    expect(client.inspect()).toMatchObject({ sockets: { lane: 3 }, inFlight: 3, queued: 0 })
    const next = client.execute('BLPOP', ['list', 5])
    await client.execute('RPUSH', ['list', 1, 2, 3, 4])
    const values = (await Promise.all([...pops, next])).map(reply => (reply as string[])[1])
    expect(values.sort()).toEqual(['1', '2', '3', '4'])
  })
})

describe('a lane', () => {
  it('that is cut fails its call, which may have been carried out, and the next has another', async () => {
    const client = open()
    const pop = failureOf(client.execute('BLPOP', ['list', 0]))
    await eventually(async () => expect(await blocked()).toBe(1))
    await server.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    expect(await pop).toMatchObject({ code: 'SLOTWISE_CONNECTION_LOST', maybeExecuted: true })
    await client.execute('RPUSH', ['list', 'v'])
    expect(await client.execute('BLPOP', ['list', 1])).toEqual(['list', 'v'])
  })

  it('that was cut while nobody had it is not lent again', async () => {
    const client = open()
    await client.execute('RPUSH', ['list', 1, 2])
    await client.execute('BLPOP', ['list', 1])
    await server.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    await eventually(() => expect(lanesOf(client)).toBe(0))
    expect(await client.execute('BLPOP', ['list', 1])).toEqual(['list', '2'])
  })

  it('ends with its client in the middle of its handshake', async () => {
    const silent = test.keep(await startScripted(([name]) => (name === 'HELLO' ? silence : undefined)))
    const client = test.client({ server: silent.address })
    const pop = failureOf(client.execute('BLPOP', ['list', 0]))
    await eventually(() => expect(silent.count('HELLO')).toBe(1))
    client.destroy()
    expect(await pop).toMatchObject({ code: 'SLOTWISE_CLOSED' })
  })

  it('is there again after the server was away', async () => {
    const own = test.keep(await LocalServer.start())
    const client = test.client({ server: own.address, resend: 'all', timeoutMs: 20_000, maxQueueAgeMs: 20_000 })
    const pop = client.execute('BLPOP', ['list', 0])
    await eventually(() => expect(lanesOf(client)).toBe(1))
    await own.kill()
    await eventually(() => expect(client.inspect()).toMatchObject({ inFlight: 0, queued: 1 }))
    await own.restart()
    await client.execute('RPUSH', ['list', 'back'])
    expect(await pop).toEqual(['list', 'back'])
  })

  it('is not needed for WAIT, which is about what was written before it', async () => {
    const client = open()
    await client.execute('SET', ['k', 'v'])
    expect(await client.execute('WAIT', [0, 10])).toBe(0)
    expect(client.inspect().sockets).toMatchObject({ shared: 1, lane: 0 })
  })

  it('is not needed by XREAD without BLOCK', async () => {
    const client = open()
    await client.execute('XREAD', ['COUNT', 1, 'STREAMS', 's', 0])
    expect(lanesOf(client)).toBe(0)
    expect(await client.execute('XREAD', ['BLOCK', 5, 'STREAMS', 's', 0])).toBeNull()
    expect(lanesOf(client)).toBe(1)
  })
})

describe.each([2, 3] as const)('a session over RESP%i', protocol => {
  it('watches, and its transaction is refused when somebody else has written', async () => {
    const client = open({ protocol })
    await client.execute('SET', ['n', 1])
    const attempt = (disturb: boolean) =>
      client.session(async session => {
        await session.execute('WATCH', ['n'])
        const n = Number(await session.execute('GET', ['n']))
        if (disturb) await client.execute('SET', ['n', 100])
        await session.execute('MULTI')
        expect(await session.execute('SET', ['n', n + 1])).toBe('QUEUED')
        return session.execute('EXEC')
      })
    expect(await attempt(true)).toBeNull()
    expect(await attempt(false)).toEqual(['OK'])
    expect(await client.execute('GET', ['n'])).toBe('101')
    expect(client.inspect()).toMatchObject({ dials: 2, sockets: { lane: 1 } })
  })

  it.each(['MULTI', 'WATCH k'])('that leaves %s behind gives a connection back that has nothing of it', async left => {
    const client = open({ protocol })
    const [name, ...args] = left.split(' ')
    const id = await client.session(async session => {
      const own = await session.execute('CLIENT', ['ID'])
      await session.execute(name as string, args)
      return own
    })
    await client.execute('SET', ['k', 'changed'])
    await client.session(async session => {
      expect(await session.execute('CLIENT', ['ID'])).toBe(id)
      await session.execute('MULTI')
      await session.execute('SET', ['k', 'v'])
      expect(await session.execute('EXEC')).toEqual(['OK'])
    })
  })

  it.each([
    ['SELECT', '3'],
    ['CLIENT', 'SETNAME', 'somebody'],
    ['SUBSCRIBE', 'news'],
    ['MONITOR'],
    ['CLIENT', 'REPLY', 'OFF'],
  ])('that has sent %s %s leaves no connection behind', async (name, ...args) => {
    const client = open({ protocol })
    await client.session(async session => void (await session.execute(name, args)))
    await eventually(() => expect(client.inspect().sockets).toMatchObject({ lane: 0, closing: 0 }))
    expect(await client.execute('CLIENT', ['GETNAME'])).toBeNull()
  })

  it('ends whatever its function does, and its errors are those of the function', async () => {
    const client = open({ protocol })
    const failed = client.session(async session => {
      await session.execute('MULTI')
      throw new Error('of the user')
    })
    await expect(failed).rejects.toThrow('of the user')
    const forgotten = client.session(async session => void session.execute('BLPOP', ['list', 0]).catch(() => {}))
    await forgotten
    await eventually(async () => expect(await blocked()).toBe(0))
    expect(client.inspect()).toMatchObject({ inFlight: 0, queued: 0 })
  })

  it('takes no command once it is over', async () => {
    const client = open({ protocol })
    const kept = await client.session(async session => session)
    expect(await failureOf(kept.execute('PING'))).toMatchObject({ code: 'SLOTWISE_CLOSED' })
  })

  it('hears what MONITOR tells', async () => {
    const client = open({ protocol })
    const lines: string[] = []
    const onPush = (kind: string, [line]: readonly unknown[]) => lines.push(`${kind} ${line}`)
    await client.session(
      async session => {
        await session.execute('MONITOR')
        await client.execute('SET', ['seen', 1])
        await eventually(() => expect(lines.join('\n')).toMatch(/monitor .*"SET" "seen" "1"/))
      },
      { onPush },
    )
  })

  it('is not answered after CLIENT REPLY OFF, and is after ON', async () => {
    const client = open({ protocol })
    await client.session(async session => {
      await session.execute('CLIENT', ['REPLY', 'OFF'])
      expect(await session.execute('SET', ['quiet', 1])).toBeNull()
      expect(await session.execute('CLIENT', ['REPLY', 'ON'])).toBe('OK')
      expect(await session.execute('GET', ['quiet'])).toBe('1')
      await session.execute('CLIENT', ['REPLY', 'SKIP'])
      expect(await session.execute('INCR', ['quiet'])).toBeNull()
      expect(await session.execute('GET', ['quiet'])).toBe('2')
    })
  })

  it('fails with its connection, and nothing is sent again', async () => {
    const client = open({ protocol, resend: 'all' })
    await client.session(async session => {
      await session.execute('WATCH', ['k'])
      const pop = failureOf(session.execute('BLPOP', ['list', 0]))
      await eventually(async () => expect(await blocked()).toBe(1))
      await server.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
      expect(await pop).toMatchObject({ code: 'SLOTWISE_CONNECTION_LOST', maybeExecuted: true })
      expect(await failureOf(session.execute('GET', ['k']))).toMatchObject({ code: 'SLOTWISE_CONNECTION_LOST' })
    })
    expect(await client.execute('GET', ['k'])).toBeNull()
  })

  it('is ended by its signal', async () => {
    const client = open({ protocol })
    const controller = new AbortController()
    const session = client.session(async s => s.execute('BLPOP', ['list', 0]), { signal: controller.signal })
    const failed = failureOf(session)
    await eventually(async () => expect(await blocked()).toBe(1))
    controller.abort()
    expect(await failed).toMatchObject({ code: 'SLOTWISE_CONNECTION_LOST' })
    await eventually(async () => expect(await blocked()).toBe(0))
    const never = client.session(async s => s.execute('PING'), { signal: AbortSignal.abort() })
    expect(await failureOf(never)).toMatchObject({ code: 'SLOTWISE_ABORTED' })
  })

  it('waits for a connection no longer than its deadline', async () => {
    const client = open({ protocol, maxLanes: 1 })
    await client.session(async first => {
      await first.execute('PING')
      const second = client.session(async session => session.execute('PING'), { timeoutMs: 50 })
      expect(await failureOf(second)).toMatchObject({
        code: 'SLOTWISE_TIMEOUT',
        phase: 'queue',
        endpoint: server.address,
      })
    })
    expect(await client.session(async session => session.execute('PING'))).toBe('PONG')
    expect(lanesOf(client)).toBe(1)
  })

  it('never leaks: a thousand of them, half of which fail', async () => {
    const client = open({ protocol, maxLanes: 8 })
    const outcomes = await Promise.allSettled(
      Array.from({ length: 1000 }, (_, i) =>
        client.session(async session => {
          await session.execute('WATCH', [`k:${i % 10}`])
          if (i % 4 === 0) throw new Error('thrown')
          await session.execute('MULTI')
          if (i % 4 === 1) await session.execute('NOSUCH')
          await session.execute('INCR', [`k:${i % 10}`])
          return session.execute('EXEC')
        }),
      ),
    )
    expect(outcomes.filter(({ status }) => status === 'rejected')).toHaveLength(500)
    expect(lanesOf(client)).toBeLessThanOrEqual(8)
    expect(client.inspect()).toMatchObject({ inFlight: 0, queued: 0 })
    await eventually(async () => expect(await connected()).toBeLessThanOrEqual(9))
  })
})

describe('what cannot be', () => {
  it.each([
    ['no function', undefined, {}],
    ['an unknown option', async () => {}, { key: 'k' }],
    ['a deadline that is none', async () => {}, { timeoutMs: -1 }],
    ['a signal that is none', async () => {}, { signal: {} }],
  ])('is refused: %s', async (_, use, options) => {
    const client = open()
    const failed = client.session(use as never, options as never)
    expect(await failureOf(failed)).toMatchObject({ code: 'SLOTWISE_INVALID_ARGUMENT' })
  })
})
