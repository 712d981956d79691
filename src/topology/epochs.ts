// Epochs: whose claim to a slot is the newer one. Pure.
// Sources: CLUSTER NODES command page; cluster spec, "Cluster configuration epoch" and "Hash slots configuration propagation": of two
// nodes that claim a slot, the one with the greater configuration epoch owns it.

import type { Reply } from '../resp/decoder.js'
import { slotCount } from './slot-map.js'
import { buildView, noShard, type View, type ViewRange, type ViewShard } from './view.js'

/** Configuration epoch of every node that one node knows, by id. */
export type Epochs = ReadonlyMap<string, number>

/**
 * Reads a CLUSTER NODES reply. The slots in it are passed over: with thousands of ranges they are most of the text.
 *
 * @returns null when it is no such reply
 */
export function parseEpochs(reply: Reply): Epochs | null {
  if (typeof reply !== 'string') return null
  const epochs = new Map<string, number>()
  for (let start = 0; start < reply.length; ) {
    let end = reply.indexOf('\n', start)
    if (end === -1) end = reply.length
    // id address flags primary ping-sent pong-received config-epoch link-state slot…
    let at = start
    for (let field = 0; field < 6; field++) {
      at = reply.indexOf(' ', at) + 1
      if (at === 0 || at > end) return null
    }
    const epoch = Number.parseInt(reply.slice(at, at + 20), 10)
    if (!Number.isInteger(epoch)) return null
    epochs.set(reply.slice(start, reply.indexOf(' ', start)), epoch)
    start = end + 1
  }
  return epochs.size === 0 ? null : epochs
}

/** A view, and the epochs of those whose claims it holds. */
export interface Claims {
  view: View
  epochs: Epochs
}

export interface Join extends Claims {
  /** Slots for which the answer's claim is the newer one. */
  newer: number
  /** Slots for which that is what we hold. */
  older: number
  /** Slots that nobody claims any more, says the answer. */
  lost: number
}

/**
 * Puts what we hold and a node's answer together, slot by slot: the claim with the greater epoch stands. Of slots that the answer gives to
 * nobody it keeps what we hold. A claim of a node that the answering one does not know is void: members are never unknown for long, and a
 * cluster that was made anew starts again with small epochs.
 *
 * @returns its `view` is the answer's own object where that stands as it is, and ours where nothing in the answer is newer
 */
export function join(held: Claims, answer: Claims): Join {
  const ours = ownersOf(held.view)
  const theirs = ownersOf(answer.view)
  const verdicts = new Map<number, 'same' | 'newer' | 'older'>()
  let [newer, older, lost] = [0, 0, 0]
  for (let slot = 0; slot < slotCount; slot++) {
    const our = ours[slot] as number
    const their = theirs[slot] as number
    if (their === noShard) {
      if (our !== noShard) lost++
      continue
    }
    if (our === noShard) {
      newer++
      continue
    }
    const pair = our * slotCount + their
    let claim = verdicts.get(pair)
    if (claim === undefined) {
      claim = compare(held, held.view.shards[our] as ViewShard, answer, answer.view.shards[their] as ViewShard)
      verdicts.set(pair, claim)
    }
    if (claim === 'newer') newer++
    else if (claim === 'older') {
      older++
      theirs[slot] = noShard
    }
  }
  if (older === 0 && lost === 0) return { ...answer, newer, older, lost }
  if (newer === 0) return { ...held, newer, older, lost }
  return { ...merge(held, ours, answer, theirs), newer, older, lost }
}

function compare(held: Claims, our: ViewShard, answer: Claims, their: ViewShard): 'same' | 'newer' | 'older' {
  const ourId = our.primary.id
  if (ourId === their.primary.id) return 'same'
  const ourEpoch = answer.epochs.has(ourId) ? (held.epochs.get(ourId) ?? -1) : -1
  return (answer.epochs.get(their.primary.id) ?? -1) >= ourEpoch ? 'newer' : 'older'
}

/** Index of the shard of each slot. */
function ownersOf({ ranges }: View): Int32Array {
  const owners = new Int32Array(slotCount).fill(noShard)
  for (let i = 0; i < ranges.length; i += 3) {
    owners.fill(ranges[i + 2] as number, ranges[i] as number, (ranges[i + 1] as number) + 1)
  }
  return owners
}

/** @param theirs the answer's owners, where its claim stands */
function merge(held: Claims, ours: Int32Array, answer: Claims, theirs: Int32Array): Claims {
  const byId = new Map<string, ViewShard>()
  const epochs = new Map<string, number>()
  for (const { view, epochs: known } of [held, answer]) {
    for (const shard of view.shards) {
      const { id } = shard.primary
      const epoch = known.get(id) ?? -1
      if (epoch < (epochs.get(id) ?? -1)) continue
      byId.set(id, shard)
      epochs.set(id, epoch)
    }
  }
  const ranges: ViewRange[] = []
  for (let slot = 0; slot < slotCount; slot++) {
    const [view, index] =
      theirs[slot] === noShard ? [held.view, ours[slot] as number] : [answer.view, theirs[slot] as number]
    const owner = index === noShard ? null : (view.shards[index] as ViewShard)
    const shard = owner === null ? null : (byId.get(owner.primary.id) as ViewShard)
    const range = ranges.at(-1)
    if (range !== undefined && range.shard === shard) range.last = slot
    else ranges.push({ first: slot, last: slot, shard })
  }
  return { view: buildView(ranges.filter(range => range.shard !== null)), epochs }
}
