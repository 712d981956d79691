// Resp3Decoder: RESP3, and RESP2 as the part of it that it is, to values.
// Owns    what has arrived of a reply that is not whole: open aggregates, the pieces of a string, the start of a line.
// Born    with a Connection, in the protocol version it asks for.
// Dies    with it, or when execute() throws.
// Holds   no byte is looked at twice, wherever the stream is cut, except those of a header, and of a line that a cut goes through; and
//         nothing given to the sink keeps a chunk alive.
// Source: Redis serialization protocol specification; RESP3 specification for streamed types and attributes.

import { constants } from 'node:buffer'
import { replyError } from '../errors.js'
import { BodyReader } from './body-reader.js'
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
import { Strings, utf8 } from './text.js'
import { Aggregate, cr, isAggregate, isKnown, isPairs, lf, Type } from './types.js'
import { ValueReader } from './value-reader.js'

// Names of this module's own, which V8 compiles as constants.
const { text: asText } = Strings
const { push, attribute } = Aggregate
const { plain } = ReplyFormat

export class Resp3Decoder implements ReplyDecoder {
  readonly protocol = 3
  readonly #sink: ReplySink
  readonly #limits: DecoderLimits
  readonly #maxBulkBytes: number
  readonly #pushStrings: number
  readonly #values: ValueReader
  #failure: { error: unknown } | null = null

  /** The innermost open aggregate. */
  #top: Frame | null = null
  /** True from the first byte of a top-level item to its end. */
  #begun = false
  /** How strings of the reply are given that a push has come within. */
  #outerStrings: number = asText
  /** Takes the bytes of a reply wanted raw; null in between. */
  #raw: RawReader | null = null

  readonly #body = new BodyReader()
  /** Chunks of a streamed string; null when none is open. */
  #streamed: ByteCollector | null = null

  readonly #cutLine = new CutLine()

  constructor(sink: ReplySink, limits: DecoderLimits = defaultLimits, options: DecoderOptions = {}) {
    this.#sink = sink
    this.#limits = limits
    this.#maxBulkBytes = limits.maxBulkBytes
    this.#values = new ValueReader(limits, options.stringNumbers === true)
    this.#pushStrings = options.pushBuffers === true ? Strings.views : asText
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
      while (pos < end) pos = this.idle ? this.#decode(chunk, pos, end) : this.#resume(chunk, pos, end)
      if (this.#top !== null && this.#values.strings === Strings.views) {
        // A push that goes on in another chunk outlasts this one: what it has so far is copied, and so is the rest.
        this.#top.ownPush()
        this.#values.strings = Strings.copies
      }
    } catch (error) {
      this.#failure = { error: asFailure(error) }
      throw this.#failure.error
    } finally {
      this.#values.clear()
    }
  }

  /** Goes on with what has begun. */
  #resume(chunk: Buffer, pos: number, end: number): number {
    if (this.#raw !== null) return this.#readRaw(this.#raw, chunk, pos, end)
    if (this.#body.type !== 0) return this.#resumeBody(chunk, pos, end)
    return this.#cutLine.length !== 0 ? this.#resumeLine(chunk, pos) : this.#advance(chunk, pos, end)
  }

  #advance(bytes: Buffer, pos: number, end: number): number {
    return this.#streamed === null ? this.#decode(bytes, pos, end) : this.#decodeChunk(this.#streamed, bytes, pos, end)
  }

  /**
   * Decodes from `pos` on; returns where it stopped, which is before `end` only when something else must go on from
   * there. This is the hot loop, for which the ValueReader does nearly all.
   */
  #decode(bytes: Buffer, pos: number, end: number): number {
    const values = this.#values
    while (pos < end) {
      const type = bytes[pos] as number
      if (!this.#begun && this.#begin(type)) return pos
      const top = this.#top
      if (top === null) {
        const value = values.read(bytes, pos, end)
        pos = values.pos
        if (value !== undefined) {
          this.#begun = false
          if (type === push) this.#sink.onPush(value as Reply[])
          else this.#sink.onReply(value)
          continue
        }
      } else {
        values.fill(top, bytes, pos, end)
        pos = values.pos
        if (top.filled === top.length) {
          this.#complete(top)
          continue
        }
      }
      this.#top = values.takeOpen(top)
      if (pos === end) break
      pos = this.#decodeOther(bytes, pos, end)
      if (this.#body.type !== 0 || this.#streamed !== null) return pos
    }
    return pos
  }

  /** Decodes what the ValueReader leaves: what is cut, or rare, or wrong. Returns where to go on. */
  #decodeOther(bytes: Buffer, pos: number, end: number): number {
    const type = bytes[pos] as number
    const digits = pos + 1
    let at = digits
    let number = 0
    let digit = 0
    while (at < end && (digit = (bytes[at] as number) - 0x30) >= 0 && digit <= 9) {
      number = number * 10 + digit
      at++
    }
    if (at + 1 >= end) return this.#cut(bytes, pos, end)
    if (bytes[at] !== cr || at === digits) return this.#decodeLine(type, bytes, pos, end)
    if (bytes[at + 1] !== lf) throw missingLineEnd()
    if (type === Type.bulk || type === Type.blobError || type === Type.verbatim) {
      return this.#awaitBody(type, number, bytes, at + 2, end)
    }
    if (!isAggregate(type)) return this.#decodeLine(type, bytes, pos, end)
    this.#open(type, number, false)
    return at + 2
  }

  // ---- top level

  /** Starts a top-level item. True when its bytes are wanted as they are. */
  #begin(type: number): boolean {
    this.#begun = true
    const values = this.#values
    values.legacy = false
    values.strings = type === push ? this.#pushStrings : asText
    if (type === push || type === attribute) return false
    if (!isKnown(type)) throw badType(type)
    const format = this.#sink.nextFormat()
    if (format === plain) return false
    if ((format & ReplyFormat.raw) !== 0 && type !== Type.error && type !== Type.blobError) {
      this.#raw = new RawReader(3, this.#limits, this.#sink.expectedRaw())
      return true
    }
    values.strings = (format & ReplyFormat.buffers) === 0 ? asText : Strings.copies
    values.legacy = (format & ReplyFormat.legacy) !== 0
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
    top.items[top.filled++] = value
    if (top.filled === top.length) this.#complete(top)
  }

  #addError(message: string): void {
    if (this.#top === null) this.#begun = false
    if (this.#top === null) this.#sink.onError(replyError(message))
    else this.#add(replyError(message))
  }

  // ---- aggregates

  /** @param count as announced, which is pairs for maps and attributes; of no meaning when streamed */
  #open(type: number, count: number, streamed: boolean): void {
    if (type === push && this.#top !== null) this.#enterPush(this.#top)
    const max = this.#limits.maxAggregateLength
    const length = streamed ? max + 1 : isPairs(type) ? count * 2 : count
    if (length > max && !streamed) throw tooMany(this.#limits)
    const depth = this.#top === null ? 1 : this.#top.depth + 1
    if (depth > this.#limits.maxDepth) throw tooDeep(this.#limits)
    const frame = new Frame(type, depth, length, streamed, this.#values.legacy, [], 0)
    frame.parent = this.#top
    this.#top = frame
    if (length === 0) this.#finish(frame)
  }

  /** Redis 7.0 writes a message in the midst of EXEC's array when the transaction publishes to a channel of its own connection. */
  #enterPush(top: Frame): void {
    for (let frame: Frame | null = top; frame !== null; frame = frame.parent)
      if (frame.type === push) throw badType(push)
    this.#outerStrings = this.#values.strings
    this.#values.strings = this.#pushStrings
  }

  #complete(frame: Frame): void {
    if (frame.streamed) throw tooMany(this.#limits)
    this.#finish(frame)
  }

  /** Hands the frame's value to its parent, and the parent's to its own if that has made it full, and so on. */
  #finish(frame: Frame): void {
    for (;;) {
      const parent = frame.parent
      this.#top = parent
      if (frame.type === attribute) {
        if (parent === null) this.#begun = false
        return
      }
      if (frame.type === push) {
        if (parent === null) this.#begun = false
        else this.#values.strings = this.#outerStrings
        this.#sink.onPush(frame.items)
        return
      }
      if (parent === null) {
        this.#begun = false
        this.#sink.onReply(frame.value())
        return
      }
      parent.items[parent.filled++] = frame.value()
      if (parent.filled !== parent.length) return
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

  /** Decodes an error, or a header that has no plain number; throws what is wrong with any other line. Returns where to go on. */
  #decodeLine(type: number, bytes: Buffer, pos: number, end: number): number {
    const start = pos + 1
    const last = Math.min(end, start + maxLineBytes + 1)
    let at = start
    while (at < last && bytes[at] !== cr) at++
    if (at + 1 >= end) return this.#cut(bytes, pos, end)
    if (at === last) throw longLine()
    if (bytes[at + 1] !== lf) throw missingLineEnd()
    if (type === Type.error) this.#addError(utf8(bytes, start, at))
    else this.#decodeSign(type, utf8(bytes, start, at))
    return at + 2
  }

  /** What stands where a length would. */
  #decodeSign(type: number, sign: string): void {
    if (type === Type.end && sign === '') this.#endStreamed()
    else if (sign === '-1' && (type === Type.bulk || type === Aggregate.array)) this.#add(null)
    else if (sign === '?' && isAggregate(type)) this.#open(type, 0, true)
    else if (sign === '?' && type === Type.bulk) this.#streamed = new ByteCollector()
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
      this.#values.clear()
    }
    return next
  }

  // ---- strings

  /** A string's body is due; bytes[pos, end) may hold the start of it, or all. Returns where to go on. */
  #awaitBody(type: number, length: number, bytes: Buffer, pos: number, end: number): number {
    if (length > this.#maxBulkBytes || (length > constants.MAX_STRING_LENGTH && this.#values.strings === asText)) {
      throw tooLong(this.#limits)
    }
    const bodyEnd = pos + length
    if (bodyEnd + 2 <= end) {
      if (bytes[bodyEnd] !== cr || bytes[bodyEnd + 1] !== lf) throw missingLineEnd()
      this.#addBody(type, bytes, pos, bodyEnd)
      return bodyEnd + 2
    }
    this.#body.begin(type, length, type === Type.bulk && this.#values.strings === asText)
    return this.#resumeBody(bytes, pos, end)
  }

  #resumeBody(bytes: Buffer, pos: number, end: number): number {
    const next = this.#body.read(bytes, pos, end)
    if (this.#body.complete) {
      const { type } = this.#body
      const body = this.#body.take()
      if (typeof body === 'string' || type === Type.bulk) this.#add(body)
      else this.#addBody(type, body, 0, body.length)
    }
    return next
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
    this.#add(this.#values.string(bytes, start, end))
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
    this.#add(this.#values.strings === asText ? utf8(whole, 0, whole.length) : whole)
    return at + 2
  }
}
