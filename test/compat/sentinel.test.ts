// Sentinels: finding the primary or a replica through them, and following a failover. Most sentinels here are scripted; what only
// real ones can show is at the end.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { array, bulk, type FakeServer, type Handler, silence } from 'slotwise/testing'
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest'
import { freePorts, LocalServer } from '../../scripts/local-server.mjs'
import { makeTestCertificates, type TestCertificates } from '../../scripts/local-tls.mjs'
import { failureOf } from '../support/clients.js'
import { startScripted } from '../support/scripted.js'
import { eventually } from '../support/settled.js'
import { describeBoth, type Untyped } from './support/both.js'
import { LocalSentinel, SentinelGroup } from './support/local-sentinel.js'

const started = [['connecting'], ['connect'], ['ready']]
const host = '127.0.0.1'
const name = 'mine'

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
  for (const event of ['connecting', 'connect', 'ready', 'close', 'reconnecting', 'end']) {
    redis.on(event, (...args: unknown[]) => events.push([event, ...args.filter(arg => arg !== undefined)]))
  }
  for (const event of ['error', 'sentinelError']) {
    redis.on(event, (error: Error) => events.push([event, error.message]))
  }
  return events
}

const next = (redis: Untyped, event: string) => new Promise<Untyped>(resolve => redis.once(event, resolve))

/** A data server of that role that says which one it is. */
async function dataServer(role = 'master'): Promise<FakeServer> {
  const one = await startScripted(([word]) => {
    if (word === 'INFO') return bulk(`role:${role}\r\nloading:0\r\n`)
    return word === 'GET' ? bulk(String(one.port)) : undefined
  })
  servers.push(one)
  return one
}

const strings = (...words: (string | number)[]) => array(words.map(word => bulk(String(word))))
const nobody = '*-1\r\n'

interface Known {
  /** Port of the primary; null for one it has never heard of. */
  primary?: number | null
  replicas?: { port: number; flags?: string; ip?: string }[]
  /** Other sentinels. */
  others?: { port: number; flags?: string }[]
}

/** A sentinel that knows this, and can be told otherwise. */
async function sentinel(known: Known, handler: Handler = () => undefined): Promise<FakeServer & { known: Known }> {
  const one = await startScripted((command, connection) => {
    const [word, question, of] = command
    const scripted = handler(command, connection)
    if (scripted !== undefined || word !== 'SENTINEL') return scripted
    if (of !== name) return nobody
    const { primary = null, replicas = [], others = [] } = both.known
    const nodes = (list: { port: number; flags?: string; ip?: string }[], flags: string) =>
      array(list.map(node => strings('ip', node.ip ?? host, 'port', node.port, 'flags', node.flags ?? flags)))
    if (question === 'get-master-addr-by-name') return primary === null ? nobody : strings(host, primary)
    return question === 'slaves' ? nodes(replicas, 'slave') : nodes(others, 'sentinel')
  })
  servers.push(one)
  const both = Object.assign(one, { known })
  return both
}

/** Where nobody listens. */
const dead = async () => ({ host, port: (await freePorts(1))[0] as number })

const at = (one: { port: number }) => ({ host, port: one.port })

describeBoth('through sentinels, a client', ({ Redis }) => {
  const through = (sentinels: object[], more: object = {}) =>
    kept(new Redis({ sentinels, name, retryStrategy: () => 5, ...more }))

  it('finds the primary by its name', async () => {
    const primary = await dataServer()
    const one = await sentinel({ primary: primary.port })
    const redis = through([at(one)])
    const events = recorded(redis)
    expect(await redis.get('k')).toBe(String(primary.port))
    expect(events).toEqual(started)
    expect(redis.stream.remotePort).toBe(primary.port)
    expect(one.seen('SENTINEL')).toEqual([
      ['SENTINEL', 'get-master-addr-by-name', name],
      ['SENTINEL', 'sentinels', name],
    ])
    // It asks, and leaves.
    await eventually(() => expect(one.open).toBe(0))
    expect(redis.options).toMatchObject({ sentinels: [at(one)], name, role: 'master' })
  })

  it('asks again for every connection', async () => {
    const [first, second] = [await dataServer(), await dataServer()]
    const one = await sentinel({ primary: first.port })
    const redis = through([at(one)])
    expect(await redis.get('k')).toBe(String(first.port))
    one.known.primary = second.port
    redis.disconnect(true)
    await next(redis, 'ready')
    expect(await redis.get('k')).toBe(String(second.port))
  })

  it('is duplicated like any other', async () => {
    const primary = await dataServer()
    const one = await sentinel({ primary: primary.port })
    const redis = through([at(one)], { lazyConnect: true })
    expect(await kept(redis.duplicate()).get('k')).toBe(String(primary.port))
  })

  it('introduces itself to the server as to any other', async () => {
    const primary = await dataServer()
    const one = await sentinel({ primary: primary.port })
    const redis = through([at(one)], { password: 'word', db: 2, sentinelUsername: 'me', sentinelPassword: 'secret' })
    await next(redis, 'ready')
    expect(primary.seen('HELLO')).toEqual([['HELLO', '3', 'AUTH', 'default', 'word']])
    expect(primary.seen('SELECT')).toEqual([['SELECT', '2']])
    expect(one.seen('HELLO')).toEqual([['HELLO', '3', 'AUTH', 'me', 'secret']])
    expect(one.seen('SELECT')).toEqual([])
    expect(one.seen('INFO')).toEqual([])
  })

  it('shows a sentinel no password that is for the server', async () => {
    const primary = await dataServer()
    const one = await sentinel({ primary: primary.port })
    await next(through([at(one)], { password: 'word', protocol: 2 }), 'ready')
    expect(one.seen('AUTH')).toEqual([])
    expect(primary.seen('AUTH')).toEqual([['AUTH', 'word']])
    await next(through([at(one)], { sentinelPassword: 'secret', protocol: 2 }), 'ready')
    expect(one.seen('AUTH')).toEqual([['AUTH', 'secret']])
  })

  it('goes on to the next sentinel when one is dead', async () => {
    const primary = await dataServer()
    const one = await sentinel({ primary: primary.port })
    const gone = await dead()
    const redis = through([gone, at(one)])
    const events = recorded(redis)
    expect(await redis.get('k')).toBe(String(primary.port))
    expect(events).toEqual([
      ['connecting'],
      ['sentinelError', `failed to connect to sentinel ${host}:${gone.port} because Connection is closed.`],
      ['connect'],
      ['ready'],
    ])
  })

  it('goes on to the next sentinel when one does not know the name', async () => {
    const primary = await dataServer()
    const [ignorant, one] = [await sentinel({ primary: null }), await sentinel({ primary: primary.port })]
    const redis = through([at(ignorant), at(one)])
    const events = recorded(redis)
    expect(await redis.get('k')).toBe(String(primary.port))
    expect(events[1]).toEqual([
      'sentinelError',
      `connected to sentinel ${host}:${ignorant.port} successfully, but got an invalid reply: null`,
    ])
  })

  it('goes on to the next sentinel when one answers with an error', async () => {
    const primary = await dataServer()
    const refusing = await sentinel({}, ([word]) => (word === 'SENTINEL' ? '-NOPERM not you\r\n' : undefined))
    const one = await sentinel({ primary: primary.port })
    const redis = through([at(refusing), at(one)])
    const events = recorded(redis)
    expect(await redis.get('k')).toBe(String(primary.port))
    expect(events[1]).toEqual([
      'sentinelError',
      `failed to connect to sentinel ${host}:${refusing.port} because NOPERM not you`,
    ])
  })

  it('goes on to the next sentinel when one does not answer in time', async () => {
    const primary = await dataServer()
    const slow = await sentinel({}, ([word]) => (word === 'SENTINEL' ? silence : undefined))
    const one = await sentinel({ primary: primary.port })
    const redis = through([at(slow), at(one)], { sentinelCommandTimeout: 60 })
    const events = recorded(redis)
    expect(await redis.get('k')).toBe(String(primary.port))
    expect(events[1]).toEqual([
      'sentinelError',
      `failed to connect to sentinel ${host}:${slow.port} because Command timed out`,
    ])
  })

  it('asks a sentinel twice that is named twice', async () => {
    const gone = await dead()
    const redis = through([gone, gone], { lazyConnect: true, sentinelRetryStrategy: null })
    const events = recorded(redis)
    await failureOf(redis.connect())
    expect(events.filter(([event]) => event === 'sentinelError')).toHaveLength(2)
  })

  it('tells when no sentinel can be reached, and starts over', async () => {
    const primary = await dataServer()
    const one = await sentinel({ primary: null })
    const gone = await dead()
    const sentinelRetryStrategy = vi.fn((n: number) => n + 2)
    const redis = through([gone, at(one)], { sentinelRetryStrategy })
    const events = recorded(redis)
    await eventually(() => expect(sentinelRetryStrategy.mock.calls.length).toBeGreaterThan(2))
    one.known.primary = primary.port
    expect(await redis.get('k')).toBe(String(primary.port))
    expect(sentinelRetryStrategy.mock.calls.slice(0, 3)).toEqual([[1], [2], [3]])
    const round = [
      ['sentinelError', `failed to connect to sentinel ${host}:${gone.port} because Connection is closed.`],
      ['sentinelError', `connected to sentinel ${host}:${one.port} successfully, but got an invalid reply: null`],
    ]
    const unreachable = (ms: number) => [
      'error',
      `All sentinels are unreachable. Retrying from scratch after ${ms}ms. Last error: Connection is closed.`,
    ]
    expect(events.slice(0, 7)).toEqual([['connecting'], ...round, unreachable(3), ...round, unreachable(4)])
    expect(events.at(-1)).toEqual(['ready'])
  })

  it.each([[null], [() => null], [() => false]])(
    'ends when no sentinel can be reached and %o says so',
    async strategy => {
      const gone = await dead()
      const retryStrategy = vi.fn(() => 1)
      const redis = through([gone], { lazyConnect: true, sentinelRetryStrategy: strategy, retryStrategy })
      const events = recorded(redis)
      const command = failureOf(redis.get('k'))
      const message = 'All sentinels are unreachable and retry is disabled. Last error: Connection is closed.'
      expect(await command).toMatchObject({ name: 'Error', message })
      await eventually(() => expect(events.slice(2)).toEqual([['error', message], ['end']]))
      expect(retryStrategy).not.toHaveBeenCalled()
      expect(await failureOf(redis.connect())).toMatchObject({ name: 'Error', message })
    },
  )

  it('tells of no last error when there was none', async () => {
    const one = await sentinel({ primary: null })
    const redis = through([at(one)], { lazyConnect: true, sentinelRetryStrategy: null })
    expect(await failureOf(redis.connect())).toMatchObject({
      name: 'Error',
      message: 'All sentinels are unreachable and retry is disabled.',
    })
  })

  it('may be ended while it asks', async () => {
    const slow = await sentinel({}, ([word]) => (word === 'SENTINEL' ? silence : undefined))
    const redis = through([at(slow)], { lazyConnect: true, sentinelCommandTimeout: 100 })
    const connecting = failureOf(redis.connect())
    const command = failureOf(redis.get('k'))
    await eventually(() => expect(slow.seen('SENTINEL')).toHaveLength(1))
    redis.disconnect()
    expect((await connecting).message).toBe('Connection is closed.')
    expect((await command).message).toBe('Connection is closed.')
    await eventually(() => expect(redis.status).toBe('end'))
  })

  it('leaves a server whose role is another, and asks again', async () => {
    const [demoted, primary] = [await dataServer('slave'), await dataServer('master')]
    const one = await sentinel({ primary: demoted.port })
    const redis = through([at(one)], { retryStrategy: () => 1 })
    const events = recorded(redis)
    const command = redis.get('k')
    await eventually(() => expect(demoted.accepted).toBeGreaterThan(1))
    one.known.primary = primary.port
    expect(await command).toBe(String(primary.port))
    expect(demoted.seen('GET')).toEqual([])
    expect(events.slice(0, 4)).toEqual([['connecting'], ['connect'], ['close'], ['reconnecting', 1]])
    expect(events).not.toContainEqual(['error', expect.anything()])
  })

  it('learns of more sentinels, and asks them when its own is gone', async () => {
    const [first, second] = [await dataServer(), await dataServer()]
    const other = await sentinel({ primary: second.port })
    const away = await dead()
    const one = await sentinel({
      primary: first.port,
      others: [{ port: away.port, flags: 'sentinel,disconnected' }, { port: other.port }],
    })
    const given = [at(one)]
    const redis = through(given)
    expect(await redis.get('k')).toBe(String(first.port))
    await one.close()
    redis.disconnect(true)
    await next(redis, 'ready')
    expect(await redis.get('k')).toBe(String(second.port))
    expect(given).toEqual([{ host, port: expect.any(Number) }])
  })

  it('learns nothing on request', async () => {
    const primary = await dataServer()
    const one = await sentinel({ primary: primary.port })
    const redis = through([at(one)], { updateSentinels: false })
    await next(redis, 'ready')
    expect(one.seen('SENTINEL')).toEqual([['SENTINEL', 'get-master-addr-by-name', name]])
  })
})

describeBoth('through sentinels, a client for replicas', ({ Redis }) => {
  const through = (sentinels: object[], more: object = {}) =>
    kept(new Redis({ sentinels, name, role: 'slave', retryStrategy: () => 5, ...more }))

  it('finds one of those that are up', async () => {
    const [replica, down] = [await dataServer('slave'), await dead()]
    const one = await sentinel({
      primary: down.port,
      replicas: [
        { port: down.port, flags: 's_down,slave' },
        { port: down.port, flags: 'slave,disconnected' },
        { port: replica.port },
        { port: down.port, flags: 'o_down,slave' },
      ],
    })
    for (let i = 0; i < 5; i++) expect(await through([at(one)]).get('k')).toBe(String(replica.port))
    expect(one.seen('SENTINEL').every(words => words[1] === 'slaves')).toBe(true)
  })

  it('takes another sentinel when one knows none', async () => {
    const replica = await dataServer('slave')
    const [poor, one] = [await sentinel({ replicas: [] }), await sentinel({ replicas: [{ port: replica.port }] })]
    const redis = through([at(poor), at(one)])
    const events = recorded(redis)
    expect(await redis.get('k')).toBe(String(replica.port))
    expect(events[1]).toEqual([
      'sentinelError',
      `connected to sentinel ${host}:${poor.port} successfully, but got an invalid reply: null`,
    ])
  })

  it('prefers whom it is told to', async () => {
    const [a, b, c] = await Promise.all([dataServer('slave'), dataServer('slave'), dataServer('slave')])
    const one = await sentinel({ replicas: [a, b, c].map(({ port }) => ({ port })) })
    const like = (server: FakeServer, more: object = {}) => ({ ip: host, port: String(server.port), ...more })
    const foreign = { ip: '192.0.2.1', port: '1' }
    const chosen = async (preferredSlaves: unknown) => {
      const redis = through([at(one)], { preferredSlaves })
      const port = Number(await redis.get('k'))
      redis.disconnect()
      return port
    }
    for (let i = 0; i < 3; i++) {
      expect(await chosen(like(b))).toBe(b.port)
      expect(await chosen([like(c), like(a)])).toBe(c.port)
      expect(await chosen([like(c, { prio: 2 }), like(a, { prio: 1 })])).toBe(a.port)
      // None said is 1.
      expect(await chosen([like(c, { prio: 2 }), like(b)])).toBe(b.port)
      expect(await chosen([foreign, like(a)])).toBe(a.port)
    }
    const everybody = [a, b, c].map(({ port }) => port)
    expect(everybody).toContain(await chosen(foreign))
    expect(everybody).toContain(await chosen([]))
    // A number is no port here: what the sentinel says are strings.
    expect(everybody).toContain(await chosen({ ip: host, port: a.port }))
    const choose = vi.fn((replicas: Untyped[]) => replicas[2])
    expect(await chosen(choose)).toBe(c.port)
    expect(choose.mock.calls).toEqual([
      [[a, b, c].map(({ port }) => ({ ip: host, port: String(port), flags: 'slave' }))],
    ])
    expect(everybody).toContain(await chosen(() => null))
  })

  it('leaves a primary', async () => {
    const [primary, replica] = [await dataServer('master'), await dataServer('slave')]
    const one = await sentinel({ replicas: [{ port: primary.port }] })
    const redis = through([at(one)], { retryStrategy: () => 1 })
    const command = redis.get('k')
    await eventually(() => expect(primary.accepted).toBeGreaterThan(0))
    one.known.replicas = [{ port: replica.port }]
    expect(await command).toBe(String(replica.port))
    expect(primary.seen('GET')).toEqual([])
  })
})

describeBoth('natMap', ({ Redis }) => {
  const through = (sentinels: object[], more: object) =>
    kept(new Redis({ sentinels, name, retryStrategy: () => 5, ...more }))

  it.each(['object', 'function'])('translates what sentinels say, as an %s', async kind => {
    const [primary, replica, second] = [await dataServer('master'), await dataServer('slave'), await dataServer()]
    const other = await sentinel({ primary: 3 })
    const one = await sentinel({ primary: 1, replicas: [{ port: 2 }], others: [{ port: 4 }] })
    const table: Record<string, unknown> = {
      [`${host}:1`]: at(primary),
      [`${host}:2`]: at(replica),
      [`${host}:3`]: at(second),
      [`${host}:4`]: at(other),
    }
    const asked: string[] = []
    const natMap =
      kind === 'object'
        ? table
        : (key: string) => {
            asked.push(key)
            return table[key]
          }
    const redis = through([at(one)], { natMap })
    expect(await redis.get('k')).toBe(String(primary.port))
    expect(await through([at(one)], { natMap, role: 'slave' }).get('k')).toBe(String(replica.port))
    if (kind === 'function') expect(new Set(asked)).toEqual(new Set([`${host}:1`, `${host}:2`, `${host}:4`]))
    // The other sentinel is known by its translated address.
    await one.close()
    redis.disconnect(true)
    await next(redis, 'ready')
    expect(await redis.get('k')).toBe(String(second.port))
  })

  it.each([[{}], [() => null], [() => undefined]])('that has nothing to say changes nothing: %o', async natMap => {
    const primary = await dataServer()
    const one = await sentinel({ primary: primary.port })
    expect(await through([at(one)], { natMap }).get('k')).toBe(String(primary.port))
  })
})

describeBoth('the failover detector', ({ Redis }) => {
  const detecting = (sentinels: object[], more: object = {}) =>
    kept(new Redis({ sentinels, name, failoverDetector: true, retryStrategy: () => 5, ...more }))

  /** A sentinel that can be subscribed to, under protocol 2 and 3 alike. */
  const told: Handler = ([word, channel]) =>
    word === 'SUBSCRIBE' ? array([bulk('subscribe'), bulk(channel!), ':1\r\n']).replace('*', '>') : undefined
  const switched = array([bulk('message'), bulk('+switch-master'), bulk(`${name} ${host} 1 ${host} 2`)]).replace(
    '*',
    '>',
  )

  it('listens to every sentinel', async () => {
    const primary = await dataServer()
    const [a, b] = [await sentinel({ primary: primary.port }, told), await sentinel({}, told)]
    const redis = detecting([at(a), at(b)])
    await next(redis, 'failoverSubscribed')
    expect(a.seen('SUBSCRIBE')).toEqual([['SUBSCRIBE', '+switch-master']])
    expect(b.seen('SUBSCRIBE')).toEqual([['SUBSCRIBE', '+switch-master']])
    expect(await redis.get('k')).toBe(String(primary.port))
    redis.disconnect()
    await eventually(() => expect([a.open, b.open]).toEqual([0, 0]))
  })

  it('reconnects when one of them tells of a new primary', async () => {
    const [first, second] = [await dataServer(), await dataServer()]
    const [a, b] = [await sentinel({ primary: first.port }, told), await sentinel({}, told)]
    const redis = detecting([at(a), at(b)])
    const events = recorded(redis)
    await next(redis, 'failoverSubscribed')
    await eventually(() => expect(redis.status).toBe('ready'))
    a.known.primary = b.known.primary = second.port
    b.sendToAll(switched)
    await next(redis, 'failoverSubscribed')
    expect(await redis.get('k')).toBe(String(second.port))
    expect(events).toEqual([...started, ['close'], ['reconnecting', 5], ...started])
    // The old listeners are gone.
    await eventually(() => expect([a.open, b.open]).toEqual([1, 1]))
  })

  it('listens to as many sentinels as it may', async () => {
    const primary = await dataServer()
    const all = await Promise.all(Array.from({ length: 4 }, () => sentinel({ primary: primary.port }, told)))
    const redis = detecting(all.map(at), { sentinelMaxConnections: 2 })
    await next(redis, 'failoverSubscribed')
    expect(all.map(one => one.count('SUBSCRIBE'))).toEqual([1, 1, 0, 0])
  })

  it('begins with the sentinel that knew the primary', async () => {
    const primary = await dataServer()
    const [a, b, c] = [
      await sentinel({ primary: null }, told),
      await sentinel({ primary: primary.port }, told),
      await sentinel({ primary: primary.port }, told),
    ]
    const redis = detecting([at(a), at(b), at(c)], { sentinelMaxConnections: 2 })
    await next(redis, 'failoverSubscribed')
    expect([a, b, c].map(one => one.count('SUBSCRIBE'))).toEqual([0, 1, 1])
  })

  it('comes back to a sentinel that it has lost, and tells', async () => {
    const primary = await dataServer()
    const one = await sentinel({ primary: primary.port }, told)
    const sentinelReconnectStrategy = vi.fn(() => 5)
    const redis = detecting([at(one)], { sentinelReconnectStrategy })
    const events = recorded(redis)
    await next(redis, 'failoverSubscribed')
    await eventually(() => expect(redis.status).toBe('ready'))
    const reconnecting = next(redis, 'sentinelReconnecting')
    one.cutAll()
    await reconnecting
    await eventually(() => expect(one.count('SUBSCRIBE')).toBe(2))
    expect(sentinelReconnectStrategy.mock.calls).toEqual([[1]])
    expect(events).toEqual(started)
  })

  it('is none unless it is asked for', async () => {
    const primary = await dataServer()
    const one = await sentinel({ primary: primary.port }, told)
    await next(detecting([at(one)], { failoverDetector: false }), 'ready')
    expect(one.seen('SUBSCRIBE')).toEqual([])
  })
})

describeBoth('TLS by sentinels', ({ Redis }) => {
  let dir: string
  let files: TestCertificates
  let secure: LocalServer
  const tls = () => ({ ca: readFileSync(files.ca) })

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'slotwise-tls-'))
    files = makeTestCertificates(dir)
    secure = await LocalServer.start({
      tls: { ...files.server, ca: files.ca },
      config: { 'tls-auth-clients': 'no' },
    })
  })
  afterAll(async () => {
    await secure?.stop()
    rmSync(dir, { recursive: true, force: true })
  })

  it('is for the server when that is asked for', async () => {
    const one = await sentinel({ primary: secure.port })
    const redis = kept(new Redis({ sentinels: [at(one)], name, enableTLSForSentinelMode: true, tls: tls() }))
    expect(await redis.ping()).toBe('PONG')
    expect(redis.stream.encrypted).toBe(true)
    expect(redis.stream.authorized).toBe(true)
  })

  it('is not for the server otherwise', async () => {
    const primary = await dataServer()
    const one = await sentinel({ primary: primary.port })
    const redis = kept(new Redis({ sentinels: [at(one)], name, tls: tls() }))
    expect(await redis.get('k')).toBe(String(primary.port))
    expect(redis.stream.encrypted).toBeUndefined()
  })

  it('is for the sentinels with options of their own', async () => {
    const primary = { host: secure.host, port: secure.port }
    const one = await LocalSentinel.start({ name, primary, tls: { ...files.server, ca: files.ca } })
    servers.push(one)
    const redis = kept(
      new Redis({ sentinels: [one.address], name, sentinelTLS: tls(), enableTLSForSentinelMode: true, tls: tls() }),
    )
    expect(await redis.ping()).toBe('PONG')
    expect(redis.stream.remotePort).toBe(secure.port)
  })
})

describeBoth('with real sentinels', ({ Redis }) => {
  let group: SentinelGroup
  let alone: LocalServer
  let guarded: LocalSentinel

  beforeAll(async () => {
    group = await SentinelGroup.start({ replicas: 2, sentinels: 3, quorum: 2 })
    // It watches another server, lest the sentinels of the group find it.
    alone = await LocalServer.start()
    const primary = { host: alone.host, port: alone.port }
    guarded = await LocalSentinel.start({ name: group.name, primary, requirepass: 'secret' })
  })
  afterAll(async () => {
    await Promise.all([guarded?.stop(), alone?.stop(), group?.stop()])
  })

  const through = (more: object = {}) =>
    kept(
      new Redis({
        sentinels: group.addresses,
        name: group.name,
        retryStrategy: () => 50,
        sentinelRetryStrategy: () => 50,
        maxRetriesPerRequest: null,
        ...more,
      }),
    )

  it.each([[2], [3]])('a client finds the primary, under protocol %i', async protocol => {
    const redis = through({ protocol })
    expect(await redis.set('k', 'v')).toBe('OK')
    expect((await redis.role())[0]).toBe('master')
    expect(redis.stream.remotePort).toBe((await group.primary()).port)
  })

  it('a client finds replicas, and may choose', async () => {
    const ports = (await group.replicas()).map(server => server.port)
    const any = through({ role: 'slave' })
    expect((await any.role())[0]).toBe('slave')
    expect(ports).toContain(any.stream.remotePort)
    expect(await failureOf(any.set('k', 'v'))).toMatchObject({
      name: 'ReplyError',
      message: "READONLY You can't write against a read only replica.",
    })
    for (const port of ports) {
      const chosen = through({ role: 'slave', preferredSlaves: [{ ip: host, port: String(port), prio: 1 }] })
      await chosen.ping()
      expect(chosen.stream.remotePort).toBe(port)
      const byFunction = through({
        role: 'slave',
        preferredSlaves: (replicas: Untyped[]) => replicas.find(replica => replica.port === String(port)),
      })
      await byFunction.ping()
      expect(byFunction.stream.remotePort).toBe(port)
    }
  })

  it.each([[{}], [{ role: 'slave' }]])('an unknown name is an error of the sentinels: %o', async more => {
    const redis = through({ name: 'nobody', lazyConnect: true, sentinelRetryStrategy: null, ...more })
    const events = recorded(redis)
    expect(await failureOf(redis.connect())).toMatchObject({
      message: 'All sentinels are unreachable and retry is disabled. Last error: ERR No such master with that name',
    })
    expect(events.filter(([event]) => event === 'sentinelError').map(([, message]) => message)).toEqual(
      group.sentinels.map(
        ({ port }) => `failed to connect to sentinel ${host}:${port} because ERR No such master with that name`,
      ),
    )
  })

  it('an unknown name is no error where no other sentinels are asked for', async () => {
    const lazy = { lazyConnect: true, sentinelRetryStrategy: null }
    const redis = through({ name: 'nobody', updateSentinels: false, ...lazy })
    const events = recorded(redis)
    expect(await failureOf(redis.connect())).toMatchObject({
      message: 'All sentinels are unreachable and retry is disabled.',
    })
    expect(events.filter(([event]) => event === 'sentinelError').map(([, message]) => message)).toEqual(
      group.sentinels.map(
        ({ port }) => `connected to sentinel ${host}:${port} successfully, but got an invalid reply: null`,
      ),
    )
  })

  it('a sentinel’s password is its own', async () => {
    const sentinels = [guarded.address]
    expect(await through({ sentinels, sentinelPassword: 'secret' }).ping()).toBe('PONG')
    const redis = through({ sentinels, sentinelPassword: 'wrong', lazyConnect: true, sentinelRetryStrategy: null })
    expect(await failureOf(redis.connect())).toMatchObject({
      message:
        'All sentinels are unreachable and retry is disabled. Last error: WRONGPASS invalid username-password pair or user is disabled.',
    })
  })

  it('one known sentinel leads to all of them', async () => {
    const [first, ...others] = group.sentinels as [LocalSentinel, ...LocalSentinel[]]
    const redis = through({ sentinels: [first.address] })
    await redis.ping()
    await first.kill()
    try {
      redis.disconnect(true)
      await next(redis, 'ready')
      expect(await redis.ping()).toBe('PONG')
      const gone = through({ sentinels: [first.address, ...others.map(other => other.address)] })
      expect(await gone.ping()).toBe('PONG')
    } finally {
      await first.restart()
      await group.agreed()
    }
  })

  it('a client follows a failover, with what it was asked meanwhile', async () => {
    const before = await group.primary()
    const redis = through({ failoverDetector: true })
    const events = recorded(redis)
    await redis.set('k', 'before')
    const failover = group.failover()
    await next(redis, 'close')
    const waiting = redis.set('k', 'meanwhile')
    const after = await failover
    expect(after.port).not.toBe(before.port)
    expect(await waiting).toBe('OK')
    await eventually(() => expect(redis.stream.remotePort).toBe(after.port), 20_000)
    expect(await redis.get('k')).toBe('meanwhile')
    expect((await redis.role())[0]).toBe('master')
    const names = events.map(([event]) => event)
    expect(names.slice(0, 5)).toEqual(['connecting', 'connect', 'ready', 'close', 'reconnecting'])
    expect(names.at(-1)).toBe('ready')
    await group.agreed()
  })

  it('a client finds the new primary when the old one has died', async () => {
    const before = await group.primary()
    const redis = through()
    await redis.set('k', 'before')
    await before.kill()
    try {
      expect(await redis.set('k', 'after')).toBe('OK')
      expect(redis.stream.remotePort).not.toBe(before.port)
      expect(await redis.get('k')).toBe('after')
    } finally {
      await before.restart()
      await group.agreed()
    }
  })
})
