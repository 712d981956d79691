// CLUSTER, as far as clients ask. Source: redis.io/docs, commands of the group "cluster".

import { type Answer, Failure, Verbatim } from '../answer.js'
import type { Call, ClusterSide, Commands } from '../host.js'
import { parseInteger } from '../integer.js'
import { slotOfKey } from '../keyspace.js'

const disabled = new Failure('ERR This instance has cluster support disabled')

const withCluster = (call: Call, answer: (side: ClusterSide) => Answer): Answer =>
  call.host.clusterSide === null ? disabled : answer(call.host.clusterSide)

function slotNumber(text: string): bigint | Failure {
  return parseInteger(text) ?? new Failure('ERR value is not an integer or out of range')
}

const isSlot = (slot: bigint) => slot >= 0n && slot < 16384n

function keysInSlot(slotText: string, countText: string, { data, now }: Call): Answer {
  const [slot, count] = [slotNumber(slotText), slotNumber(countText)]
  if (slot instanceof Failure) return slot
  if (count instanceof Failure) return count
  if (!isSlot(slot) || count < 0n) return new Failure('ERR Invalid slot or number of keys')
  return data.keysInSlot(Number(slot), now).slice(0, Number(count))
}

function countKeys(slotText: string, { data, now }: Call): Answer {
  const slot = slotNumber(slotText)
  if (slot instanceof Failure) return slot
  return isSlot(slot) ? data.keysInSlot(Number(slot), now).length : new Failure('ERR Invalid slot')
}

const replicas = (id: string, call: Call) =>
  withCluster(call, side => side.replicasOf(id) ?? new Failure(`ERR Unknown node ${id}`))

export const cluster: Commands = {
  'CLUSTER|SLOTS 2 -': (_, call) => withCluster(call, side => side.slots(call.session.protocol)),
  'CLUSTER|SHARDS 2 -': (_, call) => withCluster(call, side => side.shards()),
  'CLUSTER|NODES 2 -': (_, call) => withCluster(call, side => new Verbatim(side.nodes())),
  'CLUSTER|INFO 2 -': (_, call) => withCluster(call, side => new Verbatim(side.info())),
  'CLUSTER|MYID 2 -': (_, call) => withCluster(call, side => side.id),
  'CLUSTER|KEYSLOT 3 -': ([key], call) => withCluster(call, () => slotOfKey(key)),
  'CLUSTER|COUNTKEYSINSLOT 3 -': ([slot], call) => withCluster(call, () => countKeys(slot, call)),
  'CLUSTER|GETKEYSINSLOT 4 -': ([slot, count], call) => withCluster(call, () => keysInSlot(slot, count, call)),
  'CLUSTER|REPLICAS 3 -': ([id], call) => replicas(id, call),
  'CLUSTER|SLAVES 3 -': ([id], call) => replicas(id, call),
}
