// SlotsReader: reads CLUSTER SLOTS answers, each against the one before.
// Owns    the answer read last, as bytes, as elements and as a view; and the shards met, by what an entry says of them.
// Born    with the ClusterSource.
// Dies    with it.
// Holds   reading an answer costs what differs from the one before; the same bytes give the same View object.

import { compareWithKnown } from '../resp/array-matcher.js'
import { ReplyReader } from '../resp/decode-reply.js'
import { defaultLimits } from '../resp/decoder.js'
import { type KnownArray, knowDifferent, knowNothing } from '../resp/known-array.js'
import {
  buildView,
  isSlot,
  type KnownShards,
  parseClusterSlots,
  parseRange,
  type ReplacedRanges,
  replaceRanges,
  type View,
  type ViewRange,
  type ViewShard,
} from './view.js'

/** Nodes list replicas in orders of their own: so many ways to name a shard are remembered. */
const waysKept = 4
/** So many of shards that have gone. */
const spareWays = 100

export class SlotsReader {
  readonly #replies = new ReplyReader()
  #known = knowNothing()
  #view: View = buildView([])
  #askedHost = ''
  /** The answer leaves a host to be that of the node that was asked. */
  #leavesHost = false
  #seedName: string | null = null
  #shards: KnownShards = new Map()
  /** Shards by the bytes that name their nodes: most entries name a shard that has been named in the very same way. */
  #byRows = new Map<string, ViewShard | null>()

  /** The answer read last, for the decoder to compare the next one with. */
  get known(): KnownArray {
    return this.#known
  }

  /**
   * @param raw the whole answer
   * @param protocol the one it is written in
   * @param askedHost host of the node that answered
   * @param seedName name of the seed through which that node was found
   * @throws SlotwiseError SLOTWISE_PROTOCOL when it is not a CLUSTER SLOTS reply
   */
  read(raw: Buffer, protocol: 2 | 3, askedHost: string, seedName: string | null = null): View {
    this.#seedName = seedName
    if (this.#leavesHost && askedHost !== this.#askedHost) this.#forget()
    this.#askedHost = askedHost
    if (raw === this.#known.bytes) return this.#view
    const known = this.#known
    const delta =
      known.compared?.bytes === raw ? known.compared.delta : compareWithKnown(known, raw, protocol, defaultLimits)
    if (delta === null) {
      this.#forget()
      return parseClusterSlots(this.#replies.read(raw), askedHost, new Map(), seedName)
    }
    const replaced: ReplacedRanges[] = []
    for (const { from, to, starts } of delta) {
      if (!this.#leavesHost && leavesHost(raw.subarray(starts[0], starts.at(-1)))) {
        // What has been read until now does not depend on who was asked.
        this.#leavesHost = true
      }
      const by: ViewRange[] = []
      for (let i = 0; i + 1 < starts.length; i++)
        by.push(this.#readRange(raw, starts[i] as number, starts[i + 1] as number))
      replaced.push({ from, to, by })
    }
    if (replaced.length !== 0) this.#view = replaceRanges(this.#view, replaced)
    this.#known = knowDifferent(known, raw, delta)
    this.#forgetGone()
    return this.#view
  }

  #readRange(raw: Buffer, start: number, end: number): ViewRange {
    const head = readHead(raw, start)
    const rows = head === null ? '' : raw.toString('latin1', head.end, end)
    const known = head === null ? undefined : this.#byRows.get(rows)
    if (head !== null && known !== undefined) return { first: head.first, last: head.last, shard: known }
    const entry = this.#replies.read(raw.subarray(start, end))
    const range = parseRange(entry, this.#askedHost, this.#shards, this.#seedName)
    if (head !== null) this.#byRows.set(rows, range.shard)
    return range
  }

  #forget(): void {
    this.#known = knowNothing()
    this.#view = buildView([])
    this.#leavesHost = false
    this.#shards = new Map()
    this.#byRows = new Map()
  }

  /** Shards come and go. */
  #forgetGone(): void {
    const most = waysKept * this.#view.shards.length + spareWays
    if (this.#byRows.size > most) this.#byRows = new Map()
    if (this.#shards.size <= most) return
    const named = new Set(this.#view.shards)
    this.#shards = new Map([...this.#shards].filter(([, shard]) => named.has(shard)))
  }
}

/** An entry's first and last slot, and where its nodes begin; null where it is not of the usual form. */
function readHead(raw: Buffer, start: number): { first: number; last: number; end: number } | null {
  if (raw[start] !== 0x2a) return null
  let at = raw.indexOf(0x0a, start) + 1
  const slots = [0, 0]
  for (let i = 0; i < 2; i++) {
    if (raw[at++] !== 0x3a) return null
    const digits = at
    let number = 0
    let digit = 0
    while ((digit = (raw[at] as number) - 0x30) >= 0 && digit <= 9) {
      number = number * 10 + digit
      at++
    }
    if (at === digits || raw[at] !== 0x0d) return null
    slots[i] = number
    at += 2
  }
  const [first, last] = slots as [number, number]
  return isSlot(first) && isSlot(last) && first <= last ? { first, last, end: at } : null
}

const empty = ['$-1\r\n', '$0\r\n', '_\r\n'].map(text => Buffer.from(text))

/** True when there may be a host that is empty or null. Such bytes elsewhere do no harm: then it is read in full where it need not be. */
function leavesHost(raw: Buffer): boolean {
  return empty.some(bytes => raw.includes(bytes))
}
