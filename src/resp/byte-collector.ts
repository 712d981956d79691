// ByteCollector: the pieces of something that arrives in several chunks, joined once when the last has come.

/** Pieces below this size are copied together, so that a peer sending byte by byte costs memory by the byte. */
const smallBytes = 1024
const blockBytes = 16 * 1024

export class ByteCollector {
  #pieces: Uint8Array[] = []
  #length = 0
  /** Where small pieces are copied to. */
  #block: Buffer | null = null
  /** Of the block: where what is no piece yet begins, and where it ends. */
  #blockStart = 0
  #blockEnd = 0

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
      this.#endPiece()
      this.#pieces.push(bytes.subarray(start, end))
      return
    }
    if (this.#block === null || this.#blockEnd + length > this.#block.length) this.#makeRoom(this.#block)
    bytes.copy(this.#block as Buffer, this.#blockEnd, start, end)
    this.#blockEnd += length
  }

  #makeRoom(block: Buffer | null): void {
    const pending = this.#blockEnd - this.#blockStart
    const isGrown = block !== null && block.length === smallBytes && pending !== 0
    if (!isGrown) this.#endPiece()
    // The first small piece is often the only one, and most often very small.
    const isFirst = block === null && this.#pieces.length === 0
    this.#block = Buffer.allocUnsafe(isFirst ? smallBytes : blockBytes)
    if (isGrown) block.copy(this.#block, 0, this.#blockStart, this.#blockEnd)
    this.#blockStart = 0
    this.#blockEnd = isGrown ? pending : 0
  }

  /** What is in the block so far is a piece; the rest of the block is for others. */
  #endPiece(): void {
    if (this.#block === null || this.#blockEnd === this.#blockStart) return
    this.#pieces.push(this.#block.subarray(this.#blockStart, this.#blockEnd))
    this.#blockStart = this.#blockEnd
  }

  /** Hands out everything collected, in memory of its own, and starts afresh. */
  take(): Buffer {
    this.#endPiece()
    const whole = Buffer.concat(this.#pieces, this.#length)
    this.#pieces = []
    this.#block = null
    this.#blockStart = 0
    this.#blockEnd = 0
    this.#length = 0
    return whole
  }
}
