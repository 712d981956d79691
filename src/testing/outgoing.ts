// Outgoing: what a connection of a fake server has still to send, and how it is made to send it.
// Owns    bytes that wait, and the timer of the next.
// Born    with the connection.
// Dies    by stop(), with it.
// Holds   bytes leave in the order in which they came, however the faults change meanwhile.

import type { Socket } from 'node:net'

/** How a server misbehaves; one object for all its connections. */
export interface Faults {
  /** Reads, and never answers. */
  mute: boolean
  /** Neither reads nor writes, as a process that was stopped. */
  frozen: boolean
  /** Every reply one byte at a time, a turn of the event loop apart. */
  byteByByte: boolean
  /** Every reply so much later. */
  delayMs: number
  /** The next reply ends after so many bytes, and the connection with it. */
  cutAfterBytes: number | null
}

interface Piece {
  readonly bytes: Buffer
  readonly dueAt: number
}

export class Outgoing {
  readonly #socket: Socket
  readonly #faults: Faults
  readonly #onWrite: () => void
  #queue: Piece[] = []
  #timer: NodeJS.Timeout | null = null
  #isDripping = false
  #endsAfterwards = false
  #isStopped = false

  /** @param onWrite called whenever bytes have been given to the socket */
  constructor(socket: Socket, faults: Faults, onWrite: () => void) {
    this.#socket = socket
    this.#faults = faults
    this.#onWrite = onWrite
  }

  write(bytes: Buffer): void {
    if (this.#isStopped || this.#endsAfterwards || !this.#socket.writable) return
    const { frozen, byteByByte, delayMs } = this.#faults
    if (!frozen && !byteByByte && delayMs === 0 && this.#queue.length === 0) {
      this.#send(bytes)
      return
    }
    this.#queue.push({ bytes, dueAt: performance.now() + delayMs })
    this.pump()
  }

  #send(bytes: Buffer): void {
    this.#socket.write(bytes)
    this.#onWrite()
  }

  /** Closes in the ordinary way (FIN) once everything has been sent. */
  end(): void {
    this.#endsAfterwards = true
    this.pump()
  }

  /** Sends what is due; to be called when faults have changed. */
  pump(): void {
    if (this.#isDripping || this.#isStopped || this.#faults.frozen) return
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    while (this.#queue.length > 0) {
      const { bytes, dueAt } = this.#queue[0] as Piece
      const waitMs = dueAt - performance.now()
      if (waitMs > 0 && this.#faults.delayMs > 0) {
        this.#timer = setTimeout(() => this.pump(), Math.ceil(waitMs))
        return
      }
      this.#queue.shift()
      if (this.#faults.byteByByte) {
        this.#drip(bytes)
        return
      }
      this.#send(bytes)
    }
    if (this.#endsAfterwards) this.#socket.end()
  }

  #drip(bytes: Buffer): void {
    this.#isDripping = true
    this.#socket.setNoDelay(true)
    let sent = 0
    const next = () => {
      if (this.#isStopped || this.#socket.destroyed) return
      if (sent < bytes.length) {
        this.#send(bytes.subarray(sent, ++sent))
        setImmediate(next)
        return
      }
      this.#isDripping = false
      this.pump()
    }
    next()
  }

  stop(): void {
    this.#isStopped = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    this.#queue = []
  }
}
