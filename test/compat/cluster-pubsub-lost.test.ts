// A Cluster that has lost the connection of its subscriptions, or the node, or all of them, is subscribed again.

import type { FakeServer, Handler } from 'slotwise/testing'
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
  published,
  type Subscribed,
  scriptedPubSub,
  subscribedOn,
  subscriptionsOn,
} from './support/cluster-subscribers.js'

const test = useCluster({ primaries: 3, replicasPerPrimary: 1 })
/** The primaries; cluster-pubsub.test.ts says why. */
let seeds: { host: string; port: number }[] = []
const node = () => test.cluster.nodes[0] as LocalServer
/** A key of each primary. */
const keys = [keyIn(1, 'p'), keyIn(8000, 'p'), keyIn(16_000, 'p')] as const
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
async function scripted(handler?: Handler): Promise<FakeServer> {
  const server = await scriptedPubSub(handler)
  servers.push(server)
  return server
}

const next = (emitter: Untyped, event: string) => new Promise<Untyped>(resolve => emitter.once(event, resolve))

describeBoth('a Cluster whose subscriber is lost', ({ name, Cluster, deviates }) => {
  const open = (options: object = {}, nodes: unknown[] = seeds) => kept(new Cluster(nodes, options))

  it.each<[string, object]>([
    ['by default', {}],
    ['under protocol 2', { redisOptions: { protocol: 2 } }],
    // ioredis asks this of a Redis, and not of a Cluster.
    ['with autoResubscribe: false', { redisOptions: { autoResubscribe: false } }],
  ])('is subscribed again to what it was, %s', async (_, options) => {
    const cluster = open(options)
    const messages = messagesTo(cluster)
    const told: string[] = []
    for (const name of ['error', 'close', 'reconnecting', 'end']) cluster.on(name, () => told.push(name))
    await cluster.subscribe('a', 'b', 'gone')
    await cluster.psubscribe('p*', 'gone*')
    await cluster.unsubscribe('gone')
    await cluster.punsubscribe('gone*')
    const [before] = await subscribedOn(test.cluster)
    expect(await cutSubscribers(test.cluster)).toBe(1)
    await eventually(async () => {
      expect(await subscriptionsOn(test.cluster)).toEqual([2, 1, 0])
      const [after] = await subscribedOn(test.cluster)
      expect(after?.node !== before?.node || after?.id !== before?.id).toBe(true)
    })
    for (const channel of ['gone', 'a', 'b', 'pat']) await node().command('PUBLISH', channel, 'again')
    await eventually(() => expect(messages).toHaveLength(3))
    expect(messages).toEqual([
      ['message', 'a', 'again'],
      ['message', 'b', 'again'],
      ['pmessage', 'p*', 'pat', 'again'],
    ])
    // The counts go on where they were, and so does everything else.
    expect(await cluster.subscribe('c')).toBe(4)
    expect(await cluster.unsubscribe('a', 'b', 'c')).toBe(1)
    expect(cluster.status).toBe('ready')
    expect(told).toEqual([])
  })

  it('is subscribed again as often as it must be', async () => {
    const cluster = open()
    const messages = messagesTo(cluster)
    await cluster.subscribe('a')
    for (let i = 0; i < 5; i++) {
      expect(await cutSubscribers(test.cluster)).toBe(1)
      await eventually(async () => {
        expect(await subscribedOn(test.cluster)).toHaveLength(1)
        expect(await subscriptionsOn(test.cluster)).toEqual([1, 0, 0])
      })
      await cluster.publish('a', String(i))
      await eventually(() => expect(messages.at(-1)).toEqual(['message', 'a', String(i)]))
    }
    expect(messages).toHaveLength(5)
  })

  it('goes on with its commands', async () => {
    const cluster = open()
    await cluster.subscribe('a')
    await Promise.all(keys.map(key => cluster.set(key, 0)))
    let failed = 0
    const calls: Promise<unknown>[] = []
    for (let i = 0; i < 50; i++) {
      if (i === 10) await cutSubscribers(test.cluster)
      calls.push(...keys.map(key => cluster.incr(key).catch(() => failed++)))
      if (i % 10 === 0) await Promise.all(calls)
    }
    await Promise.all(calls)
    expect(failed).toBe(0)
    expect(await Promise.all(keys.map(key => cluster.get(key)))).toEqual(['50', '50', '50'])
  })

  it('sends one SUBSCRIBE and one PSUBSCRIBE for all', async () => {
    let subscriber: { cut(): void } | undefined
    const server = await scripted(([name], connection) => {
      if (name === 'SUBSCRIBE') subscriber = connection
      return undefined
    })
    const cluster = open({}, [server.port])
    await cluster.subscribe('a')
    await cluster.subscribe('b')
    await cluster.psubscribe('p*')
    await cluster.psubscribe('q*')
    const before = server.commands.length
    subscriber?.cut()
    await eventually(() => expect(server.count('PSUBSCRIBE')).toBe(3))
    expect(server.commands.slice(before).filter(([name]) => name?.endsWith('SUBSCRIBE'))).toEqual([
      ['SUBSCRIBE', 'a', 'b'],
      ['PSUBSCRIBE', 'p*', 'q*'],
    ])
    server.sendToAll(published('b', 'hi'))
    expect(await next(cluster, 'message')).toBe('b')
  })

  it('sends a subscription again that was not answered', async () => {
    const server = await scripted(([name], connection) => {
      if (name === 'SUBSCRIBE' && server.count('SUBSCRIBE') === 1) connection.cut()
      return name === 'SUBSCRIBE' && server.count('SUBSCRIBE') === 1 ? '' : undefined
    })
    const cluster = open({ retryDelayOnFailover: 1 }, [server.port])
    await next(cluster, 'ready')
    expect(await cluster.subscribe('a')).toBe(1)
    expect(server.seen('SUBSCRIBE')).toEqual([
      ['SUBSCRIBE', 'a'],
      ['SUBSCRIBE', 'a'],
    ])
  })

  it('fails a subscription that was not answered when it was told not to send it again', async () => {
    const server = await scripted(([name], connection) => {
      if (name !== 'SUBSCRIBE') return undefined
      connection.cut()
      return ''
    })
    const cluster = open({ retryDelayOnFailover: 0 }, [server.port])
    await next(cluster, 'ready')
    // slotwise tries until it is subscribed, or the server refuses.
    if (deviates('subscriptions-are-kept')) cluster.subscribe('a').catch(() => undefined)
    else expect(await failureOf(cluster.subscribe('a'))).toMatchObject(closed)
    expect(cluster.status).toBe('ready')
    expect(await cluster.get('k')).toBe('value')
  })

  it('looks for another node when that of its subscriber is killed', { timeout: 60_000 }, async () => {
    const cluster = open()
    const messages = messagesTo(cluster)
    await cluster.subscribe('a', 'b')
    await cluster.psubscribe('p*')
    const [{ node: lost }] = (await subscribedOn(test.cluster)) as [Subscribed]
    await lost.kill()
    try {
      const left = test.cluster.nodes.find(({ running }) => running) as LocalServer
      await eventually(async () => expect(await subscriptionsOn(test.cluster)).toEqual([2, 1, 0]), 20_000)
      await left.command('PUBLISH', 'b', 'still')
      await left.command('PUBLISH', 'pat', 'here')
      await eventually(() =>
        expect(messages).toEqual([
          ['message', 'b', 'still'],
          ['pmessage', 'p*', 'pat', 'here'],
        ]),
      )
    } finally {
      await lost.restart()
      await agreed(test.cluster)
    }
    expect(await cluster.subscribe('c')).toBe(4)
  })

  it('can be subscribed again when the whole cluster has been away', { timeout: 60_000 }, async () => {
    const cluster = open({ clusterRetryStrategy: () => 50 })
    const messages = messagesTo(cluster)
    await cluster.subscribe('a')
    await cluster.psubscribe('p*')
    // Each has a connection, whose loss can be seen.
    for (const one of cluster.nodes()) await one.ping()
    await test.cluster.killAll()
    await eventually(() => expect(cluster.status).not.toBe('ready'))
    await test.cluster.restartAll()
    await agreed(test.cluster)
    await eventually(async () => expect(await cluster.set(keys[0], 'v')).toBe('OK'), 20_000)
    // ioredis remembers by chance what it was subscribed to, and forgets it as often.
    if (name === 'slotwise')
      await eventually(async () => expect(await subscriptionsOn(test.cluster)).toEqual([1, 1, 0]))
    await cluster.subscribe('a')
    await cluster.psubscribe('p*')
    await eventually(async () => {
      await node().command('PUBLISH', 'pa', 'again')
      expect(messages).toContainEqual(['pmessage', 'p*', 'pa', 'again'])
    })
    await node().command('PUBLISH', 'a', 'again')
    await eventually(() => expect(messages).toContainEqual(['message', 'a', 'again']))
  })
})
