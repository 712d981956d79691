// ClientObserver: what an API built on top of a Client is told of its life. All of it is optional, and called synchronously.

import type { Call } from '../command/call.js'
import type { SlotwiseError } from '../errors.js'
import type { Node } from '../node/node.js'
import type { TopologyChange } from '../observe.js'

export interface ClientObserver {
  /** The client is usable: a node is connected and, of a cluster, the topology is known. */
  onUsable?(): void
  onNodeAdded?(node: Node): void
  onNodeRemoved?(node: Node): void
  /** The node has a usable connection. */
  onNodeReady?(node: Node): void
  /** A usable connection was lost. */
  onNodeLost?(node: Node, reason: SlotwiseError): void
  onDialFailed?(node: Node, error: SlotwiseError): void
  /** The topology has been compared with a node's answer; `changed` tells whether another map is in use now. */
  onRefreshed?(changed: boolean): void
  /** True while somebody wants to hear of changes of the topology. */
  watchesTopology?(): boolean
  /** Another topology is in use. In a turn of its own: it may throw. */
  onTopologyChanged?(change: TopologyChange): void
  /** A connected node was asked for the topology, and has not told it. */
  onAskFailed?(node: Node, error: Error): void
  /**
   * Every server that is known has failed since it was last connected. Returns for how many milliseconds nobody is to be dialled, or
   * null to destroy the client.
   */
  onAllFailed?(error: Error): number | null
  /** That pause is over. */
  onRetry?(): void
  /** The seeds could not be looked up. */
  onNoSeeds?(error: Error): void
  /** The error to fail a call with that was made by submit(). */
  translate?(call: Call, error: Error): Error
}
