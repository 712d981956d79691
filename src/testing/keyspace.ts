// Keyspace: the keys of one database in memory, with what waits for them.
// Owns    entries, the index by slot, who watches a key and who waits for a list.
// Born    with a fake server, or as the copy of another keyspace.
// Dies    with its servers; it has no timer. What has expired is gone when it is next looked at.
// Holds   keys and values are byte strings; an empty hash, list or set is no key.

import { slotOf } from '../command/slot.js'

export type Value =
  | { readonly type: 'string'; value: string }
  | { readonly type: 'hash'; value: Map<string, string> }
  | { readonly type: 'list'; value: string[] }
  | { readonly type: 'set'; value: Set<string> }

export type Entry = Value & {
  /** In milliseconds of Date.now(); Infinity for never. */
  expiresAt: number
}

/** Whoever watches a key: told once, and then no longer watching. */
export interface Watcher {
  onModified(): void
}

/** Somebody blocked for an element of a list. */
export interface Waiter {
  readonly keys: readonly string[]
  readonly side: 'left' | 'right'
  onElement(key: string, element: string): void
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: the very question is whether a text is ASCII.
const beyondAscii = /[^\x00-\x7f]/

/** The slot of a key that is a byte string. */
export function slotOfKey(key: string): number {
  return slotOf(beyondAscii.test(key) ? Buffer.from(key, 'latin1') : key)
}

export class Keyspace {
  readonly #entries = new Map<string, Entry>()
  readonly #bySlot = new Map<number, Set<string>>()
  readonly #watchers = new Map<string, Set<Watcher>>()
  readonly #waiters: Waiter[] = []
  /** Lists that have got an element since waiters were served last. */
  readonly #grown = new Set<string>()
  /** Keys in the order in which SCAN shows them; null when it is no longer right. */
  #scanned: { key: string; hash: number }[] | null = null

  get size(): number {
    return this.#entries.size
  }

  get(key: string, now: number): Entry | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined || entry.expiresAt > now) return entry
    this.#remove(key)
    return undefined
  }

  /** Whether the key was set and its time is over; looks without removing it. */
  isExpired(key: string, now: number): boolean {
    const entry = this.#entries.get(key)
    return entry !== undefined && entry.expiresAt <= now
  }

  set(key: string, value: Value, expiresAt = Number.POSITIVE_INFINITY): Entry {
    const entry: Entry = Object.assign(value, { expiresAt })
    if (!this.#entries.has(key)) {
      this.#scanned = null
      const slot = slotOfKey(key)
      const keys = this.#bySlot.get(slot)
      if (keys === undefined) this.#bySlot.set(slot, new Set([key]))
      else keys.add(key)
    }
    this.#entries.set(key, entry)
    this.touch(key)
    return entry
  }

  delete(key: string): boolean {
    if (!this.#entries.has(key)) return false
    this.#remove(key)
    this.touch(key)
    return true
  }

  #remove(key: string): void {
    this.#entries.delete(key)
    this.#scanned = null
    const slot = slotOfKey(key)
    const keys = this.#bySlot.get(slot)
    keys?.delete(key)
    if (keys?.size === 0) this.#bySlot.delete(slot)
  }

  /** To be called after every change of what a key holds. */
  touch(key: string): void {
    const watchers = this.#watchers.get(key)
    if (watchers === undefined) return
    this.#watchers.delete(key)
    for (const watcher of watchers) watcher.onModified()
  }

  clear(): void {
    for (const key of [...this.#entries.keys()]) this.delete(key)
  }

  removeExpired(now: number): void {
    for (const [key, entry] of this.#entries) if (entry.expiresAt <= now) this.#remove(key)
  }

  keys(now: number): IterableIterator<string> {
    this.removeExpired(now)
    return this.#entries.keys()
  }

  keysInSlot(slot: number, now: number): string[] {
    const keys = [...(this.#bySlot.get(slot) ?? [])]
    return keys.filter(key => this.get(key, now) !== undefined)
  }

  /** Takes keys out as they are, for another keyspace. */
  take(keys: readonly string[]): [key: string, entry: Entry][] {
    const taken: [string, Entry][] = []
    for (const key of keys) {
      const entry = this.#entries.get(key)
      if (entry !== undefined && this.delete(key)) taken.push([key, entry])
    }
    return taken
  }

  /** A copy of what is in it; nobody watches or waits in the copy. */
  copy(): Keyspace {
    const copy = new Keyspace()
    for (const [key, entry] of this.#entries) copy.set(key, copyOf(entry), entry.expiresAt)
    return copy
  }

  watch(key: string, watcher: Watcher): void {
    const watchers = this.#watchers.get(key)
    if (watchers === undefined) this.#watchers.set(key, new Set([watcher]))
    else watchers.add(watcher)
  }

  unwatch(key: string, watcher: Watcher): void {
    const watchers = this.#watchers.get(key)
    watchers?.delete(watcher)
    if (watchers?.size === 0) this.#watchers.delete(key)
  }

  // ---- who waits for lists

  wait(waiter: Waiter): void {
    this.#waiters.push(waiter)
  }

  stopWaiting(waiter: Waiter): void {
    const at = this.#waiters.indexOf(waiter)
    if (at !== -1) this.#waiters.splice(at, 1)
  }

  noteGrown(key: string): void {
    if (this.#waiters.length !== 0) this.#grown.add(key)
  }

  /** Gives new elements to those who wait for them, in the order in which they came. */
  serveWaiters(now: number): void {
    if (this.#grown.size === 0) return
    const grown = [...this.#grown]
    this.#grown.clear()
    for (const key of grown) {
      for (const waiter of this.#waiters.filter(each => each.keys.includes(key))) {
        const element = this.pop(key, waiter.side, now)
        if (element === undefined) break
        this.stopWaiting(waiter)
        waiter.onElement(key, element)
      }
    }
  }

  /** An element off one end of a list; undefined when the key is no list. */
  pop(key: string, side: 'left' | 'right', now: number): string | undefined {
    const entry = this.get(key, now)
    if (entry?.type !== 'list') return undefined
    const element = side === 'left' ? entry.value.shift() : entry.value.pop()
    if (entry.value.length === 0) this.delete(key)
    else this.touch(key)
    return element
  }

  // ---- SCAN

  /**
   * Goes through all keys in an order that does not depend on when they came, so that a key that is there all the time is seen, whatever is added
   * or removed meanwhile.
   * @param cursor 0 at first, then what the call before gave
   * @returns the next cursor, 0 at the end
   */
  scan(cursor: number, count: number, now: number): { cursor: number; keys: string[] } {
    this.removeExpired(now)
    this.#scanned ??= [...this.#entries.keys()]
      .map(key => ({ key, hash: hashOf(key) }))
      .sort((a, b) => a.hash - b.hash || (a.key < b.key ? -1 : 1))
    const all = this.#scanned
    let at = firstFrom(all, cursor)
    const keys: string[] = []
    // Keys of one hash are shown together: the cursor stands between hashes.
    while (at < all.length && (keys.length < count || all[at]?.hash === all[at - 1]?.hash)) {
      keys.push((all[at++] as { key: string }).key)
    }
    return { cursor: all[at]?.hash ?? 0, keys }
  }
}

function copyOf(entry: Entry): Value {
  switch (entry.type) {
    case 'string':
      return { type: 'string', value: entry.value }
    case 'hash':
      return { type: 'hash', value: new Map(entry.value) }
    case 'list':
      return { type: 'list', value: [...entry.value] }
    case 'set':
      return { type: 'set', value: new Set(entry.value) }
  }
}

/** FNV-1a; never 0, which means the beginning. */
function hashOf(key: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193)
  return hash >>> 0 || 1
}

function firstFrom(all: readonly { hash: number }[], cursor: number): number {
  let low = 0
  let high = all.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((all[middle] as { hash: number }).hash < cursor) low = middle + 1
    else high = middle
  }
  return low
}
