// Text: bytes of chunks to strings that do not keep the chunk, or each other, alive.

import { isAscii } from 'node:buffer'
import { ByteCollector } from './byte-collector.js'
import type { Reply } from './decoder.js'
import { fromCodes } from './from-codes.js'

/** Buffer's own slicers: toString() without the look-up of the encoding. On every Buffer, yet in no type declaration. */
interface Slicers {
  latin1Slice(start: number, end: number): string
  utf8Slice(start: number, end: number): string
}
type Bytes = Buffer & Slicers

/** bytes[start, end) as text. */
export function utf8(bytes: Buffer, start: number, end: number): string {
  return (bytes as Bytes).utf8Slice(start, end)
}

/**
 * How strings are given: as text, as Buffers of their own, or as Buffers on the chunk, which whoever keeps them has to copy. A line that was cut
 * lies in memory that is used again, and is copied in any case.
 */
export const Strings = { text: 0, copies: 1, views: 2 } as const

/** So many bytes are copied here; to copy more, a call costs less. */
const copiedHere = 40

/** bytes[start, end) as a Buffer. */
export function bytesOf(bytes: Buffer, start: number, end: number, strings: number): Buffer {
  if (strings === Strings.views) return bytes.subarray(start, end)
  const length = end - start
  const copy = Buffer.allocUnsafe(length)
  // For 32 bytes 48 ns with the buffer's memory, instead of 68 with a call.
  if (length > copiedHere) bytes.copy(copy, 0, start, end)
  else for (let i = 0; i < length; i++) copy[i] = bytes[start + i] as number
  return copy
}

/** True for equal bytes. Few are read here, as a call for them costs more than they do. */
export function sameBytes(left: Buffer, right: Buffer): boolean {
  if (left.length !== right.length) return false
  if (left.length > 40) return left.equals(right)
  for (let i = 0; i < left.length; i++) if (left[i] !== right[i]) return false
  return true
}

/** Of a push: with its Buffers in memory of their own, to be kept. */
export function owned(value: Reply): Reply {
  if (value instanceof Buffer) return Buffer.from(value)
  if (Array.isArray(value)) return value.map(owned)
  if (value instanceof Map) return new Map([...value].map(([key, item]) => [owned(key), owned(item)]))
  return value instanceof Set ? new Set([...value].map(owned)) : value
}

/** Below this length V8 copies a slice of a string; from it on the slice would keep the whole string alive. */
const copiedSliceLength = 13
/** Up to this length a string is built of codes. */
const maxCodes = 20
/** Text that is made at once, for short strings to be cut from. */
const windowBytes = 2048

/**
 * Makes strings from one chunk at a time, in order of their position.
 *
 * A call into C++ costs more than a short string itself. Where a chunk is ASCII, bytes and characters have the same
 * positions, so many short strings are cut from one text, and longer ones skip the UTF-8 decoder.
 */
export class TextReader {
  #bytes: Bytes | null = null
  /** Whether the chunk is ASCII; not looked at before its second string, as many a chunk has only one. */
  #ascii: boolean | null = null
  #window = ''
  #windowStart = 0
  #windowEnd = 0

  /** Lets go of the chunk. */
  clear(): void {
    this.#bytes = null
    this.#window = ''
  }

  /** A simple string. Most of them are the answer of a write, which need not be cut out of the chunk: 19 ns instead of 27. */
  readLine(chunk: Buffer, start: number, end: number): string {
    if (end - start === 2 && chunk[start] === 0x4f && chunk[start + 1] === 0x4b) return 'OK'
    return this.read(chunk, start, end)
  }

  read(chunk: Buffer, start: number, end: number): string {
    const bytes = chunk as Bytes
    if (this.#bytes !== bytes) {
      this.#bytes = bytes
      this.#ascii = null
      this.#windowEnd = 0
      return bytes.utf8Slice(start, end)
    }
    this.#ascii ??= isAscii(bytes)
    if (!this.#ascii) return bytes.utf8Slice(start, end)
    if (end - start >= copiedSliceLength) {
      if (end - start > maxCodes || start + maxCodes > bytes.length) return bytes.latin1Slice(start, end)
      return fromCodes(bytes, start, end - start)
    }
    if (end > this.#windowEnd) {
      this.#windowStart = start
      this.#windowEnd = Math.min(bytes.length, start + windowBytes)
      this.#window = bytes.latin1Slice(start, this.#windowEnd)
    }
    return this.#window.slice(start - this.#windowStart, end - this.#windowStart)
  }
}

/**
 * Joins a string that arrives in pieces. As long as they are ASCII each becomes text at once, so that neither chunks nor
 * a second copy of a long string are held; V8 flattens the text when it is read. From the first other piece on, which
 * may end within a character, bytes are collected and decoded together.
 */
export class TextCollector {
  #text = ''
  readonly #rest = new ByteCollector()

  append(chunk: Buffer, start: number, end: number): void {
    if (this.#rest.length === 0 && isAscii(chunk.subarray(start, end))) {
      this.#text += (chunk as Bytes).latin1Slice(start, end)
    } else this.#rest.append(chunk, start, end)
  }

  /** Hands out the string and starts afresh. */
  take(): string {
    let text = this.#text
    this.#text = ''
    if (this.#rest.length !== 0) {
      const rest = this.#rest.take()
      text += utf8(rest, 0, rest.length)
    }
    return text
  }
}
