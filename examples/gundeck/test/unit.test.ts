// What needs no server: the wire format, who gets what, the budget, the configuration.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import fc from 'fast-check'
import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { ConfigError, loadConfig, resolveConfig } from '../src/config.js'
import { Metrics } from '../src/metrics.js'
import { type NativeMessage, nativeMessages } from '../src/native/native.js'
import { ThreadBudget } from '../src/native/thread-budget.js'
import { decodePresence, encodePresence, type Presence, presenceBody, presenceJson } from '../src/presence/presence.js'
import { PresenceStore } from '../src/presence/store.js'
import type { CannonClient } from '../src/push/cannon-client.js'
import {
  bulkPushJson,
  bulkPushResponse,
  endpointOf,
  isStale,
  type NumberedPush,
  planBulkPushes,
  readAnswer,
} from '../src/push/fan-out.js'
import { pushBody, pushesBody } from '../src/push/push.js'
import { Pusher } from '../src/push/pusher.js'
import { timeOfUuidV1, UuidV1 } from '../src/push/uuid-v1.js'
import type { RedisPort, StaleField, StoredField } from '../src/redis/port.js'
import { VolatileNotificationStore } from '../src/stand-ins/notification-store.js'

const silent = pino({ level: 'silent' })
const user = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`
const presence = (more: Partial<Presence> = {}): Presence => ({
  user: user(1),
  conn: 'c1',
  resource: 'http://127.0.0.1:8083/i/push/u/c1',
  client: null,
  createdAtMs: 0,
  stored: null,
  ...more,
})

describe('Json', () => {
  it('Presence: what is written, and what is read', () => {
    const body = {
      user_id: user(1).toUpperCase(),
      device_id: 'c1',
      resource: 'http://127.0.0.1:8083/x',
      created_at: 12,
    }
    expect(presenceBody.parse({ ...body, client_id: '00EA' })).toEqual({
      user: user(1),
      conn: 'c1',
      resource: 'http://127.0.0.1:8083/x',
      client: 'ea',
    })
    expect(presenceBody.parse({ ...body, client_id: null, created_at: null, more: 1 })).toMatchObject({ client: null })
    expect(presenceJson(presence())).toEqual({
      user_id: user(1),
      device_id: 'c1',
      resource: 'http://127.0.0.1:8083/i/push/u/c1',
      client_id: null,
      created_at: 0,
    })
    for (const wrong of [
      { user_id: 'x' },
      { resource: '/path' },
      { resource: 'http://a/\r\nx: y' },
      { device_id: 1 },
      { client_id: '10000000000000000' },
      { client_id: 'xyz' },
      { created_at: 'now' },
    ]) {
      expect(presenceBody.safeParse({ ...body, ...wrong }).success, JSON.stringify(wrong)).toBe(false)
    }
  })

  it('a password in a resource is not repeated', () => {
    const parsed = presenceBody.parse({ user_id: user(1), device_id: 'c', resource: 'http://cannon:secret@host:1/x' })
    expect(parsed.resource).toBe('http://cannon:...@host:1/x')
  })

  it('stored presences: both forms, and what is neither', () => {
    const stored = encodePresence(presence({ client: 'ea', createdAtMs: 5 }))
    expect(stored).toEqual({ field: 'c1', value: '{"c":"ea","r":"http://127.0.0.1:8083/i/push/u/c1","t":5}' })
    expect(decodePresence(user(1), stored)).toEqual(presence({ client: 'ea', createdAtMs: 5, stored }))
    const old = { field: 'c1@cannon7', value: 'http://cannon7:8083/i/push/u/c1' }
    expect(decodePresence(user(1), old)).toMatchObject({ conn: 'c1', client: null, createdAtMs: 0, stored: old })
    expect(decodePresence(user(1), { field: 'c', value: '{"r":"x://y","c":null}' })).toMatchObject({ createdAtMs: 0 })
    expect(decodePresence(user(1), { field: 'c', value: '{"r":"x://y","t":-4}' })).toMatchObject({ createdAtMs: 0 })
    for (const value of ['', '{}', '[]', 'null', '{"r":1}', '{"r":"x://y","c":"zz"}', '{"r":"x://y","t":"1"}', 'ftp']) {
      expect(decodePresence(user(1), { field: 'c', value }), value).toBeNull()
    }
  })

  it('Push: defaults, nulls, and sets of recipients', () => {
    const [first, second] = [user(1), user(2)]
    const parsed = pushBody.parse({
      recipients: [
        { user_id: second, route: 'any', clients: [] },
        { user_id: first, route: 'direct', clients: ['B', '0a', 'b'] },
        { user_id: first, route: 'any', clients: [] },
        { user_id: second.toUpperCase(), route: 'any', clients: [] },
      ],
      payload: [{ a: 1 }],
      origin: null,
      connections: null,
      native_aps: null,
      unknown: true,
    })
    expect(parsed.recipients).toEqual([
      { user: first, route: 'any', clients: [] },
      { user: first, route: 'direct', clients: ['a', 'b'] },
      { user: second, route: 'any', clients: [] },
    ])
    expect(parsed).toMatchObject({ transient: false, nativeIncludeOrigin: true, nativePriority: 'high', origin: null })
    expect(pushesBody.parse([])).toEqual([])
    for (const wrong of [
      { recipients: [], payload: [] },
      { recipients: [], payload: [1] },
      { payload: [{}] },
      { recipients: [{ user_id: first, route: 'native', clients: [] }], payload: [{}] },
      { recipients: [{ user_id: first, route: 'any' }], payload: [{}] },
      { recipients: [], payload: [{}], native_aps: {} },
    ]) {
      expect(pushBody.safeParse(wrong).success, JSON.stringify(wrong)).toBe(false)
    }
  })

  it('BulkPushRequest and BulkPushResponse', () => {
    const notification = { id: new UuidV1().next(), transient: false, payload: [{ a: 1 }] }
    const plan = { endpoint: 'http://c/i/bulkpush', batches: [{ notification, presences: [presence()] }] }
    const target = { user_id: user(1), conn_id: 'c1' }
    expect(bulkPushJson(plan)).toEqual({ bulkpush_req: [{ notification, targets: [target] }] })
    const entry = (status: string, more = {}) => ({ notif_id: notification.id, target: { ...target, ...more }, status })
    const read = (...entries: object[]) => readAnswer(plan, bulkPushResponse.parse({ bulkpush_resp: entries }))
    expect(read(entry('push_status_ok'))).toMatchObject({ delivered: [{ presence: { conn: 'c1' } }], gone: [] })
    expect(read(entry('push_status_gone'))).toMatchObject({ delivered: [], gone: [{ conn: 'c1' }] })
    expect(read()).toEqual({ delivered: [], gone: [] })
    expect(read(entry('push_status_ok', { conn_id: 'other' }))).toBeNull()
    expect(bulkPushResponse.safeParse({ bulkpush_resp: [entry('push_status_perhaps')] }).success).toBe(false)
  })

  it('ids of notifications are UUIDs of version 1, each later than the one before', () => {
    const ids = new UuidV1()
    const made = Array.from({ length: 1000 }, () => ids.next(1_700_000_000_123))
    expect(new Set(made).size).toBe(1000)
    expect(made[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-1[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(timeOfUuidV1(made[0]!)).toBe(1_700_000_000_123)
    expect(timeOfUuidV1(user(1))).toBeNull()
  })
})

describe('fan-out', () => {
  it('a Cannon is asked at its address, with the path for bulk pushes', () => {
    expect(endpointOf('http://cannon-1:8083/i/push/u/c?x=1')).toBe('http://cannon-1:8083/i/bulkpush?x=1')
    expect(endpointOf('https://u:p@cannon/')).toBe('https://u:p@cannon/i/bulkpush')
  })

  it('an age is signed: a registration from the future is young', () => {
    const now = 2_000_000_000_000
    expect(isStale(presence({ createdAtMs: now + 500 }), now)).toBe(false)
    expect(isStale(presence({ createdAtMs: now - 864_000_000 }), now)).toBe(false)
    expect(isStale(presence({ createdAtMs: now - 864_000_001 }), now)).toBe(true)
  })
})

// ---- the whole push logic against a model

const conns = ['a', 'b', 'c']
const clients = ['1', '2', null]
const arbitraryPresence = fc.record({
  user: fc.integer({ min: 1, max: 4 }).map(user),
  conn: fc.constantFrom(...conns),
  client: fc.constantFrom(...clients),
  cannon: fc.integer({ min: 1, max: 3 }),
})
const arbitraryPush = fc.record({
  recipients: fc.array(
    fc.record({
      user_id: fc.integer({ min: 1, max: 4 }).map(user),
      route: fc.constantFrom('any' as const, 'direct' as const),
      clients: fc.subarray(['1', '2']),
    }),
    { maxLength: 4 },
  ),
  payload: fc.constant([{ n: 1 }]),
  origin: fc.option(fc.integer({ min: 1, max: 4 }).map(user)),
  origin_connection: fc.option(fc.constantFrom(...conns)),
  connections: fc.subarray(conns),
  transient: fc.boolean(),
  native_include_origin: fc.boolean(),
})

/** In memory, and nothing but what the interface says. */
class MemoryPort implements RedisPort {
  readonly hashes = new Map<string, Map<string, string>>()
  deleted: StaleField[] = []

  async add({ key, field, value }: { key: string; field: string; value: string }): Promise<void> {
    const hash = this.hashes.get(key) ?? new Map()
    this.hashes.set(key, hash.set(field, value))
  }
  async list(key: string): Promise<StoredField[]> {
    return Array.from(this.hashes.get(key) ?? [], ([field, value]) => ({ field, value }))
  }
  listMany(keys: readonly string[]): Promise<StoredField[][]> {
    return Promise.all(keys.map(key => this.list(key)))
  }
  async deleteStale(fields: readonly StaleField[]) {
    this.deleted.push(...fields)
    return { deleted: fields.length, failure: null }
  }
  async check(): Promise<void> {}
  inspect() {
    return { ready: true, waiting: 0, waitingBytes: 0, inFlight: 0, sockets: 0 }
  }
  async close(): Promise<void> {}
}

describe('Push', () => {
  it('bulkpush: web sockets and native pushes, as a model has them', async () => {
    const check = async (
      stored: { user: string; conn: string; client: string | null; cannon: number }[],
      bodies: object[],
      dead: number,
      gone: string,
    ) => {
      const port = new MemoryPort()
      const bounds = { timeoutMs: 1000 }
      const presences = new PresenceStore({
        main: port,
        additional: null,
        additionalTimeoutMs: 1,
        onAdditionalFailure: () => undefined,
      })
      const now = 1_700_000_000_000
      for (const { cannon, ...one } of stored) {
        const resource = `http://cannon-${cannon}/i/push/${one.user}/${one.conn}`
        await presences.add({ ...one, resource, createdAtMs: now, stored: null }, bounds)
      }
      // A conn registered twice is where it was registered last.
      const known = [...new Map(stored.map(one => [`${one.user} ${one.conn}`, one])).values()]
      const sent: string[] = []
      const asked: string[] = []
      const cannons: CannonClient = {
        async bulkPush({ endpoint, batches }) {
          asked.push(endpoint)
          if (endpoint.includes(`cannon-${dead}/`)) throw new Error('refused')
          const entries = batches.flatMap(({ notification, presences }) =>
            presences.map(({ user, conn }) => {
              const ok = conn !== gone
              if (ok) sent.push(`${notification.id} ${user} ${conn}`)
              const status = ok ? ('push_status_ok' as const) : ('push_status_gone' as const)
              return { notif_id: notification.id, target: { user_id: user, conn_id: conn }, status }
            }),
          )
          return { bulkpush_resp: entries }
        },
        close: async () => undefined,
      }
      const native: NativeMessage[] = []
      const metrics = new Metrics()
      const pusher = new Pusher({
        presences,
        cannons,
        nativePush: { send: async message => void native.push(message) },
        budget: null,
        perNativePushConcurrency: 2,
        redisTimeoutMs: 1000,
        maxBytes: 1000,
        metrics,
        log: silent,
        now: () => now,
      })
      const ids = new UuidV1()
      const pushes = bodies.map((body): NumberedPush => {
        const push = pushBody.parse(body)
        return { push, notification: { id: ids.next(), transient: push.transient, payload: push.payload } }
      })
      pusher.start(pushes, 1, 'request')
      await pusher.close(1000)

      // The model: spelt out from the rules, one presence at a time.
      const expected: string[] = []
      const endpoints = new Set<string>()
      const goneFields = new Set<string>()
      const reached = new Map<string, Set<string>>()
      for (const { push, notification } of pushes) {
        for (const recipient of push.recipients) {
          for (const one of known) {
            if (one.user !== recipient.user) continue
            if (
              push.origin !== null &&
              push.originConn !== null &&
              push.origin === one.user &&
              push.originConn === one.conn
            )
              continue
            if (push.connections.size > 0 && !push.connections.has(one.conn)) continue
            if (one.client !== null && recipient.clients.length > 0 && !recipient.clients.includes(one.client)) continue
            endpoints.add(`http://cannon-${one.cannon}/i/bulkpush`)
            if (one.cannon === dead) continue
            if (one.conn === gone) {
              goneFields.add(`user:${one.user} ${one.conn}`)
              continue
            }
            expected.push(`${notification.id} ${one.user} ${one.conn}`)
            if (one.client !== null) {
              const clientsReached = reached.get(notification.id) ?? new Set()
              reached.set(notification.id, clientsReached.add(`${one.user} ${one.client}`))
            }
          }
        }
      }
      expect(sent.sort()).toEqual(expected.sort())
      expect(asked.sort()).toEqual([...endpoints].sort())
      expect(port.deleted.map(({ key, field }) => `${key} ${field}`).sort()).toEqual([...goneFields].sort())
      expect(pusher.inspect()).toEqual({ pushes: 0, bytes: 0 })

      const wanted = pushes.flatMap(({ push, notification }) =>
        push.transient
          ? []
          : push.recipients
              .filter(one => one.route === 'any' && (one.user !== push.origin || push.nativeIncludeOrigin))
              .map(one => `${notification.id} ${one.user} ${one.clients}`),
      )
      expect(native.map(m => `${m.notification.id} ${m.recipient.user} ${m.recipient.clients}`).sort()).toEqual(
        wanted.sort(),
      )
      for (const { notification, recipient, accepts } of native) {
        const { push } = pushes.find(one => one.notification.id === notification.id)!
        for (const conn of conns) {
          for (const client of ['1', '2']) {
            const isOrigin = push.origin === recipient.user && push.originConn === conn
            const allowed = push.connections.size === 0 || push.connections.has(conn)
            const meant = recipient.clients.length === 0 || recipient.clients.includes(client)
            const told = reached.get(notification.id)?.has(`${recipient.user} ${client}`) === true
            expect(accepts({ user: recipient.user, client, conn })).toBe(!isOrigin && allowed && meant && !told)
          }
        }
      }
    }
    const property = fc.asyncProperty(
      fc.array(arbitraryPresence, { maxLength: 12 }),
      fc.array(arbitraryPush, { maxLength: 3 }),
      fc.integer({ min: 0, max: 3 }),
      fc.constantFrom('a', 'none'),
      check,
    )
    await fc.assert(property, { numRuns: 300 })
  })

  it('one request a Cannon, whatever the number of notifications', () => {
    const push = pushBody.parse({ recipients: [{ user_id: user(1), route: 'any', clients: [] }], payload: [{}] })
    const pushes = ['1', '2'].map(id => ({ push, notification: { id, transient: false, payload: push.payload } }))
    const all = [presence(), presence({ conn: 'c2', resource: 'http://other:1/x' }), presence({ conn: 'c3' })]
    const plans = planBulkPushes(pushes, () => all)
    expect(plans.map(({ endpoint, batches }) => [endpoint, batches.map(batch => batch.presences.length)])).toEqual([
      ['http://127.0.0.1:8083/i/bulkpush', [2, 2]],
      ['http://other:1/i/bulkpush', [1, 1]],
    ])
  })

  it('deliveries to presences without a client do not keep native pushes back', () => {
    const push = pushBody.parse({ recipients: [{ user_id: user(1), route: 'any', clients: [] }], payload: [{}] })
    const numbered = { push, notification: { id: '1', transient: false, payload: push.payload } }
    const address = { user: user(1), client: '1', conn: 'x' }
    expect(nativeMessages(numbered, [presence()])[0]?.accepts(address)).toBe(true)
    expect(nativeMessages(numbered, [presence({ client: '1' })])[0]?.accepts(address)).toBe(false)
  })
})

describe('ThreadBudget', () => {
  /** A budget, what it complained of, and actions that last until they are released. */
  function budgetOf(limits: { hard?: number; soft?: number }) {
    const breaches: string[] = []
    const budget = new ThreadBudget(limits, { onBreach: kind => breaches.push(kind) }, silent)
    const releases: (() => void)[] = []
    const start = (count: number, cost = 1) =>
      Array.from({ length: count }, () =>
        budget.run(cost, 'refused', () => new Promise<string>(resolve => releases.push(() => resolve('done')))),
      )
    const releaseAll = () => {
      for (const release of releases.splice(0)) release()
    }
    return { budget, breaches, start, releaseAll }
  }

  it('thread buckets', async () => {
    const { budget, breaches, start, releaseAll } = budgetOf({ hard: 5, soft: 5 })
    const first = start(5)
    expect([budget.spent, breaches.length]).toEqual([5, 0])
    expect(await Promise.all(start(3))).toEqual(['refused', 'refused', 'refused'])
    expect([budget.spent, breaches.splice(0)]).toEqual([5, ['hard', 'hard', 'hard']])
    start(3)
    expect([budget.spent, breaches.splice(0).length]).toEqual([5, 3])
    releaseAll()
    expect(await Promise.all(first)).toEqual(Array(5).fill('done'))
    start(3)
    expect([budget.spent, breaches.length]).toEqual([3, 0])
    start(3)
    expect([budget.spent, breaches]).toEqual([5, ['hard']])
    releaseAll()
    await delay(0)
    expect(budget.spent).toBe(0)
  })

  it('a soft limit warns and lets pass; failures give their cost back', async () => {
    const { budget, breaches, start, releaseAll } = budgetOf({ soft: 1 })
    const running = start(3)
    expect([budget.spent, breaches]).toEqual([3, ['soft', 'soft']])
    releaseAll()
    expect(await Promise.all(running)).toEqual(['done', 'done', 'done'])
    await expect(budget.run(7, null, () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    expect(budget.spent).toBe(0)
  })

  it('qc stm (sequential): what runs never exceeds the limit', async () => {
    const steps = fc.array(
      fc.oneof(fc.record({ run: fc.integer({ min: 1, max: 9 }) }), fc.constant('release' as const)),
    )
    const property = fc.asyncProperty(fc.integer({ min: 1, max: 30 }), steps, async (hard, sequence) => {
      const { budget, start, releaseAll } = budgetOf({ hard })
      let running = 0
      for (const step of sequence) {
        if (step === 'release') {
          releaseAll()
          await delay(0)
          running = 0
        } else {
          start(step.run)
          running = Math.min(hard, running + step.run)
        }
        expect(budget.spent).toBe(running)
      }
      releaseAll()
    })
    await fc.assert(property, { numRuns: 50 })
  })
})

describe('VolatileNotificationStore', () => {
  const ids = new UuidV1()
  const recipient = (n: number, ...own: string[]) => ({ user: user(n), route: 'any' as const, clients: own })
  const all = { client: null, since: null, size: 100 }

  it('lists by user, by client, and from an id on', async () => {
    const store = new VolatileNotificationStore(1_000_000, 60)
    const made = ['a', 'b', 'c'].map(text => ({ id: ids.next(), payload: [{ text }] }))
    await store.append(made[0]!, [recipient(1), recipient(2)], 10)
    await store.append(made[1]!, [recipient(1, '1')], 10)
    await store.append(made[2]!, [recipient(1, '2')], 10)
    const texts = async (options: object) =>
      (await store.list(user(1), { ...all, ...options }))?.notifications.map(({ payload }) => payload[0]?.text)
    expect(await texts({})).toEqual(['a', 'b', 'c'])
    expect(await texts({ client: '1' })).toEqual(['a', 'b'])
    expect(await texts({ since: made[0]!.id })).toEqual(['b', 'c'])
    expect(await store.list(user(1), { ...all, size: 2 })).toMatchObject({ hasMore: true })
    expect(await store.list(user(1), { ...all, since: ids.next() })).toBeNull()
    expect(await store.list(user(9), all)).toEqual({ notifications: [], hasMore: false })
  })

  it('holds no more than its bound, and nothing longer than its time', async () => {
    let now = 1_700_000_000_000
    const store = new VolatileNotificationStore(10_000, 60, () => now)
    for (let i = 0; i < 1000; i++) await store.append({ id: ids.next(now), payload: [{ i }] }, [recipient(1)], 100)
    expect(store.bytes).toBeLessThanOrEqual(10_000)
    const { notifications } = (await store.list(user(1), all))!
    expect(notifications.at(-1)?.payload).toEqual([{ i: 999 }])
    now += 61_000
    expect(await store.list(user(1), all)).toEqual({ notifications: [], hasMore: false })
    expect(store.bytes).toBe(0)
  })
})

describe('configuration', () => {
  const redis = { host: 'r', port: 1, connectionMode: 'cluster', enableTls: false, insecureSkipVerifyTls: false }
  const least = { gundeck: { host: '0.0.0.0', port: 8086 }, redis }

  it('has the defaults of the original, and bounds where that has none', () => {
    expect(resolveConfig({ ...least, cassandra: {}, redisAdditionalWrite: null }, {})).toMatchObject({
      redis: { host: 'r', port: 1, connectionMode: 'cluster' },
      redisAdditionalWrite: null,
      settings: { notificationTTL: 2_419_200 },
      limits: { requestTimeoutMs: 5000, backgroundTimeoutMs: 30_000 },
      logLevel: 'info',
      ignored: ['cassandra'],
    })
  })

  it('takes credentials from the environment; a user name without a password is not used', () => {
    const env = { REDIS_USERNAME: 'u', REDIS_ADDITIONAL_WRITE_USERNAME: 'v', REDIS_ADDITIONAL_WRITE_PASSWORD: 'p' }
    const config = resolveConfig({ ...least, redisAdditionalWrite: redis }, env)
    expect(config.redis).not.toHaveProperty('username')
    expect(config.redisAdditionalWrite).toMatchObject({ username: 'v', password: 'p' })
  })

  it('says what is wrong with it', () => {
    const problem = (content: unknown) => {
      try {
        resolveConfig(content, {})
        return null
      } catch (error) {
        expect(error).toBeInstanceOf(ConfigError)
        return (error as Error).message
      }
    }
    expect(problem({ ...least, redis: { ...redis, port: 0 } })).toMatch(/redis\.port/)
    expect(problem({ ...least, redis: { ...redis, connectionMode: 'sentinel' } })).toMatch(/redis\.connectionMode/)
    expect(problem({ gundeck: least.gundeck })).toMatch(/redis/)
    expect(problem({ ...least, rabbitmq: { host: 'x' } })).toMatch(/rabbitmq: .*queue/)
    expect(problem({ ...least, settings: { consumableNotifications: true } })).toMatch(/consumableNotifications/)
    expect(problem({ ...least, limits: { requestTimeoutMs: -1 } })).toMatch(/limits\.requestTimeoutMs/)
    expect(problem({ ...least, redis: { ...redis, enableTls: true, tlsCa: '/nowhere.pem' } })).toMatch(/redis\.tlsCa/)
    expect(problem(null)).toMatch(/configuration/)
  })

  it('is read from a file', () => {
    const folder = mkdtempSync(join(tmpdir(), 'gundeck-config-'))
    const path = join(folder, 'gundeck.yaml')
    writeFileSync(path, 'gundeck: [')
    expect(() => loadConfig(path)).toThrow(/not YAML/)
    expect(() => loadConfig(join(folder, 'none.yaml'))).toThrow(/cannot be read/)
    rmSync(folder, { recursive: true })
    // The one that the README names.
    expect(loadConfig(join(import.meta.dirname, '../gundeck.yaml'), {})).toMatchObject({ port: 8086, ignored: [] })
  })
})
