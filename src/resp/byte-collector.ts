// ByteCollector: the pieces of something that arrives in several chunks, joined once when the last has come.

/** Memory for the first bytes, which are often all; and for more of them, at least. */
const firstBytes = 1024
const blockBytes = 16 * 1024
/** So much is set aside for what has been announced, and no more before it comes. */
const trustedBytes = 1024 * 1024

export class ByteCollector {
  #pieces: Uint8Array[] = []
  #length = 0
  /** Where bytes are copied to. */
  #block: Buffer | null = null
  /** Of the block: where what is no piece yet begins, and where it ends. */
  #blockStart = 0
  #blockEnd = 0

  /** Bytes collected. */
  get length(): number {
    return this.#length
  }

  /** Says how many bytes are to come in all, before the first of them: they are then copied once. */
  announce(bytes: number): void {
    this.#block = Buffer.allocUnsafe(Math.min(bytes, trustedBytes))
  }

  /** Appends bytes[start, end), which are copied. */
  append(bytes: Buffer, start: number, end: number): void {
    while (start < end) {
      if (this.#block === null || this.#blockEnd === this.#block.length) this.#makeRoom(end - start)
      const copied = bytes.copy(this.#block as Buffer, this.#blockEnd, start, end)
      this.#blockEnd += copied
      this.#length += copied
      start += copied
    }
  }

  /** Appends bytes[start, end), which stay as they are until take(): no copy is made of many. */
  refer(bytes: Buffer, start: number, end: number): void {
    if (end - start < firstBytes) {
      this.append(bytes, start, end)
      return
    }
    this.#length += end - start
    this.#endPiece()
    this.#pieces.push(bytes.subarray(start, end))
  }

  #makeRoom(bytes: number): void {
    this.#endPiece()
    const isFirst = this.#length === 0
    this.#block = Buffer.allocUnsafe(Math.max(isFirst ? firstBytes : blockBytes, bytes))
    this.#blockStart = 0
    this.#blockEnd = 0
  }

  /** What is in the block so far is a piece; the rest of the block is for others. */
  #endPiece(): void {
    if (this.#block === null || this.#blockEnd === this.#blockStart) return
    this.#pieces.push(this.#block.subarray(this.#blockStart, this.#blockEnd))
    this.#blockStart = this.#blockEnd
  }

  /** Hands out everything collected, in memory of its own, and starts afresh. */
  take(): Buffer {
    const block = this.#block
    const isWhole =
      block !== null && block.length === this.#length && this.#blockEnd - this.#blockStart === this.#length
    if (!isWhole) this.#endPiece()
    const whole = isWhole ? block : Buffer.concat(this.#pieces, this.#length)
    this.#pieces = []
    this.#block = null
    this.#blockStart = 0
    this.#blockEnd = 0
    this.#length = 0
    return whole
  }
}
