// Outbox: writes the unsent calls of one connection, as much at a time as the socket takes.
// Owns    the frames that are encoded and not yet handed to the socket.
// Born    with its connection.
// Dies    with it.
// Holds   nothing is encoded while the socket is full, so what waits there stays withdrawable.

import type { Socket } from 'node:net'
import { type Call, CallFlag } from '../command/call.js'
import { FrameWriter } from '../resp/encode.js'
import type { CallQueue } from './call-queue.js'

/** Encoded bytes collected before they are handed to the socket. */
const writeSizeBytes = 64 * 1024

export class Outbox {
  readonly #socket: Socket
  readonly #queue: CallQueue
  readonly #writer = new FrameWriter()
  #full = false

  constructor(socket: Socket, queue: CallQueue) {
    this.#socket = socket
    this.#queue = queue
  }

  /** True while the socket has asked to be left alone. */
  get full(): boolean {
    return this.#full
  }

  /** Encodes and writes unsent calls until there are none or the socket is full. */
  flush(): void {
    const writer = this.#writer
    while (!this.#full) {
      const call = this.#queue.takeUnsent()
      if (call === undefined) break
      if ((call.flags & CallFlag.several) === 0) writer.append(call.head, call.args)
      else this.#appendParts(call)
      if ((call.flags & CallFlag.noReply) !== 0) call.fulfil(null)
      if (writer.bytes >= writeSizeBytes) this.#write()
    }
    if (writer.bytes !== 0) this.#write()
  }

  #appendParts(call: Call): void {
    const parts = call.extras?.collector?.parts ?? [call]
    for (const part of parts) this.#writer.append(part.head, part.args)
  }

  /** The socket has room again. */
  onDrain(): void {
    this.#full = false
    this.flush()
  }

  #write(): void {
    const socket = this.#socket
    const chunks = this.#writer.take()
    let room = true
    if (chunks.length === 1) {
      const { data, encoding } = chunks[0] as (typeof chunks)[0]
      room = typeof data === 'string' ? socket.write(data, encoding) : socket.write(data)
    } else {
      socket.cork()
      for (const { data, encoding } of chunks) {
        room = typeof data === 'string' ? socket.write(data, encoding) : socket.write(data)
      }
      socket.uncork()
    }
    if (!room) this.#full = true
  }
}
