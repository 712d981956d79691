// Addresses: clusters that announce names, nothing, or another network's addresses; names that stand for other servers from time to time.

import type { LookupFunction } from 'node:net'
import { type ClientOptions, Engine, resolveOptions } from 'slotwise/core'
import { array, bulk, FakeServer, silence } from 'slotwise/testing'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { freePorts, LocalCluster, type LocalServer, liveServerPids } from '../../scripts/local-cluster.mjs'
import { codesOf, failureOf, useClients } from '../support/clients.js'
import { startScripted } from '../support/scripted.js'
import { eventually, keyIn } from '../support/settled.js'

const test = useClients()
const addresses = ['127.0.0.1', '127.0.0.2', '127.0.0.3']
let cluster: LocalCluster
let nodes: [LocalServer, LocalServer, LocalServer]

beforeAll(async () => {
  cluster = await LocalCluster.start({ primaries: 3, replicasPerPrimary: 0, bind: addresses })
  nodes = cluster.nodes as typeof nodes
})
afterAll(async () => {
  await cluster?.stop()
  expect(liveServerPids(), 'servers left running').toEqual([])
})
beforeEach(() => {
  for (const { port } of nodes) test.keep({ port, stop: async () => undefined })
})

/** Names, and what they stand for at present. */
class Names {
  readonly #known = new Map<string, readonly string[]>()
  /** Names that were asked for. */
  readonly asked: string[] = []

  constructor(known: Record<string, readonly string[]> = {}) {
    for (const [name, found] of Object.entries(known)) this.set(name, found)
  }

  set(name: string, found: readonly string[]): void {
    this.#known.set(name, found)
  }

  readonly lookup: LookupFunction = (name, options, callback) => {
    this.asked.push(name)
    const found = this.#known.get(name) ?? []
    const error = Object.assign(new Error(`getaddrinfo ENOTFOUND ${name}`), {
      code: 'ENOTFOUND',
      syscall: 'getaddrinfo',
    })
    const [first] = found
    // As dns.lookup: never at once.
    if (first === undefined) process.nextTick(callback, error, [])
    else if (options.all)
      process.nextTick(
        callback,
        null,
        found.map(address => ({ address, family: 4 })),
      )
    else process.nextTick(callback, null, first, 4)
  }
}

/** A slot of each node. */
const slots = [1000, 8000, 14_000]

async function expectServed(client: ReturnType<typeof test.client>): Promise<void> {
  for (const slot of slots) expect(await client.execute('SET', [keyIn(slot), slot])).toBe('OK')
  expect(client.inspect()).toMatchObject({ slotsCovered: 16384, redirects: { moved: 0 } })
}

const endpoints = (client: ReturnType<typeof test.client>) =>
  client
    .nodes()
    .map(({ endpoint }) => endpoint)
    .sort()

/** What the nodes announce; names of theirs by their index. */
async function announce(type: 'ip' | 'hostname' | 'unknown-endpoint', named: readonly number[] = []): Promise<void> {
  for (const [i, node] of nodes.entries()) {
    await node.command('CONFIG', 'SET', 'cluster-announce-hostname', named.includes(i) ? `redis-${i}.test` : '')
    await node.command('CONFIG', 'SET', 'cluster-preferred-endpoint-type', type)
  }
  // The others hear of it by gossip.
  await eventually(async () => {
    for (const node of nodes) {
      const text = (await node.command('CLUSTER', 'NODES')) as string
      for (const i of nodes.keys()) expect(text.includes(`redis-${i}.test`)).toBe(named.includes(i))
    }
  })
}

/** Gives a slot without keys to another node, for good: one that soon goes back may get lost between the two. */
async function moveSlot(slot: number, from: LocalServer, to: LocalServer): Promise<void> {
  await cluster.beginMigration(slot, from, to)
  await cluster.finishMigration(slot, from, to)
  await cluster.waitUntilOk(10_000)
}

describe('endpoints', () => {
  const names = () =>
    new Names({ 'redis-0.test': ['127.0.0.1'], 'redis-1.test': ['127.0.0.1'], 'redis-2.test': ['127.0.0.1'] })
  afterEach(() => announce('ip'))

  it('that are names are kept, and looked up at each dial', async () => {
    await announce('hostname', [0, 1, 2])
    const { lookup, asked } = names()
    const client = test.client({ cluster: [nodes[0].address], lookup })
    await expectServed(client)
    expect(endpoints(client)).toEqual(nodes.map(({ port }, i) => `redis-${i}.test:${port}`))
    const before = asked.length
    await nodes[1].command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    await eventually(async () => expect(asked.length).toBeGreaterThan(before))
    expect(asked.at(-1)).toBe('redis-1.test')
    await expectServed(client)
  })

  it('that are left out are those of the host that was asked', async () => {
    await announce('unknown-endpoint')
    for (const protocol of [2, 3] as const) {
      const client = test.client({ cluster: [{ host: '127.0.0.2', port: nodes[1].port }], protocol })
      await expectServed(client)
      expect(endpoints(client)).toEqual(nodes.map(({ port }) => `127.0.0.2:${port}`).sort())
    }
  })

  it('that are names for some are addresses for the others, and redirects that do not know them are followed', async () => {
    await announce('hostname', [0])
    for (const protocol of [2, 3] as const) {
      const { lookup } = names()
      const client = test.client({
        cluster: [nodes[1].address],
        lookup,
        protocol,
        refreshMinIntervalMs: 60_000,
        refreshMaxIntervalMs: 60_000,
      })
      await expectServed(client)
      const [a, b, c] = nodes.map(({ port }) => port)
      expect(endpoints(client)).toEqual([`127.0.0.1:${b}`, `127.0.0.1:${c}`, `redis-0.test:${a}`].sort())
      for (const [slot, from, to] of [
        [1000 + protocol, nodes[0], nodes[1]],
        [8000 + protocol, nodes[1], nodes[0]],
      ] as const) {
        await moveSlot(slot, from, to)
        expect(await client.execute('GET', [keyIn(slot)])).toBe(null)
      }
      expect(client.inspect().redirects.moved).toBe(2)
      expect(client.nodes().length).toBe(3)
    }
  })

  describe.each(['ip', 'hostname', 'unknown-endpoint'] as const)('of type %s', type => {
    it.each([[[]], [[0, 1, 2]], [[1]]])(
      'are the same in CLUSTER SHARDS as in CLUSTER SLOTS, names of %j',
      async named => {
        await announce(type, named)
        const { lookup } = names()
        const views: unknown[] = []
        for (const topologyCommand of ['slots', 'shards', 'auto'] as const) {
          for (const protocol of [2, 3] as const) {
            const engine = new Engine(
              resolveOptions({ cluster: [nodes[0].address], lookup, topologyCommand, protocol }),
            )
            await engine.refresh()
            const { view } = engine.topology
            views.push({ ...view, ranges: [...(view?.ranges ?? [])] })
            expect(view?.covered).toBe(16384)
            await engine.close()
          }
        }
        for (const view of views) expect(view).toEqual(views[0])
      },
    )
  })
})

describe('a seed that is a name', () => {
  it('is tried at every address that it stands for: hanging, dead, no cluster, and the one that is right', async () => {
    const { port } = nodes[0]
    const mute = test.keep(
      await FakeServer.start({ answers: 'greetings', handler: () => silence, host: '127.0.0.7', port }),
    )
    const alone = test.keep(await FakeServer.start({ answers: 'greetings', host: '127.0.0.8', port }))
    const { lookup, asked } = new Names({ 'redis.test': ['127.0.0.7', '127.0.0.9', '127.0.0.8', '127.0.0.1'] })
    const client = test.client({ cluster: [`redis.test:${port}`], lookup })
    expect(await client.execute('SET', [keyIn(1), 1])).toBe('OK')
    await expectServed(client)
    expect([mute.accepted, alone.accepted]).toEqual([1, 1])
    expect(alone.count('CLUSTER SLOTS')).toBeGreaterThan(0)
    // Those who are no part of the cluster are left alone from then on.
    expect(endpoints(client)).toEqual(cluster.addresses.toSorted())
    expect(new Set(asked)).toEqual(new Set(['redis.test']))
    await eventually(() => expect(client.inspect().sockets.total).toBe(3))
    expect(client.inspect().dials).toBe(6)
  })

  it('leads to the same servers as their addresses, without another connection', async () => {
    const { lookup, asked } = new Names({ 'redis.test': ['127.0.0.1'] })
    const client = test.client({ cluster: nodes.map(({ port }) => ({ host: 'redis.test', port })), lookup })
    await expectServed(client)
    expect(client.inspect()).toMatchObject({ nodes: 3, dials: 3 })
    expect(asked).toEqual(['redis.test', 'redis.test', 'redis.test'])
  })

  it('that is not known is looked up with backoff, is named in errors, and is used as soon as it is known', async () => {
    const names = new Names()
    const client = test.client({
      cluster: [`redis.test:${nodes[0].port}`],
      lookup: names.lookup,
      timeoutMs: 1500,
      maxQueueAgeMs: 1500,
    })
    const error = await failureOf(client.execute('GET', ['k']))
    expect(codesOf(error)).toEqual([
      expect.stringMatching(/^SLOTWISE_(TIMEOUT|QUEUE_EXPIRED)$/),
      'SLOTWISE_CONNECT_FAILED',
      'ENOTFOUND',
    ])
    expect(error.cause).toMatchObject({ endpoint: `redis.test:${nodes[0].port}`, phase: 'dial' })
    expect((error.cause as Error).message).toContain('redis.test')
    expect(names.asked.length).toBeGreaterThan(1)
    expect(names.asked.length).toBeLessThan(10)
    expect(client.inspect()).toMatchObject({ dials: 0, dialsExhausted: 0 })
    names.set('redis.test', ['127.0.0.1'])
    await client.connect()
    await expectServed(client)
  })

  it('leads to the cluster again when all its servers have other addresses', async () => {
    const rebind = async (host: string) => {
      for (const node of nodes) {
        await node.command('CONFIG', 'SET', 'cluster-announce-ip', host)
        await node.command('CONFIG', 'SET', 'bind', [...new Set(['127.0.0.1', host])].join(' '))
        await node.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
      }
      await eventually(async () => {
        for (const node of nodes) {
          const told = (await node.command('CLUSTER', 'SLOTS')) as [number, number, [string, number]][]
          expect(new Set(told.map(([, , [at]]) => at))).toEqual(new Set([host]))
        }
      })
    }
    const names = new Names({ 'redis.test': ['127.0.0.2'] })
    try {
      await rebind('127.0.0.2')
      const client = test.client({ cluster: [`redis.test:${nodes[2].port}`], lookup: names.lookup })
      await expectServed(client)
      for (const host of ['127.0.0.3', '127.0.0.2', '127.0.0.3']) {
        names.set('redis.test', [host])
        await rebind(host)
        await eventually(async () => {
          for (const slot of slots) expect(await client.execute('GET', [keyIn(slot)])).toBe(String(slot))
          expect(endpoints(client)).toEqual(nodes.map(({ port }) => `${host}:${port}`).sort())
        }, 15_000)
        await eventually(() => expect(client.inspect()).toMatchObject({ nodes: 3, sockets: { total: 3 } }))
      }
    } finally {
      await rebind('127.0.0.1')
      for (const node of nodes) await node.command('CONFIG', 'SET', 'bind', addresses.join(' '))
    }
  }, 60_000)

  it('gives up addresses that it no longer stands for', async () => {
    const names = new Names({ 'redis.test': ['127.0.0.9', '127.0.0.10'] })
    const client = test.client({ cluster: [`redis.test:${nodes[0].port}`], lookup: names.lookup, backoffMaxMs: 200 })
    const connected = client.connect()
    for (const host of [11, 12, 13, 14]) {
      await eventually(() => expect(client.inspect().nodes).toBeGreaterThan(0))
      names.set('redis.test', [`127.0.0.${host}`])
      await eventually(() => expect(endpoints(client)).toEqual([`127.0.0.${host}:${nodes[0].port}`]))
    }
    names.set('redis.test', ['127.0.0.1'])
    await connected
    await expectServed(client)
  })
})

describe('SRV records', () => {
  it('name the seeds, by priority, and are looked up again when nobody answers', async () => {
    const [deadPort] = (await freePorts(1)) as [number]
    const { lookup } = new Names({ 'dead.test': ['127.0.0.1'], 'live.test': ['127.0.0.9', '127.0.0.2'] })
    let asked = 0
    let port = deadPort
    const resolveSrv: ClientOptions['resolveSrv'] = (name, callback) => {
      asked++
      if (name !== '_redis._tcp.test') process.nextTick(callback, new Error('another name'), [])
      else
        process.nextTick(callback, null, [
          { name: 'live.test', port, priority: 2, weight: 0 },
          { name: 'dead.test', port: deadPort, priority: 1, weight: 0 },
        ])
    }
    const client = test.client({ cluster: [{ srv: '_redis._tcp.test' }], lookup, resolveSrv })
    const connected = client.connect()
    await eventually(() =>
      expect(endpoints(client)).toEqual([`127.0.0.1:${deadPort}`, `127.0.0.2:${deadPort}`, `127.0.0.9:${deadPort}`]),
    )
    port = nodes[1].port
    await connected
    await expectServed(client)
    expect(asked).toBeGreaterThan(1)
    expect(endpoints(client)).toEqual(cluster.addresses.toSorted())
  })
})

describe('natMap', () => {
  const outside = (port: number) => ({ host: '127.0.0.2', port })

  it.each(['an object', 'a function'])(
    'as %s leads to servers of another network, after redirects, too',
    async form => {
      const entries = nodes.map(({ port }) => [`127.0.0.1:${port}`, outside(port)] as const)
      const record = Object.fromEntries(entries)
      const natMap = form === 'an object' ? record : (announced: string) => record[announced] ?? null
      const client = test.client({
        cluster: [outside(nodes[0].port)],
        natMap,
        refreshMinIntervalMs: 60_000,
        refreshMaxIntervalMs: 60_000,
      })
      await expectServed(client)
      expect(endpoints(client)).toEqual(nodes.map(({ port }) => `127.0.0.2:${port}`).sort())
      const more = form === 'an object' ? 10 : 20
      for (const [slot, from, to] of [
        [1000 + more, nodes[0], nodes[1]],
        [8000 + more, nodes[1], nodes[0]],
      ] as const) {
        await moveSlot(slot, from, to)
        expect(await client.execute('GET', [keyIn(slot)])).toBe(null)
      }
      expect(client.inspect()).toMatchObject({ redirects: { moved: 2 }, nodes: 3, dials: 3 })
      // SCAN asks the nodes by what CLUSTER NODES calls them.
      for await (const _ of client.scanIterator()) break
      expect(client.inspect().nodes).toBe(3)
    },
  )
})

describe('CLUSTER SHARDS', () => {
  const map = (fields: Record<string, string>) => Object.entries(fields).map(([name, value]) => bulk(name) + value)
  const asMap = (protocol: 2 | 3, fields: Record<string, string>) =>
    protocol === 3
      ? `%${Object.keys(fields).length}\r\n${map(fields).join('')}`
      : `*${2 * Object.keys(fields).length}\r\n${map(fields).join('')}`

  /** A primary of all slots that says it is of version 8, with a replica in whatever health; and what SLOTS says of it. */
  async function start(protocol: 2 | 3, version: string) {
    let health = 'online'
    let offset = 0
    const node = (role: string, port: number) => {
      const text = {
        id: `id-${port}`,
        ip: '127.0.0.1',
        endpoint: '127.0.0.1',
        role,
        health: role === 'master' ? 'online' : health,
      }
      const fields = Object.fromEntries(Object.entries(text).map(([name, value]) => [name, bulk(value)]))
      // It grows with each write.
      return asMap(protocol, { ...fields, port: `:${port}\r\n`, 'replication-offset': `:${++offset}\r\n` })
    }
    const answer = ([name, subcommand]: string[]): string | undefined => {
      if (name === 'HELLO' && protocol === 3)
        return asMap(3, { server: bulk('redis'), version: bulk(version), proto: ':3\r\n' })
      if (name === 'INFO') return bulk(`# Server\r\nredis_version:${version}\r\n`)
      if (name === 'READONLY') return '+OK\r\n'
      if (subcommand === 'SHARDS') {
        const members = array([node('master', primary.port), node('replica', replica.port)])
        return array([asMap(protocol, { slots: '*2\r\n:0\r\n:16383\r\n', nodes: members })])
      }
      if (subcommand !== 'SLOTS') return undefined
      const rows = [primary.port, replica.port].map(port =>
        array([bulk('127.0.0.1'), `:${port}\r\n`, bulk(`id-${port}`), '*0\r\n']),
      )
      return array([array([':0\r\n', ':16383\r\n', ...rows])])
    }
    const serve = async (letter: string) =>
      test.keep(await startScripted(command => (command[0] === 'GET' ? bulk(letter) : answer(command))))
    const [primary, replica] = [await serve('primary'), await serve('replica')] as const
    return { primary, replica, sick: (now: string) => void (health = now) }
  }

  it.each([2, 3] as const)(
    'is asked of version 8 (RESP%i) when CLUSTER SLOTS has changed, and only then',
    async protocol => {
      const { primary, replica, sick } = await start(protocol, '8.0.3')
      sick('loading')
      const client = test.client({
        cluster: [primary.address],
        protocol,
        readFrom: 'replicas',
        refreshPeriodMs: 50,
        refreshMinIntervalMs: 10,
      })
      expect(await client.execute('GET', ['k'])).toBe('primary')
      await eventually(() => expect(primary.count('CLUSTER SLOTS')).toBeGreaterThan(5))
      expect(primary.count('CLUSTER SHARDS')).toBe(1)
      expect(primary.count('INFO')).toBe(protocol === 2 ? 1 : 0)
      expect(await client.execute('GET', ['k'])).toBe('primary')
      expect([replica.accepted, client.inspect().nodes]).toEqual([0, 1])
    },
  )

  it('always asked takes a replica in that has become well, and leaves one out that has not', async () => {
    const { primary, sick } = await start(3, '7.0.0')
    sick('fail')
    const options = {
      readFrom: 'replicas',
      refreshPeriodMs: 50,
      refreshMinIntervalMs: 10,
      topologyCommand: 'shards',
    } as const
    const client = test.client({ cluster: [primary.address], ...options })
    expect(await client.execute('GET', ['k'])).toBe('primary')
    sick('online')
    await eventually(async () => expect(await client.execute('GET', ['k'])).toBe('replica'))
    sick('loading')
    await eventually(async () => expect(await client.execute('GET', ['k'])).toBe('primary'))
    expect(primary.count('CLUSTER SLOTS')).toBe(0)
  })

  it('is not asked of version 7, nor where it is not wanted', async () => {
    for (const [version, options] of [
      ['7.4.1', {}],
      ['8.0.0', { topologyCommand: 'slots' }],
    ] as const) {
      const { primary } = await start(3, version)
      const client = test.client({
        cluster: [primary.address],
        refreshPeriodMs: 50,
        refreshMinIntervalMs: 10,
        ...options,
      })
      await client.connect()
      await eventually(() => expect(primary.count('CLUSTER SLOTS')).toBeGreaterThan(3))
      expect(primary.count('CLUSTER SHARDS')).toBe(0)
    }
  })

  it('that is refused leaves CLUSTER SLOTS to be believed', async () => {
    const { primary } = await start(3, '8.0.0')
    const { handler } = primary
    primary.handler = (command, connection) =>
      command[1] === 'SHARDS'
        ? "-NOPERM this user has no permissions to run the 'cluster|shards' command\r\n"
        : handler(command, connection)
    const client = test.client({ cluster: [primary.address] })
    expect(await client.execute('GET', ['k'])).toBe('primary')
    expect(client.inspect()).toMatchObject({ slotsCovered: 16384, nodes: 2 })
  })
})
