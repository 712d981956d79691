// RawReader: takes one reply as it is on the wire. Born at the reply's first byte; done when `reply` is set.

import { ByteCollector } from './byte-collector.js'
import type { DecoderLimits } from './decoder.js'
import { FrameGuard } from './frame-guard.js'

export class RawReader {
  /** The reply's bytes, in memory of their own or that of `expected`; null until the last one has come. */
  reply: Buffer | null = null
  readonly #guard: FrameGuard
  readonly #collector = new ByteCollector()

  constructor(protocol: 2 | 3, limits: DecoderLimits) {
    this.#guard = new FrameGuard(protocol, limits)
  }

  /** Reads on at `pos`; returns where the reply, or else the chunk, ends. */
  read(chunk: Buffer, pos: number, end: number): number {
    const stop = this.#guard.walk(chunk, pos, end)
    this.#collector.append(chunk, pos, stop)
    if (this.#guard.complete) this.reply = this.#collector.take()
    return stop
  }
}

/** True when the chunk has at `pos` the very bytes expected. They are one reply, so what stands there is one as well. */
export function startsWith(chunk: Buffer, pos: number, expected: Buffer): boolean {
  const end = pos + expected.length
  return expected.length !== 0 && end <= chunk.length && chunk.compare(expected, 0, expected.length, pos, end) === 0
}
