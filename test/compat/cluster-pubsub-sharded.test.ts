// Shard channels on a Cluster with `shardedSubscribers: true`: each is subscribed to at the primary of its slot, wherever that goes.

import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import type { LocalServer } from '../../scripts/local-cluster.mjs'
import { failureOf } from '../support/clients.js'
import { eventually, keyIn, useCluster } from '../support/settled.js'
import { describeBoth, type Untyped } from './support/both.js'
import {
  agreed,
  cutSubscribers,
  drained,
  messagesTo,
  nobodySubscribed,
  subscribedOn,
  subscriptionsOn,
} from './support/cluster-subscribers.js'

const test = useCluster({ primaries: 3, replicasPerPrimary: 1 })
/** The primaries; cluster-pubsub.test.ts says why. */
let seeds: { host: string; port: number }[] = []
const slots = [1, 8000, 16_000] as const
/** A shard channel, and a key, of each primary. */
const channels = slots.map(slot => keyIn(slot, 'channel'))
const [one, two, three] = channels as [string, string, string]
const protocols = [[2], [3]] as const
const closed = { name: 'Error', message: 'Connection is closed.' }

const made: Untyped[] = []
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
  await nobodySubscribed(test.cluster)
  await drained(test.cluster)
})

const next = (emitter: Untyped, event: string) => new Promise<Untyped>(resolve => emitter.once(event, resolve))
const called = (run: (back: (...args: unknown[]) => void) => unknown) =>
  new Promise(resolve => run((...args) => resolve(args)))
/** Says it at the primary of the channel; returns how many have heard. */
async function say(slot: number, text: string, channel = keyIn(slot, 'channel')): Promise<unknown> {
  return (await test.cluster.primaryOf(slot)).command('SPUBLISH', channel, text)
}

describeBoth('subscribing to shard channels on a Cluster', ({ Cluster, deviates }) => {
  const open = (options: object = {}) => kept(new Cluster(seeds, { shardedSubscribers: true, ...options }))

  it.each(protocols)('gives the number of those on a node, under protocol %i', async protocol => {
    const cluster = open({ redisOptions: { protocol } })
    expect(await cluster.ssubscribe('{a}1')).toBe(1)
    expect(await cluster.ssubscribe('{a}2', '{a}3')).toBe(3)
    expect(await cluster.ssubscribe(['{a}4', '{a}5'])).toBe(5)
    expect(await cluster.sunsubscribe('{a}1')).toBe(4)
    expect(await cluster.sunsubscribe(['{a}2', '{a}3'], '{a}4')).toBe(1)
    expect(await cluster.sunsubscribe('{a}5')).toBe(0)
    for (const channel of channels) expect(await cluster.ssubscribe(channel)).toBe(1)
    for (const channel of channels) expect(await cluster.sunsubscribe(channel)).toBe(0)
  })

  it.each(protocols)('to what it is subscribed to changes no number, under protocol %i', async protocol => {
    const cluster = open({ redisOptions: { protocol } })
    expect(await cluster.sunsubscribe(one)).toBe(0)
    expect(await cluster.ssubscribe(one, one, one)).toBe(1)
    expect(await cluster.ssubscribe(one)).toBe(1)
    expect(await cluster.sunsubscribe(keyIn(slots[0], 'never'))).toBe(1)
    expect(await cluster.sunsubscribe(one, one)).toBe(0)
    expect(await cluster.sunsubscribe(one)).toBe(0)
  })

  it('counts them for themselves', async () => {
    const cluster = open()
    expect(await cluster.subscribe('a', 'b')).toBe(2)
    expect(await cluster.ssubscribe(one)).toBe(1)
    expect(await cluster.psubscribe('p*')).toBe(3)
    expect(await cluster.sunsubscribe(one)).toBe(0)
    expect(await cluster.unsubscribe('a')).toBe(2)
  })

  it('calls back', async () => {
    const cluster = open()
    const beside = keyIn(slots[0], 'beside')
    expect(await called(back => cluster.ssubscribe(one, back))).toEqual([null, 1])
    expect(await called(back => cluster.ssubscribe([one, beside], back))).toEqual([null, 2])
    expect(await called(back => cluster.sunsubscribe(one, beside, back))).toEqual([null, 0])
  })

  it('settles without shardedSubscribers, and everything else goes on', async () => {
    const cluster = open({ shardedSubscribers: false })
    const told: string[] = []
    for (const name of ['+subscriber', '-subscriber', 'subscribersReady']) cluster.on(name, () => told.push(name))
    // ioredis succeeds if its subscriber is at the right primary by chance, and does not tell of the messages.
    for (const channel of channels) {
      const outcome = await cluster.ssubscribe(channel).catch((error: Error) => error)
      expect(outcome instanceof Error || outcome === 1).toBe(true)
    }
    expect(await cluster.subscribe('a')).toBe(1)
    expect(await cluster.set(keyIn(slots[0], 'key'), 'v')).toBe('OK')
    expect(told).toEqual([])
  })

  it('goes by call(), too', async () => {
    const cluster = open()
    const messages = messagesTo(cluster)
    expect(await cluster.call('ssubscribe', two)).toBe(1)
    expect(await say(slots[1], 'hi')).toBe(1)
    await eventually(() => expect(messages).toEqual([['smessage', two, 'hi']]))
    expect(await cluster.call('sunsubscribe', two)).toBe(0)
  })

  it.each<[string, string[]]>([
    ['of several nodes', [one, two, three]],
    ['of several slots of a node', [keyIn(1, 'channel'), keyIn(2, 'channel')]],
  ])('takes no channels %s at once', async (_, several) => {
    const cluster = open()
    const refused = {
      name: 'AbortError',
      message: 'Possible CROSSSLOT error: All channels must hash to the same slot',
    }
    expect(await failureOf(cluster.ssubscribe(...several))).toMatchObject(refused)
    expect(await failureOf(cluster.ssubscribe(several))).toMatchObject(refused)
    expect(await failureOf(cluster.sunsubscribe(...several))).toMatchObject(refused)
    expect(await called(back => cluster.ssubscribe(...several, back))).toMatchObject([refused])
    expect(await subscriptionsOn(test.cluster)).toEqual([0, 0, 0])
    expect(await cluster.ssubscribe(one)).toBe(1)
  })

  it('needs a channel', async () => {
    const cluster = open()
    await next(cluster, 'ready')
    // ioredis throws instead of rejecting.
    expect(await failureOf((async () => cluster.ssubscribe())())).toBeInstanceOf(Error)
    expect(await cluster.ssubscribe(one)).toBe(1)
  })

  it.each<[string, object]>([
    ['a Cluster that connects', {}],
    ['a Cluster that connects, under protocol 2', { redisOptions: { protocol: 2 } }],
    ['a lazy Cluster, which connects', { lazyConnect: true }],
  ])('waits for %s', async (_, options) => {
    const cluster = open(options)
    const messages = messagesTo(cluster)
    const calls = [...channels.map(channel => cluster.ssubscribe(channel)), cluster.subscribe('plain')]
    expect(cluster.status).toBe('connecting')
    expect(await Promise.all(calls)).toEqual([1, 1, 1, 1])
    for (const slot of slots) expect(await say(slot, 'hi')).toBe(1)
    await eventually(() => expect(messages).toHaveLength(3))
  })

  it('does not wait where there is no offline queue', async () => {
    const cluster = open({ enableOfflineQueue: false })
    expect(await failureOf(cluster.ssubscribe(one))).toMatchObject({
      name: 'Error',
      message: "Cluster isn't ready and enableOfflineQueue options is false",
    })
    await next(cluster, 'ready')
    expect(await cluster.ssubscribe(one)).toBe(1)
  })

  it('happens at the primary of each, and only there', async () => {
    const cluster = open({ redisOptions: { connectionName: 'mine' } })
    for (const channel of channels) await cluster.ssubscribe(channel)
    await cluster.ssubscribe(keyIn(slots[0], 'beside'))
    for (const [i, slot] of slots.entries()) {
      const primary = await test.cluster.primaryOf(slot)
      const own = (await subscribedOn(test.cluster)).filter(({ node }) => node === primary)
      expect(own).toMatchObject([
        {
          shardChannels: i === 0 ? 2 : 1,
          channels: 0,
          name: deviates('one-subscriber-a-node')
            ? 'ioredis-cluster(subscriber):mine'
            : 'ioredis-cluster(ssubscriber):mine',
        },
      ])
      expect(await primary.command('PUBSUB', 'SHARDNUMSUB', channels[i] as string)).toEqual([channels[i], 1])
    }
    expect(await subscribedOn(test.cluster)).toHaveLength(3)
  })

  it('is possible for two hundred of them at once', async () => {
    const cluster = open()
    await next(cluster, 'ready')
    const many = Array.from({ length: 200 }, (_, i) => `channel ${i}`)
    await Promise.all(many.map(channel => cluster.ssubscribe(channel)))
    expect(await subscriptionsOn(test.cluster)).toEqual([0, 0, 200])
    const heard: string[] = []
    cluster.on('smessage', (channel: string) => heard.push(channel))
    expect(await Promise.all(many.map(channel => cluster.spublish(channel, 'x')))).toEqual(many.map(() => 1))
    await eventually(() => expect(heard).toHaveLength(200))
    expect(heard.sort()).toEqual(many.sort())
    await Promise.all(many.map(channel => cluster.sunsubscribe(channel)))
    expect(await subscriptionsOn(test.cluster)).toEqual([0, 0, 0])
  })

  it('fails for whom the server does not let', async () => {
    for (const node of test.cluster.nodes) {
      await node.command('ACL', 'SETUSER', 'limited', 'on', '>secret', '~*', '+@all', 'resetchannels', `&${one}`)
    }
    const cluster = open({ redisOptions: { username: 'limited', password: 'secret' } })
    expect(await failureOf(cluster.ssubscribe(two))).toMatchObject({
      name: 'ReplyError',
      message: expect.stringMatching(/^NOPERM /),
      command: { name: 'ssubscribe', args: [two] },
    })
    expect(await cluster.ssubscribe(one)).toBe(1)
    expect((await failureOf(cluster.spublish(two, 'x'))).message).toMatch(/^NOPERM /)
    expect(await cluster.spublish(one, 'x')).toBe(1)
  })
})

describeBoth('messages of shard channels to a Cluster', ({ Cluster }) => {
  const open = (options: object = {}) => kept(new Cluster(seeds, { shardedSubscribers: true, ...options }))

  it.each(protocols)('come as text and as bytes, under protocol %i', async protocol => {
    const cluster = open({ redisOptions: { protocol } })
    const messages = messagesTo(cluster, true)
    for (const channel of channels) {
      await cluster.ssubscribe(channel)
      expect(await cluster.spublish(channel, 'héllo')).toBe(1)
      await eventually(() => expect(messages).toHaveLength(2))
      expect(messages.splice(0)).toEqual([
        ['smessage', channel, 'héllo'],
        ['smessageBuffer', Buffer.from(channel), Buffer.from('héllo')],
      ])
    }
  })

  it.each(protocols)('and the channels may be any bytes, under protocol %i', async protocol => {
    const cluster = open({ redisOptions: { protocol } })
    const messages = messagesTo(cluster, true)
    const [channel, payload] = [Buffer.from([0, 255, 13, 10, 128]), Buffer.from([10, 13, 0, 254])]
    expect(await cluster.ssubscribe(channel)).toBe(1)
    expect(await cluster.spublish(channel, payload)).toBe(1)
    expect(await cluster.spublish(channel, '')).toBe(1)
    await eventually(() => expect(messages).toHaveLength(4))
    expect(messages).toEqual([
      ['smessage', channel.toString(), payload.toString()],
      ['smessageBuffer', channel, payload],
      ['smessage', channel.toString(), ''],
      ['smessageBuffer', channel, Buffer.alloc(0)],
    ])
    expect(await cluster.sunsubscribe(channel)).toBe(0)
  })

  it('come from whoever publishes, also without shardedSubscribers, and however', async () => {
    const [cluster, other] = [open(), open({ shardedSubscribers: false })]
    const messages = messagesTo(cluster)
    await cluster.ssubscribe(two)
    const publish: [string, () => Promise<unknown>, unknown][] = [
      ['itself', () => cluster.spublish(two, 'itself'), 1],
      ['another', () => other.spublish(two, 'another'), 1],
      ['a pipeline', () => cluster.pipeline().spublish(two, 'a pipeline').exec(), [[null, 1]]],
      ['a transaction', () => cluster.multi().spublish(two, 'a transaction').exec(), [[null, 1]]],
    ]
    for (const [text, run, result] of publish) {
      expect(await run(), text).toEqual(result)
      await eventually(() => expect(messages.at(-1)).toEqual(['smessage', two, text]))
    }
    expect(messages).toHaveLength(publish.length)
    expect(await cluster.spublish(three, 'to nobody')).toBe(0)
  })

  it('are not those of a channel of the same name, nor of a pattern', async () => {
    const cluster = open()
    const messages = messagesTo(cluster)
    await cluster.ssubscribe('name')
    await cluster.subscribe('name')
    await cluster.psubscribe('nam*')
    await cluster.publish('name', 'to all')
    await eventually(() => expect(messages).toHaveLength(2))
    expect(messages.splice(0)).toEqual([
      ['message', 'name', 'to all'],
      ['pmessage', 'nam*', 'name', 'to all'],
    ])
    await cluster.spublish('name', 'to the shard')
    await eventually(() => expect(messages).toHaveLength(1))
    expect(messages).toEqual([['smessage', 'name', 'to the shard']])
  })

  it('come in the order they were published', async () => {
    const cluster = open()
    const texts: string[] = []
    cluster.on('smessage', (_: string, text: string) => texts.push(text))
    await cluster.ssubscribe(one)
    await cluster.pipeline(Array.from({ length: 500 }, (_, i) => ['spublish', one, String(i)])).exec()
    await eventually(() => expect(texts).toHaveLength(500))
    expect(texts).toEqual(Array.from({ length: 500 }, (_, i) => String(i)))
  })

  it.each(protocols)('do not come any more after unsubscribing, under protocol %i', async protocol => {
    const cluster = open({ redisOptions: { protocol } })
    const messages = messagesTo(cluster)
    const beside = keyIn(slots[0], 'beside')
    await cluster.ssubscribe(one, beside)
    expect(await cluster.sunsubscribe(one)).toBe(1)
    expect(await say(slots[0], 'unheard')).toBe(0)
    expect(await say(slots[0], 'heard', beside)).toBe(1)
    await eventually(() => expect(messages).toEqual([['smessage', beside, 'heard']]))
  })

  it('have the key prefix in their channel', async () => {
    const cluster = open({ keyPrefix: 'p:' })
    const messages = messagesTo(cluster)
    expect(await cluster.ssubscribe('s')).toBe(1)
    expect(await cluster.spublish('s', 'hi')).toBe(1)
    await eventually(() => expect(messages).toEqual([['smessage', 'p:s', 'hi']]))
    expect(await cluster.sunsubscribe('s')).toBe(0)
  })
})

describeBoth('a Cluster with sharded subscribers', ({ Cluster }) => {
  const open = (options: object = {}) => kept(new Cluster(seeds, { shardedSubscribers: true, ...options }))

  it('tells of one for each primary, and of their being ready, before it is ready itself', async () => {
    const cluster = open()
    const told: unknown[][] = []
    for (const name of ['+subscriber', '-subscriber', 'subscribersReady']) {
      cluster.on(name, (...args: unknown[]) => told.push([name, ...args]))
    }
    await next(cluster, 'ready')
    expect(told.filter(([name]) => name === '+subscriber')).toEqual([['+subscriber'], ['+subscriber'], ['+subscriber']])
    expect(told.at(-1)).toEqual(['subscribersReady'])
    expect(told).not.toContainEqual(['-subscriber'])
    told.length = 0
    for (const channel of channels) await cluster.ssubscribe(channel)
    expect(told).toEqual([])
  })

  it('tells of one that has gone, and of that in its place', async () => {
    const cluster = open()
    for (const channel of channels) await cluster.ssubscribe(channel)
    const told: unknown[][] = []
    for (const name of ['+subscriber', '-subscriber', 'subscribersReady']) {
      cluster.on(name, (...args: unknown[]) => told.push([name, ...args]))
    }
    const primary = await test.cluster.primaryOf(slots[1])
    const [lost] = (await subscribedOn(test.cluster)).filter(({ node }) => node === primary)
    await primary.command('CLIENT', 'KILL', 'ID', lost?.id as string)
    await eventually(() => expect(told.at(-1)).toEqual(['subscribersReady']))
    expect(told.slice(0, 2)).toEqual([['-subscriber'], ['+subscriber']])
    await eventually(async () => expect(await subscriptionsOn(test.cluster)).toEqual([0, 0, 3]))
  })

  it.each(protocols)('takes every command while it is subscribed, under protocol %i', async protocol => {
    const cluster = open({ redisOptions: { protocol } })
    for (const channel of channels) await cluster.ssubscribe(channel)
    for (const slot of slots) {
      const key = keyIn(slot, 'key')
      expect(await cluster.set(key, 'v')).toBe('OK')
      expect(await cluster.pipeline().get(key).strlen(key).exec()).toEqual([
        [null, 'v'],
        [null, 1],
      ])
      expect(await cluster.multi().append(key, 'w').get(key).exec()).toEqual([
        [null, 2],
        [null, 'vw'],
      ])
    }
    for (const node of cluster.nodes()) expect(await node.ping()).toBe('PONG')
    expect(cluster.nodes()).toHaveLength(6)
    expect(await cluster.subscribe('plain')).toBe(1)
    expect(cluster.status).toBe('ready')
  })

  it('can be duplicated, and its duplicate is subscribed to nothing', async () => {
    const cluster = open()
    await cluster.ssubscribe(one)
    const other = kept(cluster.duplicate())
    const others = messagesTo(other)
    expect(await other.ssubscribe(two)).toBe(1)
    expect(await cluster.spublish(one, 'for one')).toBe(1)
    expect(await cluster.spublish(two, 'for other')).toBe(1)
    await eventually(() => expect(others).toEqual([['smessage', two, 'for other']]))
  })

  it.each(protocols)('can quit, and its subscribers have gone, under protocol %i', async protocol => {
    const cluster = open({ redisOptions: { protocol } })
    for (const channel of channels) await cluster.ssubscribe(channel)
    await cluster.subscribe('plain')
    const ended = next(cluster, 'end')
    expect(await cluster.quit()).toBe('OK')
    await ended
    await nobodySubscribed(test.cluster)
  })

  it('can disconnect, and its subscribers have gone', async () => {
    const cluster = open()
    for (const channel of channels) await cluster.ssubscribe(channel)
    cluster.disconnect()
    await next(cluster, 'end')
    await nobodySubscribed(test.cluster)
  })

  it('takes no subscription after it has ended before it began', async () => {
    const cluster = open({ lazyConnect: true })
    cluster.disconnect()
    await next(cluster, 'end')
    for (const name of ['ssubscribe', 'sunsubscribe']) {
      expect(await failureOf(cluster[name](one))).toMatchObject(closed)
      expect(await called(back => cluster[name](one, back))).toMatchObject([closed])
    }
  })

  it('is subscribed again when it was ended and connected anew', async () => {
    const cluster = open()
    for (const channel of channels) await cluster.ssubscribe(channel)
    cluster.disconnect()
    await next(cluster, 'end')
    await nobodySubscribed(test.cluster)
    // ioredis closes once for each node, and refuses to connect until it is through with it.
    await eventually(() => cluster.connect())
    // ioredis is subscribed again, and does not tell of the messages any more.
    for (const slot of slots) await eventually(async () => expect(await say(slot, 'again')).toBe(1))
  })

  it('is subscribed again after disconnect(true)', async () => {
    const cluster = open({ clusterRetryStrategy: () => 10 })
    const messages = messagesTo(cluster)
    for (const channel of channels) await cluster.ssubscribe(channel)
    cluster.disconnect(true)
    await next(cluster, 'ready')
    for (const [i, slot] of slots.entries()) {
      await eventually(async () => expect(await say(slot, 'again')).toBe(1))
      await eventually(() => expect(messages.at(-1)).toEqual(['smessage', channels[i], 'again']))
    }
    expect(messages).toHaveLength(3)
  })
})

describeBoth('a Cluster whose sharded subscribers are lost', ({ Cluster, deviates }) => {
  // The nodes learn of a move one after the other, and who asks once may be told of the past.
  const open = (options: object = {}) =>
    kept(new Cluster(seeds, { shardedSubscribers: true, slotsRefreshInterval: 100, ...options }))

  it.each(protocols)('is subscribed again to what it was, under protocol %i', async protocol => {
    const cluster = open({ redisOptions: { protocol } })
    const messages = messagesTo(cluster)
    for (const channel of channels) await cluster.ssubscribe(channel)
    await cluster.ssubscribe(keyIn(slots[0], 'gone'))
    await cluster.sunsubscribe(keyIn(slots[0], 'gone'))
    await cluster.subscribe('plain')
    await cluster.psubscribe('plain*')
    expect(await cutSubscribers(test.cluster)).toBe(deviates('one-subscriber-a-node') ? 3 : 4)
    await eventually(async () => expect(await subscriptionsOn(test.cluster)).toEqual([1, 1, 3]))
    for (const slot of slots) expect(await say(slot, 'again')).toBe(1)
    await eventually(() => expect(messages).toHaveLength(3))
    await cluster.publish('plain', 'again')
    await eventually(() => expect(messages).toHaveLength(5))
    expect(messages.slice(0, 3).sort()).toEqual(channels.map(channel => ['smessage', channel, 'again']).sort())
    expect(messages.slice(3)).toEqual([
      ['message', 'plain', 'again'],
      ['pmessage', 'plain*', 'plain', 'again'],
    ])
    // The counts go on where they were.
    expect(await cluster.ssubscribe(keyIn(slots[0], 'late'))).toBe(2)
    expect(await cluster.subscribe('late')).toBe(3)
    expect(cluster.status).toBe('ready')
  })

  it('is subscribed again as often as it must be', async () => {
    const cluster = open()
    const messages = messagesTo(cluster)
    await cluster.ssubscribe(two)
    for (let i = 0; i < 5; i++) {
      expect(await cutSubscribers(test.cluster)).toBe(1)
      await eventually(async () => expect(await subscriptionsOn(test.cluster)).toEqual([0, 0, 1]))
      expect(await cluster.spublish(two, String(i))).toBe(1)
      await eventually(() => expect(messages.at(-1)).toEqual(['smessage', two, String(i)]))
    }
    expect(messages).toHaveLength(5)
  })

  /** Says it until it is heard: while the nodes disagree, a subscriber may come and go. */
  const heard = (messages: unknown[][], slot: number, text: string, channel = keyIn(slot, 'channel')) =>
    eventually(
      async () => {
        await say(slot, text, channel)
        expect(messages).toContainEqual(['smessage', channel, text])
      },
      20_000,
      50,
    )

  it('is subscribed again to channels with its key prefix', async () => {
    const cluster = open({ keyPrefix: 'p:' })
    const messages = messagesTo(cluster)
    expect(await cluster.ssubscribe('s')).toBe(1)
    expect(await cutSubscribers(test.cluster)).toBe(1)
    await eventually(async () => expect(await cluster.spublish('s', 'again')).toBe(1))
    await eventually(() => expect(messages.at(-1)).toEqual(['smessage', 'p:s', 'again']))
    expect(await cluster.sunsubscribe('s')).toBe(0)
    expect(await cutSubscribers(test.cluster)).toBe(0)
  })

  it('follows a slot that moves', { timeout: 60_000 }, async () => {
    const cluster = open()
    const messages = messagesTo(cluster)
    const [slot, beside] = [5, 6]
    await cluster.ssubscribe(keyIn(slot, 'channel'))
    await cluster.ssubscribe(keyIn(beside, 'channel'))
    const [from, to] = [await test.cluster.primaryOf(slot), await test.cluster.primaryOf(16_000)]
    const move = async (of: LocalServer, target: LocalServer) => {
      await test.cluster.beginMigration(slot, of, target)
      await test.cluster.finishMigration(slot, of, target)
      await test.cluster.waitUntilOk(20_000)
    }
    await move(from, to)
    try {
      await heard(messages, slot, 'moved')
      await heard(messages, beside, 'stayed')
      await cluster.ssubscribe(keyIn(slot, 'late'))
      await heard(messages, slot, 'came late', keyIn(slot, 'late'))
      const at = (await subscribedOn(test.cluster)).map(({ node, shardChannels }) => [node.port, shardChannels])
      expect(at.sort()).toEqual([[from.port, 1] as const, [to.port, 2] as const].sort())
    } finally {
      await move(to, from)
      await agreed(test.cluster)
    }
    await heard(messages, slot, 'back')
    await heard(messages, slot, 'came back', keyIn(slot, 'late'))
  })

  it('follows a failover', { timeout: 60_000 }, async () => {
    const cluster = open()
    const messages = messagesTo(cluster)
    for (const channel of channels) await cluster.ssubscribe(channel)
    const [replica] = (await test.cluster.replicas()) as [LocalServer]
    await test.cluster.failover(replica)
    for (const slot of slots) await heard(messages, slot, 'after')
    await eventually(async () => {
      expect((await subscribedOn(test.cluster)).map(({ node: { port } }) => port)).toContain(replica.port)
    })
    await agreed(test.cluster)
  })

  it('hears of the other nodes while one is away, and of its replica afterwards', { timeout: 60_000 }, async () => {
    const cluster = open()
    const messages = messagesTo(cluster)
    for (const channel of channels) await cluster.ssubscribe(channel)
    const told: unknown[][] = []
    cluster.on('nodeError', (...args: unknown[]) => told.push(args))
    const lost = await test.cluster.primaryOf(slots[1])
    await lost.kill()
    try {
      await heard(messages, slots[0], 'meanwhile')
      await heard(messages, slots[2], 'meanwhile')
      await eventually(async () => expect((await test.cluster.primaryOf(slots[1])).port).not.toBe(lost.port), 20_000)
      for (const slot of slots) await heard(messages, slot, 'afterwards')
    } finally {
      await lost.restart()
      await agreed(test.cluster)
    }
    for (const slot of slots) await heard(messages, slot, 'at last')
    // The subscriber that could not connect, told of apart from the nodes ('node error').
    expect(told).toContainEqual([expect.objectContaining({ code: 'ECONNREFUSED' }), lost.address])
  })
})
