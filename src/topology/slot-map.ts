// SlotMap: which shard serves a slot, in O(1).
// Owns    32 KiB: one 16-bit shard index for each of the 16384 slots, and a short list of shards.
// Born    in Topology, once for each view that differs from the one before.
// Dies    when the next one takes its place.
// Holds   rows are never shared: assigning one slot changes one slot.

import type { Node } from '../node/node.js'

export const slotCount = 16384
/** No shard serves this slot. */
const uncovered = 0xffff

/** A primary and the servers that copy it. */
export interface Shard {
  readonly primary: Node
  readonly replicas: readonly Node[]
}

export class SlotMap {
  readonly #owners = new Uint16Array(slotCount).fill(uncovered)
  readonly #shards: Shard[] = []

  /** Adds a shard and returns its index, for assignRange(). */
  addShard(shard: Shard): number {
    return this.#shards.push(shard) - 1
  }

  /** Gives the slots `first` to `last`, both included, to a shard. */
  assignRange(first: number, last: number, shardIndex: number): void {
    this.#owners.fill(shardIndex, first, last + 1)
  }

  /** Gives one slot to the shard whose primary is `node`, which becomes a shard of its own if it was none. */
  assign(slot: number, node: Node): void {
    let index = this.#shards.findIndex(shard => shard.primary === node)
    if (index === -1) index = this.addShard({ primary: node, replicas: [] })
    this.#owners[slot] = index
  }

  /** The node to ask for a slot; null when nobody serves it. */
  primaryOf(slot: number): Node | null {
    const index = this.#owners[slot] as number
    return index === uncovered ? null : (this.#shards[index] as Shard).primary
  }

  shardOf(slot: number): Shard | null {
    const index = this.#owners[slot] as number
    return index === uncovered ? null : (this.#shards[index] as Shard)
  }

  get shards(): readonly Shard[] {
    return this.#shards
  }

  /** Slots that somebody serves. Walks all slots: for reports, not for calls. */
  countCovered(): number {
    let covered = 0
    for (const owner of this.#owners) if (owner !== uncovered) covered++
    return covered
  }
}
