// FrameGuard: finds where a reply ends, and refuses what a decoder must not be given, without building a value.
// Owns    the state of one walk: the open aggregates as counts, and how far the current element has come.
// Born    with its decoder, or with a reply that is wanted raw.
// Dies    with it, or when walk() throws.
// Holds   every byte is looked at once, but for the bodies of strings, which are skipped.

import { badLength, badType, longLine, maxLineBytes, missingLineEnd, tooDeep, tooLong, tooMany } from './failures.js'
import type { DecoderLimits } from './limits.js'
import * as types from './types.js'

// Names of this module's own, which V8 compiles as constants.
const { Aggregate, cr, isAggregate, isKnown, isPairs, isResp2, lf, Type } = types
const { bulk, integer, simpleString } = Type

/** Of a number that is not left to the methods that count them. */
const maxDigits = 20

/** What the next byte is. */
const Phase = { type: 0, number: 1, text: 2, lineEnd: 3, body: 4, bodyCr: 5, bodyLf: 6 } as const

/** What stands in front of the digits of a header. */
const Sign = { none: 0, minus: 0x2d, plus: 0x2b, streamed: 0x3f } as const

/** An open aggregate: elements still missing, and whether it counts as an element of what it stands in. */
interface Level {
  left: number
  readonly streamed: boolean
  readonly counts: boolean
}

export class FrameGuard {
  readonly #protocol: 2 | 3
  readonly #limits: DecoderLimits
  readonly #isNested: boolean
  #phase: number = Phase.type
  #type = 0
  /** Of the current line: sign, digits read and their value; or bytes read, if it is text. */
  #sign: number = Sign.none
  #digits = 0
  #number = 0
  #lineBytes = 0
  #bodyLeft = 0
  /** Bytes so far of the streamed string that is open; -1 when none is. */
  #streamedBytes = -1
  readonly #levels: Level[] = []
  #complete = false
  #sawError = false

  /** @param isNested what it walks are elements of an array, not replies */
  constructor(protocol: 2 | 3, limits: DecoderLimits, isNested = false) {
    this.#protocol = protocol
    this.#limits = limits
    this.#isNested = isNested
  }

  /** True when walk() has stopped at the end of a reply. */
  get complete(): boolean {
    return this.#complete
  }

  /** True when there is an error in the reply walked last, at any depth. */
  get sawError(): boolean {
    return this.#sawError
  }

  /** Walks to the end of the reply or of the bytes, whichever comes first, and returns that position. */
  walk(bytes: Buffer, pos: number, end: number): number {
    if (this.#complete) this.#sawError = false
    this.#complete = false
    while (pos < end && !this.#complete) {
      switch (this.#phase) {
        case Phase.type:
          if (this.#streamedBytes === -1) pos = this.#skipWhole(bytes, pos, end)
          if (pos < end && !this.#complete) this.#startElement(bytes[pos++] as number)
          break
        case Phase.number:
          pos = this.#walkNumber(bytes, pos, end)
          break
        case Phase.text:
          pos = this.#walkText(bytes, pos, end)
          break
        case Phase.lineEnd:
          if (bytes[pos++] !== lf) throw missingLineEnd()
          this.#phase = Phase.type
          this.#endLine()
          break
        case Phase.body: {
          const skipped = Math.min(this.#bodyLeft, end - pos)
          pos += skipped
          this.#bodyLeft -= skipped
          if (this.#bodyLeft === 0) this.#phase = Phase.bodyCr
          break
        }
        case Phase.bodyCr:
          if (bytes[pos++] !== cr) throw missingLineEnd()
          this.#phase = Phase.bodyLf
          break
        default:
          if (bytes[pos++] !== lf) throw missingLineEnd()
          this.#phase = Phase.type
          if (this.#streamedBytes === -1) this.#endElement()
      }
    }
    return pos
  }

  /**
   * Skips strings, numbers and headers of arrays that are whole, which nearly all is, without the state that survives a cut.
   * Stops in front of anything else; what that is, and whether it is valid, is for the other methods to find.
   */
  #skipWhole(bytes: Buffer, pos: number, end: number): number {
    while (pos < end && !this.#complete) {
      let next = endOfWhole(bytes, pos, end, this.#limits.maxBulkBytes)
      if (next !== pos) this.#endElement()
      else if (bytes[pos] === Aggregate.array) next = this.#openWhole(bytes, pos, end)
      if (next === pos) return pos
      pos = next
    }
    return pos
  }

  #openWhole(bytes: Buffer, pos: number, end: number): number {
    const digits = pos + 1
    let at = digits
    let number = 0
    let digit = 0
    while (at < end && (digit = (bytes[at] as number) - 0x30) >= 0 && digit <= 9) {
      number = number * 10 + digit
      at++
    }
    if (at === digits || at - digits > maxDigits || at + 1 >= end || bytes[at] !== cr || bytes[at + 1] !== lf)
      return pos
    this.#open(Aggregate.array, number, false)
    return at + 2
  }

  #startElement(type: number): void {
    if (this.#protocol === 2 ? !isResp2(type) : !isKnown(type)) throw badType(type)
    if ((this.#streamedBytes !== -1) !== (type === Type.chunk)) throw badType(type)
    this.#type = type
    this.#sign = Sign.none
    this.#digits = 0
    this.#number = 0
    this.#lineBytes = 0
    this.#phase = hasNumber(type) ? Phase.number : Phase.text
    if (type === Type.error || type === Type.blobError) this.#sawError = true
  }

  #walkNumber(bytes: Buffer, pos: number, end: number): number {
    let number = this.#number
    let digits = this.#digits
    while (pos < end) {
      const byte = bytes[pos++] as number
      const digit = byte - 0x30
      if (digit >= 0 && digit <= 9) {
        number = number * 10 + digit
        digits++
      } else if (byte === cr) {
        this.#phase = Phase.lineEnd
        break
      } else if (digits === 0 && this.#sign === Sign.none && isSign(byte)) this.#sign = byte
      else throw badLength()
    }
    if (digits > maxLineBytes) throw longLine()
    this.#number = number
    this.#digits = digits
    return pos
  }

  #walkText(bytes: Buffer, pos: number, end: number): number {
    const start = pos
    while (pos < end && bytes[pos] !== cr) pos++
    this.#lineBytes += pos - start
    if (this.#lineBytes > maxLineBytes) throw longLine()
    if (pos === end) return end
    this.#phase = Phase.lineEnd
    return pos + 1
  }

  #endLine(): void {
    const type = this.#type
    if (type === Type.end) this.#endStreamed()
    else if (!hasNumber(type)) this.#endElement()
    else if (this.#sign === Sign.none && this.#digits !== 0) this.#endNumber(type, this.#number)
    else this.#endSigned(type)
  }

  #endNumber(type: number, number: number): void {
    if (type === Type.integer) this.#endElement()
    else if (isAggregate(type)) this.#open(type, isPairs(type) ? number * 2 : number, false)
    else if (type === Type.chunk) this.#endChunkHeader(number)
    else this.#startBody(number, 0)
  }

  #endSigned(type: number): void {
    const sign = this.#sign
    const streams = this.#protocol === 3 && sign === Sign.streamed && this.#digits === 0
    if (streams && isAggregate(type)) this.#open(type, this.#limits.maxAggregateLength + 1, true)
    else if (streams && type === Type.bulk) this.#streamedBytes = 0
    else if (type === Type.integer && this.#digits !== 0 && this.#isIntegerSign(sign)) this.#endElement()
    else if (this.#isNull(type)) this.#endElement()
    else throw badLength()
  }

  /** RESP2 decoders in use, redis-parser among them, do not know the plus; servers do not send it. */
  #isIntegerSign(sign: number): boolean {
    return sign === Sign.minus || (sign === Sign.plus && this.#protocol === 3)
  }

  #isNull(type: number): boolean {
    const minusOne = this.#sign === Sign.minus && this.#digits === 1 && this.#number === 1
    return minusOne && (type === Type.bulk || type === Aggregate.array)
  }

  #endChunkHeader(length: number): void {
    if (length !== 0) {
      this.#startBody(length, this.#streamedBytes)
      this.#streamedBytes += length
    } else {
      this.#streamedBytes = -1
      this.#endElement()
    }
  }

  /** @param before bytes of the same string that came before, if it is streamed */
  #startBody(length: number, before: number): void {
    if (before + length > this.#limits.maxBulkBytes) throw tooLong(this.#limits)
    this.#bodyLeft = length
    this.#phase = length === 0 ? Phase.bodyCr : Phase.body
  }

  #open(type: number, length: number, streamed: boolean): void {
    const levels = this.#levels
    const depth = levels.length + Number(this.#isNested)
    if (type === Aggregate.push && depth !== 0) throw badType(type)
    if (length > this.#limits.maxAggregateLength && !streamed) throw tooMany(this.#limits)
    if (depth >= this.#limits.maxDepth) throw tooDeep(this.#limits)
    levels.push({ left: length, streamed, counts: type !== Aggregate.attribute })
    if (length === 0) this.#endAggregate()
  }

  #endStreamed(): void {
    if (this.#lineBytes !== 0 || this.#levels.at(-1)?.streamed !== true) throw badType(Type.end)
    this.#endAggregate()
  }

  #endAggregate(): void {
    if (this.#levels.pop()?.counts === true) this.#endElement()
  }

  /** One element less is missing, and so on outwards for every aggregate that this completes. */
  #endElement(): void {
    const levels = this.#levels
    while (levels.length !== 0) {
      const level = levels[levels.length - 1] as Level
      if (--level.left !== 0) return
      if (level.streamed) throw tooMany(this.#limits)
      levels.pop()
      if (!level.counts) return
    }
    this.#complete = true
  }
}

/** Where the string or number at `pos` ends, if it is whole, valid, and within the limits; otherwise `pos`. */
export function endOfWhole(bytes: Buffer, pos: number, end: number, maxBulkBytes: number): number {
  const type = bytes[pos]
  let at = pos + 1
  if (type === simpleString) {
    const last = Math.min(end - 1, at + maxLineBytes + 1)
    while (at < last && bytes[at] !== cr) at++
    return at < last && bytes[at + 1] === lf ? at + 2 : pos
  }
  if (type !== bulk && type !== integer) return pos
  if (type === integer && at < end && bytes[at] === Sign.minus) at++
  const digits = at
  let number = 0
  let digit = 0
  while (at < end && (digit = (bytes[at] as number) - 0x30) >= 0 && digit <= 9) {
    number = number * 10 + digit
    at++
  }
  if (at === digits || at - digits > maxDigits || at + 1 >= end || bytes[at] !== cr || bytes[at + 1] !== lf) return pos
  at += 2
  if (type === integer) return at
  at += number
  if (at + 1 >= end || number > maxBulkBytes || bytes[at] !== cr || bytes[at + 1] !== lf) return pos
  return at + 2
}

function hasNumber(type: number): boolean {
  return (
    type === Type.bulk ||
    type === Type.integer ||
    isAggregate(type) ||
    type === Type.blobError ||
    type === Type.verbatim ||
    type === Type.chunk
  )
}

function isSign(byte: number): boolean {
  return byte === Sign.minus || byte === Sign.plus || byte === Sign.streamed
}
