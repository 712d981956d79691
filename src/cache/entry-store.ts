// EntryStore: every entry of a client, in the order of use, within its bounds.
// Owns    that order. Sole importer of lru-cache.
// Born    with the cache.
// Dies    with it.
// Holds   bytes <= maxBytes, entries <= maxEntries; an entry is in the order exactly as long as it is linked in its region.

import { LRUCache } from 'lru-cache'
import type { Argument, CommandSpec } from '../command/command.js'
import type { CacheConfig } from './policy.js'
import { type Answered, Entry, entryBytes, type Region } from './region.js'
import type { Packed } from './value.js'

export class EntryStore {
  readonly #config: CacheConfig
  readonly #order: LRUCache<Entry, Entry>
  /** Entries stored so far. */
  #stored = 0
  /** Entries given up for want of room. */
  evictions = 0

  constructor(config: CacheConfig) {
    this.#config = config
    this.#order = new LRUCache<Entry, Entry>({
      // Its lists are allocated at once, so no longer than as many entries as fit.
      max: Math.min(config.maxEntries, Math.ceil(config.maxBytes / entryBytes)),
      maxSize: config.maxBytes,
      sizeCalculation: entry => entry.bytes,
      dispose: (entry, _key, reason) => {
        if (reason === 'evict') this.evictions++
        entry.region.unlink(entry)
      },
    })
  }

  get entries(): number {
    return this.#order.size
  }

  get bytes(): number {
    return this.#order.calculatedSize
  }

  /** The entry that answers this, if there is one. */
  find(region: Region, key: string, spec: CommandSpec, flags: number, args: readonly Argument[]): Entry | undefined {
    const entry = region.find(key, spec, flags, args)
    if (entry === undefined) return undefined
    if (entry.expiresAt !== 0 && performance.now() >= entry.expiresAt) {
      this.#order.delete(entry)
      return undefined
    }
    // Its place is renewed once it is an eighth of the entries old: as good an order, and most hits are one comparison.
    if (this.#stored - entry.usedAt > this.#order.size >> 3) {
      entry.usedAt = this.#stored
      this.#order.get(entry)
    }
    return entry
  }

  /** @param bytes of the packed value, as estimated */
  keep(answered: Answered, key: string, args: readonly Argument[], value: Packed, bytes: number): void {
    // A copy, as a key cut out of a larger text would keep all of it alive. U+FFFD stands for what is no text: it names no one key.
    const own = Buffer.from(key).toString()
    if (own.includes('\ufffd')) return
    const { ttlMs, maxBytes } = this.#config
    const expiresAt = ttlMs === 0 ? 0 : performance.now() + ttlMs
    const entry = new Entry(answered, own, args, value, bytes, expiresAt)
    if (entry.bytes > maxBytes) return
    const { region, spec, flags } = answered
    const known = region.find(key, spec, flags, args)
    if (known !== undefined) this.#order.delete(known)
    entry.usedAt = ++this.#stored
    region.link(entry)
    this.#order.set(entry, entry)
  }

  /** Forgets a key, and has reads of it that are under way not stored. */
  forget(region: Region, key: string): void {
    for (const entry of region.entriesOf(key)) this.#order.delete(entry)
    region.raceKey(key)
  }

  /** As forget(), for every key of the slots wanted. */
  forgetSlots(region: Region, wanted: (slot: number) => boolean): void {
    for (const entry of region.entriesIn(wanted)) this.#order.delete(entry)
    region.race(wanted)
  }

  empty(region: Region): void {
    this.forgetSlots(region, () => true)
  }
}
