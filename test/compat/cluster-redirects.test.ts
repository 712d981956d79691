// What a Cluster does with MOVED, ASK, TRYAGAIN, CLUSTERDOWN and with lost connections, and when it gives up.

import { array, bulk, type FakeServer, type Handler, type Layout, moved, silence } from 'slotwise/testing'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { LocalServer } from '../../scripts/local-cluster.mjs'
import { failureOf } from '../support/clients.js'
import { startScripted } from '../support/scripted.js'
import { eventually, keyIn, startLoad, useCluster } from '../support/settled.js'
import { describeBoth, type Untyped } from './support/both.js'

const test = useCluster({ primaries: 3, replicasPerPrimary: 0, nodeTimeoutMs: 5000 })
const seeds = () => test.cluster.nodes.map(({ port }) => ({ host: '127.0.0.1', port }))
const nodeAt = (index: number) => test.cluster.nodes[index] as LocalServer

const made: Untyped[] = []
const servers: { close(): unknown }[] = []
/** Disconnected after the test, and its errors are not for the console. */
function kept(cluster: Untyped): Untyped {
  made.push(cluster.on('error', () => undefined))
  return cluster
}
afterEach(async () => {
  for (const one of made.splice(0)) one.disconnect()
  for (const server of servers.splice(0)) await server.close()
})

const next = (emitter: Untyped, event: string) => new Promise<Untyped>(resolve => emitter.once(event, resolve))
const asksForSlots = ([name, subcommand]: string[]) => name === 'CLUSTER' && subcommand?.toUpperCase() === 'SLOTS'

/** A scripted node; the handler goes first, and what every client asks has an answer. */
async function scripted(handler: Handler = () => undefined): Promise<FakeServer> {
  const server = await startScripted((command, connection) => {
    const own = handler(command, connection)
    if (own !== undefined) return own
    const [name, subcommand] = command
    if (name === 'CLUSTER' && subcommand === 'INFO') return bulk('cluster_state:ok\r\n')
    return { INFO: bulk('loading:0\r\n'), GET: bulk(`from ${server.port}`), SET: '+OK\r\n' }[name as string]
  })
  servers.push(server)
  return server
}

const onGet =
  (answer: (key: string, connection: Untyped) => ReturnType<Handler>): Handler =>
  ([name, key], connection) =>
    name === 'GET' ? answer(key as string, connection) : undefined

/** Two scripted nodes, both of which say that the first has the slots up to 8191. */
async function pair(
  first: Handler = () => undefined,
  second: Handler = () => undefined,
): Promise<{ a: FakeServer; b: FakeServer; layout(next: Layout): void }> {
  const [a, b] = [await scripted(first), await scripted(second)]
  const layout = (next: Layout) => {
    a.layout = b.layout = next
  }
  layout([
    [0, 8191, a.port],
    [8192, 16_383, b.port],
  ])
  return { a, b, layout }
}
const [low, high] = [keyIn(1), keyIn(16_000)] as const

describeBoth('MOVED', ({ Cluster, deviates }) => {
  const open = (nodes: unknown[], options: object = {}) => kept(new Cluster(nodes, options))

  it('is followed, and the slots are asked for again', async () => {
    const { a, b, layout } = await pair(onGet(() => moved(1, b)))
    const cluster = open([a.port])
    await next(cluster, 'ready')
    expect(cluster.slots[1]).toEqual([`127.0.0.1:${a.port}`])
    layout([[0, 16_383, b.port]])
    const refreshed = next(cluster, 'refresh')
    expect(await cluster.get(low)).toBe(`from ${b.port}`)
    await refreshed
    expect([cluster.slots[1], cluster.slots[2]]).toEqual([[`127.0.0.1:${b.port}`], [`127.0.0.1:${b.port}`]])
    expect(await cluster.get(low)).toBe(`from ${b.port}`)
    expect([a.count('GET'), b.count('GET')]).toEqual([1, 2])
  })

  it('re-points its slot at once', async () => {
    let tells = true
    const { a, b } = await pair(
      command => (asksForSlots(command) && !tells ? silence : onGet(() => moved(1, b))(command, null as never)),
      command => (asksForSlots(command) && !tells ? silence : undefined),
    )
    const cluster = open([a.port], { slotsRefreshTimeout: 20_000 })
    await next(cluster, 'ready')
    tells = false
    expect(await cluster.get(low)).toBe(`from ${b.port}`)
    expect(cluster.slots[1]).toEqual([`127.0.0.1:${b.port}`])
    expect(await cluster.get(low)).toBe(`from ${b.port}`)
    expect(a.count('GET')).toBe(1)
    // ioredis re-points every slot that came in one range with it; slotwise the one.
    expect(cluster.slots[2]).toEqual([`127.0.0.1:${deviates('moved-one-slot') ? a.port : b.port}`])
  })

  it('may lead to a node that nobody knew', async () => {
    const stranger = await scripted()
    const { a, layout } = await pair(onGet(() => moved(1, stranger)))
    const cluster = open([a.port])
    await next(cluster, 'ready')
    const added: number[] = []
    cluster.on('+node', ({ options }: Untyped) => added.push(options.port))
    const ranges: Layout = [
      [0, 1, stranger.port],
      [2, 16_383, a.port],
    ]
    layout(ranges)
    stranger.layout = ranges
    expect(await cluster.get(low)).toBe(`from ${stranger.port}`)
    expect(added).toContain(stranger.port)
    expect(cluster.nodes().map(({ options }: Untyped) => options.port)).toContain(stranger.port)
  })

  it('is followed by each of many at once', async () => {
    const { a, b, layout } = await pair(onGet(() => moved(1, b)))
    const cluster = open([a.port])
    await next(cluster, 'ready')
    layout([[0, 16_383, b.port]])
    const results = await Promise.all(Array.from({ length: 200 }, (_, i) => cluster.get(keyIn(1, String(i)))))
    expect(new Set(results)).toEqual(new Set([`from ${b.port}`]))
  })

  it('is followed after retryDelayOnMoved', async () => {
    const { a, b, layout } = await pair(onGet(() => moved(1, b)))
    const cluster = open([a.port], { retryDelayOnMoved: 60 })
    await next(cluster, 'ready')
    layout([[0, 16_383, b.port]])
    const start = performance.now()
    expect(await cluster.get(low)).toBe(`from ${b.port}`)
    expect(performance.now() - start).toBeGreaterThan(55)
  })

  it('is followed no more than maxRedirections times', async () => {
    const { a, b } = await pair(
      onGet(() => moved(1, b)),
      onGet(() => moved(1, a)),
    )
    const cluster = open([a.port], { maxRedirections: 5 })
    const error = await failureOf(cluster.get(low))
    expect(error).toMatchObject({ name: 'Error' })
    expect(error.message).toMatch(
      new RegExp(`^Too many Cluster redirections. Last error: ReplyError: MOVED 1 127.0.0.1:(${a.port}|${b.port})$`),
    )
    expect(a.count('GET') + b.count('GET')).toBe(1 + 5)
    expect(await cluster.set(low, 'v')).toBe('OK')
  })

  it('is followed 16 times without that option', async () => {
    const { a, b } = await pair(
      onGet(() => moved(1, b)),
      onGet(() => moved(1, a)),
    )
    const cluster = open([a.port])
    expect((await failureOf(cluster.get(low))).message).toMatch(/^Too many Cluster redirections\. Last error: /)
    expect(a.count('GET') + b.count('GET')).toBe(1 + 16)
  })

  it.each([0, 1])('is followed no more often than that when it is %i', async maxRedirections => {
    const { a, b } = await pair(
      onGet(() => moved(1, b)),
      onGet(() => moved(1, a)),
    )
    const cluster = open([a.port], { maxRedirections })
    expect((await failureOf(cluster.get(low))).message).toMatch(/^Too many Cluster redirections\. Last error: /)
    expect(a.count('GET') + b.count('GET')).toBe(1 + maxRedirections)
  })

  it.each(['MOVED x 127.0.0.1:1', 'MOVED 16384 127.0.0.1:1', 'MOVED __proto__ 127.0.0.1:1', 'MOVED -1 127.0.0.1:1'])(
    'is an error like any other when it is %j',
    async message => {
      const { a } = await pair(onGet(() => `-${message}\r\n`))
      const cluster = open([a.port])
      const error = (await failureOf(cluster.get(low))) as Untyped
      expect(error).toMatchObject({ name: 'ReplyError', message, command: { name: 'get', args: [low] } })
      expect(a.count('GET')).toBe(1)
    },
  )

  it('is followed through natMap', async () => {
    const inside = (server: FakeServer) => `10.99.0.1:${server.port}`
    const { a, b } = await pair(onGet(() => `-MOVED 1 ${inside(b)}\r\n`))
    const hidden = (ranges: Layout) =>
      array(
        ranges.map(([from, to, port]) =>
          array([`:${from}\r\n`, `:${to}\r\n`, array([bulk('10.99.0.1'), `:${port}\r\n`, bulk('id')])]),
        ),
      )
    let owner = a
    for (const server of [a, b]) {
      const { handler } = server
      server.handler = (command, connection) =>
        asksForSlots(command)
          ? hidden([
              [0, 8191, owner.port],
              [8192, 16_383, b.port],
            ])
          : handler(command, connection)
    }
    const natMap = {
      [inside(a)]: { host: '127.0.0.1', port: a.port },
      [inside(b)]: { host: '127.0.0.1', port: b.port },
    }
    // With a pause: ioredis looks for the node under its inner name until it has asked for the slots.
    const cluster = open([a.port], { natMap, retryDelayOnMoved: 20 })
    expect(await cluster.set(low, 'v')).toBe('OK')
    owner = b
    expect(await cluster.get(low)).toBe(`from ${b.port}`)
    await eventually(() => expect(cluster.slots[1]).toEqual([`127.0.0.1:${b.port}`]))
  })
})

describeBoth('ASK', ({ Cluster }) => {
  const open = (nodes: unknown[], options: object = {}) => kept(new Cluster(nodes, options))

  it('is followed, this once, after ASKING', async () => {
    const { a, b } = await pair(onGet(() => `-ASK 1 127.0.0.1:${b.port}\r\n`))
    const cluster = open([a.port])
    await next(cluster, 'ready')
    expect([await cluster.get(low), await cluster.get(low)]).toEqual([`from ${b.port}`, `from ${b.port}`])
    expect([a.count('GET'), b.count('GET'), b.count('ASKING')]).toEqual([2, 2, 2])
    const relevant = b.commands.map(([name]) => name).filter(name => name === 'ASKING' || name === 'GET')
    expect(relevant).toEqual(['ASKING', 'GET', 'ASKING', 'GET'])
    expect(cluster.slots[1]).toEqual([`127.0.0.1:${a.port}`])
  })

  it('is told in front of each of many', async () => {
    let asked = false
    const { a, b } = await pair(
      onGet(() => `-ASK 1 127.0.0.1:${b.port}\r\n`),
      ([name]) => {
        const before = asked
        asked = name === 'ASKING'
        return name === 'GET' && !before ? moved(1, a) : undefined
      },
    )
    const cluster = open([a.port])
    await next(cluster, 'ready')
    const calls = Array.from({ length: 100 }, (_, i) => cluster.get(keyIn(1, String(i))))
    expect(new Set(await Promise.all(calls))).toEqual(new Set([`from ${b.port}`]))
    expect(b.count('ASKING')).toBe(100)
  })

  it('may lead to a node that nobody knew, and through natMap', async () => {
    const stranger = await scripted()
    const { a } = await pair(onGet(() => `-ASK 1 10.99.0.2:7\r\n`))
    const natMap = { '10.99.0.2:7': { host: '127.0.0.1', port: stranger.port } }
    const cluster = open([a.port], { natMap })
    expect(await cluster.get(low)).toBe(`from ${stranger.port}`)
    expect(stranger.count('ASKING')).toBe(1)
  })

  it('is followed no more than maxRedirections times', async () => {
    const { a, b } = await pair(
      onGet(() => `-ASK 1 127.0.0.1:${b.port}\r\n`),
      onGet(() => `-ASK 1 127.0.0.1:${a.port}\r\n`),
    )
    const cluster = open([a.port], { maxRedirections: 4 })
    expect((await failureOf(cluster.get(low))).message).toMatch(
      /^Too many Cluster redirections\. Last error: ReplyError: ASK 1 127\.0\.0\.1:\d+$/,
    )
    expect(a.count('GET') + b.count('GET')).toBe(1 + 4)
  })
})

describeBoth('an answer that is not for ever', ({ Cluster, deviates }) => {
  const open = (nodes: unknown[], options: object = {}) => kept(new Cluster(nodes, options))
  const tryAgain = 'TRYAGAIN Multiple keys request during rehashing of slot'
  const down = 'CLUSTERDOWN The cluster is down'

  it.each([
    ['retryDelayOnTryAgain', tryAgain],
    ['retryDelayOnClusterDown', down],
  ])('is waited out for %s', async (option, message) => {
    let refusals = 3
    const { a } = await pair(onGet(() => (refusals-- > 0 ? `-${message}\r\n` : undefined)))
    a.layout = [[0, 16_383, a.port]]
    const cluster = open([a.port], { [option]: 20 })
    await next(cluster, 'ready')
    const start = performance.now()
    expect(await cluster.get(low)).toBe(`from ${a.port}`)
    expect(performance.now() - start).toBeGreaterThan(55)
    expect(a.count('GET')).toBe(4)
  })

  it('is waited out for 100 ms without those options', async () => {
    for (const message of [tryAgain, down]) {
      let refusals = 1
      const server = await scripted(onGet(() => (refusals-- > 0 ? `-${message}\r\n` : undefined)))
      server.layout = [[0, 16_383, server.port]]
      const cluster = open([server.port])
      await next(cluster, 'ready')
      const start = performance.now()
      expect(await cluster.get(low)).toBe(`from ${server.port}`)
      expect(performance.now() - start).toBeGreaterThan(95)
    }
  })

  it.each([
    ['TRYAGAIN', tryAgain],
    ['CLUSTERDOWN', down],
  ])('fails in the end: %s', async (_, message) => {
    const { a, b } = await pair(
      onGet(() => `-${message}\r\n`),
      onGet(() => `-${message}\r\n`),
    )
    const cluster = open([a.port], { maxRedirections: 3, retryDelayOnTryAgain: 1, retryDelayOnClusterDown: 1 })
    const error = await failureOf(cluster.get(low))
    expect(error).toMatchObject({
      name: 'Error',
      message: `Too many Cluster redirections. Last error: ReplyError: ${message}`,
    })
    if (!deviates('cluster-down-patience')) expect(a.count('GET') + b.count('GET')).toBe(1 + 3)
  })

  it('fails at once when there is no pause to wait it out', async () => {
    const { a } = await pair(onGet(() => `-${down}\r\n`))
    const cluster = open([a.port], { retryDelayOnClusterDown: 0 })
    expect(await failureOf(cluster.get(low))).toMatchObject({ name: 'ReplyError', message: down })
    expect(a.count('GET')).toBe(1)
  })

  it('asks for the slots again when the cluster is down', async () => {
    let refusals = 1
    const { a, b, layout } = await pair(onGet(() => (refusals-- > 0 ? `-${down}\r\n` : undefined)))
    const cluster = open([a.port], { retryDelayOnClusterDown: 1 })
    await next(cluster, 'ready')
    const refreshed = next(cluster, 'refresh')
    layout([[0, 16_383, b.port]])
    await cluster.get(low)
    await refreshed
    await eventually(() => expect(cluster.slots[1]).toEqual([`127.0.0.1:${b.port}`]))
  })

  it.each(['LOADING Redis is loading the dataset in memory', 'READONLY You can’t write'])(
    'is in slotwise one like %j',
    async message => {
      let refusals = 2
      const { a } = await pair(onGet(() => (refusals-- > 0 ? `-${message}\r\n` : undefined)))
      const cluster = open([a.port])
      if (deviates('waits-out-loading')) expect(await cluster.get(low)).toBe(`from ${a.port}`)
      else expect(await failureOf(cluster.get(low))).toMatchObject({ name: 'ReplyError', message })
    },
  )

  it.each(['ERR unknown', 'ASKED 1', 'BUSY'])('is not one like %j', async message => {
    const { a } = await pair(onGet(() => `-${message}\r\n`))
    const cluster = open([a.port])
    expect(await failureOf(cluster.get(low))).toMatchObject({ name: 'ReplyError', message })
    expect(a.count('GET')).toBe(1)
  })
})

describeBoth('a lost connection of a Cluster', ({ Cluster, deviates }) => {
  const open = (nodes: unknown[], options: object = {}) => kept(new Cluster(nodes, options))

  it('has what was in flight sent again after retryDelayOnFailover', async () => {
    let cuts = 0
    const { a } = await pair(
      onGet((_, connection) => {
        if (++cuts > 1) return undefined
        connection.cut()
        return silence
      }),
      // ioredis tries again on any node.
      onGet(() => moved(1, a)),
    )
    const cluster = open([a.port], { retryDelayOnFailover: 30 })
    await next(cluster, 'ready')
    expect(await cluster.get(low)).toBe(`from ${a.port}`)
    expect(cuts).toBe(2)
    expect(cluster.status).toBe('ready')
  })

  it('fails what was in flight when there is no pause for a failover', async () => {
    const { a } = await pair(
      onGet((_, connection) => {
        connection.cut()
        return silence
      }),
    )
    const cluster = open([a.port], { retryDelayOnFailover: 0 })
    await next(cluster, 'ready')
    expect(await failureOf(cluster.get(low))).toMatchObject({ name: 'Error', message: 'Connection is closed.' })
    expect(a.count('GET')).toBe(1)
  })

  it('fails what was in flight in the end', async () => {
    const cutting = onGet((_, connection) => {
      connection.cut()
      return silence
    })
    const { a, b, layout } = await pair(cutting, cutting)
    layout([
      [0, 16_382, a.port],
      [16_383, 16_383, b.port],
    ])
    const cluster = open([a.port, b.port], {
      retryDelayOnFailover: 1,
      maxRedirections: 2,
      clusterRetryStrategy: () => 1,
    })
    await next(cluster, 'ready')
    expect(await failureOf(cluster.get(low))).toMatchObject({
      name: 'Error',
      message: 'Too many Cluster redirections. Last error: Error: Connection is closed.',
    })
    expect(a.count('GET') + b.count('GET')).toBe(1 + 2)
  })

  it('removes the node, until the slots are asked for again', async () => {
    const { a, b } = await pair()
    const cluster = open([a.port])
    await Promise.all([cluster.get(low), cluster.get(high)])
    const events: [string, number][] = []
    cluster.on('-node', ({ options }: Untyped) => events.push(['-node', options.port]))
    cluster.on('+node', ({ options }: Untyped) => events.push(['+node', options.port]))
    a.cutAll()
    // slotwise redials it, and never lets go of it.
    if (!deviates('nodes-are-redialled')) {
      await eventually(() => expect(events).toEqual([['-node', a.port]]))
      expect(cluster.nodes().map(({ options }: Untyped) => options.port)).toEqual([b.port])
      await new Promise(resolve => cluster.refreshSlotsCache(resolve))
      expect(events).toEqual([
        ['-node', a.port],
        ['+node', a.port],
      ])
    }
    expect(await cluster.get(low)).toBe(`from ${a.port}`)
    expect(
      cluster
        .nodes()
        .map(({ options }: Untyped) => options.port)
        .sort(),
    ).toEqual([a.port, b.port].sort())
    expect(cluster.status).toBe('ready')
  })

  it('leads elsewhere when somebody else has the slots', async () => {
    const { a, b, layout } = await pair(
      onGet((_, connection) => {
        connection.reset()
        return silence
      }),
    )
    const cluster = open([a.port], { retryDelayOnFailover: 10 })
    await next(cluster, 'ready')
    layout([[0, 16_383, b.port]])
    const get = cluster.get(low)
    expect(await get).toBe(`from ${b.port}`)
  })
})

describeBoth('a slot that moves between real nodes', ({ Cluster }) => {
  // Of the other implementation's run nothing may be left.
  beforeEach(async () => {
    await Promise.all(test.cluster.nodes.map(node => node.command('FLUSHALL')))
  })

  const open = (options: object = {}) => kept(new Cluster(seeds(), options))

  async function completed(slot: number, from: LocalServer, to: LocalServer): Promise<void> {
    while ((await test.cluster.migrateKeys(slot, from, to)) !== 0);
    await test.cluster.finishMigration(slot, from, to)
  }
  async function migrated(slot: number, from: LocalServer, to: LocalServer): Promise<void> {
    await test.cluster.beginMigration(slot, from, to)
    await completed(slot, from, to)
  }

  it('has its keys found where they are', async () => {
    const [slot, from, to] = [100, await test.cluster.primaryOf(100), nodeAt(1)]
    const cluster = open()
    const keys = ['a', 'b', 'c'].map(name => keyIn(slot, name))
    for (const key of keys) await cluster.set(key, key)
    await test.cluster.beginMigration(slot, from, to)
    expect(await test.cluster.migrateKeys(slot, from, to, 1)).toBe(1)
    expect(await Promise.all(keys.map(key => cluster.get(key)))).toEqual(keys)
    expect(await Promise.all(keys.map(key => cluster.append(key, '!')))).toEqual(keys.map(key => key.length + 1))
    expect(await cluster.get(keyIn(slot, 'none'))).toBeNull()
    expect(await cluster.set(keyIn(slot, 'new'), 'there')).toBe('OK')
    expect(await to.command('CLUSTER', 'COUNTKEYSINSLOT', slot)).toBe(2)
    await completed(slot, from, to)
    expect(await Promise.all(keys.map(key => cluster.get(key)))).toEqual(keys.map(key => `${key}!`))
    await eventually(() => expect(cluster.slots[slot]).toEqual([to.address]))
    await migrated(slot, to, from)
  })

  it('has commands of several keys tried again until they are together', async () => {
    const [slot, from, to] = [200, await test.cluster.primaryOf(200), nodeAt(2)]
    const cluster = open({ retryDelayOnTryAgain: 20, maxRedirections: 1000 })
    const keys = [keyIn(slot, 'a'), keyIn(slot, 'b')]
    expect(await cluster.mset(keys[0], 1, keys[1], 2)).toBe('OK')
    await test.cluster.beginMigration(slot, from, to)
    await test.cluster.migrateKeys(slot, from, to, 1)
    let settled = false
    const both = cluster.mget(keys).finally(() => {
      settled = true
    })
    expect(await cluster.get(keyIn(16_000))).toBeNull()
    expect(settled).toBe(false)
    await completed(slot, from, to)
    expect(await both).toEqual(['1', '2'])
    await migrated(slot, to, from)
  })

  it('disturbs nobody', async () => {
    const cluster = open()
    await next(cluster, 'ready')
    const moving = Array.from({ length: 10 }, (_, i) => 12_000 + i)
    const [from, to] = [await test.cluster.primaryOf(12_000), nodeAt(0)]
    const counts = new Map<string, number>()
    const callers = [...moving, 1, 8000, 16_000].map(slot => async (turn: number) => {
      const key = keyIn(slot, 'count')
      counts.set(key, turn + 1)
      expect(await cluster.incr(key)).toBe(turn + 1)
    })
    const load = startLoad(callers, 1)
    for (const slot of moving) {
      await test.cluster.beginMigration(slot, from, to)
      while ((await test.cluster.migrateKeys(slot, from, to, 1)) !== 0);
      await test.cluster.finishMigration(slot, from, to)
    }
    await load.stop()
    for (const [key, count] of counts) expect(await cluster.get(key)).toBe(String(count))
    await eventually(() => expect(cluster.slots[12_000]).toEqual([to.address]))
    for (const slot of moving) await migrated(slot, to, from)
  })

  it('has been learnt of by a Cluster that was not there', async () => {
    const [slot, from, to] = [300, await test.cluster.primaryOf(300), nodeAt(1)]
    const early = open()
    await early.set(keyIn(slot), 'moved')
    await migrated(slot, from, to)
    const late = open()
    expect(await late.get(keyIn(slot))).toBe('moved')
    expect(late.slots[slot]).toEqual([to.address])
    expect(await early.get(keyIn(slot))).toBe('moved')
    await eventually(() =>
      expect(early.slots.map((keys: string[]) => keys.join())).toEqual(late.slots.map((keys: string[]) => keys.join())),
    )
    await migrated(slot, to, from)
  })
})

describeBoth('CLUSTER SLOTS', ({ Cluster }) => {
  const open = (nodes: unknown[], options: object = {}) => kept(new Cluster(nodes, options))

  it('that is late is asked for elsewhere after slotsRefreshTimeout', async () => {
    const { a, b } = await pair(command => (asksForSlots(command) ? silence : undefined))
    const cluster = open([a.port, b.port], { slotsRefreshTimeout: 50 })
    expect(await cluster.get(high)).toBe(`from ${b.port}`)
  })

  it('that is refused is asked for elsewhere, and told', async () => {
    const { a, b } = await pair(command => (asksForSlots(command) ? '-ERR not me\r\n' : undefined))
    const cluster = open([a.port, b.port], { slotsRefreshInterval: 20 })
    const nodeErrors: [Error, string][] = []
    cluster.on('node error', (...args: [Error, string]) => nodeErrors.push(args))
    await next(cluster, 'ready')
    // Which node is asked first is left to chance.
    await eventually(() => expect(nodeErrors.length).toBeGreaterThan(0))
    expect(nodeErrors[0]).toEqual([
      expect.objectContaining({ name: 'ReplyError', message: 'ERR not me' }),
      `127.0.0.1:${a.port}`,
    ])
    expect(await cluster.get(low)).toBe(`from ${a.port}`)
  })

  it('tells of nodes that came and went', async () => {
    const { a, b, layout } = await pair()
    const cluster = open([a.port])
    await Promise.all([cluster.get(low), cluster.get(high)])
    const [left] = cluster.nodes().filter(({ options }: Untyped) => options.port === b.port)
    const events: unknown[][] = []
    for (const name of ['+node', '-node']) cluster.on(name, (...args: unknown[]) => events.push([name, ...args]))
    const third = await scripted()
    layout([
      [0, 8191, a.port],
      [8192, 16_383, third.port],
    ])
    third.layout = a.layout
    await new Promise(resolve => cluster.refreshSlotsCache(resolve))
    await eventually(() => expect(events).toHaveLength(2))
    const [came] = cluster.nodes().filter(({ options }: Untyped) => options.port === third.port)
    expect(events).toEqual([
      ['+node', came],
      ['-node', left],
    ])
    expect(cluster.nodes()).toHaveLength(2)
    await eventually(() => expect(left.status).toBe('end'))
    expect(await cluster.get(high)).toBe(`from ${third.port}`)
    await eventually(() => expect(b.open).toBe(0))
  })

  it('may leave slots out, whose commands somebody answers', async () => {
    const { a, b } = await pair(
      onGet(() => '-CLUSTERDOWN Hash slot not served\r\n'),
      onGet(() => '-CLUSTERDOWN Hash slot not served\r\n'),
    )
    a.layout = b.layout = [
      [0, 100, a.port],
      [200, 300, b.port],
    ]
    const cluster = open([a.port], { retryDelayOnClusterDown: 1, maxRedirections: 2 })
    await next(cluster, 'ready')
    expect([cluster.slots[100], cluster.slots[150], cluster.slots[200]]).toEqual([
      [`127.0.0.1:${a.port}`],
      undefined,
      [`127.0.0.1:${b.port}`],
    ])
    expect(cluster._groupsBySlot[150]).toBeUndefined()
    expect((await failureOf(cluster.get(keyIn(150)))).message).toBe(
      'Too many Cluster redirections. Last error: ReplyError: CLUSTERDOWN Hash slot not served',
    )
  })

  it('has replicas after the primary', async () => {
    const [primary, replica] = [
      await scripted(),
      await scripted(([name]) => (name === 'READONLY' ? '+OK\r\n' : undefined)),
    ]
    const entry = (server: FakeServer) => array([bulk('127.0.0.1'), `:${server.port}\r\n`, bulk(`id-${server.port}`)])
    const reply = array([array([':0\r\n', ':16383\r\n', entry(primary), entry(replica)])])
    for (const server of [primary, replica])
      server.handler = both(server.handler, command => (asksForSlots(command) ? reply : undefined))
    const cluster = open([primary.port])
    expect(await Promise.all([cluster.get(low), cluster.get(high)])).toEqual(Array(2).fill(`from ${primary.port}`))
    expect(cluster.slots[7]).toEqual([`127.0.0.1:${primary.port}`, `127.0.0.1:${replica.port}`])
    const portsOf = (role: string) => cluster.nodes(role).map(({ options }: Untyped) => options.port)
    expect([portsOf('master'), portsOf('slave')]).toEqual([[primary.port], [replica.port]])
    expect(cluster.nodes('slave')[0].options.readOnly).toBe(true)
    expect(replica.count('GET')).toBe(0)
  })
})

/** The first handler that has an answer. */
function both(second: Handler, first: Handler): Handler {
  return (command, connection) => first(command, connection) ?? second(command, connection)
}
