// What the servers of a cluster tell of the connections that are subscribed to something.

import { expect } from 'vitest'
import type { LocalCluster, LocalServer } from '../../../scripts/local-cluster.mjs'
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
