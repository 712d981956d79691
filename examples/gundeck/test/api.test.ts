// The original's integration tests, on a real cluster with two Cannons and real websockets; and what is said over HTTP.

import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { LocalCluster } from '../../../scripts/local-cluster.mjs'
import { LocalServer } from '../../../scripts/local-server.mjs'
import { makeTestCertificates } from '../../../scripts/local-tls.mjs'
import { eventually } from '../../../test/support/settled.js'
import type { Cannon } from '../src/cannon/cannon.js'
import { answerAll, startScriptedCannon } from './support/scripted-cannon.js'
import {
  call,
  Device,
  metric,
  presences,
  push,
  pushesDone,
  pushTo,
  type RedisAt,
  type Running,
  register,
  useStack,
} from './support/stack.js'

const stack = useStack()
let cluster: LocalCluster
let redis: RedisAt
let gundeck: Running
let cannons: [Cannon, Cannon]

beforeAll(async () => {
  cluster = await LocalCluster.start({ primaries: 3, replicasPerPrimary: 0 })
  redis = { address: cluster.addresses[0]!, mode: 'cluster' }
  gundeck = await stack.shared(() => stack.gundeck({ redis }))
  cannons = await stack.shared(async () => [await stack.cannon(gundeck), await stack.cannon(gundeck)])
})
afterAll(() => cluster?.stop())

const device = (options = {}, cannon = cannons[0]) => stack.device(cannon, gundeck, options)
const self = (one: Device) => ({ origin: one.user, origin_connection: 'dev' })

async function notifications(user: string, query = ''): Promise<{ id: string; payload: object[] }[]> {
  const answer = await call(gundeck, 'GET', `/v3/notifications?size=100${query}`, undefined, {
    headers: { 'Z-User': user },
  })
  expect(answer.status, answer.text).toBe(200)
  return (answer.json() as { notifications: { id: string; payload: object[] }[] }).notifications
}

/** What somebody gets next is a marker: nothing came before it. */
async function expectNothing(devices: readonly Device[], limitMs = 1000): Promise<void> {
  const payload = [{ marker: randomUUID() }]
  await push(
    gundeck,
    pushTo([...new Set(devices.map(({ user }) => user))], { payload, connections: devices.map(d => d.conn) }),
  )
  for (const one of devices) expect(await one.message(limitMs)).toEqual(payload)
}

describe('Push', () => {
  it('Replace presence', async () => {
    const one = await device()
    const resources = async () => (await presences(gundeck, one.user)).map(({ resource }) => resource)
    const first = await register(gundeck, one.user, 'dummy_dev', 'http://localhost:8080')
    expect({ status: first.status, location: first.headers.get('location') }).toEqual({
      status: 201,
      location: 'http://localhost:8080',
    })
    await push(gundeck, pushTo([one.user], self(one)))
    await pushesDone(gundeck)
    expect(await resources()).toHaveLength(2)
    expect(await resources()).toContain('http://localhost:8080')
    expect((await register(gundeck, one.user, 'dummy_dev', 'http://localhost:8081')).status).toBe(201)
    expect(await resources()).toHaveLength(2)
    expect(await resources()).toContain('http://localhost:8081')
    expect(await resources()).not.toContain('http://localhost:8080')
  })

  it('Remove stale presence', async () => {
    const one = await device()
    await push(gundeck, pushTo([one.user], self(one)))
    await one.message()
    expect(await presences(gundeck, one.user)).toHaveLength(1)
    const again = await device({ user: one.user, conn: one.conn })
    expect(await presences(gundeck, one.user)).toHaveLength(1)
    await eventually(() => expect(one.open).toBe(false))
    again.close()
    await eventually(async () => {
      await push(gundeck, pushTo([one.user], self(one)))
      await pushesDone(gundeck)
      expect(await presences(gundeck, one.user)).toEqual([])
    })
    expect(await metric(gundeck, 'gundeck_presences_deleted_total')).toBeGreaterThan(0)
  })

  it('Single user push', async () => {
    const one = await device()
    await push(gundeck, pushTo([one.user], self(one)))
    expect(await one.message()).toEqual([{ foo: 42 }])
    const [stored] = await notifications(one.user)
    expect(stored?.payload).toEqual([{ foo: 42 }])
    const message = JSON.parse(String(one.raw[0]))
    expect(message).toEqual({ id: stored?.id, transient: false, payload: [{ foo: 42 }] })
  })

  it('Single user push with large message', async () => {
    const one = await device()
    const payload = [{ list: Array.from({ length: 10_000 }, (_, i) => `item ${i}`) }]
    await push(gundeck, pushTo([one.user], { ...self(one), payload }))
    expect(await one.message()).toEqual(payload)
  })

  it('Push many to Cannon via bulkpush (via gundeck; group notif), then (via gundeck; e2e notif)', async () => {
    const users = Array.from({ length: 50 }, () => randomUUID())
    // Half of each user's conns on either Cannon.
    const devices = users.flatMap((user, n) =>
      Array.from({ length: 8 }, (_, i) =>
        stack.keep(new Device(cannons[i < 4 ? 0 : 1]!, { user, conn: `c-${n}-${i}` })),
      ),
    )
    await eventually(async () => {
      const listed = await call(gundeck, 'GET', `/i/presences?ids=${users}`)
      expect(listed.json()).toHaveLength(400)
    }, 15_000)
    const before = cannons.map(cannon => cannon.bulkPushes)

    const listed = devices.filter((_, i) => i % 2 === 0)
    const connections = listed.map(({ conn }) => conn)
    const payload = [{ group: 'notif' }]
    await push(gundeck, ...Array(3).fill(pushTo(users, { connections, payload })))
    for (const one of listed) {
      for (let i = 0; i < 3; i++) expect(await one.message(5000)).toEqual(payload)
    }
    // One request a Cannon, whatever the number of notifications.
    expect(cannons.map((cannon, i) => cannon.bulkPushes - before[i]!)).toEqual([1, 1])
    await expectNothing(devices, 5000)

    const single = Array.from({ length: 600 }, (_, i) => devices[(i * 7) % devices.length]!)
    const pushes = single.map(one => pushTo([one.user], { connections: [one.conn], payload: [{ to: one.conn }] }))
    await push(gundeck, ...pushes)
    for (const one of single) expect(await one.message(5000)).toEqual([{ to: one.conn }])
    await expectNothing(devices, 5000)
  })

  it('Send a push, ensure origin does not receive it', async () => {
    const one = await device()
    const other = await device({ user: one.user })
    await push(gundeck, pushTo([one.user], { origin: one.user, origin_connection: one.conn }))
    expect(await other.message()).toEqual([{ foo: 42 }])
    await expectNothing([one])
    // An origin without its connection keeps nobody out.
    await push(gundeck, pushTo([one.user], { origin: one.user }))
    expect(await one.message()).toEqual([{ foo: 42 }])
  })

  it('Targeted push by connection', async () => {
    const one = await device()
    const other = await device({ user: one.user }, cannons[1])
    await push(gundeck, pushTo([one.user], { connections: [one.conn] }))
    expect(await one.message()).toEqual([{ foo: 42 }])
    await expectNothing([other])
  })

  it('Targeted push by client', async () => {
    const user = randomUUID()
    const [first, second] = [await device({ user, client: 'c1' }), await device({ user, client: '00C2' }, cannons[1])]
    const ids: string[] = []
    for (const [target, other, client] of [
      [first, second, 'c1'],
      [second, first, 'c2'],
    ] as const) {
      await push(gundeck, pushTo([user], { clients: [client], payload: [{ client }] }))
      expect(await target.message()).toEqual([{ client }])
      const own = await notifications(user, `&client=${client}`)
      expect(own.map(({ payload }) => payload)).toEqual([[{ client }]])
      ids.push(own[0]!.id)
      expect(other.messages).toEqual([])
    }
    expect((await notifications(user)).map(({ id }) => id)).toEqual(ids)
    // One without a client gets everything.
    const third = await device({ user })
    await push(gundeck, pushTo([user], { clients: ['c1'], transient: true }))
    expect(await third.message()).toEqual([{ foo: 42 }])
    expect(await notifications(user)).toHaveLength(2)
    await first.message()
    await expectNothing([second])
  })

  it('Store notifications even when redis is down', async () => {
    const server = await LocalServer.start()
    stack.keep({ close: () => server.stop() })
    const proxy = await startProxy(server.port)
    const own = await stack.gundeck({
      redis: { address: `127.0.0.1:${proxy.port}`, mode: 'master' },
      limits: { requestTimeoutMs: 300, backgroundTimeoutMs: 300 },
    })
    const user = randomUUID()
    // It was there before: this is an outage and no misconfiguration.
    expect((await register(own, user, 'c')).status).toBe(201)
    proxy.close()
    await push(own, pushTo([user]))
    const answer = await call(own, 'GET', '/v3/notifications', undefined, { headers: { 'Z-User': user } })
    expect((answer.json() as { notifications: object[] }).notifications).toHaveLength(1)
    await pushesDone(own)
    expect(await metric(own, 'gundeck_pushes_dropped_total', { reason: 'redis-unavailable' })).toBe(1)
    expect(await metric(own, 'gundeck_native_pushes_not_sent_total')).toBe(1)
  })
})

describe('Redis migration', () => {
  it('redis migration should work', async () => {
    // Those that the README names.
    const rights = '+eval +hset +expire +hget +hdel +hgetall +exists +ping +client|setname'
    const first = await LocalServer.start({ requirepass: 'old' })
    const second = await LocalServer.start({ users: { mover: `on >new ~user:* -@all ${rights}`, default: 'off' } })
    try {
      const user = randomUUID()
      const oldAt: RedisAt = { address: first.address, mode: 'master' }
      const newAt: RedisAt = { address: second.address, mode: 'master' }
      const both = await stack.gundeck({
        redis: oldAt,
        additional: newAt,
        env: {
          REDIS_PASSWORD: 'old',
          REDIS_ADDITIONAL_WRITE_USERNAME: 'mover',
          REDIS_ADDITIONAL_WRITE_PASSWORD: 'new',
        },
      })
      expect((await register(both, user, 'c1', 'http://127.0.0.1:9/x')).status).toBe(201)
      expect((await presences(both, user)).map(({ resource }) => resource)).toEqual(['http://127.0.0.1:9/x'])
      // Nobody waits for the second write, so it is waited for here.
      await eventually(() => expect(both.additionalRedis?.inspect()).toMatchObject({ waiting: 0, inFlight: 0 }))
      const moved = await stack.gundeck({
        redis: newAt,
        env: { REDIS_USERNAME: 'mover', REDIS_PASSWORD: 'new' },
      })
      expect((await presences(moved, user)).map(({ resource }) => resource)).toEqual(['http://127.0.0.1:9/x'])
      expect((await register(moved, user, 'c2')).status).toBe(201)
      expect((await call(moved, 'GET', '/i/ready')).status).toBe(200)
      await eventually(() => expect(moved.redis.inspect().ready).toBe(true))
    } finally {
      await Promise.all([first.stop(), second.stop()])
    }
  })
})

describe('Redis with TLS', () => {
  it('is known by its authority; another one, or none, is refused unless nothing is to be checked', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gundeck-tls-'))
    const certificates = makeTestCertificates(folder)
    const tls = { ...certificates.server, ca: certificates.ca }
    const secure = await LocalCluster.start({
      primaries: 3,
      replicasPerPrimary: 0,
      tls,
      config: { 'tls-auth-clients': 'no' },
    })
    try {
      const status = async (options: RedisAt['tls']) => {
        const at: RedisAt = {
          address: secure.addresses[0]!,
          mode: 'cluster',
          ...(options !== undefined && { tls: options }),
        }
        const own = await stack.gundeck({ redis: at, limits: { requestTimeoutMs: 1500 } })
        return (await register(own, randomUUID(), 'c')).status
      }
      expect(await status({ tlsCa: certificates.ca })).toBe(201)
      expect(await status({ insecureSkipVerifyTls: true })).toBe(201)
      const refused = [status({ tlsCa: certificates.otherCa }), status({}), status(undefined)]
      expect(await Promise.all(refused)).toEqual([503, 503, 503])
    } finally {
      await secure.stop()
      rmSync(folder, { recursive: true })
    }
  })
})

describe('Presence', () => {
  it('testAddUser: Register a user', async () => {
    const one = await device({ client: 'EA' }, cannons[1])
    expect(await presences(gundeck, one.user)).toEqual([
      {
        user_id: one.user,
        device_id: one.conn,
        resource: `${cannons[1].url}/i/push/${one.user}/${one.conn}`,
        client_id: 'ea',
        created_at: expect.any(Number),
      },
    ])
    const there = await call(cannons[1], 'HEAD', `/i/presences/${one.user}/${one.conn}`)
    const notThere = await call(cannons[1], 'HEAD', `/i/presences/${one.user}/other`)
    expect([there.status, notThere.status]).toEqual([200, 404])
  })

  it('testRemoveUser: Delete a user is not ported, and says so', async () => {
    const answer = await call(gundeck, 'DELETE', '/i/user', undefined, { headers: { 'Z-User': randomUUID() } })
    expect(answer.status).toBe(501)
    expect(answer.json()).toMatchObject({ code: 501, label: 'not-implemented' })
  })
})

describe('Websocket pingpong', () => {
  it('pings produce pongs', async () => {
    const one = await device()
    one.socket.send('ping')
    await eventually(() => expect(one.raw.map(String)).toEqual(['pong']))
  })

  it('control pings with payload produce pongs with the same payload', async () => {
    const one = await device()
    one.socket.ping('payload')
    expect(String((await once(one.socket, 'pong'))[0])).toBe('payload')
  })

  it('data non-pings are ignored', async () => {
    const one = await device()
    one.socket.send('not a ping')
    one.socket.send('ping')
    await eventually(() => expect(one.raw.map(String)).toEqual(['pong']))
  })

  it('a client that says who it is in no way, or nonsense, is refused', async () => {
    const attempt = async (path: string, headers: Record<string, string>) => {
      const socket = new WebSocket(`${cannons[0].url.replace('http', 'ws')}${path}`, { headers })
      const [error] = await once(socket, 'error')
      return (error as Error).message
    }
    const who = { 'Z-User': randomUUID(), 'Z-Connection': 'c' }
    expect(await attempt('/await', {})).toMatch(/400/)
    expect(await attempt('/await?client=xyz', who)).toMatch(/400/)
    expect(await attempt('/elsewhere', who)).toMatch(/404/)
  })
})

describe('Metrics', () => {
  it('prometheus gundeck', async () => {
    const answer = await call(gundeck, 'GET', '/i/metrics')
    expect(answer.status).toBe(200)
    expect(answer.text).toContain('TYPE http_request_duration_seconds histogram')
    for (const name of [
      'push_ws_unreachable',
      'gundeck_redis_waiting{redis="main-redis"} 0',
      'gundeck_background_pushes',
    ])
      expect(answer.text).toContain(name)
  })

  it('prometheus cannon', async () => {
    const answer = await call(cannons[0], 'GET', '/i/metrics')
    expect(answer.status).toBe(200)
    expect(answer.text).toContain('TYPE http_request_duration_seconds histogram')
  })
})

describe('HTTP', () => {
  const user = randomUUID()

  it('status says that the service listens, readiness that Redis serves', async () => {
    for (const path of ['/i/status', '/i/ready']) {
      const { status, text } = await call(gundeck, 'GET', path)
      expect({ path, status, text }).toEqual({ path, status: 200, text: '' })
    }
  })

  it('presences of several users: in order, repeated ids repeated, none for nobody', async () => {
    const [first, second] = [randomUUID(), randomUUID()]
    await register(gundeck, first, 'a')
    await register(gundeck, first, 'b')
    await register(gundeck, second, 'c')
    const list = async (ids: string) => {
      const answer = await call(gundeck, 'GET', `/i/presences?ids=${ids}`)
      return (answer.json() as { device_id: string }[]).map(({ device_id }) => device_id)
    }
    expect(await list(`${second},${first},${second.toUpperCase()}`)).toEqual(['c', 'a', 'b', 'c'])
    expect(await list('')).toEqual([])
    expect(await presences(gundeck, randomUUID())).toEqual([])
  })

  it('a presence is stored as the original does: one hash a user, seven days, new ones prolong all', async () => {
    const id = randomUUID()
    const before = Date.now()
    await register(gundeck, id.toUpperCase(), 'a', 'http://127.0.0.1:9/x')
    const owner = await cluster.primaryOf((await slotOfUser(id)) as number)
    await owner.command('EXPIRE', `user:${id}`, 1000)
    await register(gundeck, id, 'b@x', 'http://127.0.0.1:9/y')
    expect(await owner.command('TTL', `user:${id}`)).toBe(604_800)
    const [, a, , b] = (await owner.command('HGETALL', `user:${id}`)) as string[]
    expect(JSON.parse(a!)).toEqual({ c: null, r: 'http://127.0.0.1:9/x', t: expect.any(Number) })
    expect(JSON.parse(a!).t).toBeGreaterThanOrEqual(before)
    expect(JSON.parse(b!)).toMatchObject({ r: 'http://127.0.0.1:9/y' })
    expect((await presences(gundeck, id)).map(({ device_id }) => device_id)).toEqual(['a', 'b'])
  })

  it('entries of old forms are read, others are skipped and stay', async () => {
    const id = randomUUID()
    const owner = await cluster.primaryOf((await slotOfUser(id)) as number)
    await owner.command('HSET', `user:${id}`, 'c1@cannon1', 'http://old:1/p', 'c2', 'nonsense', 'c3', '{"r":"x://y"}')
    expect(await presences(gundeck, id)).toEqual([
      { user_id: id, device_id: 'c1', resource: 'http://old:1/p', client_id: null, created_at: 0 },
      { user_id: id, device_id: 'c3', resource: 'x://y', client_id: null, created_at: 0 },
    ])
    await push(gundeck, pushTo([id], { transient: true }))
    await pushesDone(gundeck)
    // Old means older than ten days, and neither can be reached.
    expect(await owner.command('HKEYS', `user:${id}`)).toEqual(['c2'])
  })

  it('DELETE of a presence does nothing', async () => {
    const id = randomUUID()
    await register(gundeck, id, 'a')
    const { status, text } = await call(gundeck, 'DELETE', `/i/presences/${id}/devices/a/cannons/x`)
    expect({ status, text }).toEqual({ status: 200, text: '' })
    expect(await presences(gundeck, id)).toHaveLength(1)
  })

  it('refuses what it cannot read', async () => {
    const status = async (...request: Parameters<typeof call> extends [unknown, ...infer Rest] ? Rest : never) => {
      const answer = await call(gundeck, ...request)
      return `${answer.status} ${answer.headers.get('content-type')?.split(';')[0]}`
    }
    const presence = { user_id: user, device_id: 'c', resource: 'http://x/' }
    const plain = { headers: { 'content-type': 'text/plain' } }
    expect(await status('GET', '/i/presences/nobody')).toBe('400 text/plain')
    expect(await status('GET', '/i/presences')).toBe('400 text/plain')
    expect(await status('GET', `/i/presences?ids=${user},`)).toBe('400 text/plain')
    expect(await status('POST', '/i/presences', '{')).toBe('400 text/plain')
    expect(await status('POST', '/i/presences', [presence])).toBe('400 text/plain')
    expect(await status('POST', '/i/presences', { ...presence, resource: '/x' })).toBe('400 text/plain')
    expect(await status('POST', '/i/presences', JSON.stringify(presence), plain)).toBe('201 undefined')
    expect(await status('POST', '/i/push/v2', '[]', plain)).toBe('415 text/plain')
    expect(await status('POST', '/i/push/v2', '{}')).toBe('400 text/plain')
    expect(await status('POST', '/i/push/v2', '[]')).toBe('200 undefined')
    expect(await status('GET', '/i/nowhere')).toBe('404 application/json')
    expect(await status('GET', '/i/push/v2')).toBe('405 application/json')
    expect(await status('DELETE', '/i/presences')).toBe('405 application/json')
    const versioned = await call(gundeck, 'GET', '/v3/i/status')
    expect(versioned.json()).toMatchObject({ code: 404, label: 'unsupported-version' })
    for (const path of ['/push/tokens', `/i/push-tokens/${user}`, '/notifications/last', '/time'])
      expect(await status('GET', path)).toBe('501 application/json')
  })

  it('bodies may be gzip in both directions; a request id is passed on', async () => {
    const id = randomUUID()
    const scripted = stack.keep(await startScriptedCannon(body => answerAll(body, 'ok')))
    await Promise.all(Array.from({ length: 20 }, (_, i) => register(gundeck, id, `c${i}`, `${scripted.url}/i/push/x`)))
    const sent = await fetch(`${gundeck.url}/i/push/v2`, {
      method: 'POST',
      body: gzipSync(JSON.stringify([pushTo([id])])),
      headers: { 'content-type': 'application/json', 'content-encoding': 'gzip', 'request-id': 'request-7' },
    })
    expect(sent.status).toBe(200)
    await eventually(() => expect(scripted.requests).toHaveLength(1))
    expect(scripted.requests[0]).toMatchObject({ requestId: 'request-7' })
    expect(scripted.requests[0]?.body.bulkpush_req[0]?.targets).toHaveLength(20)
    const listed = await rawGet(`${gundeck.url}/i/presences/${id}`)
    expect(listed.head).toMatch(/content-encoding: gzip/i)
    expect(JSON.parse(String(gunzipSync(listed.body)))).toHaveLength(20)
  })
})

async function slotOfUser(id: string): Promise<unknown> {
  return cluster.nodes[0]!.command('CLUSTER', 'KEYSLOT', `user:${id}`)
}

/** As the bytes came. */
async function rawGet(url: string): Promise<{ head: string; body: Buffer }> {
  const { hostname, port, pathname } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.write(`GET ${pathname} HTTP/1.0\r\nhost: x\r\naccept-encoding: gzip\r\nconnection: close\r\n\r\n`)
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk)
  const all = Buffer.concat(chunks)
  const end = all.indexOf('\r\n\r\n')
  return { head: all.subarray(0, end).toString(), body: all.subarray(end + 4) }
}

/** Between a client and a server, until it is closed with everything that goes through it. */
async function startProxy(port: number): Promise<{ port: number; close(): void }> {
  const open = new Set<Socket>()
  const server = createServer(near => {
    const far = connect(port, '127.0.0.1')
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(one)
      one.on('error', () => undefined)
      one.once('close', () => {
        open.delete(one)
        other.destroy()
      })
      one.pipe(other)
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address() as { port: number }
  return stack.keep({
    port: address.port,
    close() {
      server.close()
      for (const socket of open) socket.destroy()
    },
  })
}
