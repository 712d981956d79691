// Resp3Decoder: RESP3, and RESP2 as the part of it that it is, to values.
// Owns    what has arrived of a reply that is not whole: open aggregates, the pieces of a string, the start of a line.
// Born    with a Connection, in the protocol version it asks for.
// Dies    with it, or when execute() throws.
// Holds   no byte is looked at twice, wherever the stream is cut, except those of a line that a cut goes through; and
//         nothing given to the sink keeps a chunk alive.
// Source: Redis serialization protocol specification; RESP3 specification for streamed types and attributes.

import { constants } from 'node:buffer'
import { replyError } from '../errors.js'
import { ByteCollector } from './byte-collector.js'
import { CutLine } from './cut-line.js'
import {
  type DecoderLimits,
  type DecoderOptions,
  defaultLimits,
  type Reply,
  type ReplyDecoder,
  ReplyFormat,
  type ReplySink,
} from './decoder.js'
import {
  asFailure,
  badLine,
  badType,
  longLine,
  maxLineBytes,
  missingLineEnd,
  tooDeep,
  tooLong,
  tooMany,
} from './failures.js'
import { Frame } from './frame.js'
import { RawReader } from './raw-reader.js'
import * as scalars from './scalars.js'
import { bytesOf, Strings, TextCollector, TextReader, utf8 } from './text.js'
import { Aggregate, cr, isAggregate, isKnown, isPairs, lf, Type } from './types.js'

/** Integers of at most this many digits are exact when built digit by digit. */
const exactDigits = 15

export class Resp3Decoder implements ReplyDecoder {
  readonly protocol = 3
  readonly #sink: ReplySink
  readonly #limits: DecoderLimits
  readonly #maxBulkBytes: number
  readonly #stringNumbers: boolean
  readonly #pushStrings: number
  readonly #text = new TextReader()
  #failure: { error: unknown } | null = null

  /** The innermost open aggregate. */
  #top: Frame | null = null
  #depth = 0
  /** True from the first byte of a top-level item to its end. */
  #begun = false
  /** Of the current reply: how strings are given; in the shapes of RESP2; the former of the reply that a push has come within. */
  #strings: number = Strings.text
  #legacy = false
  #outerStrings: number = Strings.text
  /** Takes the bytes of a reply wanted raw; null in between. */
  #raw: RawReader | null = null

  /** Type of the string whose body is due; 0 when none is. */
  #bodyType = 0
  #bodyLeft = 0
  readonly #body = new ByteCollector()
  readonly #textBody = new TextCollector()
  /** Chunks of a streamed string; null when none is open. */
  #streamed: ByteCollector | null = null

  readonly #cutLine = new CutLine()

  constructor(sink: ReplySink, limits: DecoderLimits = defaultLimits, options: DecoderOptions = {}) {
    this.#sink = sink
    this.#limits = limits
    this.#maxBulkBytes = limits.maxBulkBytes
    this.#stringNumbers = options.stringNumbers === true
    this.#pushStrings = options.pushBuffers === true ? Strings.views : Strings.text
  }

  /** True between replies: nothing of the next one has arrived. */
  get idle(): boolean {
    return !this.#begun && this.#cutLine.length === 0
  }

  execute(chunk: Buffer): void {
    if (this.#failure !== null) throw this.#failure.error
    try {
      const end = chunk.length
      let pos = 0
      while (pos < end) {
        if (this.#raw !== null) pos = this.#readRaw(this.#raw, chunk, pos, end)
        else if (this.#bodyType !== 0) pos = this.#resumeBody(chunk, pos, end)
        else if (this.#cutLine.length !== 0) pos = this.#resumeLine(chunk, pos)
        else pos = this.#advance(chunk, pos, end)
      }
      if (this.#top !== null && this.#strings === Strings.views) {
        // A push that goes on in another chunk outlasts this one: what it has so far is copied, and so is the rest.
        this.#top.ownPush()
        this.#strings = Strings.copies
      }
    } catch (error) {
      this.#failure = { error: asFailure(error) }
      throw this.#failure.error
    } finally {
      this.#text.clear()
    }
  }

  #advance(bytes: Buffer, pos: number, end: number): number {
    return this.#streamed === null ? this.#decode(bytes, pos, end) : this.#decodeChunk(this.#streamed, bytes, pos, end)
  }

  /**
   * Decodes from `pos` on; returns where it stopped, which is before `end` only when something else must go on from
   * there. This is the hot loop: what it does not do itself is rare, or costs far more than a call.
   */
  #decode(bytes: Buffer, pos: number, end: number): number {
    while (pos < end) {
      const type = bytes[pos] as number
      if (!this.#begun && this.#begin(type)) return pos
      const digits = pos + 1
      let at = digits
      let number = 0
      let digit = 0
      while (at < end && (digit = (bytes[at] as number) - 0x30) >= 0 && digit <= 9) {
        number = number * 10 + digit
        at++
      }
      if (at + 1 >= end) return this.#cut(bytes, pos, end)
      if (bytes[at] !== cr || at === digits) {
        pos = this.#decodeLine(type, bytes, pos, end)
        if (this.#streamed !== null) return pos
        continue
      }
      if (bytes[at + 1] !== lf) throw missingLineEnd()
      at += 2
      if (type === Type.bulk) {
        const bodyEnd = at + number
        if (bodyEnd + 2 > end || number > this.#maxBulkBytes) return this.#awaitBody(type, number, bytes, at, end)
        if (bytes[bodyEnd] !== cr || bytes[bodyEnd + 1] !== lf) throw missingLineEnd()
        pos = bodyEnd + 2
        this.#add(this.#string(bytes, at, bodyEnd))
      } else if (type === Type.integer && at - digits <= exactDigits + 2 && !this.#stringNumbers) {
        pos = at
        this.#add(number)
      } else if (isAggregate(type)) {
        pos = at
        this.#open(type, number, false)
      } else if (type === Type.blobError || type === Type.verbatim) {
        pos = this.#awaitBody(type, number, bytes, at, end)
        if (this.#bodyType !== 0) return pos
      } else pos = this.#decodeLine(type, bytes, pos, end)
    }
    return pos
  }

  // ---- top level

  /** Starts a top-level item. True when its bytes are wanted as they are. */
  #begin(type: number): boolean {
    this.#begun = true
    this.#legacy = false
    this.#strings = type === Aggregate.push ? this.#pushStrings : Strings.text
    if (type === Aggregate.push || type === Aggregate.attribute) return false
    if (!isKnown(type)) throw badType(type)
    const format = this.#sink.nextFormat()
    if (format === ReplyFormat.plain) return false
    if ((format & ReplyFormat.raw) !== 0 && type !== Type.error && type !== Type.blobError) {
      this.#raw = new RawReader(3, this.#limits, this.#sink.expectedRaw())
      return true
    }
    this.#strings = (format & ReplyFormat.buffers) === 0 ? Strings.text : Strings.copies
    this.#legacy = (format & ReplyFormat.legacy) !== 0
    return false
  }

  #readRaw(reader: RawReader, bytes: Buffer, pos: number, end: number): number {
    const next = reader.read(bytes, pos, end)
    if (reader.reply !== null) {
      this.#raw = null
      this.#add(reader.reply)
    }
    return next
  }

  #add(value: Reply): void {
    const top = this.#top
    if (top === null) {
      this.#begun = false
      this.#sink.onReply(value)
      return
    }
    top.items.push(value)
    if (top.items.length !== top.length) return
    if (top.streamed) throw tooMany(this.#limits)
    this.#finish(top)
  }

  #string(bytes: Buffer, start: number, end: number): string | Buffer {
    return this.#strings === 0 ? this.#text.read(bytes, start, end) : bytesOf(bytes, start, end, this.#strings)
  }

  #addError(message: string): void {
    if (this.#top === null) this.#begun = false
    if (this.#top === null) this.#sink.onError(replyError(message))
    else this.#add(replyError(message))
  }

  // ---- aggregates

  /** @param count as announced, which is pairs for maps and attributes; of no meaning when streamed */
  #open(type: number, count: number, streamed: boolean): void {
    if (type === Aggregate.push && this.#top !== null) this.#enterPush(this.#top)
    const max = this.#limits.maxAggregateLength
    const length = streamed ? max + 1 : isPairs(type) ? count * 2 : count
    if (length > max && !streamed) throw tooMany(this.#limits)
    if (++this.#depth > this.#limits.maxDepth) throw tooDeep(this.#limits)
    this.#top = new Frame(type, this.#top, length, streamed, this.#legacy)
    if (length === 0) this.#finish(this.#top)
  }

  /** Redis 7.0 writes a message in the midst of EXEC's array when the transaction publishes to a channel of its own connection. */
  #enterPush(top: Frame): void {
    if (top.type === Aggregate.push) throw badType(Aggregate.push)
    this.#outerStrings = this.#strings
    this.#strings = this.#pushStrings
  }

  /** Hands the frame's value to its parent, and the parent's to its own if that has made it full, and so on. */
  #finish(frame: Frame): void {
    for (;;) {
      const parent = frame.parent
      this.#top = parent
      this.#depth--
      if (frame.type === Aggregate.attribute) {
        if (parent === null) this.#begun = false
        return
      }
      if (frame.type === Aggregate.push) {
        if (parent === null) this.#begun = false
        else this.#strings = this.#outerStrings
        this.#sink.onPush(frame.items)
        return
      }
      if (parent === null) {
        this.#begun = false
        this.#sink.onReply(frame.value())
        return
      }
      parent.items.push(frame.value())
      if (parent.items.length !== parent.length) return
      if (parent.streamed) throw tooMany(this.#limits)
      frame = parent
    }
  }

  #endStreamed(): void {
    const top = this.#top
    if (top === null) throw badType(Type.end)
    top.end()
    this.#finish(top)
  }

  // ---- lines

  /** Decodes what is one line, or begins with a line that is not a plain number. Returns where to go on. */
  #decodeLine(type: number, bytes: Buffer, pos: number, end: number): number {
    const start = pos + 1
    const last = Math.min(end, start + maxLineBytes + 1)
    let at = start
    while (at < last && bytes[at] !== cr) at++
    if (at + 1 >= end) return this.#cut(bytes, pos, end)
    if (at === last) throw longLine()
    if (bytes[at + 1] !== lf) throw missingLineEnd()
    switch (type) {
      case Type.simpleString:
        this.#add(
          this.#strings === 0 ? this.#text.readLine(bytes, start, at) : bytesOf(bytes, start, at, Strings.copies),
        )
        break
      case Type.error:
        this.#addError(utf8(bytes, start, at))
        break
      case Type.integer:
        this.#add(scalars.parseInteger(this.#text.read(bytes, start, at), this.#stringNumbers))
        break
      default:
        this.#addScalar(type, this.#text.read(bytes, start, at))
    }
    return at + 2
  }

  #addScalar(type: number, text: string): void {
    const value = scalars.parseScalar(type, text, this.#stringNumbers, this.#legacy, this.#strings !== 0)
    if (value !== undefined) this.#add(value)
    else if (type === Type.end && text === '') this.#endStreamed()
    else if (text === '-1' && (type === Type.bulk || type === Aggregate.array)) this.#add(null)
    else if (text === '?' && isAggregate(type)) this.#open(type, 0, true)
    else if (text === '?' && type === Type.bulk) this.#streamed = new ByteCollector()
    else throw badLine(type)
  }

  /** Keeps the start of a line. Returns `end`: the chunk is used up. */
  #cut(bytes: Buffer, pos: number, end: number): number {
    const type = bytes[pos] as number
    if (!isKnown(type)) throw badType(type)
    this.#cutLine.append(bytes, pos, end)
    return end
  }

  /** Completes the line that was cut, as far as the chunk goes, and decodes it by itself. */
  #resumeLine(chunk: Buffer, pos: number): number {
    const next = this.#cutLine.resume(chunk, pos)
    const line = this.#cutLine.take()
    if (line !== null) {
      this.#advance(line, 0, line.length)
      this.#text.clear()
    }
    return next
  }

  // ---- strings

  /** A string's body is due; bytes[pos, end) may hold the start of it, or all. Returns where to go on. */
  #awaitBody(type: number, length: number, bytes: Buffer, pos: number, end: number): number {
    if (length > this.#maxBulkBytes || (length > constants.MAX_STRING_LENGTH && this.#strings === 0)) {
      throw tooLong(this.#limits)
    }
    const bodyEnd = pos + length
    if (bodyEnd + 2 <= end) {
      if (bytes[bodyEnd] !== cr || bytes[bodyEnd + 1] !== lf) throw missingLineEnd()
      this.#addBody(type, bytes, pos, bodyEnd)
      return bodyEnd + 2
    }
    this.#bodyType = type
    this.#bodyLeft = length
    if (type !== Type.bulk || this.#strings !== Strings.text) this.#body.announce(length)
    return this.#resumeBody(bytes, pos, end)
  }

  /** Collects more of the body, and takes the CR and the LF behind it, which count as two bytes less than none left. */
  #resumeBody(bytes: Buffer, pos: number, end: number): number {
    const asText = this.#bodyType === Type.bulk && this.#strings === Strings.text
    if (this.#bodyLeft > 0) {
      const stop = Math.min(end, pos + this.#bodyLeft)
      if (asText) this.#textBody.append(bytes, pos, stop)
      else this.#body.append(bytes, pos, stop)
      this.#bodyLeft -= stop - pos
      pos = stop
    }
    while (pos < end && this.#bodyLeft <= 0 && this.#bodyType !== 0) {
      if (bytes[pos++] !== (this.#bodyLeft === 0 ? cr : lf)) throw missingLineEnd()
      if (this.#bodyLeft-- === 0) continue
      const type = this.#bodyType
      this.#bodyType = 0
      const body = asText ? null : this.#body.take()
      if (body === null) this.#add(this.#textBody.take())
      else if (type === Type.bulk) this.#add(body)
      else this.#addBody(type, body, 0, body.length)
    }
    return pos
  }

  #addBody(type: number, bytes: Buffer, start: number, end: number): void {
    if (type === Type.chunk) {
      this.#streamed?.append(bytes, start, end)
      return
    }
    if (type === Type.blobError) {
      this.#addError(utf8(bytes, start, end))
      return
    }
    if (type === Type.verbatim) start = scalars.verbatimStart(bytes, start, end)
    this.#add(this.#string(bytes, start, end))
  }

  /** Decodes what stands between the chunks of a streamed string: `;length`, or `;0` behind the last. */
  #decodeChunk(streamed: ByteCollector, bytes: Buffer, pos: number, end: number): number {
    if (bytes[pos] !== Type.chunk) throw badType(bytes[pos] as number)
    let at = pos + 1
    while (at < end && bytes[at] !== cr) at++
    if (at + 1 >= end) return this.#cut(bytes, pos, end)
    if (bytes[at + 1] !== lf) throw missingLineEnd()
    const length = scalars.parseChunkLength(utf8(bytes, pos + 1, at))
    if (length !== 0) {
      if (streamed.length + length > this.#maxBulkBytes) throw tooLong(this.#limits)
      return this.#awaitBody(Type.chunk, length, bytes, at + 2, end)
    }
    this.#streamed = null
    const whole = streamed.take()
    this.#add(this.#strings === 0 ? this.#text.read(whole, 0, whole.length) : whole)
    return at + 2
  }
}
