// Pipelines and transactions on a Cluster: what they take, what they give, and what they refuse.

import { array, bulk, type FakeServer, type Handler, moved, silence } from 'slotwise/testing'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { freePorts } from '../../scripts/local-cluster.mjs'
import { failureOf } from '../support/clients.js'
import { startScripted } from '../support/scripted.js'
import { eventually, keyIn, useCluster } from '../support/settled.js'
import { describeBoth, type Untyped } from './support/both.js'

const test = useCluster({ primaries: 3, replicasPerPrimary: 0 })
const seeds = () => test.cluster.nodes.map(({ port }) => ({ host: '127.0.0.1', port }))
/** A key of each node, and two more of the first one's slots. */
const [a, b, c] = [keyIn(1, 'p'), keyIn(8000, 'p'), keyIn(16_000, 'p')] as const
const [beside, alike] = [keyIn(2, 'p'), keyIn(1, 'q')] as const

const acrossNodes = {
  name: 'Error',
  message: 'All keys in the pipeline should belong to the same slots allocation group',
}
const acrossSlots = { name: 'Error', message: 'All the keys in a pipeline command should belong to the same slot' }
const crossSlot = { name: 'ReplyError', message: "CROSSSLOT Keys in request don't hash to the same slot" }
const aborted = 'EXECABORT Transaction discarded because of previous errors.'
const wrongType = 'WRONGTYPE Operation against a key holding the wrong kind of value'

const made: Untyped[] = []
const servers: { close(): unknown }[] = []
function kept(cluster: Untyped): Untyped {
  made.push(cluster.on('error', () => undefined))
  return cluster
}
afterEach(async () => {
  for (const one of made.splice(0)) one.disconnect()
  for (const server of servers.splice(0)) await server.close()
})

const next = (emitter: Untyped, event: string) => new Promise<Untyped>(resolve => emitter.once(event, resolve))
const calledBack = (call: (callback: (...args: unknown[]) => void) => unknown) =>
  new Promise<unknown[]>(resolve => call((...args: unknown[]) => resolve(args)))

describeBoth('a pipeline on a Cluster', ({ Cluster, deviates }) => {
  let cluster: Untyped
  const open = (options: object = {}) => kept(new Cluster(seeds(), options))

  beforeEach(async () => {
    await Promise.all(test.cluster.nodes.map(node => node.command('FLUSHALL')))
    cluster = open()
    await next(cluster, 'ready')
  })

  it('gives an entry [error, result] for each command, in their order', async () => {
    for (const key of [a, b, c]) {
      const results = await cluster.pipeline().set(key, 1).incr(key).get(key).getBuffer(key).hgetall(`${key}h`).exec()
      expect(results).toEqual([
        [null, 'OK'],
        [null, 2],
        [null, '2'],
        [null, Buffer.from('2')],
        [null, {}],
      ])
    }
  })

  it('without commands gives none', async () => {
    expect(await cluster.pipeline().exec()).toEqual([])
    expect(await cluster.pipeline([]).exec()).toEqual([])
  })

  it('may be of commands without keys', async () => {
    expect(await cluster.pipeline().ping().echo('x').cluster('KEYSLOT', 'foo').exec()).toEqual([
      [null, 'PONG'],
      [null, 'x'],
      [null, 12_182],
    ])
    expect(await cluster.pipeline().ping().set(b, 1).ping('y').exec()).toEqual([
      [null, 'PONG'],
      [null, 'OK'],
      [null, 'y'],
    ])
  })

  it('may be made of arrays, and of more of them', async () => {
    const pipeline = cluster.pipeline([
      ['set', a, 1],
      ['incr', a],
    ])
    expect(pipeline.length).toBe(2)
    expect(
      pipeline.addBatch([
        ['getBuffer', a],
        ['call', 'GET', a],
      ]),
    ).toBe(pipeline)
    expect(pipeline.get(a)).toBe(pipeline)
    expect(pipeline.length).toBe(5)
    expect(await pipeline.exec()).toEqual([
      [null, 'OK'],
      [null, 2],
      [null, Buffer.from('2')],
      [null, '2'],
      [null, '2'],
    ])
  })

  it('is sent when exec() is called, and no sooner', async () => {
    const pipeline = cluster.pipeline().set(b, 'piped')
    await cluster.set(b, 'before')
    expect(await cluster.get(b)).toBe('before')
    await pipeline.exec()
    expect(await cluster.get(b)).toBe('piped')
  })

  it('is no promise', () => {
    const pipeline = cluster.pipeline().get(a)
    expect(pipeline.then).toBeUndefined()
    expect(pipeline.isPipeline).toBe(true)
    expect(pipeline.isCluster).toBe(true)
    expect(pipeline.options).toBe(cluster.options)
  })

  it('gives the same results when exec() is called twice', async () => {
    const pipeline = cluster.pipeline().incr(a)
    expect(await pipeline.exec()).toEqual([[null, 1]])
    expect(await pipeline.exec()).toEqual([[null, 1]])
  })

  it('calls back, as a whole and for each command', async () => {
    const single: unknown[][] = []
    const note = (...args: unknown[]) => single.push(args)
    const whole = await calledBack(callback => cluster.pipeline().set(a, 'v', note).lpush(a, 1, note).exec(callback))
    expect(whole).toEqual([null, [[null, 'OK'], [expect.objectContaining({ message: wrongType })]]])
    expect(single).toEqual([[null, 'OK'], [expect.objectContaining({ message: wrongType })]])
  })

  it('has errors where they belong', async () => {
    await cluster.set(b, 'text')
    const [first, second, third] = await cluster.pipeline().lpush(b, 1).get(b).call('NOSUCH', b).exec()
    expect(first).toHaveLength(1)
    expect(first[0]).toMatchObject({
      name: 'ReplyError',
      message: wrongType,
      command: { name: 'lpush', args: [b, '1'] },
    })
    expect(second).toEqual([null, 'text'])
    expect(third[0].message).toMatch(/^ERR unknown command 'NOSUCH'/)
  })

  it('has nothing but errors where nothing else came', async () => {
    await cluster.set(b, 'text')
    const results = await cluster.pipeline().lpush(b, 1).lpush(b, 2).exec()
    expect(results).toMatchObject([[{ message: wrongType }], [{ message: wrongType }]])
    expect(results[1][0].command).toEqual({ name: 'lpush', args: [b, '2'] })
  })

  it('may be begun before the cluster is ready', async () => {
    const [early, lazy] = [open(), open({ lazyConnect: true })]
    for (const one of [early, lazy]) {
      expect(await one.pipeline().set(c, 1).incr(c).exec()).toEqual([
        [null, 'OK'],
        [null, 2],
      ])
    }
    const args = await calledBack(callback => open().pipeline().get(c).exec(callback))
    expect(args).toEqual([null, [[null, '2']]])
  })

  it('may have keys of several slots of a node', async () => {
    expect(await cluster.pipeline().set(a, 1).set(beside, 2).mget(a, alike).get(beside).exec()).toEqual([
      [null, 'OK'],
      [null, 'OK'],
      [null, ['1', null]],
      [null, '2'],
    ])
  })

  it('may have keys of several nodes only here', async () => {
    const keys = [c, a, b, beside, alike]
    const pipeline = cluster.pipeline()
    for (const [i, key] of keys.entries()) pipeline.set(key, i).incr(key)
    pipeline.ping()
    if (deviates('pipeline-across-slots')) {
      const results = keys.flatMap((_, i) => [
        [null, 'OK'],
        [null, i + 1],
      ])
      expect(await pipeline.exec()).toEqual([...results, [null, 'PONG']])
      const errors = await cluster.pipeline().lpush(a, 1).get(b).hget(c, 'f').exec()
      expect(errors).toMatchObject([[{ message: wrongType }], [null, '3'], [{ message: wrongType }]])
    } else {
      expect(await failureOf(pipeline.exec())).toMatchObject(acrossNodes)
      expect(await calledBack(callback => cluster.pipeline().get(a).get(b).exec(callback))).toMatchObject([acrossNodes])
      expect(await cluster.get(a)).toBeNull()
    }
  })

  it('may not have a command with keys of several slots', async () => {
    expect(await failureOf(cluster.pipeline().mget(a, b).exec())).toMatchObject(acrossSlots)
    expect(await failureOf(cluster.pipeline().set(a, 1).del(a, beside).exec())).toMatchObject(acrossSlots)
    expect(await calledBack(callback => cluster.pipeline().mget(a, b).exec(callback))).toMatchObject([acrossSlots])
  })

  it('has its keys prefixed', async () => {
    const prefixed = open({ keyPrefix: 'pre:' })
    await prefixed.pipeline().set('x', 1).incr('x').exec()
    expect(await cluster.get('pre:x')).toBe('2')
  })

  it('may be long', async () => {
    const pipeline = cluster.pipeline()
    for (let i = 0; i < 10_000; i++) pipeline.rpush(b, i)
    const results = await pipeline.exec()
    expect(results).toHaveLength(10_000)
    expect(results.at(-1)).toEqual([null, 10_000])
    expect(await cluster.lindex(b, 9999)).toBe('9999')
  })

  it('may have bytes in it', async () => {
    const value = Buffer.from([0xff, 0, 0xfe])
    const results = await cluster.pipeline().set(a, value).getBuffer(a).set(a, 'text').get(a).exec()
    expect(results).toEqual([
      [null, 'OK'],
      [null, value],
      [null, 'OK'],
      [null, 'text'],
    ])
  })

  it('keeps to its order among other pipelines of a node', async () => {
    const results = await Promise.all(Array.from({ length: 100 }, () => cluster.pipeline().incr(a).incr(a).exec()))
    expect(results.flat().map(([, value]: Untyped) => value)).toEqual(Array.from({ length: 200 }, (_, i) => i + 1))
  })

  it('may have a transaction in it', async () => {
    const results = await cluster.pipeline().set(a, 1).multi().incr(a).incr(a).exec().get(a).exec()
    expect(results).toEqual([
      [null, 'OK'],
      [null, 'OK'],
      [null, 'QUEUED'],
      [null, 'QUEUED'],
      [null, [2, 3]],
      [null, '3'],
    ])
  })
})

describeBoth('a transaction on a Cluster', ({ Cluster, deviates }) => {
  let cluster: Untyped
  const open = (options: object = {}) => kept(new Cluster(seeds(), options))

  beforeEach(async () => {
    await Promise.all(test.cluster.nodes.map(node => node.command('FLUSHALL')))
    cluster = open()
    await next(cluster, 'ready')
  })

  it('gives an entry [error, result] for each command', async () => {
    for (const key of [a, b, c]) {
      const results = await cluster.multi().set(key, 1).incr(key).getBuffer(key).hset(`${key}h`, { f: 1 }).ping().exec()
      expect(results).toEqual([
        [null, 'OK'],
        [null, 2],
        [null, Buffer.from('2')],
        [null, 1],
        [null, 'PONG'],
      ])
      expect(await cluster.multi().hgetall(`${key}h`).exec()).toEqual([[null, { f: '1' }]])
    }
  })

  it('without commands or without keys runs somewhere', async () => {
    expect(await cluster.multi().exec()).toEqual([])
    expect(await cluster.multi().ping().echo('x').exec()).toEqual([
      [null, 'PONG'],
      [null, 'x'],
    ])
  })

  it('may be made of arrays', async () => {
    const multi = cluster.multi([
      ['set', b, 1],
      ['incr', b],
    ])
    expect(multi.length).toBe(3)
    expect(await multi.get(b).exec()).toEqual([
      [null, 'OK'],
      [null, 2],
      [null, '2'],
    ])
  })

  it('calls back', async () => {
    expect(await calledBack(callback => cluster.multi().set(a, 1).exec(callback))).toEqual([null, [[null, 'OK']]])
    const [error, ...rest] = await calledBack(callback => cluster.multi().set(a).exec(callback))
    expect(error).toMatchObject({ name: 'ReplyError', message: aborted })
    expect(rest).toEqual([])
  })

  it('calls back for each command that it is queued', async () => {
    const single: unknown[][] = []
    await cluster
      .multi()
      .set(a, 1, (...args: unknown[]) => single.push(args))
      .exec()
    expect(single).toEqual([[null, 'QUEUED']])
  })

  it('has errors of its commands among the results', async () => {
    const [first, second, third] = await cluster.multi().set(a, 'text').lpush(a, 1).get(a).exec()
    expect([first, third]).toEqual([
      [null, 'OK'],
      [null, 'text'],
    ])
    expect(second).toHaveLength(1)
    expect(second[0]).toMatchObject({ name: 'ReplyError', message: wrongType })
  })

  it('fails as a whole for a command that is none, and says why', async () => {
    const error = (await failureOf(cluster.multi().set(b).get(b).call('NOSUCH', b).exec())) as Untyped
    expect(error).toMatchObject({ name: 'ReplyError', message: aborted, command: { name: 'exec', args: [] } })
    expect(error.previousErrors).toHaveLength(2)
    expect(error.previousErrors[0]).toMatchObject({
      name: 'ReplyError',
      message: "ERR wrong number of arguments for 'set' command",
      command: { name: 'set', args: [b] },
    })
    expect(error.previousErrors[1].message).toMatch(/^ERR unknown command 'NOSUCH'/)
    expect(await cluster.get(b)).toBeNull()
  })

  it('is carried out as a whole', async () => {
    const others = Array.from({ length: 50 }, () => cluster.incr(c))
    const results = await Promise.all(Array.from({ length: 50 }, () => cluster.multi().incr(c).incr(c).exec()))
    for (const [[, first], [, second]] of results) expect(second).toBe(first + 1)
    await Promise.all(others)
    expect(await cluster.get(c)).toBe('150')
  })

  it('may be begun before the cluster is ready', async () => {
    for (const one of [open(), open({ lazyConnect: true })]) {
      expect(await one.multi().set(c, 1).incr(c).exec()).toEqual([
        [null, 'OK'],
        [null, 2],
      ])
    }
    const args = await calledBack(callback => open().multi().get(c).exec(callback))
    expect(args).toEqual([null, [[null, '2']]])
  })

  it('has its keys prefixed', async () => {
    const prefixed = open({ keyPrefix: 'pre:' })
    expect(await prefixed.multi().set('x', 1).incr('x').exec()).toEqual([
      [null, 'OK'],
      [null, 2],
    ])
    expect(await cluster.get('pre:x')).toBe('2')
  })

  it('may not have keys of several nodes', async () => {
    expect(await failureOf(cluster.multi().set(a, 1).set(b, 1).exec())).toMatchObject(acrossNodes)
    expect(await calledBack(callback => cluster.multi().set(a, 1).set(b, 1).exec(callback))).toMatchObject([
      acrossNodes,
    ])
    expect(await Promise.all([cluster.get(a), cluster.get(b)])).toEqual([null, null])
  })

  it('may not have a command with keys of several slots', async () => {
    expect(await failureOf(cluster.multi().mget(a, b).exec())).toMatchObject(acrossSlots)
    expect(await failureOf(cluster.multi().set(a, 1).del(a, beside).exec())).toMatchObject(acrossSlots)
  })

  it('is refused by the server when its keys are in several slots of a node', async () => {
    const error = (await failureOf(cluster.multi().set(a, 1).set(beside, 2).exec())) as Untyped
    expect(error).toMatchObject({ ...crossSlot, command: { name: 'exec', args: [] } })
    expect(error.previousErrors).toEqual([])
    expect(await cluster.get(a)).toBeNull()
  })

  it('needs a connection of its own without a pipeline', async () => {
    // ioredis sends these to whatever node, and the commands after them to others.
    if (deviates('cluster-sessions')) {
      for (const call of [cluster.multi({ pipeline: false }), cluster.watch(a), cluster.unwatch(), cluster.exec()]) {
        expect(await failureOf(call)).toMatchObject({ code: 'SLOTWISE_SESSION_ONLY' })
      }
      expect(await cluster.set(a, 1)).toBe('OK')
      return
    }
    expect(await cluster.watch(a)).toBe('OK')
    expect(await cluster.unwatch()).toBe('OK')
    expect(await cluster.multi({ pipeline: false })).toBe('OK')
  })

  it('has one without a pipeline on a node', async () => {
    const node = cluster.nodes('master').find((one: Untyped) => one.options.port === test.cluster.nodes[0]?.port)
    const own = kept(node.duplicate())
    expect(await own.watch(a)).toBe('OK')
    expect(await own.multi({ pipeline: false })).toBe('OK')
    expect(await own.set(a, 1)).toBe('QUEUED')
    expect(await own.exec()).toEqual([[null, 'OK']])
    await own.watch(a)
    await cluster.set(a, 2)
    expect(await own.multi().incr(a).exec()).toBeNull()
  })
})

describeBoth('what a Cluster pipelines', ({ Cluster, deviates }) => {
  /** A scripted node; the handler goes first, and what every client asks has an answer. */
  async function scripted(handler: Handler = () => undefined): Promise<FakeServer> {
    const server = await startScripted((command, connection) => {
      const own = handler(command, connection)
      if (own !== undefined) return own
      const [name, subcommand] = command
      if (name === 'CLUSTER' && subcommand === 'INFO') return bulk('cluster_state:ok\r\n')
      return { INFO: bulk('loading:0\r\n'), GET: bulk(`from ${server.port}`), SET: '+OK\r\n' }[name as string]
    })
    server.layout = [[0, 16_383, server.port]]
    servers.push(server)
    return server
  }

  /** A node that has all slots, as it says, and one that has them. */
  async function pair(old: Handler, young: Handler): Promise<{ from: FakeServer; to: FakeServer; cluster: Untyped }> {
    const [from, to] = [await scripted(old), await scripted(young)]
    from.layout = to.layout = [
      [0, 16_382, from.port],
      [16_383, 16_383, to.port],
    ]
    const cluster = kept(new Cluster([from.port], { retryDelayOnTryAgain: 1, retryDelayOnClusterDown: 1 }))
    await next(cluster, 'ready')
    return { from, to, cluster }
  }

  it('is sent to the new node of a slot as a whole', async () => {
    const { from, to, cluster } = await pair(
      ([name]) => (name === 'GET' || name === 'SET' ? moved(1, to) : undefined),
      () => undefined,
    )
    const results = await cluster.pipeline().get(a).set(a, 1).get(alike).exec()
    expect(results).toEqual([
      [null, `from ${to.port}`],
      [null, 'OK'],
      [null, `from ${to.port}`],
    ])
    expect([from.count('GET'), from.count('SET'), to.count('GET'), to.count('SET')]).toEqual([2, 1, 2, 1])
  })

  it('is a transaction there, too', async () => {
    const { from, to, cluster } = await pair(
      ([name]) => {
        if (name === 'MULTI') return '+OK\r\n'
        if (name === 'GET') return moved(1, to)
        return name === 'EXEC' ? `-${aborted}\r\n` : undefined
      },
      ([name]) => {
        if (name === 'MULTI') return '+OK\r\n'
        if (name === 'GET') return '+QUEUED\r\n'
        return name === 'EXEC' ? array([bulk('x'), bulk('y')]) : undefined
      },
    )
    expect(await cluster.multi().get(a).getBuffer(alike).exec()).toEqual([
      [null, 'x'],
      [null, Buffer.from('y')],
    ])
    expect(from.commands.filter(([name]) => name === 'MULTI' || name === 'EXEC')).toEqual([['MULTI'], ['EXEC']])
    expect(to.commands.filter(([name]) => ['MULTI', 'GET', 'EXEC'].includes(name as string))).toEqual([
      ['MULTI'],
      ['GET', a],
      ['GET', alike],
      ['EXEC'],
    ])
  })

  it('asks the node that is getting the slot', async () => {
    let asked = false
    const { to, cluster } = await pair(
      ([name]) => (name === 'GET' ? `-ASK 1 127.0.0.1:${to.port}\r\n` : undefined),
      ([name]) => {
        const before = asked
        asked = name === 'ASKING'
        return name === 'GET' && !before ? '-ERR nobody asked\r\n' : undefined
      },
    )
    expect(await cluster.pipeline().get(a).get(alike).exec()).toEqual([
      [null, `from ${to.port}`],
      [null, `from ${to.port}`],
    ])
    expect(to.count('ASKING')).toBe(2)
  })

  it.each(['TRYAGAIN Multiple keys request during rehashing of slot', 'CLUSTERDOWN Hash slot not served'])(
    'is sent again after %s',
    async message => {
      let refusals = 4
      const { from, cluster } = await pair(
        ([name]) => (name === 'GET' && refusals-- > 0 ? `-${message}\r\n` : undefined),
        () => undefined,
      )
      expect(await cluster.pipeline().get(a).get(alike).exec()).toEqual([
        [null, `from ${from.port}`],
        [null, `from ${from.port}`],
      ])
      expect(from.count('GET')).toBe(6)
    },
  )

  it('is not sent again as a whole when some of it was carried out', async () => {
    const { from, to, cluster } = await pair(
      ([name]) => (name === 'GET' ? moved(1, to) : undefined),
      () => undefined,
    )
    const results = await cluster.pipeline().set(a, 1).get(a).exec()
    expect(results[0]).toEqual([null, 'OK'])
    expect(from.count('SET') + to.count('SET')).toBe(1)
    // In slotwise each command of a pipeline goes its own way.
    if (deviates('pipeline-across-slots')) expect(results[1]).toEqual([null, `from ${to.port}`])
    else expect(results[1]).toMatchObject([{ name: 'ReplyError', message: `MOVED 1 127.0.0.1:${to.port}` }])
  })

  it('gives up after maxRedirections', async () => {
    const server = await scripted(([name]) => (name === 'GET' ? '-TRYAGAIN not now\r\n' : undefined))
    const cluster = kept(new Cluster([server.port], { maxRedirections: 3, retryDelayOnTryAgain: 1 }))
    const results = await cluster.pipeline().get(a).exec()
    // In ioredis the error is the last reply, and not that it was too much.
    const last = { name: 'ReplyError', message: 'TRYAGAIN not now' }
    if (deviates('too-many-redirections-in-pipeline')) {
      const message = 'Too many Cluster redirections. Last error: ReplyError: TRYAGAIN not now'
      expect(results).toMatchObject([[{ name: 'Error', message, cause: last }]])
    } else expect(results).toMatchObject([[last]])
    expect(server.count('GET')).toBe(1 + 3)
  })

  it('is answered when its connection is lost before the first reply', async () => {
    let cuts = 0
    const server = await scripted(([name], connection) => {
      if (name !== 'GET' || ++cuts > 1) return undefined
      connection.cut()
      return silence
    })
    const other = await scripted()
    server.layout = other.layout = [
      [0, 16_382, server.port],
      [16_383, 16_383, other.port],
    ]
    const cluster = kept(new Cluster([server.port], { retryDelayOnFailover: 1, clusterRetryStrategy: () => 1 }))
    await next(cluster, 'ready')
    expect(await cluster.pipeline().get(a).get(alike).exec()).toEqual([
      [null, `from ${server.port}`],
      [null, `from ${server.port}`],
    ])
  })

  it('is answered when nobody knows the cluster yet, or not at all', async () => {
    const options = { clusterRetryStrategy: null, lazyConnect: true }
    const unavailable = { name: 'Error', message: 'None of startup nodes is available' }
    const dead = await freePorts(1)
    expect(await failureOf(kept(new Cluster(dead, options)).pipeline().get(a).exec())).toMatchObject(unavailable)
    expect(await failureOf(kept(new Cluster(dead, options)).multi().get(a).exec())).toMatchObject(unavailable)
    const args = await calledBack(callback => kept(new Cluster(dead, options)).pipeline().get(a).exec(callback))
    expect(args).toMatchObject([unavailable])
  })

  it('goes on through a real migration', async () => {
    const [from, to] = [await test.cluster.primaryOf(1), await test.cluster.primaryOf(16_000)]
    const cluster = kept(new Cluster(seeds()))
    await cluster.set(a, 1)
    await test.cluster.beginMigration(1, from, to)
    await test.cluster.migrateKeys(1, from, to)
    // While the slot moves the key is asked for where it went.
    expect(await cluster.pipeline().incr(a).get(a).exec()).toEqual([
      [null, 2],
      [null, '2'],
    ])
    await test.cluster.finishMigration(1, from, to)
    expect(await cluster.multi().incr(a).get(a).exec()).toEqual([
      [null, 3],
      [null, '3'],
    ])
    expect(await cluster.pipeline().incr(a).get(a).exec()).toEqual([
      [null, 4],
      [null, '4'],
    ])
    await test.cluster.beginMigration(1, to, from)
    await test.cluster.migrateKeys(1, to, from)
    await test.cluster.finishMigration(1, to, from)
    await eventually(async () => expect(await cluster.multi().get(a).exec()).toEqual([[null, '4']]))
  })
})
