// ByteCollector: the pieces of something that arrives in several chunks, joined once when the last has come.

/** Pieces below this size are copied together, so that a peer sending byte by byte costs memory by the byte. */
const smallBytes = 1024
const blockBytes = 16 * 1024

export class ByteCollector {
  #pieces: Uint8Array[] = []
  #length = 0
  /** The last piece, when it is a block of ours with room left. */
  #block: Buffer | null = null
  #blockLength = 0

  /** Bytes collected. */
  get length(): number {
    return this.#length
  }

  /** Appends bytes[start, end). The memory must stay as it is until take(). */
  append(bytes: Buffer, start: number, end: number): void {
    const length = end - start
    if (length === 0) return
    this.#length += length
    if (length >= smallBytes) {
      this.#endBlock()
      this.#pieces.push(bytes.subarray(start, end))
      return
    }
    if (this.#block !== null && this.#blockLength + length > blockBytes) this.#endBlock()
    // The first small piece is often the only one, and most often very small.
    this.#block ??= Buffer.allocUnsafe(this.#pieces.length === 0 ? smallBytes : blockBytes)
    if (this.#blockLength + length > this.#block.length) this.#block = grown(this.#block, this.#blockLength)
    bytes.copy(this.#block, this.#blockLength, start, end)
    this.#blockLength += length
  }

  #endBlock(): void {
    if (this.#block === null) return
    this.#pieces.push(this.#block.subarray(0, this.#blockLength))
    this.#block = null
    this.#blockLength = 0
  }

  /** Hands out everything collected, in memory of its own, and starts afresh. */
  take(): Buffer {
    this.#endBlock()
    const whole = Buffer.concat(this.#pieces, this.#length)
    this.#pieces = []
    this.#length = 0
    return whole
  }
}

function grown(block: Buffer, used: number): Buffer {
  const larger = Buffer.allocUnsafe(blockBytes)
  block.copy(larger, 0, 0, used)
  return larger
}
