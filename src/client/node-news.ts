// NodeNews: what becomes of what nodes report: who of an Engine's parts is told, and in which order.

import type { NodeListener } from '../node/node.js'
import type { Subscriptions } from '../pubsub/subscriptions.js'
import type { Router } from '../routing/router.js'
import type { TopologyRefresher } from '../topology/refresher.js'
import type { Topology } from '../topology/topology.js'
import type { Cache } from './cache-of.js'
import type { ClientObserver } from './observer.js'
import type { OutageWatch } from './outage-watch.js'

/** An Engine's parts. They are looked up when there is news: some are made late, or never. */
export interface Told {
  readonly topology: Topology
  readonly refresher: TopologyRefresher | null
  readonly router: Router
  readonly outage: OutageWatch
  readonly subscriptions: Subscriptions | null
  readonly cache: Cache | null
  readonly observer: ClientObserver
  /** Looks again at how the client is. */
  assess(): void
}

export function nodeNews(told: Told): NodeListener {
  return {
    onNodeReady(node) {
      told.refresher?.onNodeReady()
      told.outage.onNodeReady()
      told.subscriptions?.onNodeReady(node)
      told.cache?.onNodeReady(node)
      told.observer.onNodeReady?.(node)
      told.assess()
    },
    onLaneOpened: () => told.assess(),
    onReplacing(node) {
      told.subscriptions?.onNodeLost(node)
      told.cache?.onNodeLost(node)
    },
    onReplaced(node) {
      told.refresher?.onNodeReady()
      told.subscriptions?.onNodeReady(node)
      told.cache?.onNodeReady(node)
    },
    onNodeLost(node, reason) {
      // Nobody loses a connection to a healthy server without a reason.
      told.refresher?.ring(node.hasWaiting ? 'waiting' : 'redirect')
      told.subscriptions?.onNodeLost(node)
      told.cache?.onNodeLost(node)
      told.assess()
      told.observer.onNodeLost?.(node, reason)
    },
    onDialFailed(node, error) {
      // Running out of sockets says nothing about the cluster.
      if (error.code !== 'SLOTWISE_LOCAL_EXHAUSTION') {
        const otherwise = told.topology.view === null ? 'urgent' : 'redirect'
        told.refresher?.ring(node.hasWaiting ? 'waiting' : otherwise)
      }
      told.assess()
      told.observer.onDialFailed?.(node, error)
      told.outage.onFailed(node, error)
    },
    onReplyError(node, call, error) {
      told.cache?.onReplyError(call, error)
      told.router.onReplyError(node, call, error)
    },
    onPush(node, kind, items) {
      told.cache?.onPush(node, kind, items)
      told.subscriptions?.onNodePush(node, kind, items)
    },
    onCallWaits: () => told.refresher?.ring('waiting'),
    onHandBack: (handBack, reason) => told.router.onHandBack(handBack, reason),
  }
}
