// Intake: where the bytes of a socket go.
// Owns    one read buffer for all sockets of the process that Dials open without TLS.
// Born    with such a socket, before it is open.
// Dies    with it.
// Holds   the buffer's bytes are good until their taker returns. Node would give each read 64 KiB of its own, cut down to what came.

import type { OnReadOpts, Socket } from 'node:net'

/** Takes bytes that may be overwritten once it has returned. */
export type Taker = (chunk: Buffer) => void

/** As much as Node itself reads at a time. */
const readSizeBytes = 64 * 1024
let buffer: Buffer | null = null
const intakes = new WeakMap<Socket, Intake>()

export class Intake {
  #taker: Taker | null = null
  /** What came before there was a taker, in memory of its own. */
  #early: Buffer | null = null

  /** For `connect` of Node. */
  get onread(): OnReadOpts {
    buffer ??= Buffer.allocUnsafeSlow(readSizeBytes)
    return { buffer, callback: (length, bytes) => this.#onRead((bytes as Buffer).subarray(0, length)) }
  }

  /** False when nothing more is to be read. */
  #onRead(chunk: Buffer): boolean {
    if (this.#taker !== null) this.#taker(chunk)
    else this.#early = Buffer.concat(this.#early === null ? [chunk] : [this.#early, chunk])
    return this.#taker !== null
  }

  /** The socket that was made with it. */
  of(socket: Socket): void {
    intakes.set(socket, this)
  }

  take(socket: Socket, taker: Taker): void {
    this.#taker = taker
    const early = this.#early
    if (early === null) return
    this.#early = null
    // As with events: not before its taker is ready.
    process.nextTick(() => {
      taker(early)
      socket.resume()
    })
  }
}

/** Gives what the socket reads to the taker, of which a socket has one. */
export function takeFrom(socket: Socket, taker: Taker): void {
  const intake = intakes.get(socket)
  if (intake === undefined) socket.on('data', taker)
  else intake.take(socket, taker)
}
