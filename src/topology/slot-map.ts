// SlotMap: which shard serves a slot, in O(1).
// Owns    32 KiB: one 16-bit shard index for each of the 16384 slots, and a short list of shards.
// Born    in Topology, for each view that names other shards than the one before; revised in place while only ranges move.
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
  /** Slots that somebody serves; kept, because counting them costs 60 µs. */
  covered = 0

  /**
   * Some ranges have changed hands among the same shards: touches the slots of those ranges only. In place, because nothing can look in
   * between: this runs to its end before anything else does.
   *
   * @param before the ranges in use, as triples of first slot, last slot and shard index
   * @param after those that take their place
   */
  revise(before: readonly number[], after: readonly number[]): void {
    const shorter = Math.min(before.length, after.length)
    let first = 0
    while (first < shorter && sameRange(before, first, after, first)) first += 3
    let last = 0
    while (last < shorter - first && sameRange(before, before.length - last - 3, after, after.length - last - 3))
      last += 3
    this.#assignRanges(before, first, before.length - last, true)
    this.#assignRanges(after, first, after.length - last, false)
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

  /** Gives the slots `first` to `last`, both included, to a shard. Does not count them: `covered` is set by who knows it. */
  assignRange(first: number, last: number, shardIndex: number): void {
    const owners = this.#owners
    // fill() pays only where there is something to fill.
    if (last - first >= 64) owners.fill(shardIndex, first, last + 1)
    else for (let slot = first; slot <= last; slot++) owners[slot] = shardIndex
  }

  /** Gives one slot to the shard whose primary is `node`, which becomes a shard of its own if it was none. */
  assign(slot: number, node: Node): void {
    let index = this.#shards.findIndex(shard => shard.primary === node)
    if (index === -1) index = this.addShard({ primary: node, replicas: [] })
    if (this.#owners[slot] === uncovered) this.covered++
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
}

function sameRange(a: readonly number[], i: number, b: readonly number[], j: number): boolean {
  return a[i] === b[j] && a[i + 1] === b[j + 1] && a[i + 2] === b[j + 2]
}
