// A standalone server: the ways to it, the replies it gives, and the end of a client.

import { setTimeout as delay } from 'node:timers/promises'
import { createClient, ReplyError, SlotwiseError } from 'slotwise/core'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { LocalServer, liveServerPids } from '../../scripts/local-server.mjs'
import { runChild } from '../support/child.js'
import { failureOf, thrownBy, useClients } from '../support/clients.js'
import { eventually, expectSettled } from '../support/settled.js'

const test = useClients()
let server: LocalServer

beforeAll(async () => {
  server = await LocalServer.start({ unixSocket: true })
})
beforeEach(() => server.command('FLUSHALL'))
afterAll(async () => {
  await server?.stop()
  expect(liveServerPids(), 'servers left running').toEqual([])
})

describe('the way there', () => {
  it('leads to a database', async () => {
    const zero = test.client({ server: server.address })
    const three = test.client({ server: `redis://${server.address}/3` })
    const byOption = test.client({ server: server.address, database: 3 })
    await three.execute('SET', ['k', 'in three'])
    expect(await byOption.execute('GET', ['k'])).toBe('in three')
    expect(await zero.execute('GET', ['k'])).toBeNull()
    // A new connection is in the same database.
    await server.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    expect(await three.execute('GET', ['k'])).toBe('in three')
    expect(three.inspect().dials).toBe(2)
  })

  it('may be a Unix socket, named in three ways', async () => {
    const path = server.unixSocketPath
    for (const address of [path, `unix://${path}`, { path }]) {
      const client = test.client({ server: address })
      expect(await client.execute('PING')).toBe('PONG')
      expect(client.nodes()).toMatchObject([{ endpoint: path, state: 'ready' }])
    }
    const nowhere = test.client({ server: `${path}.gone`, timeoutMs: 200 })
    expect((await failureOf(nowhere.connect())).cause).toMatchObject({
      code: 'SLOTWISE_CONNECT_FAILED',
      cause: { code: 'ENOENT' },
    })
  })

  it('may be IPv6', async () => {
    const six = test.keep(await LocalServer.start({ bind: ['127.0.0.1', '::1'] }))
    for (const address of [`[::1]:${six.port}`, `redis://[::1]:${six.port}`, { host: '::1', port: six.port }]) {
      const client = test.client({ server: address })
      expect(await client.execute('PING')).toBe('PONG')
      expect(await six.command('CLIENT', 'LIST')).toContain('addr=[::1]:')
    }
  })
})

describe('replies', () => {
  it.each([
    [2, ['f', '1', 'g', '2'], '1.5', 0, ['a', 'b']],
    [
      3,
      new Map([
        ['f', '1'],
        ['g', '2'],
      ]),
      1.5,
      0,
      new Set(['a', 'b']),
    ],
    [
      'auto',
      new Map([
        ['f', '1'],
        ['g', '2'],
      ]),
      1.5,
      0,
      new Set(['a', 'b']),
    ],
  ] as const)('of RESP %s have its types', async (protocol, hash, score, absent, members) => {
    const client = test.client({ server: server.address, protocol })
    await client.batch([
      ['HSET', ['h', 'f', 1, 'g', 2]],
      ['ZADD', ['z', 1.5, 'm']],
      ['SADD', ['s', 'a', 'b']],
    ])
    expect(await client.execute('HGETALL', ['h'])).toEqual(hash)
    expect(await client.execute('ZSCORE', ['z', 'm'])).toBe(score)
    expect(await client.execute('EXISTS', ['none'])).toBe(absent)
    const set = await client.execute('SMEMBERS', ['s'])
    expect(set instanceof Set ? set : [...(set as string[])].sort()).toEqual(members)
    expect(await client.execute('GET', ['none'])).toBeNull()
  })

  it('with buffers are the bytes that were sent', async () => {
    const client = test.client({ server: server.address })
    const every = Buffer.from(Array.from({ length: 512 }, (_, i) => i & 255))
    expect(await client.execute('SET', [Buffer.from([255, 0, 13, 10]), every])).toBe('OK')
    expect(await client.execute('GET', [new Uint8Array([255, 0, 13, 10])], { buffers: true })).toEqual(every)
    await client.execute('HSET', ['h', 'f', every])
    expect(await client.execute('HGETALL', ['h'], { buffers: true })).toEqual(new Map([[Buffer.from('f'), every]]))
    // Its neighbours are not concerned.
    const [text, bytes, again] = await Promise.all([
      client.execute('ECHO', ['text']),
      client.execute('ECHO', ['text'], { buffers: true }),
      client.execute('ECHO', ['text']),
    ])
    expect([text, bytes, again]).toEqual(['text', Buffer.from('text'), 'text'])
  })

  it('may be as long as 5 MB, one way and the other', async () => {
    const client = test.client({ server: server.address })
    const value = 'äöü€😀'.repeat(350_000)
    expect(Buffer.byteLength(value)).toBeGreaterThan(4_500_000)
    const [set, get, length] = await Promise.all([
      client.execute('SET', ['big', value]),
      client.execute('GET', ['big']),
      client.execute('STRLEN', ['big']),
    ])
    expect([set, get === value, length]).toEqual(['OK', true, Buffer.byteLength(value)])
    const many = Array.from({ length: 50_000 }, (_, i) => `item ${i}`)
    await client.execute('RPUSH', ['list', ...many])
    expect(await client.execute('LRANGE', ['list', 0, -1])).toEqual(many)
  })

  it('that are errors have a code and a command, and leave their neighbours alone', async () => {
    const client = test.client({ server: server.address })
    await client.execute('SET', ['text', 'x'])
    const [before, wrong, unknown, after] = await Promise.all([
      client.execute('SET', ['a', 1]),
      failureOf(client.execute('LPUSH', ['text', 1])),
      failureOf(client.execute('NOSUCHCOMMAND', ['a'])),
      client.execute('INCR', ['a']),
    ])
    expect([before, after]).toEqual(['OK', 2])
    expect(wrong).toBeInstanceOf(ReplyError)
    expect(wrong).toMatchObject({ code: 'WRONGTYPE', command: 'LPUSH', name: 'ReplyError' })
    expect(unknown).toMatchObject({ code: 'ERR', command: 'NOSUCHCOMMAND' })
    expect(client.inspect().dials).toBe(1)
  })

  it('of a batch are in the order of its commands, errors in their places', async () => {
    const client = test.client({ server: server.address })
    const results = await client.batch([
      ['SET', ['a', 1]],
      ['LPUSH', ['a', 1]],
      ['incr', ['a']],
      ['GET', ['a'], { buffers: true }],
      ['PING'],
    ])
    expect(results[1]).toMatchObject({ code: 'WRONGTYPE', command: 'LPUSH' })
    expect([results[0], ...results.slice(2)]).toEqual(['OK', 2, Buffer.from('2'), 'PONG'])
    expect(await client.batch([])).toEqual([])
  })

  it('of 10,000 calls at once come in their order over one connection', async () => {
    const client = test.client({ server: server.address })
    const calls = Array.from({ length: 10_000 }, () => client.execute('INCR', ['n']))
    expectSettled(client)
    expect(await Promise.all(calls)).toEqual(Array.from({ length: 10_000 }, (_, i) => i + 1))
    expect(client.inspect()).toMatchObject({ dials: 1, issued: 10_000, settled: 10_000, queuedBytes: 0 })
  })
})

describe('a server that reads its data set', () => {
  it('is waited for', async () => {
    // 200 keys at 5 ms each; it answers in between.
    const config = { 'key-load-delay': '5000', 'loading-process-events-interval-bytes': '1024' }
    const loading = test.keep(await LocalServer.start({ config }))
    const client = test.client({ server: loading.address, retryDelayMs: 20 })
    await client.execute('SET', ['k', 'kept'])
    await loading.command('DEBUG', 'POPULATE', 200, 'filler', 500)
    await loading.command('SAVE')
    await loading.kill()
    await loading.restart()
    expect(await client.execute('GET', ['k'])).toBe('kept')
    expect(client.inspect().retries).toBeGreaterThan(0)
    expect(await client.execute('DBSIZE')).toBe(201)
  })
})

describe('commands that are special', () => {
  it('as they change the connection are refused at once', () => {
    const client = test.client({ server: server.address })
    for (const [name, ...args] of [
      ['MULTI'],
      ['exec'],
      ['WATCH', 'k'],
      ['SUBSCRIBE', 'c'],
      ['PSUBSCRIBE', 'c'],
      ['SSUBSCRIBE', 'c'],
      ['SELECT', '1'],
      ['MONITOR'],
      ['HELLO', '3'],
      ['AUTH', 'x'],
      ['QUIT'],
      ['RESET'],
      ['CLIENT', 'REPLY', 'OFF'],
      ['client', 'setname', 'x'],
    ] as const) {
      const error = thrownBy(() => client.execute(name, args))
      expect(error, `${name} ${args}`).toMatchObject({ code: 'SLOTWISE_SESSION_ONLY' })
      expect(error.command).toBe(error.command?.toUpperCase())
    }
    expect(client.inspect()).toMatchObject({ issued: 0, dials: 0, state: 'idle' })
  })

  it('as they block get their time and the deadline on top', async () => {
    const client = test.client({ server: server.address, timeoutMs: 400, silenceTimeoutMs: 300, pingIntervalMs: 300 })
    const startedAt = performance.now()
    expect(await client.execute('BLPOP', ['nothing', 1])).toBeNull()
    expect(performance.now() - startedAt).toBeGreaterThan(950)
    // For ever: no deadline at all.
    const forEver = client.execute('BLPOP', ['queue', 0])
    await delay(600)
    await server.command('RPUSH', 'queue', 'job')
    expect(await forEver).toEqual(['queue', 'job'])
    const limited = await failureOf(client.execute('BLPOP', ['nothing', 0], { timeoutMs: 200 }))
    expect(limited).toMatchObject({ code: 'SLOTWISE_TIMEOUT', phase: 'flight', command: 'BLPOP' })
    expect(client.inspect().dials).toBe(1)
  })
})

describe('the end', () => {
  it('by close() waits for what is in flight', async () => {
    const client = test.client({ server: server.address })
    await client.connect()
    const calls = Array.from({ length: 1000 }, (_, i) => client.execute('SET', [`k${i}`, i]))
    const blocked = client.execute('BLPOP', ['queue', 1])
    const closing = client.close()
    const refused = failureOf(client.execute('GET', ['k1']))
    expect(client.state).toBe('closing')
    await server.command('RPUSH', 'queue', 'job')
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['OK']))
    expect(await blocked).toEqual(['queue', 'job'])
    expect(await refused).toMatchObject({ code: 'SLOTWISE_CLOSED', maybeExecuted: false })
    await closing
    expect(client.inspect()).toMatchObject({ state: 'closed', sockets: { total: 0 }, issued: 1002, settled: 1002 })
  })

  it('by close() does not wait longer than the limit', async () => {
    const client = test.client({ server: server.address, closeTimeoutMs: 200 })
    await client.connect()
    const blocked = failureOf(client.execute('BLPOP', ['nothing', 0]))
    await eventually(() => expect(client.inspect().inFlight).toBe(1))
    const startedAt = performance.now()
    await Promise.all([client.close(), client.close()])
    expect(performance.now() - startedAt).toBeGreaterThan(190)
    expect(performance.now() - startedAt).toBeLessThan(350)
    expect(await blocked).toMatchObject({ code: 'SLOTWISE_CLOSED', maybeExecuted: true, command: 'BLPOP' })
  })

  it('by destroy() settles everything, sent or not', async () => {
    const client = test.client({ server: server.address })
    const waiting = [1, 2].map(i => failureOf(client.execute('SET', ['k', i])))
    client.destroy()
    for (const call of waiting) {
      expect(await call).toMatchObject({ code: 'SLOTWISE_CLOSED', maybeExecuted: false, command: 'SET' })
    }
    const other = test.client({ server: server.address })
    await other.connect()
    const blocked = failureOf(other.execute('BLPOP', ['nothing', 0]))
    await eventually(() => expect(other.inspect().inFlight).toBe(1))
    const unsent = failureOf(other.execute('SET', ['k', 3]))
    other.destroy()
    expect(await blocked).toMatchObject({ code: 'SLOTWISE_CLOSED', maybeExecuted: true })
    expect(await unsent).toMatchObject({ code: 'SLOTWISE_CLOSED', maybeExecuted: false })
    for (const ended of [client, other]) {
      expect(ended.inspect()).toMatchObject({ state: 'closed', queued: 0, inFlight: 0 })
      expect(await failureOf(ended.execute('PING'))).toMatchObject({ code: 'SLOTWISE_CLOSED' })
      expect(await failureOf(ended.connect())).toMatchObject({ code: 'SLOTWISE_CLOSED' })
      for (const error of await ended.batch([['PING'], ['PING']])) {
        expect(error).toBeInstanceOf(SlotwiseError)
        expect(error).toMatchObject({ code: 'SLOTWISE_CLOSED' })
      }
      ended.destroy()
    }
    expect(await server.command('GET', 'k')).toBeNull()
  })

  it('of a client never used is nothing', async () => {
    const client = test.client({ server: server.address })
    expect(client.inspect()).toMatchObject({ state: 'idle', dials: 0 })
    await client.close()
    expect(await failureOf(client.execute('PING'))).toMatchObject({ code: 'SLOTWISE_CLOSED' })
  })

  it('comes with the end of the block', async () => {
    let kept: ReturnType<typeof createClient>
    {
      await using client = createClient({ server: server.address })
      kept = client
      expect(await client.execute('PING')).toBe('PONG')
    }
    expect(kept.inspect()).toMatchObject({ state: 'closed', sockets: { total: 0 } })
  })

  it.each(['close', 'destroy'])('by %s() lets the process end by itself', async how => {
    const result = await runChild<Record<string, unknown>>('exit.mjs', [server.port, how])
    expect(result).toMatchObject({ value: 'PONG', outcome: 'SLOTWISE_CLOSED', issued: 2, settled: 2, sockets: 0 })
    expect(result.lingeredMs).toBeLessThan(500)
  })
})
