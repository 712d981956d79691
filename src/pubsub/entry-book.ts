// EntryBook: the names that somebody wants to hear of, by kind and bytes.
// Owns    the entries, and which of them was heard of last.
// Born    with Subscriptions.
// Dies    with it.
// Holds   an entry that has been taken out is found no more.

import { Entry } from './entry.js'
import type { SubscriptionKind } from './subscription-set.js'

export class EntryBook {
  readonly #entries: Record<SubscriptionKind, Map<string, Entry>> = {
    subscribe: new Map(),
    psubscribe: new Map(),
    ssubscribe: new Map(),
  }
  #heard: Entry | undefined = undefined

  get(kind: SubscriptionKind, name: Buffer): Entry | undefined {
    return this.#entries[kind].get(name.toString('latin1'))
  }

  /** The same, for the name of a message: they often come in runs, and a look-up needs a string made of the bytes. */
  hear(kind: SubscriptionKind, name: Buffer): Entry | undefined {
    if (this.#heard?.kind !== kind || !this.#heard.isNamed(name)) this.#heard = this.get(kind, name)
    return this.#heard
  }

  /** The entry of that name; made when there is none. */
  obtain(kind: SubscriptionKind, name: Buffer): Entry {
    let entry = this.get(kind, name)
    if (entry === undefined) {
      entry = new Entry(kind, name)
      this.#entries[kind].set(entry.key, entry)
    }
    return entry
  }

  delete(entry: Entry): void {
    const ofKind = this.#entries[entry.kind]
    if (ofKind.get(entry.key) === entry) ofKind.delete(entry.key)
    if (this.#heard === entry) this.#heard = undefined
  }

  of(kind: SubscriptionKind): Iterable<Entry> {
    return this.#entries[kind].values()
  }

  *all(): Generator<Entry> {
    for (const ofKind of Object.values(this.#entries)) yield* ofKind.values()
  }

  clear(): void {
    for (const ofKind of Object.values(this.#entries)) ofKind.clear()
    this.#heard = undefined
  }
}
