// Publish and subscribe on a Cluster: counts, messages, the commands beside them, and its end.
// What comes back after a loss is in cluster-pubsub-lost.test.ts, and shard channels are in cluster-pubsub-sharded.test.ts.

import type { FakeServer } from 'slotwise/testing'
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import type { LocalServer } from '../../scripts/local-cluster.mjs'
import { failureOf } from '../support/clients.js'
import { eventually, keyIn, useCluster } from '../support/settled.js'
import { describeBoth, type Untyped } from './support/both.js'
import {
  agreed,
  drained,
  messagesTo,
  nobodySubscribed,
  published,
  scriptedPubSub,
  subscribedOn,
  subscriptionsOn,
} from './support/cluster-subscribers.js'

const test = useCluster({ primaries: 3, replicasPerPrimary: 1 })
/** The primaries: ioredis moves its subscriber, and may hear a message twice, when it finds that a node it began with is a replica. */
let seeds: { host: string; port: number }[] = []
const node = () => test.cluster.nodes[0] as LocalServer
/** A key of each primary. */
const keys = [keyIn(1, 'p'), keyIn(8000, 'p'), keyIn(16_000, 'p')] as const
const protocols = [[2], [3]] as const
const closed = { name: 'Error', message: 'Connection is closed.' }

const made: Untyped[] = []
const servers: { close(): unknown }[] = []

/** Disconnected after the test, and its errors are not for the console. */
function kept(cluster: Untyped): Untyped {
  made.push(cluster.on('error', () => undefined))
  return cluster
}

beforeAll(() => agreed(test.cluster))
beforeEach(async () => {
  seeds = (await test.cluster.primaries()).map(({ host, port }) => ({ host, port }))
})
afterEach(async () => {
  for (const cluster of made.splice(0)) cluster.disconnect()
  for (const server of servers.splice(0)) await server.close()
  await nobodySubscribed(test.cluster)
  await drained(test.cluster)
})

/** A scripted node with all the slots, closed after the test. */
async function scripted(): Promise<FakeServer> {
  const server = await scriptedPubSub()
  servers.push(server)
  return server
}

const next = (emitter: Untyped, event: string) => new Promise<Untyped>(resolve => emitter.once(event, resolve))
const called = (run: (back: (...args: unknown[]) => void) => unknown) =>
  new Promise(resolve => run((...args) => resolve(args)))

describeBoth('subscribing on a Cluster', ({ Cluster }) => {
  const open = (options: object = {}) => kept(new Cluster(seeds, options))

  it.each(protocols)('gives the number of channels and patterns, under protocol %i', async protocol => {
    const cluster = open({ redisOptions: { protocol } })
    expect(await cluster.subscribe('a')).toBe(1)
    expect(await cluster.subscribe('b', 'c')).toBe(3)
    expect(await cluster.subscribe(['d', 'e'])).toBe(5)
    expect(await cluster.psubscribe('p*')).toBe(6)
    expect(await cluster.psubscribe('q*', ['r*'])).toBe(8)
    expect(await cluster.unsubscribe('a')).toBe(7)
    expect(await cluster.unsubscribe('b', ['c', 'd'])).toBe(4)
    expect(await cluster.punsubscribe('p*')).toBe(3)
    expect(await cluster.punsubscribe('q*', 'r*')).toBe(1)
    expect(await cluster.unsubscribe('e')).toBe(0)
  })

  it.each(protocols)('to what it is subscribed to changes no number, under protocol %i', async protocol => {
    const cluster = open({ redisOptions: { protocol } })
    expect(await cluster.subscribe('a', 'a', 'a')).toBe(1)
    expect(await cluster.subscribe('a')).toBe(1)
    expect(await cluster.psubscribe('a*', 'a*')).toBe(2)
    expect(await cluster.unsubscribe('never')).toBe(2)
    expect(await cluster.punsubscribe('a', 'never*')).toBe(2)
    expect(await cluster.punsubscribe('a*', 'a*')).toBe(1)
    expect(await cluster.unsubscribe('a', 'a')).toBe(0)
    expect(await cluster.unsubscribe('a')).toBe(0)
  })

  it.each(protocols)('ends with everything of its kind at once, under protocol %i', async protocol => {
    const cluster = open({ redisOptions: { protocol } })
    expect(await cluster.unsubscribe()).toBe(0)
    expect(await cluster.punsubscribe()).toBe(0)
    await cluster.subscribe('a', 'b', 'c')
    expect(await cluster.unsubscribe()).toBe(0)
    await cluster.psubscribe('a*', 'b*')
    expect(await cluster.punsubscribe()).toBe(0)
    await nobodySubscribed(test.cluster)
    expect(await cluster.subscribe('again')).toBe(1)
  })

  it('calls back', async () => {
    const cluster = open()
    expect(await called(back => cluster.subscribe('a', back))).toEqual([null, 1])
    expect(await called(back => cluster.subscribe('b', 'c', back))).toEqual([null, 3])
    expect(await called(back => cluster.psubscribe(['p*'], back))).toEqual([null, 4])
    expect(await called(back => cluster.unsubscribe('a', back))).toEqual([null, 3])
    expect(await called(back => cluster.punsubscribe('p*', back))).toEqual([null, 2])
    expect(await called(back => cluster.unsubscribe(back))).toEqual([null, 0])
    expect(await called(back => cluster.subscribe(back))).toMatchObject([{ name: 'ReplyError' }])
  })

  it('needs a channel, and goes on without it', async () => {
    const cluster = open()
    for (const name of ['subscribe', 'psubscribe']) {
      expect(await failureOf(cluster[name]())).toMatchObject({
        name: 'ReplyError',
        message: `ERR wrong number of arguments for '${name}' command`,
        command: { name, args: [] },
      })
    }
    expect(await cluster.subscribe('a')).toBe(1)
  })

  it.each(protocols)('goes by call(), too, in any case of letters, under protocol %i', async protocol => {
    const cluster = open({ redisOptions: { protocol } })
    const messages = messagesTo(cluster)
    expect(await cluster.call('subscribe', 'a')).toBe(1)
    expect(await cluster.call('SUBSCRIBE', 'b', 'c')).toBe(3)
    await node().command('PUBLISH', 'c', 'hi')
    await eventually(() => expect(messages).toEqual([['message', 'c', 'hi']]))
    expect(await cluster.call('UNSUBSCRIBE', 'a', 'b', 'c')).toBe(0)
  })

  it('is possible in a pipeline of its own', async () => {
    const cluster = open()
    await next(cluster, 'ready')
    const messages = messagesTo(cluster)
    expect(await cluster.pipeline().subscribe('a', 'b').psubscribe('c*').exec()).toEqual([
      [null, 2],
      [null, 3],
    ])
    await node().command('PUBLISH', 'b', 'hi')
    await eventually(() => expect(messages).toEqual([['message', 'b', 'hi']]))
    expect(await cluster.unsubscribe('a', 'b')).toBe(1)
  })

  it('is possible where commands are pipelined by themselves', async () => {
    const cluster = open({ enableAutoPipelining: true })
    const messages = messagesTo(cluster)
    await next(cluster, 'ready')
    const [first, got, second, set] = await Promise.all([
      cluster.subscribe('a'),
      cluster.get('nothing there'),
      cluster.psubscribe('a*'),
      cluster.set(keys[0], 1),
    ])
    expect([first, got, second, set]).toEqual([1, null, 2, 'OK'])
    await node().command('PUBLISH', 'a', 'hi')
    await eventually(() => expect(messages).toHaveLength(2))
  })

  it('has no event of its own', async () => {
    const cluster = open()
    const heard: string[] = []
    const names = ['subscribe', 'psubscribe', 'unsubscribe', 'punsubscribe', '+subscriber', '-subscriber']
    for (const name of [...names, 'subscribersReady']) cluster.on(name, () => heard.push(name))
    await cluster.subscribe('a')
    await cluster.psubscribe('a*')
    await cluster.unsubscribe('a')
    await cluster.punsubscribe('a*')
    expect(heard).toEqual([])
  })

  it.each<[string, object, string]>([
    ['a Cluster that connects', {}, 'connecting'],
    ['a Cluster that connects, under protocol 2', { redisOptions: { protocol: 2 } }, 'connecting'],
    ['a lazy Cluster, which connects', { lazyConnect: true }, 'connecting'],
  ])('waits for %s', async (_, options, status) => {
    const cluster = open(options)
    const messages = messagesTo(cluster)
    const calls = [
      cluster.subscribe('a', 'b'),
      cluster.set(keys[0], 'v'),
      cluster.psubscribe('p*'),
      cluster.get(keys[0]),
      cluster.unsubscribe('b'),
    ]
    expect(cluster.status).toBe(status)
    expect(await Promise.all(calls)).toEqual([2, 'OK', 3, 'v', 2])
    expect(cluster.status).toBe('ready')
    await node().command('PUBLISH', 'a', 'hi')
    await eventually(() => expect(messages).toEqual([['message', 'a', 'hi']]))
  })

  it('does not wait where there is no offline queue', async () => {
    const cluster = open({ enableOfflineQueue: false })
    for (const name of ['subscribe', 'psubscribe', 'unsubscribe', 'punsubscribe']) {
      expect(await failureOf(cluster[name]('a'))).toMatchObject({
        name: 'Error',
        message: "Cluster isn't ready and enableOfflineQueue options is false",
      })
    }
    await next(cluster, 'ready')
    expect(await cluster.subscribe('a')).toBe(1)
    expect(await cluster.unsubscribe('a')).toBe(0)
  })

  it('is possible for a thousand channels, and a thousand times at once', async () => {
    const cluster = open()
    const channels = Array.from({ length: 1_000 }, (_, i) => `channel ${i}`)
    expect(await cluster.subscribe(channels)).toBe(1_000)
    const counts = await Promise.all(channels.map(channel => cluster.subscribe(`${channel} more`)))
    expect(counts).toEqual(counts.map((_, i) => 1_001 + i))
    expect(await cluster.unsubscribe()).toBe(0)
  })

  it('fails for whom the server does not let', async () => {
    for (const one of test.cluster.nodes) {
      await one.command('ACL', 'SETUSER', 'limited', 'on', '>secret', '~*', '+@all', 'resetchannels', '&mine*')
    }
    const cluster = open({ redisOptions: { username: 'limited', password: 'secret' } })
    const messages = messagesTo(cluster)
    expect(await cluster.subscribe('mine')).toBe(1)
    for (const [name, channel] of [
      ['subscribe', 'other'],
      ['psubscribe', 'o*'],
    ] as const) {
      expect(await failureOf(cluster[name](channel))).toMatchObject({
        name: 'ReplyError',
        message: expect.stringMatching(/^NOPERM /),
        command: { name, args: [channel] },
      })
    }
    expect((await failureOf(cluster.subscribe('mine too', 'other'))).message).toMatch(/^NOPERM /)
    expect((await failureOf(cluster.publish('other', 'x'))).message).toMatch(/^NOPERM /)
    await cluster.publish('mine', 'x')
    await eventually(() => expect(messages).toEqual([['message', 'mine', 'x']]))
    expect(await cluster.unsubscribe('mine')).toBe(0)
  })
})

describeBoth('messages to a Cluster', ({ Cluster }) => {
  const open = (options: object = {}) => kept(new Cluster(seeds, options))

  it.each(protocols)('come as text and as bytes, under protocol %i', async protocol => {
    const cluster = open({ redisOptions: { protocol } })
    const messages = messagesTo(cluster, true)
    await cluster.subscribe('news')
    await cluster.psubscribe('n*')
    await cluster.publish('news', 'héllo')
    await eventually(() => expect(messages).toHaveLength(4))
    const [news, hello] = [Buffer.from('news'), Buffer.from('héllo')]
    expect(messages).toEqual([
      ['message', 'news', 'héllo'],
      ['messageBuffer', news, hello],
      ['pmessage', 'n*', 'news', 'héllo'],
      // The pattern is text even here.
      ['pmessageBuffer', 'n*', news, hello],
    ])
  })

  it.each(protocols)('and channels may be any bytes, or none, under protocol %i', async protocol => {
    const cluster = open({ redisOptions: { protocol } })
    const messages = messagesTo(cluster, true)
    const [channel, payload] = [Buffer.from([0, 255, 13, 10, 128]), Buffer.from([10, 13, 0, 254])]
    expect(await cluster.subscribe(channel, 'empty')).toBe(2)
    await cluster.publish(channel, payload)
    await eventually(() => expect(messages).toHaveLength(2))
    await cluster.publish('empty', '')
    await eventually(() => expect(messages).toHaveLength(4))
    expect(messages).toEqual([
      ['message', channel.toString(), payload.toString()],
      ['messageBuffer', channel, payload],
      ['message', 'empty', ''],
      ['messageBuffer', Buffer.from('empty'), Buffer.alloc(0)],
    ])
    expect(await cluster.unsubscribe(channel)).toBe(1)
  })

  it('come from every node, once', async () => {
    const cluster = open()
    const messages = messagesTo(cluster)
    await cluster.subscribe('c')
    for (const one of test.cluster.nodes) {
      await one.command('PUBLISH', 'c', one.address)
      await eventually(() => expect(messages.at(-1)).toEqual(['message', 'c', one.address]))
    }
    expect(messages).toHaveLength(test.cluster.nodes.length)
  })

  it('come from whoever publishes, and however', async () => {
    const [cluster, other] = [open(), open()]
    const messages = messagesTo(cluster)
    await cluster.subscribe('c')
    const publish: [string, () => Promise<unknown>, unknown][] = [
      ['itself', () => cluster.publish('c', 'itself'), expect.any(Number)],
      ['another', () => other.publish('c', 'another'), expect.any(Number)],
      ['a node', () => other.nodes('slave')[0].publish('c', 'a node'), expect.any(Number)],
      ['a pipeline', () => cluster.pipeline().publish('c', 'a pipeline').exec(), [[null, expect.any(Number)]]],
      ['a transaction', () => cluster.multi().publish('c', 'a transaction').exec(), [[null, expect.any(Number)]]],
      ['a script', () => cluster.eval("return redis.call('publish', 'c', 'a script')", 0), expect.any(Number)],
    ]
    for (const [text, run, result] of publish) {
      expect(await run(), text).toEqual(result)
      await eventually(() => expect(messages.at(-1)).toEqual(['message', 'c', text]))
    }
    expect(messages).toHaveLength(publish.length)
  })

  it('come to every Cluster that is subscribed', async () => {
    const clusters = Array.from({ length: 4 }, () => open())
    const heard = clusters.map(cluster => messagesTo(cluster))
    await Promise.all(clusters.map(cluster => cluster.subscribe('c')))
    await clusters[0].publish('c', 'to all')
    for (const messages of heard) await eventually(() => expect(messages).toEqual([['message', 'c', 'to all']]))
  })

  it.each(protocols)('come in the order they were published, under protocol %i', async protocol => {
    const cluster = open({ redisOptions: { protocol } })
    const texts: string[] = []
    cluster.on('message', (_: string, text: string) => texts.push(text))
    await cluster.subscribe('c')
    const publisher = cluster.nodes('master')[0].duplicate()
    try {
      await publisher.pipeline(Array.from({ length: 500 }, (_, i) => ['publish', 'c', String(i)])).exec()
    } finally {
      publisher.disconnect()
    }
    await eventually(() => expect(texts).toHaveLength(500))
    expect(texts).toEqual(Array.from({ length: 500 }, (_, i) => String(i)))
  })

  it('may be many mebibytes', async () => {
    const cluster = open()
    const size = new Promise<number>(resolve => {
      cluster.on('messageBuffer', (_: Buffer, bytes: Buffer) => resolve(bytes.length))
    })
    await cluster.subscribe('c')
    await cluster.publish('c', Buffer.alloc(4 << 20, 'x'))
    expect(await size).toBe(4 << 20)
  })

  it.each(protocols)('do not come any more after unsubscribing, under protocol %i', async protocol => {
    const cluster = open({ redisOptions: { protocol } })
    const messages = messagesTo(cluster)
    await cluster.subscribe('a', 'b')
    await cluster.psubscribe('a*')
    await cluster.unsubscribe('a')
    await cluster.punsubscribe('a*')
    await node().command('PUBLISH', 'a', 'unheard')
    await node().command('PUBLISH', 'b', 'heard')
    await eventually(() => expect(messages).toEqual([['message', 'b', 'heard']]))
  })

  it('have no key prefix, nor do patterns', async () => {
    const cluster = open({ keyPrefix: 'p:' })
    const messages = messagesTo(cluster)
    expect(await cluster.subscribe('c', 'p:c')).toBe(2)
    expect(await cluster.psubscribe('c*')).toBe(3)
    await cluster.publish('c', 'one')
    await eventually(() =>
      expect(messages).toEqual([
        ['message', 'c', 'one'],
        ['pmessage', 'c*', 'c', 'one'],
      ]),
    )
    expect(await cluster.unsubscribe('c')).toBe(2)
  })
})

describeBoth('a Cluster that is subscribed', ({ Cluster }) => {
  const open = (options: object = {}, nodes: unknown[] = seeds) => kept(new Cluster(nodes, options))

  it.each(protocols)('takes every command, under protocol %i', async protocol => {
    const cluster = open({ redisOptions: { protocol } })
    await cluster.subscribe('c', 'd')
    await cluster.psubscribe('c*')
    expect(cluster.status).toBe('ready')
    for (const key of keys) {
      expect(await cluster.set(key, 'v')).toBe('OK')
      expect(await cluster.get(key)).toBe('v')
      expect(await cluster.pipeline().get(key).strlen(key).exec()).toEqual([
        [null, 'v'],
        [null, 1],
      ])
      expect(await cluster.multi().append(key, 'w').get(key).exec()).toEqual([
        [null, 2],
        [null, 'vw'],
      ])
      expect(await cluster.eval('return ARGV[1]', 1, key, 'x')).toBe('x')
      expect(await cluster.blpop(`${key}:none`, 0.01)).toBeNull()
    }
    // With a connection in subscriber mode this would have another shape.
    for (let i = 0; i < 10; i++) expect(await cluster.ping()).toBe('PONG')
    for (const one of cluster.nodes()) expect(await one.ping()).toBe('PONG')
    expect(await cluster.subscribe('e')).toBe(4)
  })

  it.each(protocols)('may be used in the listener of a message, under protocol %i', async protocol => {
    const cluster = open({ redisOptions: { protocol } })
    const answered = new Promise<unknown>(resolve => {
      cluster.on('message', async (channel: string, text: string) => {
        resolve([await cluster.echo(text), await cluster.unsubscribe(channel), await cluster.subscribe('other')])
      })
    })
    await cluster.subscribe('c')
    await cluster.publish('c', 'echo me')
    expect(await answered).toEqual(['echo me', 0, 1])
  })

  it('has no subscriber among its nodes', async () => {
    const cluster = open()
    await next(cluster, 'ready')
    await cluster.subscribe('c')
    expect(cluster.nodes()).toHaveLength(6)
    const own: string[] = []
    for (const one of cluster.nodes()) own.push(`${one.options.port} ${await one.client('ID')}`)
    const subscribed = (await subscribedOn(test.cluster)).map(({ node: { port }, id }) => `${port} ${id}`)
    expect(subscribed).toHaveLength(1)
    expect(own).not.toContain(subscribed[0])
    expect(cluster.nodes()).toHaveLength(6)
  })

  it('keeps its subscriber when it asks for its slots again', async () => {
    const cluster = open()
    await cluster.subscribe('c')
    const [before] = await subscribedOn(test.cluster)
    for (let i = 0; i < 3; i++) expect(await called(back => cluster.refreshSlotsCache(back))).toEqual([undefined])
    expect(await cluster.subscribe('d')).toBe(2)
    expect(await subscribedOn(test.cluster)).toMatchObject([{ id: before?.id, channels: 2 }])
  })

  it.each<[string, object, { name: string; protocol: number }]>([
    ['by default', {}, { name: 'ioredis-cluster(subscriber)', protocol: 3 }],
    ['under protocol 2', { protocol: 2 }, { name: 'ioredis-cluster(subscriber)', protocol: 2 }],
    ['with a name', { connectionName: 'mine' }, { name: 'ioredis-cluster(subscriber):mine', protocol: 3 }],
  ])('has a connection of its own for it, which says what it is, %s', async (_, redisOptions, expected) => {
    const cluster = open({ redisOptions })
    await cluster.subscribe('c', 'd')
    await cluster.psubscribe('p*')
    expect(await subscribedOn(test.cluster)).toMatchObject([
      { ...expected, channels: 2, patterns: 1, shardChannels: 0 },
    ])
  })

  it('can be duplicated, and its duplicate is subscribed to nothing', async () => {
    const cluster = open({ redisOptions: { connectionName: 'one' } })
    await cluster.subscribe('a', 'b')
    const other = kept(cluster.duplicate([], { redisOptions: { connectionName: 'other' } }))
    const [messages, others] = [messagesTo(cluster), messagesTo(other)]
    expect(await other.subscribe('c')).toBe(1)
    await node().command('PUBLISH', 'a', 'for one')
    await node().command('PUBLISH', 'c', 'for other')
    await eventually(() => expect([...messages, ...others]).toHaveLength(2))
    expect([messages, others]).toEqual([[['message', 'a', 'for one']], [['message', 'c', 'for other']]])
    other.disconnect()
    expect(await cluster.subscribe('c')).toBe(3)
  })

  it.each(protocols)('can quit, and its subscriber has gone, under protocol %i', async protocol => {
    const cluster = open({ redisOptions: { protocol } })
    await cluster.subscribe('c')
    await cluster.psubscribe('c*')
    const ended = next(cluster, 'end')
    expect(await cluster.quit()).toBe('OK')
    await ended
    await nobodySubscribed(test.cluster)
  })

  it('can disconnect, and its subscriber has gone', async () => {
    const cluster = open()
    await cluster.subscribe('c')
    const ended = next(cluster, 'end')
    cluster.disconnect()
    await ended
    await nobodySubscribed(test.cluster)
  })

  // With one node: ioredis closes once for each, and `end` would not be the last thing seen.
  it('takes no subscription after its end', async () => {
    const server = await scripted()
    const cluster = open({}, [server.port])
    await cluster.subscribe('c')
    const ended = next(cluster, 'end')
    cluster.disconnect()
    await ended
    for (const name of ['subscribe', 'psubscribe', 'unsubscribe', 'punsubscribe']) {
      expect(await failureOf(cluster[name]('c'))).toMatchObject(closed)
      expect(await called(back => cluster[name]('c', back))).toMatchObject([closed])
    }
    await eventually(() => expect(server.open).toBe(0))
  })

  it.each(['quit', 'disconnect'])('settles a subscription that is under way when it is told to %s', async name => {
    const cluster = open()
    await next(cluster, 'ready')
    const outcome = cluster.subscribe('c').then(
      (count: number) => count,
      (error: Error) => error.message,
    )
    const ending = cluster[name]()
    expect([1, 'Connection is closed.']).toContain(await outcome)
    if (name === 'quit') expect(await ending).toBe('OK')
    await nobodySubscribed(test.cluster)
  })

  it('is subscribed again when it was ended and connected anew', async () => {
    const server = await scripted()
    const cluster = open({}, [server.port])
    const messages = messagesTo(cluster)
    await cluster.subscribe('a', 'b')
    await cluster.psubscribe('p*')
    const ended = next(cluster, 'end')
    cluster.disconnect()
    await ended
    expect(server.count('SUBSCRIBE')).toBe(1)
    await cluster.connect()
    await eventually(() => expect(server.seen('SUBSCRIBE').at(1)).toEqual(['SUBSCRIBE', 'a', 'b']))
    await eventually(() => expect(server.seen('PSUBSCRIBE').at(1)).toEqual(['PSUBSCRIBE', 'p*']))
    server.sendToAll(published('a', 'again'))
    await eventually(() => expect(messages).toContainEqual(['message', 'a', 'again']))
  })

  it('is subscribed again after disconnect(true)', async () => {
    const cluster = open({ clusterRetryStrategy: () => 10 })
    const messages = messagesTo(cluster)
    await cluster.subscribe('a', 'b')
    await cluster.psubscribe('p*')
    cluster.disconnect(true)
    await next(cluster, 'ready')
    await eventually(async () => expect(await subscriptionsOn(test.cluster)).toEqual([2, 1, 0]))
    await cluster.publish('a', 'again')
    await eventually(() => expect(messages).toEqual([['message', 'a', 'again']]))
  })
})

describeBoth('subscriptions on the nodes of a Cluster', ({ Cluster }) => {
  const open = (options: object = {}) => kept(new Cluster(seeds, options))

  it('tell those nodes, and not the Cluster', async () => {
    const cluster = open()
    await next(cluster, 'ready')
    const [one] = cluster.nodes('master')
    const [own, others] = [messagesTo(one), messagesTo(cluster)]
    expect(await one.subscribe('c')).toBe(1)
    expect(await one.psubscribe('c*')).toBe(2)
    expect(await cluster.subscribe('d')).toBe(1)
    await node().command('PUBLISH', 'c', 'to the node')
    await node().command('PUBLISH', 'd', 'to the Cluster')
    await eventually(() => expect([...own, ...others]).toHaveLength(3))
    expect(own).toEqual([
      ['message', 'c', 'to the node'],
      ['pmessage', 'c*', 'c', 'to the node'],
    ])
    expect(others).toEqual([['message', 'd', 'to the Cluster']])
    for (const key of keys) expect(await cluster.set(key, 'v')).toBe('OK')
    expect(await one.unsubscribe('c')).toBe(1)
  })

  it.each<[string, (one: Untyped) => Untyped]>([
    ['each of its primaries', one => one],
    ['a duplicate of each', one => kept(one.duplicate())],
    ['a duplicate of each under protocol 2', one => kept(one.duplicate({ protocol: 2 }))],
  ])('tell of its keys when there is one on %s', async (_, listener) => {
    for (const one of test.cluster.nodes) await one.command('CONFIG', 'SET', 'notify-keyspace-events', 'KEA')
    try {
      const cluster = open()
      await next(cluster, 'ready')
      const heard: string[] = []
      for (const one of cluster.nodes('master')) {
        const redis = listener(one)
        redis.on('pmessage', (_pattern: string, channel: string, key: string) => heard.push(`${channel} ${key}`))
        expect(await redis.psubscribe('__keyevent@0__:set')).toBe(1)
      }
      for (const key of keys) await cluster.set(key, 'v')
      await eventually(() => expect(heard).toHaveLength(3))
      expect(heard.sort()).toEqual(keys.map(key => `__keyevent@0__:set ${key}`).sort())
    } finally {
      for (const one of test.cluster.nodes) await one.command('CONFIG', 'SET', 'notify-keyspace-events', '')
    }
  })
})
