// Groups: names that go into one SUBSCRIBE or UNSUBSCRIBE command together. Pure.

import type { Carrier } from './carrier.js'
import type { Entry } from './entry.js'

/** Names in one command. */
const maxNames = 1000

export class Groups {
  readonly #groups = new Map<Carrier, Map<string, Entry[][]>>()

  /** Adds the entry to what is said on the carrier; `phase` is what it is in from then on. */
  add(entry: Entry, carrier: Carrier, phase: 'joining' | 'leaving'): void {
    entry.phase = phase
    entry.carrier = carrier
    let ofCarrier = this.#groups.get(carrier)
    if (ofCarrier === undefined) {
      ofCarrier = new Map()
      this.#groups.set(carrier, ofCarrier)
    }
    // The shard channels of one command have one slot.
    const id = `${entry.kind} ${entry.alone ? entry.key : entry.slot}`
    const chunks = ofCarrier.get(id)
    const last = chunks?.at(-1)
    if (chunks === undefined) ofCarrier.set(id, [[entry]])
    else if (last === undefined || last.length === maxNames) chunks.push([entry])
    else last.push(entry)
  }

  *[Symbol.iterator](): Generator<[Carrier, Entry[]]> {
    for (const [carrier, ofCarrier] of this.#groups) {
      for (const chunks of ofCarrier.values()) for (const chunk of chunks) yield [carrier, chunk]
    }
  }
}
