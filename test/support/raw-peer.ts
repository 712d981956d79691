// RawPeer: a connection on which commands are sent as they are, and replies read as they come, forms and all.

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** `[first byte, …]` for what has elements, else the line or text with its first byte. */
export type RawReply = string | unknown[]

export class RawPeer {
  readonly #socket: Socket
  #text = ''
  #wake: () => void = () => undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', chunk => {
      this.#text += chunk.toString('latin1')
      this.#wake()
    })
    socket.on('error', () => undefined)
    socket.on('close', () => this.#wake())
  }

  static async connect(port: number, protocol: 2 | 3 = 2): Promise<RawPeer> {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    const peer = new RawPeer(socket)
    if (protocol === 3) await peer.ask([['HELLO', '3']])
    return peer
  }

  /** Sends all commands at once; gives as many replies. */
  async ask(commands: readonly (readonly string[])[]): Promise<RawReply[]> {
    this.say(commands)
    return this.hear(commands.length)
  }

  say(commands: readonly (readonly string[])[]): void {
    for (const words of commands) {
      const frames = words.map(word => `$${Buffer.byteLength(word)}\r\n${word}\r\n`)
      this.#socket.write(`*${words.length}\r\n${frames.join('')}`)
    }
  }

  /** The next replies, pushes among them. */
  async hear(count: number): Promise<RawReply[]> {
    const replies: RawReply[] = []
    while (replies.length < count) {
      const read = readReply(this.#text, 0)
      if (read !== null) {
        replies.push(read.reply)
        this.#text = this.#text.slice(read.end)
        continue
      }
      if (this.#socket.destroyed) throw new Error(`closed after ${JSON.stringify(replies)} and ${this.#text}`)
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
    return replies
  }

  /** All replies until the other side closes. */
  async hearAll(): Promise<RawReply[]> {
    while (!this.#socket.destroyed) {
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
    const replies: RawReply[] = []
    for (let read = readReply(this.#text, 0); read !== null; read = readReply(this.#text, 0)) {
      replies.push(read.reply)
      this.#text = this.#text.slice(read.end)
    }
    return replies
  }

  close(): void {
    this.#socket.destroy()
  }
}

function readReply(text: string, start: number): { reply: RawReply; end: number } | null {
  const lineEnd = text.indexOf('\r\n', start)
  if (lineEnd === -1) return null
  const mark = text[start] as string
  const line = text.slice(start + 1, lineEnd)
  const count = Number(line)
  if ('$=!'.includes(mark) && count >= 0) {
    const end = lineEnd + 2 + count
    return text.length < end + 2 ? null : { reply: mark + text.slice(lineEnd + 2, end), end: end + 2 }
  }
  if (!'*~%>'.includes(mark) || count < 0) return { reply: mark + line, end: lineEnd + 2 }
  const items: unknown[] = [mark]
  let end = lineEnd + 2
  for (let i = 0; i < (mark === '%' ? 2 * count : count); i++) {
    const item = readReply(text, end)
    if (item === null) return null
    items.push(item.reply)
    end = item.end
  }
  return { reply: items, end }
}
