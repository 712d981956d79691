// KeptKey: everything kept about one key. It comes and goes as a whole: a server reports keys, not commands.

import type { CommandSpec } from '../command/command.js'
import type { Reply } from '../resp/decoder.js'
import { ownText, replyBytes, textBytes } from './kept-reply.js'
import type { Asked } from './policy.js'
import type { Region } from './region.js'

/** A KeptKey, its places in the lists and the map of the LRU, and in its region's set; tables right after doubling. */
const keyOverheadBytes = 320
const entryOverheadBytes = 88
/** What an entry takes in a table, once there is one. */
const tableEntryBytes = 64

/** Up to here entries are searched one by one. */
const listLength = 6

/** One reply. */
export class Entry {
  readonly spec: CommandSpec
  readonly argc: number
  readonly tail: string
  readonly buffers: boolean
  /** In the form in which it is kept. */
  readonly value: Reply
  /** On the clock of the turn. */
  readonly keptAt: number
  next: Entry | null = null

  constructor({ spec, argc, tail, buffers }: Asked, value: Reply, keptAt: number) {
    this.spec = spec
    this.argc = argc
    this.tail = ownText(tail)
    this.buffers = buffers
    this.value = value
    this.keptAt = keptAt
  }

  get bytes(): number {
    return entryOverheadBytes + (this.tail === '' ? 0 : textBytes(this.tail)) + replyBytes(this.value)
  }
}

/** Takes the place of the one before it when an entry is added: the LRU weighs a value once, when it is set. */
export class KeptKey {
  readonly region: Region
  readonly slot: number
  /** The slot's epoch when its entries were kept. */
  readonly epoch: number
  readonly count: number
  readonly bytes: number
  /** All entries while there are few, the newest first. */
  readonly #first: Entry | null
  /** Entries by what stands behind the key, once there are many. */
  readonly #byTail: Map<string, Entry> | null

  /** @param previous what is kept about the key already, from the same region and epoch */
  constructor(key: string, region: Region, slot: number, epoch: number, entry: Entry, previous: KeptKey | undefined) {
    this.region = region
    this.slot = slot
    this.epoch = epoch
    this.count = (previous?.count ?? 0) + 1
    let bytes = (previous?.bytes ?? keyOverheadBytes + textBytes(key)) + entry.bytes
    let table = previous === undefined ? null : previous.#byTail
    if (table === null && this.count > listLength) {
      table = new Map()
      for (let each = previous === undefined ? null : previous.#first; each !== null; ) {
        const next: Entry | null = each.next
        each.next = null
        link(table, each)
        each = next
      }
      bytes += tableEntryBytes * (this.count - 1) + 200
    }
    if (table === null) {
      entry.next = previous === undefined ? null : previous.#first
      this.#first = entry
    } else {
      link(table, entry)
      bytes += tableEntryBytes
      this.#first = null
    }
    this.#byTail = table
    this.bytes = bytes
  }

  find(spec: CommandSpec, argc: number, tail: string, buffers: boolean): Entry | undefined {
    let entry: Entry | null = this.#byTail === null ? this.#first : (this.#byTail.get(tail) ?? null)
    for (; entry !== null; entry = entry.next) {
      if (entry.spec === spec && entry.argc === argc && entry.buffers === buffers && entry.tail === tail) return entry
    }
    return undefined
  }
}

function link(table: Map<string, Entry>, entry: Entry): void {
  entry.next = table.get(entry.tail) ?? null
  table.set(entry.tail, entry)
}
