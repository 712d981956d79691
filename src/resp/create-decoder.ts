// The one place that knows every decoder.

import { type DecoderLimits, type DecoderOptions, defaultLimits, type ReplyDecoder, type ReplySink } from './decoder.js'
import { Resp2Decoder } from './resp2-decoder.js'
import { Resp3Decoder } from './resp3-decoder.js'

/** Makes the decoder of a connection that speaks the given version. */
export function createDecoder(
  protocol: 2 | 3,
  sink: ReplySink,
  limits: DecoderLimits = defaultLimits,
  options: DecoderOptions = {},
): ReplyDecoder {
  return protocol === 3 ? new Resp3Decoder(sink, limits, options) : new Resp2Decoder(sink, limits, options)
}
