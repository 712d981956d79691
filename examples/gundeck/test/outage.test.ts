// Redis that is away: what waits, for how long, what it costs, and what is left of it afterwards. The end of the service.

import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Pool } from 'undici'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { freePorts, LocalCluster } from '../../../scripts/local-cluster.mjs'
import { LocalServer } from '../../../scripts/local-server.mjs'
import { eventually, socketFdsTo } from '../../../test/support/settled.js'
import {
  call,
  metric,
  presences,
  push,
  pushesDone,
  pushTo,
  type RedisAt,
  type Running,
  register,
  useStack,
  warnings,
} from './support/stack.js'

const stack = useStack()
let cluster: LocalCluster
let redis: RedisAt

beforeAll(async () => {
  cluster = await LocalCluster.start({ replicasPerPrimary: 0, persistence: 'aof' })
  redis = { address: cluster.addresses[2]!, mode: 'cluster' }
})
afterEach(async () => {
  cluster.thawAll()
  await Promise.all(cluster.nodes.filter(node => !node.running).map(node => node.restart()))
  await cluster.waitUntilOk(15_000)
})
afterAll(() => cluster?.stop())

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Bytes of the heap that are in use, when everything that is over has been let go. */
async function heapBytes(): Promise<number> {
  let least = Number.POSITIVE_INFINITY
  for (let i = 0; i < 3; i++) {
    await new Promise(resolve => setImmediate(resolve))
    collectGarbage()
    least = Math.min(least, process.memoryUsage().heapUsed)
  }
  return least
}

const mebi = 1024 * 1024

/** Posts pushes, each in a request of its own, as fast as the service answers. */
async function pushMany(gundeck: Running, count: number, makePush: () => object): Promise<void> {
  const pool = new Pool(gundeck.url, { connections: 8, pipelining: 16 })
  let left = count
  const caller = async () => {
    while (left-- > 0) {
      const headers = { 'content-type': 'application/json' }
      const body = JSON.stringify([makePush()])
      const answer = await pool.request({ method: 'POST', path: '/i/push/v2', headers, body })
      await answer.body.dump()
      expect(answer.statusCode).toBe(200)
    }
  }
  await Promise.all(Array.from({ length: 128 }, caller))
  await pool.close()
}

const anybody = () => pushTo([randomUUID()], { transient: true })

describe('an outage', () => {
  it('10,000 waiters: all are served when Redis is back, and nothing is left of them', async () => {
    const gundeck = await stack.gundeck({ redis })
    const one = await stack.device(await stack.cannon(gundeck), gundeck)
    await pushMany(gundeck, 1000, anybody)
    await pushesDone(gundeck)
    const [heapBefore, { sockets }] = [await heapBytes(), gundeck.redis.inspect()]

    await cluster.killAll()
    await push(gundeck, pushTo([one.user], { transient: true }))
    await pushMany(gundeck, 10_000, anybody)
    expect(gundeck.service.inspectPushes().pushes).toBe(10_001)
    const waiting = gundeck.redis.inspect()
    expect(waiting).toMatchObject({ ready: false, waiting: 10_001, inFlight: 0 })
    expect(waiting.waitingBytes).toBeLessThan(32 * mebi)
    expect(waiting.sockets).toBeLessThanOrEqual(sockets!)
    expect(await metric(gundeck, 'gundeck_redis_waiting')).toBe(10_001)
    const perPush = ((await heapBytes()) - heapBefore) / 10_001
    expect(perPush, 'bytes of heap a waiting push').toBeLessThan(16 * 1024)

    await cluster.restartAll()
    expect(await one.message(15_000)).toEqual([{ foo: 42 }])
    await pushesDone(gundeck, 15_000)
    expect(await metric(gundeck, 'gundeck_pushes_dropped_total')).toBe(0)
    expect(gundeck.redis.inspect()).toMatchObject({ ready: true, waiting: 0, waitingBytes: 0, inFlight: 0, sockets })
    expect((await heapBytes()) - heapBefore, 'bytes of heap afterwards').toBeLessThan(4 * mebi)
  }, 60_000)

  it('that outlasts their time: pushes are dropped, counted and logged; registrations get 503', async () => {
    const limits = { requestTimeoutMs: 400, backgroundTimeoutMs: 600, maxBackgroundPushBytes: 5000 }
    const gundeck = await stack.gundeck({ redis, limits })
    const user = randomUUID()
    expect((await register(gundeck, user, 'before')).status).toBe(201)
    const said = () => gundeck.logged.map(({ msg }) => msg)
    await eventually(() => expect(said()).toContain('Established connection to main-redis.'))
    const heapBefore = await heapBytes()
    await cluster.killAll()
    const startedAt = performance.now()
    const answers = await Promise.all([
      register(gundeck, user, 'refused'),
      call(gundeck, 'GET', `/i/presences/${user}`),
      call(gundeck, 'GET', `/i/presences?ids=${user},${randomUUID()}`),
    ])
    expect(performance.now() - startedAt).toBeLessThan(1500)
    for (const answer of answers) {
      expect({ status: answer.status, retryAfter: answer.headers.get('retry-after') }).toEqual({
        status: 503,
        retryAfter: '1',
      })
      expect(answer.json()).toMatchObject({ code: 503, label: 'redis-unavailable' })
    }
    await pushMany(gundeck, 1000, () => pushTo([user], { transient: true }))
    await pushesDone(gundeck)
    const [late, full] = [
      await metric(gundeck, 'gundeck_pushes_dropped_total', { reason: 'redis-unavailable' }),
      await metric(gundeck, 'gundeck_pushes_dropped_total', { reason: 'backlog-full' }),
    ]
    expect(late + full).toBe(1000)
    expect(Math.min(late, full)).toBeGreaterThan(0)
    // One line a second for each kind, not one for each push.
    expect(warnings(gundeck).length).toBeLessThan(20)
    expect(warnings(gundeck)).toContain('Pushes dropped')
    const lost = gundeck.logged.find(({ msg }) => msg === 'Lost connection to main-redis; reconnecting.')
    expect(lost?.error).toEqual(expect.any(String))
    expect((await call(gundeck, 'GET', '/i/status')).status).toBe(200)
    expect((await call(gundeck, 'GET', '/i/ready')).status).toBe(503)
    expect(gundeck.redis.inspect()).toMatchObject({ waiting: 0, waitingBytes: 0 })
    expect((await heapBytes()) - heapBefore).toBeLessThan(4 * mebi)

    await cluster.restartAll()
    await eventually(async () => expect((await call(gundeck, 'GET', '/i/ready')).status).toBe(200), 15_000)
    expect((await presences(gundeck, user)).map(({ device_id }) => device_id)).toEqual(['before'])
  })

  it('a registration whose caller has gone is not made afterwards', async () => {
    const gundeck = await stack.gundeck({ redis })
    const user = randomUUID()
    expect((await register(gundeck, user, 'before')).status).toBe(201)
    await cluster.killAll()
    await eventually(() => expect(gundeck.redis.inspect().ready).toBe(false))
    const caller = new AbortController()
    const registering = register(gundeck, user, 'gone', undefined, caller.signal).catch((error: Error) => error.name)
    await eventually(() => expect(gundeck.redis.inspect().waiting).toBe(1))
    caller.abort()
    expect(await registering).toBe('AbortError')
    await eventually(() => expect(gundeck.redis.inspect().waiting).toBe(0))
    await cluster.restartAll()
    await eventually(async () => expect((await call(gundeck, 'GET', '/i/ready')).status).toBe(200), 15_000)
    expect((await presences(gundeck, user)).map(({ device_id }) => device_id)).toEqual(['before'])
  })

  it('without a word (servers that stand still): noticed in seconds, over in less when they go on', async () => {
    const gundeck = await stack.gundeck({ redis, limits: { requestTimeoutMs: 1000, readinessTimeoutMs: 500 } })
    const user = randomUUID()
    expect((await register(gundeck, user, 'c')).status).toBe(201)
    cluster.freezeAll()
    // Asked, it says so at once: it asks the servers themselves.
    expect((await call(gundeck, 'GET', '/i/ready')).status).toBe(503)
    expect((await call(gundeck, 'GET', `/i/presences/${user}`)).status).toBe(503)
    await eventually(() => expect(gundeck.redis.inspect().ready).toBe(false))
    const many = await Promise.all(Array.from({ length: 50 }, () => call(gundeck, 'GET', `/i/presences/${user}`)))
    expect(new Set(many.map(({ status }) => status))).toEqual(new Set([503]))
    cluster.thawAll()
    await eventually(async () => expect((await call(gundeck, 'GET', '/i/ready')).status).toBe(200), 10_000)
    expect(await presences(gundeck, user)).toHaveLength(1)
    expect(gundeck.redis.inspect()).toMatchObject({ waiting: 0, inFlight: 0 })
  })

  it('of one primary only: the others’ users notice nothing', async () => {
    const gundeck = await stack.gundeck({ redis, limits: { requestTimeoutMs: 500 } })
    await cluster.nodes[0]!.command('CONFIG', 'SET', 'cluster-require-full-coverage', 'no')
    await cluster.nodes[1]!.command('CONFIG', 'SET', 'cluster-require-full-coverage', 'no')
    const users = Array.from({ length: 30 }, () => randomUUID())
    for (const user of users) await register(gundeck, user, 'c')
    await cluster.nodes[2]!.kill()
    const answers = await Promise.all(users.map(user => call(gundeck, 'GET', `/i/presences/${user}`)))
    const statuses = answers.map(({ status }) => status)
    expect(statuses.filter(status => status === 200).length).toBeGreaterThan(5)
    expect(statuses.filter(status => status === 503).length).toBeGreaterThan(1)
    expect((await call(gundeck, 'GET', '/i/ready')).status).toBe(503)
    await cluster.nodes[2]!.restart()
    await cluster.waitUntilOk(15_000)
    await eventually(async () => expect((await call(gundeck, 'GET', '/i/ready')).status).toBe(200), 10_000)
  })
})

describe('the additional Redis', () => {
  it('that is down is nobody’s trouble: bounded, counted, and written to again when it is back', async () => {
    const second = await LocalServer.start()
    stack.keep({ close: () => second.stop() })
    const gundeck = await stack.gundeck({
      redis,
      additional: { address: second.address, mode: 'master' },
      limits: { backgroundTimeoutMs: 500 },
    })
    const user = randomUUID()
    expect((await register(gundeck, user, 'both')).status).toBe(201)
    await eventually(async () => expect(await second.command('HLEN', `user:${user}`)).toBe(1))
    await second.kill()
    for (let i = 0; i < 20; i++) expect((await register(gundeck, user, `main-${i}`)).status).toBe(201)
    expect((await call(gundeck, 'GET', '/i/ready')).status).toBe(200)
    await eventually(async () => expect(await metric(gundeck, 'gundeck_additional_write_failures_total')).toBe(20))
    expect(gundeck.additionalRedis?.inspect()).toMatchObject({ ready: false, waiting: 0, waitingBytes: 0 })
    expect(await presences(gundeck, user)).toHaveLength(21)
    await second.restart()
    await eventually(() => expect(gundeck.additionalRedis?.inspect().ready).toBe(true))
    expect((await register(gundeck, user, 'again')).status).toBe(201)
    await eventually(async () => expect(await second.command('HKEYS', `user:${user}`)).toEqual(['again']))
    // What a push cleans up on the main one goes from the additional one, too.
    const one = await stack.device(await stack.cannon(gundeck), gundeck)
    await eventually(async () => expect(await second.command('HLEN', `user:${one.user}`)).toBe(1))
    one.close()
    await eventually(async () => {
      await push(gundeck, pushTo([one.user], { transient: true }))
      expect(await second.command('HLEN', `user:${one.user}`)).toBe(0)
    })
  })
})

describe('the end', () => {
  it('finishes what it can, gives up what waits for Redis, and leaves no socket', async () => {
    const gundeck = await stack.gundeck({ redis, limits: { shutdownGraceMs: 300 } })
    const ports = cluster.nodes.map(node => node.port)
    const user = randomUUID()
    expect((await register(gundeck, user, 'c')).status).toBe(201)
    await cluster.killAll()
    await push(gundeck, pushTo([user]))
    const waiting = register(gundeck, user, 'waiting')
    await eventually(() => expect(gundeck.redis.inspect().waiting).toBe(2))
    const startedAt = performance.now()
    const closed = gundeck.close()
    await cluster.restartAll()
    // Redis has come back in time for the one that somebody waits for.
    expect((await waiting).status).toBe(201)
    await closed
    expect(performance.now() - startedAt).toBeLessThan(8000)
    expect(gundeck.redis.inspect()).toMatchObject({ waiting: 0, inFlight: 0, sockets: 0 })
    await eventually(() => expect(socketFdsTo(ports)).toBe(0))
    await expect(call(gundeck, 'GET', '/i/status')).rejects.toThrow()
  })

  it('with Redis away for good takes no longer than its limits', async () => {
    const gundeck = await stack.gundeck({ redis, limits: { shutdownGraceMs: 300, requestTimeoutMs: 300 } })
    await cluster.killAll()
    await push(gundeck, pushTo([randomUUID()]))
    const startedAt = performance.now()
    await gundeck.close()
    expect(performance.now() - startedAt).toBeLessThan(2000)
    expect(await metric(gundeck, 'gundeck_pushes_dropped_total', { reason: 'shutdown' })).toBe(1)
  })
})

describe('the program', () => {
  const folder = mkdtempSync(join(tmpdir(), 'gundeck-program-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  function start(...args: string[]): { child: ChildProcess; output: () => string } {
    const child = spawn(process.execPath, [resolve(import.meta.dirname, '../dist/main.js'), ...args])
    stack.keep({ close: () => child.kill('SIGKILL') })
    let text = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (text += chunk))
    return { child, output: () => text }
  }

  it('serves without Redis, connects when there is one, and ends by SIGTERM', async () => {
    const [port] = await freePorts(1)
    const [host, redisPort] = redis.address.split(':')
    const config = {
      gundeck: { host: '127.0.0.1', port },
      redis: {
        host,
        port: Number(redisPort),
        connectionMode: 'cluster',
        enableTls: false,
        insecureSkipVerifyTls: false,
      },
      cassandra: { endpoint: { host: 'nowhere', port: 9042 } },
    }
    const path = join(folder, 'gundeck.yaml')
    writeFileSync(path, stringify(config))
    await cluster.killAll()
    const { child, output } = start('--config', path)
    const url = `http://127.0.0.1:${port}`
    await eventually(async () => expect((await call({ url }, 'GET', '/i/status')).status).toBe(200), 10_000)
    expect((await call({ url }, 'GET', '/i/ready')).status).toBe(503)
    await cluster.restartAll()
    await eventually(async () => expect((await call({ url }, 'GET', '/i/ready')).status).toBe(200), 15_000)
    await eventually(() => expect(output()).toContain('Established connection to main-redis.'))
    expect(output()).toContain('"keys":["cassandra"]')
    expect((await call({ url }, 'GET', '/i/metrics')).text).toContain('process_resident_memory_bytes')
    child.kill('SIGTERM')
    expect(await once(child, 'exit')).toEqual([0, null])
  })

  it('explains itself, and what is wrong with its configuration', async () => {
    const run = async (...args: string[]) => {
      const { child, output } = start(...args)
      const [code] = await once(child, 'close')
      return { code, output: output() }
    }
    expect(await run('--help')).toEqual({ code: 0, output: expect.stringContaining('--config FILE') })
    expect(await run()).toEqual({ code: 1, output: expect.stringContaining('--config FILE is needed') })
    const path = join(folder, 'wrong.yaml')
    writeFileSync(path, 'gundeck: { host: 127.0.0.1, port: 1 }')
    expect(await run('--config', path)).toEqual({
      code: 1,
      output: expect.stringMatching(/^gundeck: configuration: redis/),
    })
  })
})
