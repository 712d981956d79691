// Decoder: what a reply decoder takes and gives, whichever protocol version it speaks.
// A decoder is born with its connection, is fed every chunk the socket reads, and needs no closing: it holds no resource
// but memory. Once execute() has thrown, the stream has lost its framing and the decoder stays dead.

import type { ReplyError } from '../errors.js'
import type { KnownArray } from './known-array.js'

/** A decoded reply. Errors nested in a reply are values; a map keeps the order in which the server sent it. */
export type Reply =
  | string
  | number
  | bigint
  | boolean
  | null
  | Buffer
  | ReplyError
  | Reply[]
  | Map<Reply, Reply>
  | Set<Reply>

/**
 * Bit mask: how a reply is to be built. `buffers`: every string as a Buffer. `raw`: the reply's bytes, not decoded. `legacy`: in
 * the shapes of RESP2, that is maps as flat arrays, sets as arrays, doubles and big numbers as strings, booleans as 1 and 0.
 */
export const ReplyFormat = { plain: 0, buffers: 1, raw: 2, legacy: 4 } as const

/** Takes what a decoder finds. Called synchronously from execute(), which none of these may call again. */
export interface ReplySink {
  /** Asked once per (non-push) reply, when its first byte is seen. */
  nextFormat(): number
  /**
   * Asked when nextFormat() has the raw bit: a reply like the one that is coming, or null. If it equals the known one,
   * onReply gets the very Buffer of that one; if it differs in a few elements, only those are walked.
   */
  expectedRaw(): KnownArray | null
  onReply(value: Reply): void
  /** A top-level error reply, in whatever format. */
  onError(error: ReplyError): void
  /** A RESP3 push, in the plain format, or with `pushBuffers` in that of Buffers; those lie on the chunk, so `owned()` ones are kept. */
  onPush(items: Reply[]): void
}

export { type DecoderLimits, defaultLimits } from './limits.js'

export interface DecoderOptions {
  /** Integers, doubles and big numbers as strings: exact beyond 2^53, where numbers are not. Default false. */
  stringNumbers?: boolean
  /** Strings of pushes as Buffers. Default false. */
  pushBuffers?: boolean
}

export interface ReplyDecoder {
  readonly protocol: 2 | 3
  /**
   * Takes the next bytes of the stream; whole replies go to the sink before it returns. The chunk may be overwritten then.
   * @throws SlotwiseError SLOTWISE_PROTOCOL, SLOTWISE_LIMIT_DEPTH, SLOTWISE_LIMIT_BULK or SLOTWISE_LIMIT_AGGREGATE; and
   * the same again on every later call
   */
  execute(chunk: Buffer): void
}
