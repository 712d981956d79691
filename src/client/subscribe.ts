// Subscribe: what a client's user says about a subscription, checked; and what subscriptions need of the client.

import type { Argument } from '../command/command.js'
import type { Issuer } from '../command/issuer.js'
import { parseRedirect } from '../errors.js'
import type { SubscriptionOptions } from '../pubsub/subscription.js'
import { Subscriptions } from '../pubsub/subscriptions.js'
import type { TopologyRefresher } from '../topology/refresher.js'
import type { Topology } from '../topology/topology.js'
import type { Turn } from '../turn.js'
import { invalid } from './call-options.js'

/**
 * Subscriptions of a client that is made of these.
 * @param isAwake the client may dial
 */
export function subscriptionsOf(
  issuer: Issuer,
  turn: Turn,
  topology: Topology,
  refresher: TopologyRefresher | null,
  isAwake: () => boolean,
): Subscriptions {
  return new Subscriptions({
    issuer,
    turn,
    clustered: refresher !== null,
    confirmed: () => ({
      atMs: refresher?.confirmedAt ?? turn.now(),
      beforeMs: refresher?.confirmedBefore ?? turn.now(),
    }),
    ownerOf: slot => topology.map.primaryOf(slot),
    readyNodes: () => topology.readyNodes(),
    wake: () => {
      if (!isAwake()) return
      if (refresher === null || topology.view === null) refresher?.ring('urgent')
      for (const node of topology.primaries) node.open()
    },
    onStale: (node, error) => {
      const redirect = error === null ? null : parseRedirect(error)
      const endpoint = redirect === null ? null : topology.leadsTo(redirect, node)
      if (redirect !== null && endpoint !== null && error?.code === 'MOVED') {
        topology.assign(redirect.slot, endpoint).open()
        refresher?.ring('redirect', node)
      } else refresher?.ring('urgent')
    },
  })
}

const known = new Set(['kind', 'buffers', 'maxBufferedMessages', 'overflow', 'timeoutMs', 'onMessage', 'onGap'])
const maxTimeoutMs = 86_400_000

/** @throws SlotwiseError SLOTWISE_INVALID_ARGUMENT, naming what cannot be */
export function checkSubscription(names: unknown, options: object): Buffer[] {
  const list = Array.isArray(names) ? names : [names]
  if (list.length === 0) throw invalid('A subscription needs at least one name')
  list.forEach((name, i) => {
    if (typeof name !== 'string' && !(name instanceof Uint8Array))
      throw invalid(`Name ${i} of a subscription must be a string or Uint8Array`)
  })
  if (typeof options !== 'object' || options === null) throw invalid('Subscription options must be an object')
  for (const name of Object.keys(options))
    if (!known.has(name)) throw invalid(`${name} is not a known subscription option`)
  const { kind, buffers, maxBufferedMessages, overflow, timeoutMs, onMessage, onGap } = options as SubscriptionOptions
  oneOf('kind', kind, ['channel', 'pattern', 'shard'])
  oneOf('overflow', overflow, ['oldest', 'newest'])
  if (buffers !== undefined && typeof buffers !== 'boolean') throw invalid('buffers must be a boolean')
  if (maxBufferedMessages !== undefined && !(Number.isInteger(maxBufferedMessages) && maxBufferedMessages >= 0)) {
    throw invalid('maxBufferedMessages must be a whole number from 0')
  }
  if (timeoutMs !== undefined && !(Number.isInteger(timeoutMs) && timeoutMs >= 0 && timeoutMs <= maxTimeoutMs)) {
    throw invalid(`timeoutMs must be a whole number from 0 to ${maxTimeoutMs}`)
  }
  for (const [name, listener] of Object.entries({ onMessage, onGap })) {
    if (listener !== undefined && typeof listener !== 'function') throw invalid(`${name} must be a function`)
  }
  return list.map((name: Argument) => Buffer.from(name as string))
}

function oneOf(name: string, value: unknown, allowed: readonly unknown[]): void {
  if (value !== undefined && !allowed.includes(value)) throw invalid(`${name} must be one of ${allowed.join(', ')}`)
}
