// Region: what is known of one server, for as long as one connection to it lives.
// Owns    its entries by key, and the reads that are under way.
// Born    when the server has agreed to tell this connection of changes.
// Dies    with that connection, or when the node is retired.
// Holds   every entry came on that connection after it was tracked, and nothing has been heard since that its key has changed.

import type { Argument, CommandSpec } from '../command/command.js'
import type { Node } from '../node/node.js'
import type { PendingRead } from './pending-read.js'
import { argumentsBytes, copyArguments, type Packed, sameArguments, textBytes } from './value.js'

/** What an entry costs beside its key, arguments and value: itself, its places in two Maps and in the order of use. */
export const entryBytes = 320

/** A read under way. */
export type Read = PendingRead<Region>

/** What an entry answers. */
export interface Answered {
  region: Region
  slot: number
  spec: CommandSpec
  /** CallFlag bits that make another reply of it. */
  flags: number
}

export class Entry {
  readonly region: Region
  readonly key: string
  readonly slot: number
  readonly spec: CommandSpec
  readonly flags: number
  /** Null when the key is the only one. */
  readonly args: readonly Argument[] | null
  readonly value: Packed
  readonly bytes: number
  /** On the clock of performance.now(); 0 for never. */
  readonly expiresAt: number
  /** When its place in the order of use was renewed, counted in entries stored. */
  usedAt = 0
  /** Another one of the same key. */
  next: Entry | null = null

  constructor(
    answered: Answered,
    key: string,
    args: readonly Argument[],
    value: Packed,
    valueBytes: number,
    expiresAt: number,
  ) {
    this.region = answered.region
    this.slot = answered.slot
    this.spec = answered.spec
    this.flags = answered.flags
    this.key = key
    this.args = args.length === 1 ? null : copyArguments(args)
    this.value = value
    this.bytes = Math.ceil(
      entryBytes + textBytes(key) + valueBytes + (this.args === null ? 0 : argumentsBytes(this.args)),
    )
    this.expiresAt = expiresAt
  }
}

export class Region {
  readonly node: Node
  /** The connection that is tracked; null once it is gone, and nothing is to be stored any more. */
  connection: object | null
  readonly #entries = new Map<string, Entry>()
  readonly #pending = new Map<string, Read[]>()
  readonly #all = new Set<Read>()
  /** Slots of which the server has said that they are not its own; their entries are about to be removed. */
  readonly lostSlots = new Set<number>()

  constructor(node: Node, connection: object) {
    this.node = node
    this.connection = connection
  }

  // ---- entries

  find(key: string, spec: CommandSpec, flags: number, args: readonly Argument[]): Entry | undefined {
    let entry: Entry | null | undefined = this.#entries.get(key)
    while (entry != null) {
      if (entry.spec === spec && entry.flags === flags) {
        if (entry.args === null ? args.length === 1 : sameArguments(entry.args, args)) return entry
      }
      entry = entry.next
    }
    return undefined
  }

  /** Must not hold one like it. */
  link(entry: Entry): void {
    entry.next = this.#entries.get(entry.key) ?? null
    this.#entries.set(entry.key, entry)
  }

  unlink(entry: Entry): void {
    const first = this.#entries.get(entry.key)
    if (first === entry) {
      if (entry.next === null) this.#entries.delete(entry.key)
      else this.#entries.set(entry.key, entry.next)
      return
    }
    for (let at = first; at != null; at = at.next ?? undefined) {
      if (at.next !== entry) continue
      at.next = entry.next
      return
    }
  }

  /** Every entry of the key. */
  entriesOf(key: string): Entry[] {
    const entries: Entry[] = []
    for (let entry = this.#entries.get(key); entry != null; entry = entry.next ?? undefined) entries.push(entry)
    return entries
  }

  /** Every entry that is in one of the slots wanted. */
  entriesIn(wanted: (slot: number) => boolean): Entry[] {
    const entries: Entry[] = []
    for (const first of this.#entries.values()) {
      if (!wanted(first.slot)) continue
      for (let entry: Entry | null = first; entry !== null; entry = entry.next) entries.push(entry)
    }
    return entries
  }

  // ---- reads under way

  /** A read whose reply will do for this one, too. */
  joinable(key: string, spec: CommandSpec, flags: number, args: readonly Argument[]): Read | undefined {
    return this.#pending.get(key)?.find(read => read.matches(spec, flags, args))
  }

  begin(read: Read): void {
    this.#all.add(read)
    for (const key of read.keys) {
      if (key === null) continue
      const others = this.#pending.get(key)
      if (others === undefined) this.#pending.set(key, [read])
      else if (!others.includes(read)) others.push(read)
    }
  }

  /** Nobody reads any more. Raced or not is as it was. */
  end(read: Read): void {
    const { raced } = read
    this.withdraw(read)
    read.raced = raced
    this.#all.delete(read)
  }

  /** News of the key has come: the replies of reads under way may be older. */
  raceKey(key: string): void {
    for (const read of this.#pending.get(key) ?? []) this.withdraw(read)
  }

  /** As raceKey(), for every read under way in one of the slots wanted. */
  race(wanted: (slot: number) => boolean = () => true): void {
    for (const read of this.#all) if (!read.raced && wanted(read.slot)) this.withdraw(read)
  }

  /** Its reply is not to be stored, and nobody joins any more. */
  withdraw(read: Read): void {
    read.raced = true
    for (const key of read.keys) {
      if (key === null) continue
      const rest = this.#pending.get(key)?.filter(other => other !== read) ?? []
      if (rest.length === 0) this.#pending.delete(key)
      else this.#pending.set(key, rest)
    }
  }

  /** Every read whose leader has not settled. */
  get reads(): Iterable<Read> {
    return this.#all
  }
}
