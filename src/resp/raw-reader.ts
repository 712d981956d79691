// RawReader: takes one reply as it is on the wire. Born at the reply's first byte; done when `reply` is set.
//
// A reply that is known already is compared, not read: where the bytes equal the known ones nothing is walked or copied, and where they
// differ in some elements only those are walked.

import { ArrayMatcher } from './array-matcher.js'
import { ByteCollector } from './byte-collector.js'
import { FrameGuard } from './frame-guard.js'
import type { KnownArray } from './known-array.js'
import type { DecoderLimits } from './limits.js'

export class RawReader {
  /** The reply's bytes, in memory of their own or the known reply's; null until the last one has come. */
  reply: Buffer | null = null
  readonly #protocol: 2 | 3
  readonly #limits: DecoderLimits
  /** What walks and collects; made when a reply has to be walked from its first byte. */
  #walk: { guard: FrameGuard; collector: ByteCollector } | null = null
  readonly #known: KnownArray | null
  /** What compares; made when there is something to compare with. */
  #matcher: ArrayMatcher | null = null

  constructor(protocol: 2 | 3, limits: DecoderLimits, known: KnownArray | null) {
    this.#protocol = protocol
    this.#limits = limits
    this.#known = known
  }

  /** Reads on at `pos`; returns where the reply, or else the chunk, ends. */
  read(chunk: Buffer, pos: number, end: number): number {
    if (this.#known === null || this.#walk !== null) return this.#read(chunk, pos, end)
    if (this.#matcher === null) {
      const matcher = new ArrayMatcher(this.#known, this.#protocol, this.#limits)
      const next = matcher.begin(chunk, pos, end)
      if (next === -1) return this.#read(chunk, pos, end)
      this.#matcher = matcher
      pos = next
    }
    return this.#match(this.#matcher, this.#known, chunk, pos, end)
  }

  #read(chunk: Buffer, pos: number, end: number): number {
    this.#walk ??= { guard: new FrameGuard(this.#protocol, this.#limits), collector: new ByteCollector() }
    const { guard, collector } = this.#walk
    const stop = guard.walk(chunk, pos, end)
    collector.append(chunk, pos, stop)
    if (guard.complete) this.reply = collector.take()
    return stop
  }

  #match(matcher: ArrayMatcher, known: KnownArray, chunk: Buffer, pos: number, end: number): number {
    const stop = matcher.read(chunk, pos, end)
    const { reply, delta } = matcher
    if (reply === null) return stop
    this.reply = reply
    if (reply !== known.bytes) known.compared = { bytes: reply, delta }
    return stop
  }
}
