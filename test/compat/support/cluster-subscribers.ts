// What the servers of a cluster tell of the connections that are subscribed to something.

import { Redis } from 'ioredis'
import { array, bulk, type FakeServer, type Handler } from 'slotwise/testing'
import { expect } from 'vitest'
import type { LocalCluster, LocalServer } from '../../../scripts/local-cluster.mjs'
import { startScripted } from '../../support/scripted.js'
import { eventually } from '../../support/settled.js'
import type { Untyped } from './both.js'

export interface Subscribed {
  readonly node: LocalServer
  readonly id: string
  readonly name: string
  readonly channels: number
  readonly patterns: number
  readonly shardChannels: number
  readonly protocol: number
}

/** Every connection that is subscribed to anything, on whatever node. */
export async function subscribedOn(cluster: LocalCluster): Promise<Subscribed[]> {
  const found: Subscribed[] = []
  for (const node of cluster.nodes.filter(({ running }) => running)) {
    const lines = ((await node.command('CLIENT', 'LIST', 'TYPE', 'pubsub')) as string).split('\n')
    for (const line of lines.filter(text => text.trim() !== '')) {
      const fields = Object.fromEntries(line.split(' ').map(field => field.split(/=(.*)/s).slice(0, 2)))
      found.push({
        node,
        id: fields.id,
        name: fields.name,
        channels: Number(fields.sub),
        patterns: Number(fields.psub),
        shardChannels: Number(fields.ssub),
        protocol: Number(fields.resp),
      })
    }
  }
  return found
}

/** How many channels, patterns and shard channels there are on all these connections. */
export async function subscriptionsOn(cluster: LocalCluster): Promise<[number, number, number]> {
  const sums: [number, number, number] = [0, 0, 0]
  for (const { channels, patterns, shardChannels } of await subscribedOn(cluster)) {
    for (const [i, count] of [channels, patterns, shardChannels].entries()) (sums[i] as number) += count
  }
  return sums
}

/** Closes, by the servers, every connection that is subscribed to anything; returns how many. */
export async function cutSubscribers(cluster: LocalCluster): Promise<number> {
  const found = await subscribedOn(cluster)
  for (const { node, id } of found) await node.command('CLIENT', 'KILL', 'ID', id)
  return found.length
}

/** Nobody is subscribed to anything any more. */
export const nobodySubscribed = (cluster: LocalCluster) =>
  eventually(async () => expect(await subscribedOn(cluster)).toEqual([]))

let drains = 0

/**
 * What has been published on any node has reached all the others: messages go from node to node on one connection, in their
 * order, and may come when the next test has begun to listen to the same channel.
 */
export async function drained(cluster: LocalCluster): Promise<void> {
  const { nodes } = cluster
  const channel = `drained ${drains++}`
  const heard = nodes.map(() => new Set<string>())
  const listeners = nodes.map(({ host, port }) => new Redis({ host, port, retryStrategy: () => null }))
  try {
    for (const [i, listener] of listeners.entries()) {
      listener.on('error', () => undefined).on('message', (_, address) => heard[i]?.add(address))
    }
    await Promise.all(listeners.map(listener => listener.subscribe(channel)))
    await eventually(async () => {
      for (const node of nodes) await node.command('PUBLISH', channel, node.address)
      for (const addresses of heard) expect(addresses.size).toBe(nodes.length)
    }, 20_000)
  } finally {
    for (const listener of listeners) listener.disconnect()
  }
  await nobodySubscribed(cluster)
}

/** Every event with a message, in its order, with its arguments; those of bytes only when asked for. */
export function messagesTo(cluster: Untyped, bytes = false): unknown[][] {
  const messages: unknown[][] = []
  for (const name of ['message', 'pmessage', 'smessage'].flatMap(event =>
    bytes ? [event, `${event}Buffer`] : [event],
  )) {
    // ioredis adds an undefined to those of shard channels.
    cluster.on(name, (...args: unknown[]) => messages.push([name, ...args.filter(arg => arg !== undefined)]))
  }
  return messages
}

/** Every node tells the same of all the slots, with each of their replicas, and the replicas follow. */
export const agreed = (cluster: LocalCluster) =>
  eventually(
    async () => {
      const views = new Set<string>()
      for (const node of cluster.nodes) {
        const shards = (await node.command('CLUSTER', 'SLOTS')) as [number, number, ...[string, number][]][]
        for (const shard of shards) expect(shard).toHaveLength(4)
        views.add(shards.map(([from, to, ...nodes]) => `${from}-${to}:${nodes.map(([, port]) => port)}`).join())
        const [role, , , link] = (await node.command('ROLE')) as string[]
        if (role === 'slave') expect(link).toBe('connected')
      }
      expect([...views]).toHaveLength(1)
      expect(await cluster.isOk()).toBe(true)
    },
    20_000,
    50,
  )

/** A message as a server sends it under protocol 3. */
export const published = (channel: string, text: string) =>
  array([bulk('message'), bulk(channel), bulk(text)]).replace('*', '>')

/** A scripted node that has all the slots; the handler goes first, and subscriptions have an answer under protocol 3. */
export async function scriptedPubSub(handler: Handler = () => undefined): Promise<FakeServer> {
  const server = await startScripted((command, connection) => {
    const own = handler(command, connection)
    if (own !== undefined) return own
    const [name = '', ...args] = command
    if (name === 'CLUSTER' && args[0] === 'INFO') return bulk('cluster_state:ok\r\n')
    if (/^P?(UN)?SUBSCRIBE$/.test(name)) {
      const counts = args.map((channel, i) => array([bulk(name.toLowerCase()), bulk(channel), `:${i + 1}\r\n`]))
      return counts.map(count => count.replace('*', '>')).join('')
    }
    return { INFO: bulk('loading:0\r\n'), QUIT: '+OK\r\n', GET: bulk('value') }[name]
  })
  server.layout = [[0, 16_383, server.port]]
  return server
}
