// PendingReads: the reads under way, to be found by their key or by what they ask.
// Owns    nothing but the list.
// Born    with the client's cache.
// Dies    with it.
// Holds   a read from its call until the call that leads it has settled, valid or not.

import type { PendingRead } from './pending-read.js'
import type { Asked } from './policy.js'

export class PendingReads {
  /** By key, then by what stands behind the key. */
  readonly #reads = new Map<string, Map<string, PendingRead[]>>()

  add(read: PendingRead): void {
    const { key, tail } = read.asked
    let ofKey = this.#reads.get(key)
    if (ofKey === undefined) this.#reads.set(key, (ofKey = new Map()))
    const same = ofKey.get(tail)
    if (same === undefined) ofKey.set(tail, [read])
    else same.push(read)
  }

  delete(read: PendingRead): void {
    const { key, tail } = read.asked
    const ofKey = this.#reads.get(key)
    const same = ofKey?.get(tail)
    const at = same?.indexOf(read) ?? -1
    if (ofKey === undefined || same === undefined || at === -1) return
    same.splice(at, 1)
    if (same.length === 0) ofKey.delete(tail)
    if (ofKey.size === 0) this.#reads.delete(key)
  }

  /** A read whose reply another caller may share; undefined when there is none. */
  find({ key, spec, argc, tail, buffers }: Asked): PendingRead | undefined {
    return this.#reads
      .get(key)
      ?.get(tail)
      ?.find(
        ({ asked, valid, shareable }) =>
          valid && shareable && asked.spec === spec && asked.argc === argc && asked.buffers === buffers,
      )
  }

  /** Replies of reads of this key are not kept. */
  invalidate(key: string): void {
    const ofKey = this.#reads.get(key)
    if (ofKey === undefined) return
    for (const same of ofKey.values()) for (const read of same) read.invalidate()
  }

  all(): PendingRead[] {
    return [...this.#reads.values()].flatMap(ofKey => [...ofKey.values()].flat())
  }

  /** Calls that wait for the reply of another. */
  countWaiting(): number {
    let count = 0
    for (const ofKey of this.#reads.values()) {
      for (const same of ofKey.values()) for (const read of same) count += read.waiting
    }
    return count
  }
}
