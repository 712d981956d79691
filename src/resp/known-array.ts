// KnownArray: a reply we have seen before, cut into its elements, and how another one differs from it.
// Pure. It is for replies that come again and again and hardly change: a look at the topology costs what has changed.

import { FrameGuard } from './frame-guard.js'
import type { DecoderLimits } from './limits.js'

export interface KnownArray {
  /** The whole reply, an array. */
  readonly bytes: Buffer
  /** Where its elements begin, and after the last one where it ends. */
  readonly offsets: Uint32Array
  /** The last reply found to differ, and how: whoever reads it need not compare again. */
  compared?: { bytes: Buffer; delta: ArrayDelta }
}

/** What has taken the place of the known elements `from` to below `to`. Either may be nothing. */
export interface ArrayHunk {
  readonly from: number
  to: number
  /** Where each new element begins, and after the last one where it ends. */
  readonly starts: number[]
}

/** How another array differs from a known one, in order. Elements outside of the hunks are the same bytes. */
export type ArrayDelta = readonly ArrayHunk[]

/** An empty array, for a beginning: everything is new beside it. */
export function knowNothing(): KnownArray {
  return { bytes: Buffer.from('*0\r\n'), offsets: Uint32Array.of(4) }
}

const lf = 0x0a
const maxBytes = 2 ** 32 - 1

/** Cuts a whole array reply into its elements; null when the bytes are no such reply. */
export function knowArray(bytes: Buffer, protocol: 2 | 3, limits: DecoderLimits): KnownArray | null {
  const header = readHeader(bytes, 0, bytes.length)
  // An element takes three bytes at least.
  if (header === null || bytes.length > maxBytes || header.count > bytes.length / 3) return null
  const offsets = new Uint32Array(header.count + 1)
  let at = header.end
  const guard = new FrameGuard(protocol, limits, true)
  for (let i = 0; i < header.count; i++) {
    offsets[i] = at
    at = guard.walk(bytes, at, bytes.length)
    if (!guard.complete) return null
  }
  offsets[header.count] = at
  return at === bytes.length ? { bytes, offsets } : null
}

/** The array that differs so from a known one. */
export function knowDifferent({ offsets: old }: KnownArray, bytes: Buffer, delta: ArrayDelta): KnownArray {
  let count = old.length - 1
  for (const { from, to, starts } of delta) count += starts.length - 1 - (to - from)
  const offsets = new Uint32Array(count + 1)
  let at = 0
  let known = 0
  let knownAt = bytes.length - (old[old.length - 1] as number)
  // Counted from behind where nothing is new: the header may be longer or shorter.
  if (delta.length !== 0) {
    const [{ from, starts }] = delta as [ArrayHunk]
    knownAt = (starts[0] as number) - (old[from] as number)
  }
  for (const { from, to, starts } of delta) {
    while (known < from) offsets[at++] = (old[known++] as number) + knownAt
    for (let i = 0; i < starts.length - 1; i++) offsets[at++] = starts[i] as number
    known = to
    knownAt = (starts[starts.length - 1] as number) - (old[to] as number)
  }
  while (known < old.length) offsets[at++] = (old[known++] as number) + knownAt
  return { bytes, offsets }
}

export interface ArrayHeader {
  count: number
  end: number
}

/** Reads `*<count>\r\n`; null for anything else, and where that is not all there. */
export function readHeader(bytes: Buffer, pos: number, end: number): ArrayHeader | null {
  if (bytes[pos] !== 0x2a) return null
  let count = 0
  let at = pos + 1
  for (; at < end; at++) {
    const digit = (bytes[at] as number) - 0x30
    if (digit < 0 || digit > 9) break
    count = count * 10 + digit
  }
  if (at === pos + 1 || at + 1 >= end || bytes[at] !== 0x0d || bytes[at + 1] !== lf) return null
  return { count, end: at + 2 }
}
