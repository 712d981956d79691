// BodyReader: the body of a string that comes in several chunks, with the CR LF behind it.

import { ByteCollector } from './byte-collector.js'
import { missingLineEnd } from './failures.js'
import { TextCollector } from './text.js'
import { cr, lf } from './types.js'

export class BodyReader {
  /** Type of the string whose body is due; 0 when none is. */
  type = 0
  /** Bytes to come; the CR and the LF count as two less than none. */
  #left = 0
  #asText = false
  readonly #bytes = new ByteCollector()
  readonly #text = new TextCollector()

  begin(type: number, length: number, asText: boolean): void {
    this.type = type
    this.#left = length
    this.#asText = asText
    if (!asText) this.#bytes.announce(length)
  }

  /** Collects more of it; returns where the chunk goes on. */
  read(bytes: Buffer, pos: number, end: number): number {
    if (this.#left > 0) {
      const stop = Math.min(end, pos + this.#left)
      if (this.#asText) this.#text.append(bytes, pos, stop)
      else this.#bytes.append(bytes, pos, stop)
      this.#left -= stop - pos
      pos = stop
    }
    while (pos < end && this.#left <= 0 && !this.complete) {
      if (bytes[pos++] !== (this.#left === 0 ? cr : lf)) throw missingLineEnd()
      this.#left--
    }
    return pos
  }

  get complete(): boolean {
    return this.#left === -2
  }

  /** Hands out the string, or its bytes if it is not to be text, once it is complete. */
  take(): string | Buffer {
    this.type = 0
    return this.#asText ? this.#text.take() : this.#bytes.take()
  }
}
