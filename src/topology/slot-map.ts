// SlotMap: which shard serves a slot, in O(1).
// Owns    32 KiB: one 16-bit shard index for each of the 16384 slots, and a short list of shards.
// Born    in Topology, once for each view that differs from the one before.
// Dies    when the next one takes its place; the one after that takes over its memory.
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
  readonly #owners: Uint16Array
  #shards: Shard[] = []

  /** @param retired a map that nobody uses any more; its 32 KiB are used again */
  constructor(retired?: SlotMap) {
    this.#owners = retired === undefined ? new Uint16Array(slotCount) : retired.#owners
    this.#owners.fill(uncovered)
  }

  /**
   * A map of the same shards after some ranges have changed hands. Touches the slots of those ranges only, and shares the list of shards:
   * this map must not be used afterwards.
   *
   * @param before the ranges of this map, as triples of first slot, last slot and shard index
   * @param after those of the new one
   */
  revised(before: readonly number[], after: readonly number[], retired?: SlotMap): SlotMap {
    const next = new SlotMap(retired)
    next.#owners.set(this.#owners)
    next.#shards = this.#shards
    const shorter = Math.min(before.length, after.length)
    let first = 0
    while (first < shorter && sameRange(before, first, after, first)) first += 3
    let last = 0
    while (last < shorter - first && sameRange(before, before.length - last - 3, after, after.length - last - 3))
      last += 3
    next.#assignRanges(before, first, before.length - last, true)
    next.#assignRanges(after, first, after.length - last, false)
    return next
  }

  #assignRanges(ranges: readonly number[], from: number, to: number, clear: boolean): void {
    for (let i = from; i < to; i += 3) {
      const index = ranges[i + 2] as number
      if (index >= 0) this.assignRange(ranges[i] as number, ranges[i + 1] as number, clear ? uncovered : index)
    }
  }

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

function sameRange(a: readonly number[], i: number, b: readonly number[], j: number): boolean {
  return a[i] === b[j] && a[i + 1] === b[j + 1] && a[i + 2] === b[j + 2]
}
