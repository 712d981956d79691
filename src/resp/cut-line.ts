// CutLine: the start of a line that the end of a chunk has cut off.

import { longLine, maxLineBytes } from './failures.js'
import { cr } from './types.js'

/** Memory that may be kept for the next cut. */
const keptBytes = 1024
/** Besides its content a line has its type and CR LF. */
const maxBytes = maxLineBytes + 3

export class CutLine {
  #bytes: Buffer = Buffer.alloc(0)
  #length = 0

  /** Bytes held; 0 when no line has been cut. */
  get length(): number {
    return this.#length
  }

  /** Appends bytes[start, end). Throws SLOTWISE_PROTOCOL when that is more than a line may have. */
  append(bytes: Buffer, start: number, end: number): void {
    const length = this.#length + end - start
    if (length > maxBytes) throw longLine()
    if (length > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(64, length * 2))
      this.#bytes.copy(larger, 0, 0, this.#length)
      this.#bytes = larger
    }
    bytes.copy(this.#bytes, this.#length, start, end)
    this.#length = length
  }

  /** Appends the rest of the line, as far as the chunk has it. Returns where the chunk goes on. */
  resume(chunk: Buffer, start: number): number {
    const end = Math.min(chunk.length, start + maxBytes)
    let next = start
    if (this.#bytes[this.#length - 1] !== cr) {
      while (next < end && chunk[next] !== cr) next++
      if (next < end) next++
    }
    // Behind the CR stands the LF, or whatever is wrong there.
    if (next < end) next++
    this.append(chunk, start, next)
    return next
  }

  /** The line with its CR and the byte behind it, or null while they have not come. Good until the next append. */
  take(): Buffer | null {
    const length = this.#length
    if (length < 2 || this.#bytes[length - 2] !== cr) return null
    const line = this.#bytes.subarray(0, length)
    this.#length = 0
    if (this.#bytes.length > keptBytes) this.#bytes = Buffer.alloc(0)
    return line
  }
}
