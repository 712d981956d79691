// slotwise: the port that the service has by itself.

import diagnostics from 'node:diagnostics_channel'
import type { CallBounds, RedisPort } from '../../src/redis/port.js'
import { openSlotwise } from '../../src/redis/slotwise.js'
import type { Tracker } from '../tracker.mjs'
import { hostAndPort } from './common.mjs'
import type { Variant } from './index.mjs'

interface RefreshMessage {
  trigger: string
  outcome: string
}
interface RedirectMessage {
  kind: string
  slot: number
  to: string
}

export const onSlotwise: Variant['open'] = async (addresses, limits, tracker, mark) => {
  let refreshes = 0
  diagnostics.subscribe('slotwise:refresh', message => {
    const { trigger, outcome } = message as RefreshMessage
    refreshes++
    mark('refresh', `topology asked for (${trigger}): ${outcome}`)
  })
  diagnostics.subscribe('slotwise:redirect', message => {
    const { kind, slot, to } = message as RedirectMessage
    mark('redirect', `${kind}: slot ${slot} to ${to}`)
  })
  const port = openSlotwise(
    { ...hostAndPort(addresses[0] as string), connectionMode: 'cluster' },
    { maxQueuedBytes: limits.maxQueuedBytes, maxQueueAgeMs: limits.backgroundTimeoutMs },
  )
  return {
    port: tracked(port, tracker),
    waitingBytes: () => port.inspect().waitingBytes,
    refreshes: () => refreshes,
  }
}

function tracked(port: RedisPort, tracker: Tracker): RedisPort {
  return {
    add: (request, bounds) => tracker.track(port.add(request, bounds)),
    list: (key: string, bounds: CallBounds) => tracker.track(port.list(key, bounds)),
    listMany: (keys, bounds) => tracker.track(port.listMany(keys, bounds)),
    deleteStale: (fields, bounds) => tracker.track(port.deleteStale(fields, bounds)),
    check: bounds => port.check(bounds),
    inspect: () => port.inspect(),
    close: () => port.close(),
  }
}
