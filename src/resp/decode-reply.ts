// One whole reply, of either protocol version, from the bytes that a decoder gave out raw.

import type { ReplyError } from '../errors.js'
import { type DecoderLimits, type DecoderOptions, type Reply, ReplyFormat, type ReplySink } from './decoder.js'
import { protocolError } from './failures.js'
import { Resp3Decoder } from './resp3-decoder.js'

export interface DecodeReplyOptions extends DecoderOptions {
  /** Strings as Buffers. Default false. */
  buffers?: boolean
  /** Default {@link defaultLimits}. */
  limits?: DecoderLimits
}

class OneReply implements ReplySink {
  readonly #format: number
  #value: { value: Reply } | null = null

  constructor(format: number) {
    this.#format = format
  }

  nextFormat(): number {
    if (this.#value !== null) throw protocolError('more than one')
    return this.#format
  }

  expectedRaw(): null {
    return null
  }

  onReply(value: Reply): void {
    this.#value = { value }
  }

  onError(error: ReplyError): void {
    this.#value = { value: error }
  }

  onPush(): void {
    throw protocolError('a push')
  }

  take(): Reply {
    if (this.#value === null) throw protocolError('incomplete')
    const { value } = this.#value
    this.#value = null
    return value
  }

  clear(): void {
    this.#value = null
  }
}

/** Decodes replies one by one, each given whole; cheaper than {@link decodeReply} where there are many. */
export class ReplyReader {
  readonly #options: DecodeReplyOptions
  readonly #sink: OneReply
  #decoder: Resp3Decoder

  constructor(options: DecodeReplyOptions = {}) {
    this.#options = options
    this.#sink = new OneReply(options.buffers === true ? ReplyFormat.buffers : ReplyFormat.plain)
    this.#decoder = new Resp3Decoder(this.#sink, options.limits, options)
  }

  /**
   * @param bytes the reply, whole and alone
   * @returns its value; an error reply as a ReplyError
   * @throws SlotwiseError SLOTWISE_PROTOCOL when the bytes are not exactly one reply, or SLOTWISE_LIMIT_DEPTH,
   * SLOTWISE_LIMIT_BULK, SLOTWISE_LIMIT_AGGREGATE
   */
  read(bytes: Buffer): Reply {
    try {
      this.#decoder.execute(bytes)
      const value = this.#sink.take()
      if (!this.#decoder.idle) throw protocolError('more than one')
      return value
    } catch (error) {
      // A decoder that has failed, or holds half a reply, is of no more use.
      this.#sink.clear()
      this.#decoder = new Resp3Decoder(this.#sink, this.#options.limits, this.#options)
      throw error
    }
  }
}

/**
 * Decodes one reply.
 * @param bytes the reply, whole and alone
 * @returns its value; an error reply as a ReplyError
 * @throws SlotwiseError SLOTWISE_PROTOCOL when the bytes are not exactly one reply, or SLOTWISE_LIMIT_DEPTH,
 * SLOTWISE_LIMIT_BULK, SLOTWISE_LIMIT_AGGREGATE
 */
export function decodeReply(bytes: Buffer, options: DecodeReplyOptions = {}): Reply {
  return new ReplyReader(options).read(bytes)
}
