// ArrayMatcher: reads an array by comparing it with one that is known, chunk by chunk as it arrives.
// Owns    how far it has come in both, the differences found, and the bytes of the new one as pieces.
// Born    with the RawReader of a reply of which one like it is known.
// Dies    with it.
// Holds   bytes that equal the known ones are compared and nothing else; only elements that differ are walked, and each byte of them once.
//         Wherever a chunk ends, what went before is not looked at again, but for the beginning of an element that turns out to differ.

import { ByteCollector } from './byte-collector.js'
import { FrameGuard } from './frame-guard.js'
import { type ArrayDelta, type ArrayHunk, type KnownArray, readHeader } from './known-array.js'
import type { DecoderLimits } from './limits.js'

/** A hunk ends where a new element equals one of so many known ones, or of as many more as it has new elements. */
const searched = 8
/** More new elements than this in one place, or in all, and what follows is taken for new without a search. */
const maxInHunk = 64
const maxShare = 1 / 4
/** So many bytes are compared here before the rest is given to memcmp, which is fast but far. */
const comparedHere = 24

export class ArrayMatcher {
  /** The whole array, once it has come: the known Buffer if it is the same. */
  reply: Buffer | null = null
  readonly #known: KnownArray
  readonly #protocol: 2 | 3
  readonly #limits: DecoderLimits
  /** Walks elements; made when one differs. */
  #guard: FrameGuard | null = null
  readonly #pieces = new ByteCollector()
  /** Elements of the new array, and those of them that are done. */
  #count = -1
  #done = 0
  /** In the new array, behind all that is done; and while known elements are run through, where that began. */
  #offset = 0
  /** The known elements run through, from this one to below that one; -1 while a new element is walked. */
  #runFrom = 0
  #runTo = 0
  /** How far the run has come in the known bytes. */
  #at = 0
  /** In the midst of an element that is walked. */
  #within = false
  readonly #hunks: ArrayHunk[] = []
  #fresh = 0
  /** False once too much was new. */
  #searches = true
  #newHeader = false

  constructor(known: KnownArray, protocol: 2 | 3, limits: DecoderLimits) {
    this.#known = known
    this.#protocol = protocol
    this.#limits = limits
  }

  /** How the reply differs. */
  get delta(): ArrayDelta {
    return this.#hunks
  }

  /** Begins with the first bytes of the array; -1 when it cannot be compared, else where to go on. */
  begin(chunk: Buffer, pos: number, end: number): number {
    const header = readHeader(chunk, pos, end)
    if (header === null || header.count > this.#limits.maxAggregateLength) return -1
    const { offsets } = this.#known
    this.#count = header.count
    this.#offset = header.end - pos
    this.#newHeader = header.count !== offsets.length - 1 || this.#offset !== offsets[0]
    this.#pieces.append(chunk, pos, header.end)
    if (header.count === 0) this.#finish(0)
    else this.#startRun(0)
    return header.end
  }

  /** Reads on at `pos`; returns where the array, or else the chunk, ends. */
  read(chunk: Buffer, pos: number, end: number): number {
    while (pos < end && this.reply === null) {
      pos = this.#runFrom === -1 ? this.#walk(chunk, pos, end) : this.#match(chunk, pos, end)
    }
    return pos
  }

  // ---- what is the same

  /** The next new element seems to be this known one. */
  #startRun(from: number): void {
    const knownCount = this.#known.offsets.length - 1
    this.#runFrom = from
    this.#runTo = Math.min(knownCount, from + this.#count - this.#done)
    this.#at = this.#known.offsets[from] as number
    // There may be nothing known.
    if (this.#runTo === from) this.#startHunk(from)
  }

  #match(chunk: Buffer, pos: number, end: number): number {
    const { bytes, offsets } = this.#known
    const at = this.#at
    const stop = offsets[this.#runTo] as number
    const length = Math.min(end - pos, stop - at)
    if (bytes.compare(chunk, pos, pos + length, at, at + length) === 0) {
      this.#at += length
      if (this.#at === stop) this.#endRun(this.#runTo)
      return pos + length
    }
    const differs = this.#firstDifferent(chunk, pos, length)
    const begun = offsets[differs] as number
    this.#endRun(differs)
    if (begun >= at) return pos + begun - at
    // Its beginning was the same, and went by unread.
    this.#pieces.refer(bytes, begun, this.#take(bytes, begun, at))
    return pos
  }

  /** The first known element that the chunk does not repeat. Bisects: each step compares only what no step before has found equal. */
  #firstDifferent(chunk: Buffer, pos: number, length: number): number {
    const { bytes, offsets } = this.#known
    let at = this.#at
    const shift = pos - at
    let low = lastAtOrBefore(offsets, this.#runFrom, this.#runTo, at)
    let high = lastAtOrBefore(offsets, low, this.#runTo, at + length)
    while (low < high) {
      const middle = (low + high + 1) >> 1
      const next = offsets[middle] as number
      if (bytes.compare(chunk, at + shift, next + shift, at, next) === 0) {
        low = middle
        at = next
      } else high = middle - 1
    }
    return low
  }

  /** All before the known element `to` was the same. */
  #endRun(to: number): void {
    const { bytes, offsets } = this.#known
    const from = this.#runFrom
    if (to > from) {
      const length = (offsets[to] as number) - (offsets[from] as number)
      this.#pieces.refer(bytes, offsets[from] as number, offsets[to] as number)
      this.#offset += length
      this.#done += to - from
      if (this.#done === this.#count) {
        this.#finish(to)
        return
      }
    }
    // What seemed to be the end of a hunk was none: it goes on.
    if (to === from && this.#hunks.length !== 0) this.#runFrom = -1
    else this.#startHunk(to)
  }

  // ---- what is new

  #startHunk(from: number): void {
    this.#runFrom = -1
    this.#hunks.push({ from, to: from, starts: [this.#offset] })
  }

  #walk(chunk: Buffer, pos: number, end: number): number {
    if (this.#searches && !this.#within) {
      const next = this.#findKnown(chunk, pos, end)
      if (next !== -1) {
        this.#hunk.to = next
        this.#startRun(next)
        return pos
      }
    }
    const stop = this.#take(chunk, pos, end)
    this.#pieces.append(chunk, pos, stop)
    if (this.#done === this.#count) this.#finish(this.#known.offsets.length - 1)
    return stop
  }

  get #hunk(): ArrayHunk {
    return this.#hunks[this.#hunks.length - 1] as ArrayHunk
  }

  /** Walks to the end of the element, or as far as the bytes go; over many elements, where none is searched for. */
  #take(bytes: Buffer, pos: number, end: number): number {
    this.#guard ??= new FrameGuard(this.#protocol, this.#limits, true)
    do {
      const stop = this.#guard.walk(bytes, pos, end)
      this.#offset += stop - pos
      pos = stop
      this.#within = !this.#guard.complete
      if (this.#within) return pos
      this.#done++
      this.#fresh++
      const { starts } = this.#hunk
      starts.push(this.#offset)
      if (starts.length > maxInHunk || this.#fresh > Math.max(maxInHunk, this.#count * maxShare)) this.#searches = false
    } while (!this.#searches && pos < end && this.#done < this.#count)
    return pos
  }

  /** The known element that the one at `pos` equals, as far as the chunk goes; -1 for none of those that come next. */
  #findKnown(chunk: Buffer, pos: number, end: number): number {
    const { bytes, offsets } = this.#known
    const { from, starts } = this.#hunk
    const last = Math.min(offsets.length - 1, from + searched + starts.length)
    for (let i = from; i < last; i++) {
      const at = offsets[i] as number
      const length = Math.min((offsets[i + 1] as number) - at, end - pos)
      if (startsEqual(bytes, at, chunk, pos, Math.min(length, comparedHere))) {
        if (length <= comparedHere || bytes.compare(chunk, pos, pos + length, at, at + length) === 0) return i
      }
    }
    return -1
  }

  /** @param knownDone known elements that are done with, but for those that are left out */
  #finish(knownDone: number): void {
    const knownCount = this.#known.offsets.length - 1
    if (this.#runFrom === -1) this.#hunk.to = knownCount
    else if (knownDone < knownCount) this.#hunks.push({ from: knownDone, to: knownCount, starts: [this.#offset] })
    const isSame = !this.#newHeader && this.#hunks.length === 0
    this.reply = isSame ? this.#known.bytes : this.#pieces.take()
  }
}

function startsEqual(a: Buffer, i: number, b: Buffer, j: number, length: number): boolean {
  for (let k = 0; k < length; k++) if (a[i + k] !== b[j + k]) return false
  return true
}

/** Index of the last offset that is not beyond `at`, between two that are known not to be too far and not near enough. */
function lastAtOrBefore(offsets: Uint32Array, low: number, high: number, at: number): number {
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if ((offsets[middle] as number) <= at) low = middle
    else high = middle - 1
  }
  return low
}

/** Compares a whole array with a known one; null when it is none. */
export function compareWithKnown(
  known: KnownArray,
  bytes: Buffer,
  protocol: 2 | 3,
  limits: DecoderLimits,
): ArrayDelta | null {
  const matcher = new ArrayMatcher(known, protocol, limits)
  const at = matcher.begin(bytes, 0, bytes.length)
  if (at === -1 || matcher.read(bytes, at, bytes.length) !== bytes.length || matcher.reply === null) return null
  return matcher.delta
}
