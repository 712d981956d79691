// Store: the kept replies of all regions by key, the least recently used key first to go.
// Owns    what is kept, its bytes and its number. Sole importer of lru-cache.
// Born    with the client's cache.
// Dies    with it; clear() empties it.
// Holds   bytes <= maxBytes and entries <= maxEntries; a key is in the key set of its region, and in no other.

import { LRUCache } from 'lru-cache'
import type { Reply } from '../resp/decoder.js'
import { Entry, KeptKey } from './kept-key.js'
import { keptReply, ownText, replyBytes } from './kept-reply.js'
import type { CacheConfig } from './options.js'
import type { Asked } from './policy.js'
import type { Region } from './region.js'

/** Given to every look-up: a default would be one more object each time. */
const lookUp = {}

export class Store {
  readonly #maxEntries: number
  readonly #maxBytes: number
  readonly #lru: LRUCache<string, KeptKey>
  #entries = 0
  /** Replies that made room for others. */
  evictions = 0

  constructor({ maxBytes, maxEntries }: Pick<CacheConfig, 'maxBytes' | 'maxEntries'>) {
    this.#maxEntries = maxEntries
    this.#maxBytes = maxBytes
    // Without `max` its lists grow with what is in them. Ages are not left to it, as it would keep a timer for them.
    this.#lru = new LRUCache({
      maxSize: maxBytes,
      dispose: (kept, key, reason) => {
        // Its successor has everything that it had.
        if (reason === 'set') return
        this.#entries -= kept.count
        if (reason === 'evict') this.evictions += kept.count
        kept.region.keys.delete(key)
      },
    })
  }

  get entries(): number {
    return this.#entries
  }

  get bytes(): number {
    return this.#lru.calculatedSize
  }

  /** What is kept about the key, which has been used now. */
  get(key: string): KeptKey | undefined {
    return this.#lru.get(key, lookUp)
  }

  /** Keeps a reply, unless it is there already, has an error in it, or is larger than the whole store. */
  add(asked: Asked, reply: Reply, region: Region, slot: number, epoch: number, now: number): void {
    if (Number.isNaN(replyBytes(reply))) return
    let previous = this.#lru.peek(asked.key)
    if (previous !== undefined && (previous.region !== region || previous.epoch !== epoch)) {
      this.delete(asked.key)
      previous = undefined
    }
    if (previous?.find(asked.spec, asked.argc, asked.tail, asked.buffers) !== undefined) return
    const entry = new Entry(asked, keptReply(reply), now)
    const key = previous === undefined ? ownText(asked.key) : asked.key
    let kept = new KeptKey(key, region, slot, epoch, entry, previous)
    if (kept.bytes > this.#maxBytes || kept.count > this.#maxEntries) {
      if (previous === undefined) return
      this.delete(key)
      kept = new KeptKey(ownText(key), region, slot, epoch, entry, undefined)
      if (kept.bytes > this.#maxBytes) return
      previous = undefined
    }
    this.#entries += kept.count - (previous?.count ?? 0)
    if (previous === undefined) region.keys.add(key)
    this.#lru.set(key, kept, { size: kept.bytes })
    while (this.#entries > this.#maxEntries) this.#lru.pop()
  }

  /** Forgets everything about the key. */
  delete(key: string): void {
    this.#lru.delete(key)
  }

  /** Forgets everything that comes from the region. */
  flush(region: Region): void {
    for (const key of region.keys) this.#lru.delete(key)
  }

  /** Forgets every key for which `isGone` is true. */
  sweep(isGone: (kept: KeptKey) => boolean): void {
    const gone: string[] = []
    this.#lru.forEach((kept, key) => {
      if (isGone(kept)) gone.push(key)
    })
    for (const key of gone) this.#lru.delete(key)
  }

  clear(): void {
    this.#lru.clear()
  }
}
