// The nodes of a Cluster as Redis objects, the slots as it tells of them, and what else is used from without.

import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { LocalServer } from '../../scripts/local-cluster.mjs'
import { failureOf } from '../support/clients.js'
import { eventually, keyIn, useCluster } from '../support/settled.js'
import { describeBoth, type Untyped } from './support/both.js'

const test = useCluster({ primaries: 3, replicasPerPrimary: 1 })
const seeds = () => test.cluster.nodes.map(({ port }) => ({ host: '127.0.0.1', port }))
/** A key of each primary. */
const keys = [keyIn(1, 'n'), keyIn(8000, 'n'), keyIn(16_000, 'n')] as const

/** Every node names a primary and its replica for each slot, and the replicas follow. */
const agreed = () =>
  eventually(
    async () => {
      for (const node of test.cluster.nodes) {
        const shards = (await node.command('CLUSTER', 'SLOTS')) as unknown[][]
        expect(shards.map(shard => shard.length)).toEqual([4, 4, 4])
        const [role, , , link] = (await node.command('ROLE')) as string[]
        if (role === 'slave') expect(link).toBe('connected')
      }
      expect(await test.cluster.isOk()).toBe(true)
    },
    20_000,
    50,
  )
beforeAll(agreed)

const made: Untyped[] = []
function kept(one: Untyped): Untyped {
  made.push(one.on('error', () => undefined))
  return one
}
afterEach(() => {
  for (const one of made.splice(0)) one.disconnect()
})

const next = (emitter: Untyped, event: string) => new Promise<Untyped>(resolve => emitter.once(event, resolve))
const portsOf = (nodes: Untyped[]) => nodes.map(({ options }) => options.port as number).sort()
const portsWith = (servers: { port: number }[]) => servers.map(({ port }) => port).sort()

describeBoth('the nodes of a Cluster', ({ Redis, Cluster, module }) => {
  const open = (options: object = {}) => kept(new Cluster(seeds(), options))
  let cluster: Untyped
  const nodeOf = (port: number) => cluster.nodes().find(({ options }: Untyped) => options.port === port)
  const primaryOf = async (slot: number) => nodeOf((await test.cluster.primaryOf(slot)).port)

  beforeEach(async () => {
    await Promise.all((await test.cluster.primaries()).map(node => node.command('FLUSHALL')))
    cluster = open()
    await next(cluster, 'ready')
  })

  it('are all of them, the primaries, or the replicas', async () => {
    const [primaries, replicas] = [await test.cluster.primaries(), await test.cluster.replicas()]
    expect(portsOf(cluster.nodes())).toEqual(portsWith(test.cluster.nodes))
    expect(portsOf(cluster.nodes('all'))).toEqual(portsWith(test.cluster.nodes))
    expect(portsOf(cluster.nodes('master'))).toEqual(portsWith(primaries))
    expect(portsOf(cluster.nodes('slave'))).toEqual(portsWith(replicas))
  })

  it.each(['none', 'MASTER', '', 'replica', null, 1])('are not those of role %j', role => {
    expect(() => cluster.nodes(role)).toThrow(new Error(`Invalid role "${role}". Expected "all", "master" or "slave"`))
  })

  it('are none before it has connected, and none after its end', async () => {
    const lazy = open({ lazyConnect: true })
    expect([lazy.nodes(), lazy.nodes('master'), lazy.nodes('slave')]).toEqual([[], [], []])
    await lazy.connect()
    expect(lazy.nodes()).toHaveLength(6)
    lazy.disconnect()
    await next(lazy, 'end')
    expect([lazy.nodes(), lazy.nodes('master')]).toEqual([[], []])
  })

  it('are the same objects each time, in an array of their own', () => {
    const [first, second] = [cluster.nodes(), cluster.nodes()]
    expect(first).not.toBe(second)
    expect(first).toHaveLength(6)
    for (const node of first) expect(second).toContain(node)
    for (const node of cluster.nodes('master')) expect(first).toContain(node)
    first.length = 0
    expect(cluster.nodes()).toHaveLength(6)
  })

  it('are what +node told of', async () => {
    const other = open({ lazyConnect: true })
    const told: Untyped[][] = []
    other.on('+node', (...args: Untyped[]) => told.push(args))
    await other.connect()
    await eventually(() => expect(portsOf(told.map(([node]) => node))).toEqual(portsWith(test.cluster.nodes)))
    for (const args of told) {
      expect(args).toHaveLength(1)
      expect(args[0]).toBeInstanceOf(Redis)
      expect(other.nodes()).toContain(args[0])
    }
  })

  it('are told of once more when they have gone', async () => {
    const nodes = cluster.nodes()
    const told: Untyped[][] = []
    cluster.on('-node', (...args: Untyped[]) => told.push(args))
    cluster.disconnect()
    await eventually(() => expect(told).toHaveLength(6))
    for (const args of told) {
      expect(args).toHaveLength(1)
      expect(nodes).toContain(args[0])
      expect(args[0].status).toBe('end')
    }
  })

  describe('are each a Redis', () => {
    it('of its class, with its address and role', () => {
      for (const node of cluster.nodes('master')) {
        expect(node).toBeInstanceOf(Redis)
        expect(node.isCluster).toBe(false)
        expect(node.options).toMatchObject({ host: '127.0.0.1', port: expect.any(Number), readOnly: false })
      }
      for (const node of cluster.nodes('slave'))
        expect(node.options).toMatchObject({ host: '127.0.0.1', readOnly: true })
    })

    it('that is ready when it was used', async () => {
      for (const node of cluster.nodes()) {
        expect(await node.ping()).toBe('PONG')
        expect(node.status).toBe('ready')
      }
    })

    it('that reads and writes what it holds', async () => {
      for (const [i, slot] of [1, 8000, 16_000].entries()) {
        const [node, key] = [await primaryOf(slot), keys[i] as string]
        expect(await node.set(key, 'own')).toBe('OK')
        expect(await cluster.get(key)).toBe('own')
        expect(await node.getBuffer(key)).toEqual(Buffer.from('own'))
        expect(await node.call('GET', key)).toBe('own')
        expect(await new Promise(resolve => node.get(key, (...args: unknown[]) => resolve(args)))).toEqual([
          null,
          'own',
        ])
        expect(await node.hset(`${key}h`, { f: 1 })).toBe(1)
        expect(await node.hgetall(`${key}h`)).toEqual({ f: '1' })
        expect(await node.pipeline().incr(`${key}i`).get(`${key}i`).exec()).toEqual([
          [null, 1],
          [null, '1'],
        ])
        expect(await node.multi().incr(`${key}i`).get(`${key}i`).exec()).toEqual([
          [null, 2],
          [null, '2'],
        ])
        expect(await node.eval('return {KEYS[1], ARGV[1]}', 1, key, 'x')).toEqual([key, 'x'])
      }
    })

    it('that tells of itself alone', async () => {
      for (const node of cluster.nodes('master')) {
        expect(await node.info('server')).toContain(`tcp_port:${node.options.port}\r\n`)
        expect(await node.config('GET', 'port')).toEqual(['port', String(node.options.port)])
        expect((await node.role())[0]).toBe('master')
        expect(await node.cluster('MYID')).toMatch(/^[0-9a-f]{40}$/)
        expect(await node.client('ID')).toEqual(expect.any(Number))
        expect(await node.time()).toHaveLength(2)
      }
      for (const node of cluster.nodes('slave')) {
        expect(await node.info('replication')).toContain('role:slave')
        expect((await node.role())[0]).toBe('slave')
      }
    })

    it('over whose keys one can go', async () => {
      await Promise.all(Array.from({ length: 200 }, (_, i) => cluster.set(`k:${i}`, i)))
      let found: string[] = []
      let counted = 0
      for (const node of cluster.nodes('master')) {
        const own: string[] = []
        for await (const batch of node.scanStream({ match: 'k:*', count: 20 })) own.push(...batch)
        expect(await node.keys('*')).toHaveLength(own.length)
        expect(await node.dbsize()).toBe(own.length)
        found = [...found, ...own]
        counted += own.length
      }
      expect([counted, new Set(found).size]).toEqual([200, 200])
      const flushed = await Promise.all(cluster.nodes('master').map((node: Untyped) => node.flushall()))
      expect(flushed).toEqual(['OK', 'OK', 'OK'])
      expect(await Promise.all(cluster.nodes('master').map((node: Untyped) => node.dbsize()))).toEqual([0, 0, 0])
    })

    it('that has scripts of its own', async () => {
      const node = await primaryOf(8000)
      node.defineCommand('echoed', { lua: 'return {KEYS[1], ARGV[1]}', numberOfKeys: 1 })
      expect(await node.echoed(keys[1], 'a')).toEqual([keys[1], 'a'])
      expect(cluster.echoed).toBeUndefined()
    })

    it('that follows no redirect', async () => {
      const node = await primaryOf(1)
      const error = await failureOf(node.get(keys[1]))
      expect(error).toBeInstanceOf(module.ReplyError)
      expect(error.message).toMatch(/^MOVED 8000 127\.0\.0\.1:\d+$/)
      const [[inPipeline]] = await node.pipeline().set(keys[2], 1).exec()
      expect(inPipeline.message).toMatch(/^MOVED 16000 /)
    })

    it('that reads from a replica, and does not write to it', async () => {
      await cluster.set(keys[0], 'copied')
      const owner = await test.cluster.primaryOf(1)
      const replicas: Untyped[] = []
      for (const node of cluster.nodes('slave')) if ((await node.role())[2] === owner.port) replicas.push(node)
      expect(replicas).toHaveLength(1)
      await eventually(async () => expect(await replicas[0].get(keys[0])).toBe('copied'))
      expect((await failureOf(replicas[0].set(keys[0], 'no'))).message).toBe(`MOVED 1 127.0.0.1:${owner.port}`)
    })

    it('that can be duplicated', async () => {
      const node = await primaryOf(16_000)
      const other = kept(node.duplicate())
      expect(other.options).toMatchObject({ host: '127.0.0.1', port: node.options.port })
      expect(await other.set(keys[2], 'duplicate')).toBe('OK')
      expect(await cluster.get(keys[2])).toBe('duplicate')
      expect(await other.client('ID')).not.toBe(await node.client('ID'))
      expect(cluster.nodes()).toHaveLength(6)
    })

    it('with what redisOptions say', async () => {
      const other = open({ redisOptions: { connectionName: 'named', keyPrefix: '{p}' } })
      await next(other, 'ready')
      for (const node of other.nodes()) expect(await node.client('GETNAME')).toBe('named')
      await other.set('k', 'v')
      const found = await Promise.all(other.nodes('master').map((node: Untyped) => node.get('k').catch(() => null)))
      expect(found.filter(value => value !== null)).toEqual(['v'])
    })
  })
})

describeBoth('the slots of a Cluster', ({ Cluster }) => {
  const open = (options: object = {}) => kept(new Cluster(seeds(), options))

  it('are the addresses of those who serve each of them, the primary first', async () => {
    const cluster = open()
    await next(cluster, 'ready')
    expect(cluster.slots).toHaveLength(16_384)
    const shards = (await test.cluster.nodes[0]?.command('CLUSTER', 'SLOTS')) as Untyped[]
    for (const [from, to, ...nodes] of shards) {
      const addresses = nodes.map(([host, port]: [string, number]) => `${host}:${port}`)
      for (const slot of [from, from + 1, to]) expect(cluster.slots[slot]).toEqual(addresses)
    }
    for (const slot of [0, 8191, 16_383]) {
      expect(cluster.slots[slot][0]).toBe((await test.cluster.primaryOf(slot)).address)
      expect(cluster.slots[slot]).toHaveLength(2)
    }
  })

  it('are unknown before it has connected', () => {
    const cluster = open({ lazyConnect: true })
    expect(cluster.slots).toEqual([])
    expect(Object.keys(cluster._groupsIds)).toEqual([])
  })

  it('are in groups of those whom the same nodes serve', async () => {
    const cluster = open()
    await next(cluster, 'ready')
    expect(cluster._groupsBySlot).toHaveLength(16_384)
    expect(Object.keys(cluster._groupsIds).sort()).toEqual(
      [...new Set(cluster.slots.map((nodes: string[]) => nodes.join(';')))].sort(),
    )
    expect((Object.values(cluster._groupsIds) as number[]).sort()).toEqual([1, 2, 3])
    for (let slot = 0; slot < 16_384; slot += 100) {
      expect(cluster._groupsBySlot[slot]).toBe(cluster._groupsIds[cluster.slots[slot].join(';')])
    }
    expect([cluster._groupsBySlot[0], cluster._groupsBySlot[8000], cluster._groupsBySlot[16_000]]).toEqual([1, 2, 3])
  })
})

describeBoth('sendCommand() of a Cluster', ({ Cluster, module }) => {
  let cluster: Untyped
  beforeEach(async () => {
    cluster = kept(new Cluster(seeds()))
    await next(cluster, 'ready')
  })
  const command = (name: string, ...args: unknown[]) => new module.Command(name, args, { replyEncoding: 'utf8' })
  const portOf = async (call: Promise<string[]>) => Number((await call)[1])

  it('sends to the node of its key', async () => {
    for (const key of keys) {
      expect(await cluster.sendCommand(command('set', key, key))).toBe('OK')
      const get = command('get', key)
      expect(cluster.sendCommand(get)).toBe(get.promise)
      expect(await get.promise).toBe(key)
    }
  })

  it('sends to the node that it is given', async () => {
    for (const redis of cluster.nodes('master')) {
      const call = cluster.sendCommand(command('config', 'GET', 'port'), undefined, { slot: 1, redis })
      expect(await portOf(call)).toBe(redis.options.port)
    }
  })

  it('sends to the node of the slot that it is given, and says which one that was', async () => {
    for (const slot of [1, 8000, 16_000]) {
      const node: Untyped = { slot }
      const { port } = await test.cluster.primaryOf(slot)
      expect(await portOf(cluster.sendCommand(command('config', 'GET', 'port'), undefined, node))).toBe(port)
      expect(node.redis.options.port).toBe(port)
    }
  })

  it('follows no redirect from a node that it was given', async () => {
    const error = await failureOf(cluster.sendCommand(command('get', keys[1]), undefined, { slot: 1 }))
    expect(error.message).toMatch(/^MOVED 8000 127\.0\.0\.1:\d+$/)
  })

  it('calls the callback of the command', async () => {
    await cluster.set(keys[0], 'v')
    const args = await new Promise(resolve =>
      cluster.sendCommand(
        new module.Command('get', [keys[0]], { replyEncoding: 'utf8' }, (...got: unknown[]) => resolve(got)),
      ),
    )
    expect(args).toEqual([null, 'v'])
  })

  it('may be replaced, as tracing does', async () => {
    const seen: string[] = []
    const original = cluster.sendCommand
    cluster.sendCommand = function (this: Untyped, sent: Untyped, ...rest: unknown[]) {
      seen.push(sent.name)
      return original.call(this, sent, ...rest)
    }
    await cluster.set(keys[0], 'v')
    await cluster.get(keys[0])
    await cluster.pipeline().get(keys[0]).exec()
    expect(seen).toEqual(['set', 'get', 'get'])
  })
})

describeBoth('handleError() of a Cluster', ({ Cluster }) => {
  const names = ['moved', 'ask', 'tryagain', 'clusterDown', 'connectionClosed', 'maxRedirections', 'defaults'] as const

  /** The handlers that were called, with their arguments. */
  function handled(cluster: Untyped, message: string, ttl: { value?: number } = {}): unknown[][] {
    const calls: unknown[][] = []
    const handlers = Object.fromEntries(names.map(name => [name, (...args: unknown[]) => calls.push([name, ...args])]))
    cluster.handleError(new Error(message), ttl, handlers)
    return calls
  }

  it('knows what an error asks for', async () => {
    const cluster = kept(
      new Cluster(seeds(), { retryDelayOnTryAgain: 1, retryDelayOnClusterDown: 1, retryDelayOnFailover: 1 }),
    )
    await next(cluster, 'ready')
    expect(handled(cluster, 'MOVED 3999 127.0.0.1:6381')).toEqual([['moved', 3999, '127.0.0.1:6381']])
    expect(handled(cluster, 'ASK 3999 127.0.0.1:6381')).toEqual([['ask', '3999', '127.0.0.1:6381']])
    for (const message of ['MOVED x a:1', 'MOVED 16384 a:1', 'MOVED -1 a:1', 'MOVED __proto__ a:1', 'ERR no', '']) {
      expect(handled(cluster, message)).toEqual([['defaults']])
    }
    const late: [string, string][] = [
      ['TRYAGAIN later', 'tryagain'],
      ['CLUSTERDOWN Hash slot not served', 'connectionClosed'],
      ['Connection is closed.', 'connectionClosed'],
    ]
    for (const [message, name] of late) {
      const calls = handled(cluster, message)
      await eventually(() => expect(calls).toEqual([[name]]))
    }
  })

  it('counts down', () => {
    const cluster = kept(new Cluster(seeds(), { lazyConnect: true, maxRedirections: 2 }))
    const ttl: { value?: number } = {}
    expect(handled(cluster, 'MOVED 1 a:1', ttl)).toEqual([['moved', 1, 'a:1']])
    expect(ttl).toEqual({ value: 2 })
    expect(handled(cluster, 'ERR no', ttl)).toEqual([['defaults']])
    expect(ttl).toEqual({ value: 1 })
    const [call] = handled(cluster, 'MOVED 1 a:1', ttl) as [[string, Error]]
    expect(call[0]).toBe('maxRedirections')
    expect(call[1]).toMatchObject({
      name: 'Error',
      message: 'Too many Cluster redirections. Last error: Error: MOVED 1 a:1',
    })
  })

  it('takes a lost connection for the end where the cluster is not ready', () => {
    const cluster = kept(new Cluster(seeds(), { lazyConnect: true }))
    expect(handled(cluster, 'Connection is closed.')).toEqual([['defaults']])
  })
})

describeBoth('a Cluster whose nodes change', ({ Cluster }) => {
  const open = (options: object = {}) => kept(new Cluster(seeds(), options))

  it('sees a failover', async () => {
    const cluster = open({ slotsRefreshInterval: 100 })
    await next(cluster, 'ready')
    await Promise.all(keys.map(key => cluster.set(key, 'before')))
    const [replica] = (await test.cluster.replicas()) as [LocalServer]
    await test.cluster.failover(replica)
    await agreed()
    const [primaries, replicas] = [await test.cluster.primaries(), await test.cluster.replicas()]
    await eventually(() => {
      expect(portsOf(cluster.nodes('master'))).toEqual(portsWith(primaries))
      expect(portsOf(cluster.nodes('slave'))).toEqual(portsWith(replicas))
    })
    expect(portsWith(primaries)).toContain(replica.port)
    const node = cluster.nodes('master').find(({ options }: Untyped) => options.port === replica.port)
    expect(node.options.readOnly).toBe(false)
    expect(new Set(await Promise.all(keys.map(key => cluster.set(key, 'after'))))).toEqual(new Set(['OK']))
    expect(await Promise.all(keys.map(key => cluster.get(key)))).toEqual(['after', 'after', 'after'])
    expect(cluster.slots.some((nodes: string[]) => nodes[0] === replica.address)).toBe(true)
  })

  it('sees a node that joins it, and one that leaves', { timeout: 60_000 }, async () => {
    const [slot, server] = [5, await LocalServer.start({ cluster: { nodeTimeoutMs: 1000 } })]
    const from = await test.cluster.primaryOf(slot)
    const knows = async (asked: LocalServer, count: number) => {
      const lines = ((await asked.command('CLUSTER', 'NODES')) as string).trim().split('\n')
      expect(lines.filter(line => !line.includes('handshake') && !line.includes('fail'))).toHaveLength(count)
    }
    const agree = (owner: LocalServer) =>
      eventually(async () => {
        for (const node of [...test.cluster.nodes, server]) {
          const slots = (await node.command('CLUSTER', 'SLOTS')) as [number, number, [string, number]][]
          expect(slots.find(([first, last]) => first <= slot && slot <= last)?.[2][1]).toBe(owner.port)
        }
      }, 20_000)
    try {
      await server.command('CLUSTER', 'MEET', from.host, from.port, from.busPort)
      await eventually(async () => {
        for (const node of [...test.cluster.nodes, server]) await knows(node, 7)
        expect(await server.command('CLUSTER', 'INFO')).toContain('cluster_state:ok')
      }, 20_000)
      const cluster = open({ slotsRefreshInterval: 100 })
      await next(cluster, 'ready')
      await cluster.set(keyIn(slot), 'moved')
      const events: unknown[][] = []
      for (const name of ['+node', '-node'])
        cluster.on(name, ({ options }: Untyped) => events.push([name, options.port]))

      await test.cluster.beginMigration(slot, from, server)
      await test.cluster.migrateKeys(slot, from, server)
      await test.cluster.finishMigration(slot, from, server)
      expect(await cluster.get(keyIn(slot))).toBe('moved')
      await agree(server)
      await eventually(() => expect(portsOf(cluster.nodes('master'))).toContain(server.port))
      expect(events).toEqual([['+node', server.port]])
      expect(cluster.slots[slot]).toEqual([server.address])

      await test.cluster.beginMigration(slot, server, from)
      await test.cluster.migrateKeys(slot, server, from)
      await test.cluster.finishMigration(slot, server, from)
      await agree(from)
      await eventually(
        () =>
          expect(events).toEqual([
            ['+node', server.port],
            ['-node', server.port],
          ]),
        10_000,
      )
      expect(portsOf(cluster.nodes())).toEqual(portsWith(test.cluster.nodes))
      expect(await cluster.get(keyIn(slot))).toBe('moved')
    } finally {
      const id = await server.command('CLUSTER', 'MYID')
      for (const node of test.cluster.nodes) await node.command('CLUSTER', 'FORGET', String(id)).catch(() => undefined)
      await server.stop()
    }
  })

  it.each<[string, unknown]>([
    ['slave', 'slave'],
    ['all', 'all'],
    ['a function', (nodes: Untyped[]) => nodes[0]],
  ])('reads what was written with scaleReads: %s', async (_, scaleReads) => {
    const cluster = open({ scaleReads })
    for (const key of keys) {
      expect(await cluster.set(key, 'scaled')).toBe('OK')
      await eventually(async () => expect(await cluster.get(key)).toBe('scaled'))
    }
  })
})
