// SocketLedger: every socket this client has open, and what for.
// Owns    the count by lane; the sockets themselves belong to the Dial or Connection that registered them.
// Born    with the client.
// Dies    with it, at zero.
// Holds   one entry from the moment a socket is made until its `close` event, whoever holds it in between.

import type { Socket } from 'node:net'
import { newOrigin, type Origin, type SocketMessage, socketChannel } from '../observe.js'

/**
 * What a socket is for: every call (`shared`), one call or session at a time (`lane`), or messages (`subscriber`). `dialing` covers everything up to the end of
 * the handshake; `closing` is given up, not yet closed.
 */
export type Lane = 'dialing' | 'shared' | 'lane' | 'subscriber' | 'closing'

/** What a usable connection is for. */
export type Use = Exclude<Lane, 'dialing' | 'closing'>

export interface SocketEntry {
  /** Moves the socket to another lane. */
  move(lane: Lane): void
}

export class SocketLedger {
  readonly #open: Record<Lane, number> = { dialing: 0, shared: 0, lane: 0, subscriber: 0, closing: 0 }
  #total = 0
  #onEmpty: (() => void)[] = []
  readonly #origin: Origin

  /** @param origin whose sockets these are, for those who look on */
  constructor(origin: Origin = newOrigin(null)) {
    this.#origin = origin
  }

  /**
   * Enters a new socket; it leaves by itself when it has closed.
   * @param endpoint the server's address, for those who look on
   */
  enter(socket: Socket, lane: Lane, endpoint: string): SocketEntry {
    let current = lane
    this.#open[lane]++
    this.#total++
    this.#report('open', endpoint)
    socket.once('close', () => {
      this.#open[current]--
      this.#total--
      this.#report('close', endpoint)
      if (this.#total === 0) for (const onEmpty of this.#onEmpty.splice(0)) onEmpty()
    })
    return {
      move: next => {
        this.#open[current]--
        this.#open[next]++
        current = next
      },
    }
  }

  #report(event: SocketMessage['event'], endpoint: string): void {
    if (socketChannel.hasSubscribers)
      socketChannel.publish({ client: this.#origin, event, endpoint, total: this.#total })
  }

  get total(): number {
    return this.#total
  }

  counts(): Record<Lane, number> {
    return { ...this.#open }
  }

  /** Runs `then` when no socket is open; at once when none is. */
  whenEmpty(then: () => void): void {
    if (this.#total === 0) then()
    else this.#onEmpty.push(then)
  }
}
