// CommandReader: commands out of the bytes a client sends (Redis serialization protocol specification, "Sending commands to a Redis server", and
// "Inline commands").
// Owns    the bytes of the command that is not all there yet.
// Born    with a connection.
// Dies    with it.

import { Failure } from './answer.js'

export class CommandReader {
  #text = ''
  #at = 0

  append(chunk: Buffer): void {
    const rest = this.#at === this.#text.length ? '' : this.#text.slice(this.#at)
    this.#text = rest + chunk.toString('latin1')
    this.#at = 0
  }

  /** The words of the next command as byte strings; null while it is not all there; a Failure when it will never be. */
  next(): string[] | Failure | null {
    for (;;) {
      if (this.#at >= this.#text.length) return null
      if (this.#text[this.#at] === '*') return this.#nextArray()
      const end = this.#text.indexOf('\n', this.#at)
      if (end === -1) return null
      const words = this.#text.slice(this.#at, end).trim().split(/\s+/)
      this.#at = end + 1
      if (words[0] !== '') return words
    }
  }

  #nextArray(): string[] | Failure | null {
    const text = this.#text
    let end = text.indexOf('\r\n', this.#at)
    if (end === -1) return null
    const count = Number(text.slice(this.#at + 1, end))
    if (!Number.isInteger(count) || count > 1024 * 1024)
      return new Failure('ERR Protocol error: invalid multibulk length')
    let at = end + 2
    const words: string[] = []
    for (let i = 0; i < count; i++) {
      end = text.indexOf('\r\n', at)
      if (end === -1) return null
      if (text[at] !== '$') return new Failure(`ERR Protocol error: expected '$', got '${text[at]}'`)
      const length = Number(text.slice(at + 1, end))
      if (!Number.isInteger(length) || length < 0) return new Failure('ERR Protocol error: invalid bulk length')
      at = end + 2 + length + 2
      if (at > text.length) return null
      words.push(text.slice(end + 2, at - 2))
    }
    this.#at = at
    return words.length === 0 ? this.next() : words
  }
}
