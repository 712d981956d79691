// SessionHost of a client: where sessions get their connections from.

import type { Call, Outcome } from '../command/call.js'
import { closedError } from '../command/issuer.js'
import type { Router } from '../routing/router.js'
import type { TopologyRefresher } from '../topology/refresher.js'
import type { Topology } from '../topology/topology.js'
import { lend } from './lend.js'
import type { Prepared } from './prepare.js'
import type { SessionHost } from './session.js'
import type { ClientState } from './states.js'

interface CallMaking {
  readonly state: ClientState
  issue(prepared: Prepared, resolve: (outcome: Outcome) => void): Call
}

/** @param defaultTimeoutMs deadline for getting a connection, in milliseconds */
export function sessionHost(
  client: CallMaking,
  topology: Topology,
  refresher: TopologyRefresher | null,
  router: Router,
  defaultTimeoutMs: number,
): SessionHost {
  const isClosed = () => client.state === 'closing' || client.state === 'closed'
  return {
    clustered: refresher !== null,
    async lend(slot, timeoutMs = defaultTimeoutMs, signal) {
      if (isClosed()) throw closedError()
      const find = () => (slot < 0 ? topology.anyNode() : topology.map.primaryOf(slot))
      const news = async () => {
        if (isClosed()) throw closedError()
        await refresher?.newerThan(refresher.generation)
      }
      return lend(find, news, timeoutMs, signal)
    },
    serves: (node, slot) => refresher === null || topology.map.primaryOf(slot) === node,
    issue: (prepared, resolve) => client.issue(prepared, resolve),
    // A connection is closed, too, when its server leaves the cluster.
    lossCode: () => (isClosed() ? 'SLOTWISE_CLOSED' : 'SLOTWISE_CONNECTION_LOST'),
    onMoved: (node, error) => router.learn(node, error),
  }
}
