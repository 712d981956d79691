// KnownArray: a reply we have seen before, cut into its elements, to tell what is new in another one without reading what is not.
// Pure. It is for replies that come again and again and hardly change: a look at the topology costs what has changed.

import { FrameGuard } from './frame-guard.js'
import type { DecoderLimits } from './limits.js'

export interface KnownArray {
  /** The whole reply, an array. */
  readonly bytes: Buffer
  /** Where its elements begin, and after the last one where it ends. */
  readonly offsets: readonly number[]
  /** The last reply found to differ in a few elements, and how: whoever reads it need not compare again. */
  compared?: { bytes: Buffer; delta: ArrayDelta }
}

/** How another array differs from a known one: elements kept at both ends, and what stands in between instead. */
export interface ArrayDelta {
  /** Elements that equal the known ones at the beginning. */
  readonly keptFirst: number
  /** Elements that equal the known ones at the end. */
  readonly keptLast: number
  /** Where each element in between begins, and after the last one where it ends. */
  readonly between: readonly number[]
  /** Where the array ends. */
  readonly end: number
}

/** More new elements than this, and reading the whole reply is as good. */
const maxBetween = 64

const lf = 0x0a

/** Cuts a whole array reply into its elements; null when the bytes are no such reply. */
export function knowArray(bytes: Buffer, protocol: 2 | 3, limits: DecoderLimits): KnownArray | null {
  const header = readHeader(bytes, 0, bytes.length)
  if (header === null) return null
  const offsets: number[] = []
  let at = header.end
  const guard = new FrameGuard(protocol, limits)
  for (let i = 0; i < header.count; i++) {
    offsets.push(at)
    at = skipElement(guard, bytes, at, bytes.length)
    if (at === -1) return null
  }
  offsets.push(at)
  return at === bytes.length ? { bytes, offsets } : null
}

/**
 * Compares the array at `pos` with a known one. Null when that is not worth it: the array is not all there, is no array, or has too
 * much that is new. Elements are compared as bytes, so what is kept needs neither checking nor reading.
 */
export function compareWithKnown(
  known: KnownArray,
  bytes: Buffer,
  pos: number,
  end: number,
  protocol: 2 | 3,
  limits: DecoderLimits,
): ArrayDelta | null {
  const header = readHeader(bytes, pos, end)
  if (header === null) return null
  const { offsets } = known
  const knownCount = offsets.length - 1
  const keptFirst = countEqualFirst(known, bytes, header, end)
  let at = header.end + (offsets[keptFirst] as number) - (offsets[0] as number)
  const between = [at]
  const guard = new FrameGuard(protocol, limits)
  for (let left = header.count - keptFirst; between.length <= maxBetween; left--) {
    // A known element is kept at one end only.
    if (left <= knownCount - keptFirst) {
      const from = offsets[knownCount - left] as number
      const length = known.bytes.length - from
      if (at + length <= end && equal(known.bytes, from, bytes, at, length)) {
        return { keptFirst, keptLast: left, between, end: at + length }
      }
    }
    if (left === 0) return null
    at = skipElement(guard, bytes, at, end)
    if (at === -1) return null
    between.push(at)
  }
  return null
}

interface Header {
  count: number
  end: number
}

/** Bisects: each step compares only what no step before it has found equal. */
function countEqualFirst(
  { bytes: knownBytes, offsets }: KnownArray,
  bytes: Buffer,
  header: Header,
  end: number,
): number {
  const start = offsets[0] as number
  const shift = header.end - start
  let low = 0
  let high = Math.min(offsets.length - 1, header.count)
  while (low < high) {
    const middle = (low + high + 1) >> 1
    const from = offsets[low] as number
    const length = (offsets[middle] as number) - from
    if (from + length + shift <= end && equal(knownBytes, from, bytes, from + shift, length)) low = middle
    else high = middle - 1
  }
  return low
}

function equal(known: Buffer, from: number, bytes: Buffer, at: number, length: number): boolean {
  return length === 0 || known.compare(bytes, at, at + length, from, from + length) === 0
}

/** Reads `*<count>\r\n`; null for anything else. */
function readHeader(bytes: Buffer, pos: number, end: number): Header | null {
  if (bytes[pos] !== 0x2a) return null
  let count = 0
  let at = pos + 1
  for (; at < end; at++) {
    const digit = (bytes[at] as number) - 0x30
    if (digit < 0 || digit > 9) break
    count = count * 10 + digit
  }
  if (at === pos + 1 || at + 1 >= end || bytes[at + 1] !== lf) return null
  return { count, end: at + 2 }
}

function skipElement(guard: FrameGuard, bytes: Buffer, pos: number, end: number): number {
  const next = guard.walk(bytes, pos, end)
  return guard.complete ? next : -1
}

/** The same difference, for an array that begins elsewhere. */
export function shiftDelta({ keptFirst, keptLast, between, end }: ArrayDelta, by: number): ArrayDelta {
  return { keptFirst, keptLast, between: between.map(at => at + by), end: end + by }
}
