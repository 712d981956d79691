// NodeSubscriber: the connection that takes the subscriptions of a Cluster's node, when there are any.

import { noop } from './callback.js'
import type { RedisOptions } from './redis-options.js'

interface NodeHandle {
  duplicate(override: Partial<RedisOptions>): NodeHandle
  call(name: string, ...args: unknown[]): Promise<unknown>
  on(event: string, listener: (...args: unknown[]) => void): unknown
  once(event: string, listener: () => void): unknown
  emit(event: string, ...args: unknown[]): boolean
  disconnect(): void
}

const events = ['message', 'pmessage', 'smessage'].flatMap(event => [event, `${event}Buffer`])

/** A Redis object with a connection of its own, whose messages the node's own object tells. It ends with that one. */
export function nodeSubscriber(node: NodeHandle): NodeHandle {
  const subscriber = node.duplicate({ lazyConnect: false, retryStrategy: times => Math.min(times * 50, 2000) })
  for (const event of events) subscriber.on(event, (...args) => void node.emit(event, ...args))
  // It connects again by itself; that the node is away is told by the Cluster.
  subscriber.on('error', noop)
  node.once('end', () => subscriber.disconnect())
  return subscriber
}
