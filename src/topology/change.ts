// Change: what is different between two topologies. Pure.

import type { Endpoint } from '../connection/endpoint.js'
import type { SlotsMoved, TopologyChange } from '../observe.js'
import { type SlotMap, slotCount } from './slot-map.js'

export type Role = 'primary' | 'replica'

/** A topology at one moment. */
export interface Snapshot {
  /** `host:port` of the primary of each slot; null where there is none. */
  owners: readonly (string | null)[]
  /** By `host:port`; only servers that are part of the cluster. */
  roles: ReadonlyMap<string, Role>
}

export const nothingKnown: Snapshot = { owners: new Array<null>(slotCount).fill(null), roles: new Map() }

export function takeSnapshot(map: SlotMap): Snapshot {
  const owners: (string | null)[] = []
  for (let slot = 0; slot < slotCount; slot++) owners.push(map.primaryOf(slot)?.endpoint.key ?? null)
  const roles = new Map<string, Role>()
  const add = ({ endpoint }: { endpoint: Endpoint }, role: Role) => roles.set(endpoint.key, role)
  for (const { primary, replicas } of map.shards) {
    for (const replica of replicas) add(replica, 'replica')
    add(primary, 'primary')
  }
  return { owners, roles }
}

/** Null when nothing is different. */
export function differenceOf(before: Snapshot, after: Snapshot, epoch: number | null): TopologyChange | null {
  const slotsMoved: SlotsMoved[] = []
  let slotsCovered = 0
  for (let slot = 0; slot < slotCount; slot++) {
    const from = before.owners[slot] as string | null
    const to = after.owners[slot] as string | null
    if (to !== null) slotsCovered++
    if (from === to) continue
    const range = slotsMoved.at(-1)
    if (range !== undefined && range.last === slot - 1 && range.from === from && range.to === to) range.last = slot
    else slotsMoved.push({ first: slot, last: slot, from, to })
  }
  const roles: { endpoint: string; from: Role; to: Role }[] = []
  for (const [endpoint, to] of after.roles) {
    const from = before.roles.get(endpoint)
    if (from !== undefined && from !== to) roles.push({ endpoint, from, to })
  }
  const nodesAdded = [...after.roles.keys()].filter(endpoint => !before.roles.has(endpoint))
  const nodesRemoved = [...before.roles.keys()].filter(endpoint => !after.roles.has(endpoint))
  if (slotsMoved.length + roles.length + nodesAdded.length + nodesRemoved.length === 0) return null
  return { slotsMoved, roles, nodesAdded, nodesRemoved, slotsCovered, epoch }
}
