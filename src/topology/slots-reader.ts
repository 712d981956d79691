// SlotsReader: reads CLUSTER SLOTS answers, each against the one before.
// Owns    the answer read last, as bytes, as elements and as a view.
// Born    with the ClusterSource.
// Dies    with it.
// Holds   reading an answer costs what differs from the one before; the same bytes give the same View object.

import { compareWithKnown } from '../resp/array-matcher.js'
import { ReplyReader } from '../resp/decode-reply.js'
import { defaultLimits } from '../resp/decoder.js'
import { type KnownArray, knowArray, knowDifferent } from '../resp/known-array.js'
import {
  buildView,
  type KnownShards,
  parseClusterSlots,
  parseRange,
  type ReplacedRanges,
  replaceRanges,
  type View,
} from './view.js'

export class SlotsReader {
  readonly #replies = new ReplyReader()
  #known: KnownArray | null = null
  #view: View = buildView([])
  #askedHost = ''
  /** The answer leaves a host to be that of the node that was asked. */
  #leavesHost = false
  #seedName: string | null = null
  #shards: KnownShards = new Map()

  /** The answer read last, for the decoder to compare the next one with. */
  get known(): KnownArray | null {
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
    if (this.#known !== null && (!this.#leavesHost || askedHost === this.#askedHost)) {
      if (raw === this.#known.bytes) return this.#view
      if (this.#readDifference(this.#known, raw, protocol, askedHost)) return this.#view
    }
    this.#shards = new Map()
    this.#view = parseClusterSlots(this.#replies.read(raw), askedHost, this.#shards, seedName)
    this.#known = knowArray(raw, protocol, defaultLimits)
    this.#askedHost = askedHost
    this.#leavesHost = leavesHost(raw)
    return this.#view
  }

  #readDifference(known: KnownArray, raw: Buffer, protocol: 2 | 3, askedHost: string): boolean {
    const delta =
      known.compared?.bytes === raw ? known.compared.delta : compareWithKnown(known, raw, protocol, defaultLimits)
    if (delta === null) return false
    const replaced: ReplacedRanges[] = []
    for (const { from, to, starts } of delta) {
      if (!this.#leavesHost && leavesHost(raw.subarray(starts[0], starts.at(-1)))) return false
      const by = starts.slice(1).map((end, i) => {
        const entry = this.#replies.read(raw.subarray(starts[i], end))
        return parseRange(entry, askedHost, this.#shards, this.#seedName)
      })
      replaced.push({ from, to, by })
    }
    if (replaced.length !== 0) this.#view = replaceRanges(this.#view, replaced)
    this.#known = knowDifferent(known, raw, delta)
    return true
  }
}

const empty = ['$-1\r\n', '$0\r\n', '_\r\n'].map(text => Buffer.from(text))

/** True when there may be a host that is empty or null. Such bytes elsewhere do no harm: then it is read in full where it need not be. */
function leavesHost(raw: Buffer): boolean {
  return empty.some(bytes => raw.includes(bytes))
}
