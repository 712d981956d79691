// Encode: command name and arguments to wire bytes (RESP arrays of bulk strings). Pure; knows no socket.
// Source: Redis serialization protocol specification, "Sending commands to a Redis server".

/** What may be sent as an argument. Numbers and bigints are sent as their decimal text. */
export type WireArgument = string | Uint8Array | number | bigint

/** A piece ready for the socket: text that is pure ASCII (one byte a character), other text, or bytes. */
export interface WireChunk {
  data: string | Uint8Array
  encoding: 'latin1' | 'utf8'
}

const smallHeads = 256
const arrayHeads: string[] = Array.from({ length: smallHeads }, (_, n) => `*${n}\r\n`)
const bulkHeads: string[] = Array.from({ length: smallHeads }, (_, n) => `$${n}\r\n`)

/** Buffers up to this size are cheaper to copy into text than to hand to the socket as a piece of their own. */
const inlineBufferBytes = 1024

/** Collects frames of many commands and gives them out as few pieces. */
export class FrameWriter {
  #text = ''
  #ascii = true
  #chunks: WireChunk[] = []
  #bytes = 0

  /** Bytes collected and not taken yet. */
  get bytes(): number {
    return this.#bytes
  }

  /** Appends one command. `head` is the name as a bulk string, `$3\r\nGET\r\n`. */
  append(head: string, args: readonly WireArgument[]): void {
    const count = args.length + 1
    let text = (count < smallHeads ? (arrayHeads[count] as string) : `*${count}\r\n`) + head
    let bytes = text.length
    for (let i = 0; i < args.length; i++) {
      const arg = args[i] as WireArgument
      if (typeof arg === 'string') {
        const length = utf8Length(arg)
        if (length !== arg.length) this.#ascii = false
        text += (length < smallHeads ? (bulkHeads[length] as string) : `$${length}\r\n`) + arg + '\r\n'
        bytes += length + 8
      } else if (typeof arg === 'object') {
        this.#text += text
        this.#appendBytes(arg)
        text = '\r\n'
        bytes += arg.byteLength + 8
      } else {
        const digits = String(arg)
        text += (bulkHeads[digits.length] as string) + digits + '\r\n'
        bytes += digits.length + 8
      }
    }
    this.#text += text
    this.#bytes += bytes
  }

  #appendBytes(bytes: Uint8Array): void {
    this.#text += `$${bytes.byteLength}\r\n`
    if (bytes.byteLength <= inlineBufferBytes && this.#ascii && isAscii(bytes)) {
      this.#text += Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
      return
    }
    this.#endText()
    this.#chunks.push({ data: bytes, encoding: 'latin1' })
  }

  #endText(): void {
    if (this.#text === '') return
    this.#chunks.push({ data: this.#text, encoding: this.#ascii ? 'latin1' : 'utf8' })
    this.#text = ''
    this.#ascii = true
  }

  /** Hands out everything collected and starts afresh. */
  take(): WireChunk[] {
    this.#endText()
    const chunks = this.#chunks
    this.#chunks = []
    this.#bytes = 0
    return chunks
  }
}

/** Bytes of the text in UTF-8. Short texts are counted here: below 40 characters that beats the call into C++. */
export function utf8Length(text: string): number {
  const length = text.length
  if (length > 40) return Buffer.byteLength(text)
  for (let i = 0; i < length; i++) if (text.charCodeAt(i) > 0x7f) return Buffer.byteLength(text)
  return length
}

function isAscii(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if ((bytes[i] as number) > 0x7f) return false
  return true
}
