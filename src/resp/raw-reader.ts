// RawReader: takes one reply as it is on the wire. Born at the reply's first byte; done when `reply` is set.
//
// A reply that is known already is compared, not read: as long as the bytes equal the known ones nothing is walked or copied, and
// where they differ in a few elements only those are walked.

import { ByteCollector } from './byte-collector.js'
import { FrameGuard } from './frame-guard.js'
import { compareWithKnown, type KnownArray, shiftDelta } from './known-array.js'
import type { DecoderLimits } from './limits.js'

export class RawReader {
  /** The reply's bytes, in memory of their own or the known reply's; null until the last one has come. */
  reply: Buffer | null = null
  readonly #protocol: 2 | 3
  readonly #limits: DecoderLimits
  /** What walks and collects; made when a reply has to be walked, which a known one does not. */
  #walk: { guard: FrameGuard; collector: ByteCollector } | null = null
  /** What the reply has equalled so far; null once it has differed. */
  #known: KnownArray | null
  #matched = 0

  constructor(protocol: 2 | 3, limits: DecoderLimits, known: KnownArray | null) {
    this.#protocol = protocol
    this.#limits = limits
    this.#known = known
  }

  /** Reads on at `pos`; returns where the reply, or else the chunk, ends. */
  read(chunk: Buffer, pos: number, end: number): number {
    if (this.#known !== null) {
      const next = this.#match(this.#known, chunk, pos, end)
      if (next !== -1) return next
    }
    return this.#read(chunk, pos, end)
  }

  #read(chunk: Buffer, pos: number, end: number): number {
    this.#walk ??= { guard: new FrameGuard(this.#protocol, this.#limits), collector: new ByteCollector() }
    const { guard, collector } = this.#walk
    const stop = guard.walk(chunk, pos, end)
    collector.append(chunk, pos, stop)
    if (guard.complete) this.reply = collector.take()
    return stop
  }

  /** Compares with the known reply; -1 when the bytes at `pos` have to be walked. */
  #match(known: KnownArray, chunk: Buffer, pos: number, end: number): number {
    const { bytes } = known
    const length = Math.min(end - pos, bytes.length - this.#matched)
    if (bytes.compare(chunk, pos, pos + length, this.#matched, this.#matched + length) === 0) {
      this.#matched += length
      if (this.#matched === bytes.length) this.reply = bytes
      return pos + length
    }
    this.#known = null
    if (this.#matched === 0) {
      const delta = compareWithKnown(known, chunk, pos, end, this.#protocol, this.#limits)
      if (delta === null) return -1
      this.reply = Buffer.from(chunk.subarray(pos, delta.end))
      known.compared = { bytes: this.reply, delta: shiftDelta(delta, -pos) }
      return delta.end
    }
    // What was equal so far went by unread.
    this.#read(bytes, 0, this.#matched)
    return -1
  }
}
