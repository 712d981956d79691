// Redis that fails over, moves slots, refuses, or changes under a clean-up; Cannons that die or talk nonsense.

import { randomUUID } from 'node:crypto'
import { slotOf } from 'slotwise/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LocalCluster } from '../../../scripts/local-cluster.mjs'
import { LocalServer } from '../../../scripts/local-server.mjs'
import { eventually, startLoad } from '../../../test/support/settled.js'
import { startCannon } from '../src/cannon/cannon.js'
import { answerAll, startScriptedCannon } from './support/scripted-cannon.js'
import {
  type Answer,
  call,
  metric,
  presences,
  push,
  pushesDone,
  pushTo,
  type RedisAt,
  type Running,
  register,
  timesWritten,
  useStack,
  warnings,
} from './support/stack.js'

const stack = useStack()
const day = 86_400_000
/** Elections take 2 to 4 s, and are held again where the machine was too busy for one. */
const electionLimitMs = 60_000
let cluster: LocalCluster
let redis: RedisAt

beforeAll(async () => {
  cluster = await LocalCluster.start({ nodeTimeoutMs: 1000, persistence: 'aof' })
  redis = { address: cluster.addresses[1]!, mode: 'cluster' }
})
afterAll(() => cluster?.stop())

const slotOfUser = (user: string) => slotOf(`user:${user}`)

const connsOf = async (gundeck: Running, user: string) =>
  (await presences(gundeck, user)).map(({ device_id }) => device_id).sort()

/** Somebody who serves `slot`, and a replica of it that is in step. */
async function shardOf(slot: number): Promise<{ primary: LocalServer; replica: LocalServer }> {
  const primary = await cluster.primaryOf(slot)
  let replica: LocalServer | undefined
  await eventually(async () => {
    const [, , followers] = (await primary.command('ROLE')) as [string, number, [string, string][]]
    const port = Number(followers[0]?.[1])
    replica = cluster.nodes.find(node => node.port === port)
    expect(replica).toBeDefined()
    expect(String(await replica?.command('INFO', 'replication'))).toContain('master_link_status:up')
  }, 15_000)
  return { primary, replica: replica as LocalServer }
}

describe('failover', () => {
  it('of a primary that dies: nothing acknowledged is lost, nothing is written twice', async () => {
    const gundeck = await stack.gundeck({ redis, limits: { requestTimeoutMs: electionLimitMs } })
    const user = randomUUID()
    const { primary, replica } = await shardOf(slotOfUser(user))
    expect((await register(gundeck, user, `before-${user}`)).status).toBe(201)
    await cluster.waitUntilReplicated(primary)

    // Sent to a primary that has stopped and never answers: whether they have run, nobody can know.
    primary.freeze()
    const inFlight = Array.from({ length: 5 }, (_, i) => register(gundeck, user, `in-flight-${i}-${user}`))
    const readInFlight = presences(gundeck, user)
    await eventually(() => expect(gundeck.redis.inspect().inFlight).toBeGreaterThanOrEqual(6))
    await primary.kill()
    for (const answer of await Promise.all(inFlight)) {
      expect({ status: answer.status, label: (answer.json() as { label: string }).label }).toEqual({
        status: 503,
        label: 'redis-unavailable',
      })
    }
    // These have not been sent, and wait for the replica to take over.
    const waiting = Array.from({ length: 20 }, (_, i) => register(gundeck, user, `waiting-${i}-${user}`))
    expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual(Array(20).fill(201))
    // A read cannot do harm twice: it was sent again, and nobody has noticed anything.
    expect((await readInFlight).map(({ device_id }) => device_id)).toContain(`before-${user}`)

    const listed = await connsOf(gundeck, user)
    expect(listed).toContain(`before-${user}`)
    for (let i = 0; i < 20; i++) {
      expect(listed).toContain(`waiting-${i}-${user}`)
      expect(timesWritten(replica, `waiting-${i}-${user}`)).toBe(1)
    }
    // A frozen server has run nothing, and nobody has sent them to another one.
    for (let i = 0; i < 5; i++) expect(timesWritten(replica, `in-flight-${i}-${user}`)).toBe(0)
    expect(gundeck.redis.inspect()).toMatchObject({ waiting: 0, inFlight: 0 })
    await primary.restart()
    await cluster.waitUntilOk(electionLimitMs)
  })

  it('under load: every registration that was acknowledged is there, and has been written once', async () => {
    const gundeck = await stack.gundeck({ redis, limits: { requestTimeoutMs: electionLimitMs } })
    const user = randomUUID()
    const { replica } = await shardOf(slotOfUser(user))
    const acknowledged: string[] = []
    const refused: string[] = []
    const load = startLoad(
      Array.from({ length: 4 }, (_, caller) => async (turn: number) => {
        const conn = `load-${caller}-${turn}-${user}`
        const { status } = await register(gundeck, user, conn)
        if (status === 201) acknowledged.push(conn)
        else refused.push(conn)
      }),
      2,
    )
    await eventually(() => expect(acknowledged.length).toBeGreaterThan(50))
    await cluster.failover(replica)
    const then = acknowledged.length
    await eventually(() => expect(acknowledged.length).toBeGreaterThan(then + 50))
    await load.stop()
    const listed = new Set(await connsOf(gundeck, user))
    expect(acknowledged.filter(conn => !listed.has(conn))).toEqual([])
    expect(acknowledged.filter(conn => timesWritten(replica, conn) !== 1)).toEqual([])
    expect(refused.filter(conn => timesWritten(replica, conn) > 1)).toEqual([])
  })

  it('pushes made during one reach their websockets after it', async () => {
    const gundeck = await stack.gundeck({ redis, limits: { backgroundTimeoutMs: electionLimitMs } })
    const one = await stack.device(await stack.cannon(gundeck), gundeck)
    const { primary } = await shardOf(slotOfUser(one.user))
    await cluster.waitUntilReplicated(primary)
    await primary.kill()
    await push(gundeck, pushTo([one.user]))
    expect(await one.message(electionLimitMs)).toEqual([{ foo: 42 }])
    expect(await metric(gundeck, 'gundeck_pushes_dropped_total')).toBe(0)
    await primary.restart()
    await cluster.waitUntilOk(electionLimitMs)
  })
})

describe('a slot that moves', () => {
  it('is followed by registrations, lists and clean-ups, while it moves and afterwards', async () => {
    const gundeck = await stack.gundeck({ redis })
    const stale = await stack.gundeck({ redis })
    const user = randomUUID()
    const slot = slotOfUser(user)
    const from = await cluster.primaryOf(slot)
    const to = (await cluster.primaries()).find(node => node !== from) as LocalServer
    const gone = stack.keep(await startScriptedCannon(body => answerAll(body, 'gone')))
    expect((await register(gundeck, user, 'before')).status).toBe(201)
    expect(await connsOf(stale, user)).toEqual(['before'])

    await cluster.beginMigration(slot, from, to)
    // The key is still where it was.
    expect((await register(gundeck, user, 'there')).status).toBe(201)
    await cluster.migrateKeys(slot, from, to)
    // Now every command is sent on by ASK, each as a whole.
    expect((await register(gundeck, user, 'asked', `${gone.url}/i/push/x`)).status).toBe(201)
    expect(await connsOf(gundeck, user)).toEqual(['asked', 'before', 'there'])
    await push(gundeck, pushTo([user], { connections: ['asked'] }))
    await pushesDone(gundeck)
    expect(await connsOf(gundeck, user)).toEqual(['before', 'there'])
    await cluster.finishMigration(slot, from, to)

    // Redirect in MULTI: the first registration after a move, by one who has not heard of it.
    expect((await register(stale, user, 'first after the move')).status).toBe(201)
    expect(await connsOf(stale, user)).toEqual(['before', 'first after the move', 'there'])
    expect(warnings(stale)).toEqual([])
    expect(await to.command('HLEN', `user:${user}`)).toBe(3)
  })
})

describe('a server that refuses', () => {
  it('LOADING: what arrives meanwhile waits, and readiness tells', async () => {
    // Of 600 keys: 3 s.
    const config = { 'key-load-delay': '5000', 'loading-process-events-interval-bytes': '1024' }
    const server = await LocalServer.start({ config })
    stack.keep({ close: () => server.stop() })
    const gundeck = await stack.gundeck({
      redis: { address: server.address, mode: 'master' },
      limits: { readinessTimeoutMs: 200, requestTimeoutMs: 30_000 },
    })
    const user = randomUUID()
    expect((await register(gundeck, user, 'before')).status).toBe(201)
    await server.command('DEBUG', 'POPULATE', 600, 'filler', 500)
    await server.command('SAVE')
    await server.kill()
    await server.restart()
    const isReady = () => call(gundeck, 'GET', '/i/ready')
    expect((await isReady()).status).toBe(503)
    // While there is no connection it is the lack of one that is told.
    await eventually(async () =>
      expect((await isReady()).json()).toMatchObject({
        label: 'not-ready',
        message: expect.stringContaining('LOADING'),
      }),
    )
    expect((await call(gundeck, 'GET', '/i/status')).status).toBe(200)
    expect((await register(gundeck, user, 'meanwhile')).status).toBe(201)
    expect(await connsOf(gundeck, user)).toEqual(['before', 'meanwhile'])
    expect((await call(gundeck, 'GET', '/i/ready')).status).toBe(200)
  })

  it('READONLY: the whole registration is tried again, three times at most', async () => {
    const [server, other] = [await LocalServer.start(), await LocalServer.start()]
    stack.keep({ close: () => Promise.all([server.stop(), other.stop()]) })
    const gundeck = await stack.gundeck({ redis: { address: server.address, mode: 'master' } })
    const user = randomUUID()
    await server.command('REPLICAOF', other.host, other.port)
    await eventually(async () => expect(await server.command('INFO', 'replication')).toContain('master_link_status:up'))
    const startedAt = performance.now()
    const refused = await register(gundeck, user, 'refused')
    expect(refused.status).toBe(500)
    expect(refused.json()).toEqual({ code: 500, label: 'server-error', message: 'Server Error' })
    expect(performance.now() - startedAt).toBeGreaterThan(690)
    const retried = register(gundeck, user, 'retried')
    await eventually(async () => expect(await errorCount(server, 'READONLY')).toBeGreaterThanOrEqual(5), 5000, 2)
    await server.command('REPLICAOF', 'NO', 'ONE')
    expect((await retried).status).toBe(201)
    expect(await connsOf(gundeck, user)).toEqual(['retried'])
  })
})

async function errorCount(server: LocalServer, code: string): Promise<number> {
  const stats = (await server.command('INFO', 'errorstats')) as string
  return Number(new RegExp(`errorstat_${code}:count=(\\d+)`).exec(stats)?.[1] ?? 0)
}

describe('clean-up', () => {
  it('leaves what has been registered again since it was read', async () => {
    const gundeck = await stack.gundeck({ redis })
    const user = randomUUID()
    const replies: Promise<Answer>[] = []
    // Between the list and the clean-up: on the same Cannon, and on another one.
    const scripted = stack.keep(
      await startScriptedCannon(async body => {
        replies.push(
          register(gundeck, user, 'same', `${scripted.url}/same`),
          register(gundeck, user, 'moved', 'http://127.0.0.1:1/'),
        )
        for (const { status } of await Promise.all(replies)) expect(status).toBe(201)
        return answerAll(body, 'gone')
      }),
    )
    for (const conn of ['same', 'moved', 'gone']) await register(gundeck, user, conn, `${scripted.url}/same`)
    const [before] = await presences(gundeck, user)
    await eventually(() => expect(Date.now()).toBeGreaterThan(before!.created_at + 2))
    await push(gundeck, pushTo([user]))
    await pushesDone(gundeck)
    expect(await connsOf(gundeck, user)).toEqual(['moved', 'same'])
    expect(await metric(gundeck, 'gundeck_presences_deleted_total')).toBe(1)
    // And no connection was left with a WATCH: nobody else's registration fails.
    expect((await register(gundeck, user, 'after')).status).toBe(201)
  })

  it('of a Cannon that cannot be reached: old presences go, young ones and those from the future stay', async () => {
    const now = Date.now()
    const gundeck = await stack.gundeck({ redis })
    const user = randomUUID()
    const owner = await cluster.primaryOf(slotOfUser(user))
    const entry = (t: number) => JSON.stringify({ c: null, r: 'http://127.0.0.1:1/i/push/x', t })
    await owner.command('HSET', `user:${user}`, 'future', entry(now + 500_000), 'young', entry(now - 9 * day))
    await owner.command(
      'HSET',
      `user:${user}`,
      'old',
      entry(now - 11 * day),
      'old@cannon',
      'http://127.0.0.1:1/i/push/y',
    )
    await push(gundeck, pushTo([user]))
    await pushesDone(gundeck)
    expect(await connsOf(gundeck, user)).toEqual(['future', 'young'])
    expect(await metric(gundeck, 'push_ws_unreachable')).toBe(4)
    expect(warnings(gundeck)).toEqual(Array(4).fill('WebSocket presence unreachable: '))
  })
})

describe('Cannons', () => {
  it('two, one of them dead: the other one’s websockets are served, nobody’s presence is lost', async () => {
    const gundeck = await stack.gundeck({ redis })
    const alive = await stack.cannon(gundeck)
    const dying = await startCannon({ gundeckUrl: gundeck.url })
    const user = randomUUID()
    const one = await stack.device(alive, gundeck, { user })
    const other = await stack.device(dying, gundeck, { user })
    await dying.close(0)
    await push(gundeck, pushTo([user]))
    expect(await one.message()).toEqual([{ foo: 42 }])
    await pushesDone(gundeck)
    expect(await connsOf(gundeck, user)).toEqual([one.conn, other.conn].sort())
    expect(await metric(gundeck, 'push_ws_unreachable')).toBe(1)
    // It comes back, knows nobody, and says so: now the presence goes.
    stack.keep(await startCannon({ gundeckUrl: gundeck.url, port: dying.port }))
    await push(gundeck, pushTo([user]))
    await pushesDone(gundeck)
    expect(await connsOf(gundeck, user)).toEqual([one.conn])
  })

  it('duplicate recipients: exact ones count once, others twice', async () => {
    const gundeck = await stack.gundeck({ redis })
    const one = await stack.device(await stack.cannon(gundeck), gundeck)
    const recipient = { user_id: one.user, route: 'any', clients: [] }
    await push(gundeck, { ...pushTo([]), recipients: [recipient, recipient] })
    await push(gundeck, {
      ...pushTo([]),
      recipients: [recipient, { ...recipient, route: 'direct' }],
      payload: [{ two: 2 }],
    })
    await pushesDone(gundeck)
    for (const payload of [[{ foo: 42 }], [{ two: 2 }], [{ two: 2 }]]) expect(await one.message()).toEqual(payload)
    expect(one.messages).toEqual([])
    expect(await connsOf(gundeck, one.user)).toEqual([one.conn])
  })

  it('an answer for a target that was not sent is that Cannon’s failure, and nobody else’s', async () => {
    const gundeck = await stack.gundeck({ redis })
    const user = randomUUID()
    const confused = stack.keep(
      await startScriptedCannon(body =>
        answerAll(
          { bulkpush_req: [{ ...body.bulkpush_req[0]!, targets: [{ user_id: user, conn_id: 'who?' }] }] },
          'gone',
        ),
      ),
    )
    const gone = stack.keep(await startScriptedCannon(body => answerAll(body, 'gone')))
    await register(gundeck, user, 'confused', `${confused.url}/x`)
    await register(gundeck, user, 'gone', `${gone.url}/x`)
    await push(gundeck, pushTo([user]))
    await pushesDone(gundeck)
    expect(await connsOf(gundeck, user)).toEqual(['confused'])
    expect(confused.requests).toHaveLength(1)
    expect(await metric(gundeck, 'gundeck_native_pushes_not_sent_total')).toBe(1)
  })

  it('are asked once more after a failure that may pass, and not after a refusal', async () => {
    const gundeck = await stack.gundeck({ redis, limits: { cannonTimeoutMs: 300 } })
    const attempts = async (answer: Parameters<typeof startScriptedCannon>[0]) => {
      const user = randomUUID()
      const scripted = stack.keep(await startScriptedCannon(answer))
      await register(gundeck, user, 'c', `${scripted.url}/x`)
      const before = await metric(gundeck, 'push_ws_unreachable')
      await push(gundeck, pushTo([user], { transient: true }))
      await pushesDone(gundeck)
      return [scripted.requests.length, (await metric(gundeck, 'push_ws_unreachable')) - before]
    }
    expect(await attempts((body, attempt) => (attempt === 1 ? { status: 503 } : answerAll(body, 'ok')))).toEqual([2, 0])
    expect(await attempts((body, attempt) => (attempt === 1 ? null : answerAll(body, 'ok')))).toEqual([2, 0])
    expect(await attempts(() => ({ status: 500 }))).toEqual([2, 1])
    expect(await attempts(() => new Promise(() => undefined))).toEqual([2, 1])
    expect(await attempts(() => ({ status: 404 }))).toEqual([1, 1])
    expect(await attempts(() => ({ status: 201 }))).toEqual([1, 1])
    expect(await attempts(() => ({ body: 'nonsense' }))).toEqual([1, 1])
  })
})

describe('the thread budget', () => {
  it('drops native pushes over the hard limit, and says so', async () => {
    let release = () => {}
    const held = new Promise<void>(resolve => {
      release = resolve
    })
    const sent: string[] = []
    const gundeck = await stack.gundeck({
      redis,
      settings: { maxConcurrentNativePushes: { hard: 1, soft: 1 }, perNativePushConcurrency: 2 },
      nativePush: {
        async send({ recipient }) {
          sent.push(recipient.user)
          await held
        },
      },
    })
    await push(gundeck, pushTo([randomUUID(), randomUUID(), randomUUID()]))
    await eventually(() => expect(sent).toHaveLength(2))
    expect(await metric(gundeck, 'net_nativepush_thread_budget_allocated')).toBe(2)
    await push(gundeck, pushTo([randomUUID()]))
    await eventually(async () =>
      expect(await metric(gundeck, 'net_nativepush_thread_budget_hard_limit_breached')).toBe(1),
    )
    expect(warnings(gundeck)).toEqual(['runWithBudget: hard limit reached'])
    release()
    await pushesDone(gundeck)
    expect(sent).toHaveLength(3)
    expect(await metric(gundeck, 'net_nativepush_thread_budget_allocated')).toBe(0)
  })
})
