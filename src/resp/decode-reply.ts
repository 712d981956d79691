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
    return this.#value.value
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
  const sink = new OneReply(options.buffers === true ? ReplyFormat.buffers : ReplyFormat.plain)
  const decoder = new Resp3Decoder(sink, options.limits, options)
  decoder.execute(bytes)
  const value = sink.take()
  if (!decoder.idle) throw protocolError('more than one')
  return value
}
