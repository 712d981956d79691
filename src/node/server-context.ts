// ServerContext: what everything that connects to a server shares.

import type { OpeningContext } from '../connection/opening.js'
import type { BackoffOptions } from './backoff.js'
import type { DialGate } from './dial-gate.js'

export interface NodeOptions extends BackoffOptions {
  dial: OpeningContext['options']['dial']
  connection: OpeningContext['options']['connection']
  /** From the start of a dial to a usable connection, in milliseconds. */
  connectTimeoutMs: number
  /** What a retired node gives its calls in flight, in milliseconds. */
  drainTimeoutMs: number
  /** Connections of one node, besides the shared one, for blocking calls and sessions. */
  maxLanes: number
  /** How long a connection is used, in milliseconds; 0 for ever. */
  maxConnectionLifetimeMs: number
  /** Subscriptions go on the shared connection where that can take them. */
  sharedSubscriptions: boolean
  /** Name of connections for subscriptions alone; null for that of all. */
  subscriberName: string | null
}

/** What every node of a client shares. */
export interface ServerContext extends OpeningContext {
  options: NodeOptions
  gate: DialGate
}

/** Options of connections that are for subscriptions alone: they may have a name of their own. */
export function subscriberOptions(options: NodeOptions): NodeOptions {
  const { handshake } = options.connection
  const named = { ...handshake, name: options.subscriberName ?? handshake.name }
  return { ...options, connection: { ...options.connection, handshake: named } }
}
