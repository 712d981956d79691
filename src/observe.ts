// Observe: the diagnostics channels of this package, and what is published on each.
// Source: Node.js documentation, "diagnostics_channel". Publishing costs one check while nobody subscribes.

import { type Channel, channel } from 'node:diagnostics_channel'
import type { SlotwiseError } from './errors.js'

/** Which client a message is about. */
export interface Origin {
  /** Different for each client of this process. */
  readonly id: number
  /** Option `name`; null for none. */
  readonly name: string | null
}

interface FromClient {
  client: Origin
}

export interface RefreshedNode {
  /** `host:port` */
  endpoint: string
  /** What it said, compared with what was in use; `failed`: nothing usable. */
  outcome: 'same' | 'different' | 'failed'
}

/** `slotwise:refresh`: a round of asking who serves which slots has ended. */
export interface RefreshMessage extends FromClient {
  /** What it was rung for: calls that wait for somebody to serve them, answers that should not be, redirects, or the period. */
  trigger: 'waiting' | 'urgent' | 'redirect' | 'period'
  asked: readonly RefreshedNode[]
  durationMs: number
  outcome: 'unchanged' | 'changed' | 'failed'
  error: SlotwiseError | null
}

/** `slotwise:redirect`: a server has sent a call elsewhere. */
export interface RedirectMessage extends FromClient {
  kind: 'moved' | 'ask'
  slot: number
  from: string
  to: string
  /** Name of the command. */
  command: string
}

/** `slotwise:dial`: an attempt to connect has ended. */
export interface DialMessage extends FromClient {
  endpoint: string
  /** What the connection is for. */
  use: string
  outcome: 'usable' | 'failed'
  /** From the start of the attempt, handshake included. */
  durationMs: number
  error: SlotwiseError | null
}

/** `slotwise:socket`: a socket has been made, or has closed. */
export interface SocketMessage extends FromClient {
  event: 'open' | 'close'
  endpoint: string
  /** Sockets that the client has now. */
  total: number
}

/** `slotwise:queue`: a call that waited, or would have had to wait, was refused. */
export interface QueueMessage extends FromClient {
  code: 'SLOTWISE_QUEUE_FULL' | 'SLOTWISE_QUEUE_EXPIRED'
  command: string
  /** What waits. */
  queuedBytes: number
  queuedCalls: number
}

/** Slots `first` to `last`, both included, have another owner. */
export interface SlotsMoved {
  first: number
  last: number
  /** `host:port` of the primary that served them; null when nobody did. */
  from: string | null
  /** `host:port` of the primary that serves them; null when nobody does. */
  to: string | null
}

/** What is different between two topologies. */
export interface TopologyChange {
  slotsMoved: readonly SlotsMoved[]
  roles: readonly { endpoint: string; from: 'primary' | 'replica'; to: 'primary' | 'replica' }[]
  nodesAdded: readonly string[]
  nodesRemoved: readonly string[]
  /** Slots that somebody serves now. */
  slotsCovered: number
  /** Greatest configuration epoch among the owners of slots; null when it has not been learnt. */
  epoch: number | null
}

/** `slotwise:topology`: another topology is in use. */
export interface TopologyMessage extends FromClient, TopologyChange {}

export const refreshChannel = channel('slotwise:refresh') as Channel<unknown, RefreshMessage>
export const redirectChannel = channel('slotwise:redirect') as Channel<unknown, RedirectMessage>
export const dialChannel = channel('slotwise:dial') as Channel<unknown, DialMessage>
export const socketChannel = channel('slotwise:socket') as Channel<unknown, SocketMessage>
export const queueChannel = channel('slotwise:queue') as Channel<unknown, QueueMessage>
export const topologyChannel = channel('slotwise:topology') as Channel<unknown, TopologyMessage>

let origins = 0

/** A client that messages are about. */
export function newOrigin(name: string | null): Origin {
  return { id: ++origins, name }
}
