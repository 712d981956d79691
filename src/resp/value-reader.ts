// ValueReader: reads values that lie in the chunk as a whole and are of the usual kinds, as nearly all are.
// Owns    the aggregates that it has begun and could not end, until its decoder takes them.
// Born    with its decoder.
// Dies    with it.
// Holds   it stops in front of what is cut, rare or wrong, and leaves that to the decoder. It calls itself for what is nested, which
//         takes half the time of a Frame for every aggregate.

import type { DecoderLimits, Reply } from './decoder.js'
import { maxLineBytes } from './failures.js'
import { Frame, withElements } from './frame.js'
import * as scalars from './scalars.js'
import { bytesOf, Strings, TextReader } from './text.js'
import * as types from './types.js'

// Names of this module's own: V8 compiles them as constants, but not what it must read of another module's exports. An INCR takes
// 15 ns so, and 21 ns otherwise.
const { cr, lf } = types
const { bulk, integer, simpleString, null: nil, boolean, double, bigNumber } = types.Type
const { array, map, set, push } = types.Aggregate
const { text: asText, copies: asCopies } = Strings

/** Integers of at most this many digits are exact when built digit by digit. */
const exactDigits = 15
/** It calls itself so often at most. */
const maxLevels = 32
/** An element takes three bytes at least. */
const minElementBytes = 3
/** Elements that memory is set aside for at once; with what has come of the chunk it bounds what an announcement can take. */
const trustedElements = 1024

export class ValueReader {
  /** Of the current reply: how strings are given, and whether it is in the shapes of RESP2. */
  strings: number = asText
  legacy = false
  readonly #text = new TextReader()
  /** Where the last call has stopped: behind a value. */
  pos = 0
  /** Of the aggregates that the last call has begun and not ended, the innermost and the outermost one. */
  #innermost: Frame | null = null
  #outermost: Frame | null = null
  readonly #limits: DecoderLimits
  readonly #maxBulkBytes: number
  readonly #stringNumbers: boolean
  /** No aggregate is begun when so many are open. */
  #deepest: number

  constructor(limits: DecoderLimits, stringNumbers: boolean) {
    this.#limits = limits
    this.#maxBulkBytes = limits.maxBulkBytes
    this.#stringNumbers = stringNumbers
    this.#deepest = Math.min(limits.maxDepth, maxLevels)
  }

  /** Reads a value that stands in no aggregate, or a push as its elements; undefined when it is not all read. */
  read(bytes: Buffer, pos: number, end: number): Reply | undefined {
    this.pos = pos
    return this.#read(bytes, end, 0)
  }

  /** Reads elements of the frame, to its end if it can. */
  fill(frame: Frame, bytes: Buffer, pos: number, end: number): void {
    const { items, length, depth } = frame
    const deepest = this.#deepest
    this.#deepest = Math.min(this.#limits.maxDepth, depth + maxLevels)
    this.pos = pos
    let filled = frame.filled
    while (filled < length) {
      const value = this.#read(bytes, end, depth)
      if (value === undefined) break
      items[filled++] = value
    }
    frame.filled = filled
    this.#deepest = deepest
  }

  /** Hands out the innermost aggregate that the last call has begun and not ended; `top` is what these stand in, and comes back when there is none. */
  takeOpen(top: Frame | null): Frame | null {
    const innermost = this.#innermost
    if (this.#outermost === null) return top
    this.#outermost.parent = top
    this.#innermost = null
    this.#outermost = null
    return innermost
  }

  /** @param depth aggregates that the value stands in */
  #read(bytes: Buffer, end: number, depth: number): Reply | undefined {
    const pos = this.pos
    if (pos >= end) return undefined
    const type = bytes[pos] as number
    const digits = pos + 1
    let at = digits
    let number = 0
    let digit = 0
    while (at < end && (digit = (bytes[at] as number) - 0x30) >= 0 && digit <= 9) {
      number = number * 10 + digit
      at++
    }
    if (at === digits || at + 1 >= end || bytes[at] !== cr || bytes[at + 1] !== lf) {
      return this.#readLine(type, bytes, digits, end)
    }
    at += 2
    if (type === bulk) {
      const bodyEnd = at + number
      if (bodyEnd + 1 >= end || bytes[bodyEnd] !== cr || bytes[bodyEnd + 1] !== lf) return undefined
      if (number > this.#maxBulkBytes) return undefined
      this.pos = bodyEnd + 2
      return this.string(bytes, at, bodyEnd)
    }
    if (type === integer && at - digits <= exactDigits + 2 && !this.#stringNumbers) {
      this.pos = at
      return number
    }
    if (type === array || type === map || type === set || (type === push && depth === 0)) {
      return this.#readAggregate(type, type === map ? number * 2 : number, bytes, at, end, depth + 1)
    }
    return this.#readLine(type, bytes, digits, end)
  }

  /** @param depth aggregates that are open with this one */
  #readAggregate(type: number, length: number, bytes: Buffer, pos: number, end: number, depth: number) {
    if (depth > this.#deepest || length > this.#limits.maxAggregateLength) return undefined
    this.pos = pos
    const items = itemsFor(length, end - pos)
    for (let filled = 0; filled < length; filled++) {
      const value = this.#read(bytes, end, depth)
      if (value === undefined) {
        this.#leaveOpen(new Frame(type, depth, length, false, this.legacy, items, filled))
        return undefined
      }
      items[filled] = value
    }
    return type === array ? items : withElements(type, items, this.legacy)
  }

  #leaveOpen(frame: Frame): void {
    if (this.#outermost === null) this.#innermost = frame
    else this.#outermost.parent = frame
    this.#outermost = frame
  }

  /** Reads what is one line and no error. */
  #readLine(type: number, bytes: Buffer, start: number, end: number): Reply | undefined {
    if (!isLine(type)) return undefined
    const last = Math.min(end, start + maxLineBytes + 1)
    let at = start
    while (at < last && bytes[at] !== cr) at++
    if (at + 1 >= end || at === last || bytes[at + 1] !== lf) return undefined
    this.pos = at + 2
    if (type === nil && at === start) return null
    if (type === simpleString) {
      return this.strings === asText ? this.#text.readLine(bytes, start, at) : bytesOf(bytes, start, at, asCopies)
    }
    const line = this.#text.read(bytes, start, at)
    return scalars.parse(type, line, this.#stringNumbers, this.legacy, this.strings !== asText)
  }

  /** bytes[start, end) as the reply's strings are. */
  string(bytes: Buffer, start: number, end: number): string | Buffer {
    return this.strings === asText ? this.#text.read(bytes, start, end) : bytesOf(bytes, start, end, this.strings)
  }

  /** Lets go of the chunk. */
  clear(): void {
    this.#text.clear()
  }
}

function isLine(type: number): boolean {
  return (
    type === simpleString ||
    type === nil ||
    type === integer ||
    type === double ||
    type === boolean ||
    type === bigNumber
  )
}

/** An empty array with room for as many elements as it may have, as far as they can have come. */
export function itemsFor(length: number, arrivedBytes: number): Reply[] {
  return length <= trustedElements && length * minElementBytes <= arrivedBytes ? new Array(length) : []
}
