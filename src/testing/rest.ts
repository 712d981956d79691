// Rest: whether anything is still on its way between this process's sockets and the fake servers in it.
// Owns    which client belongs to which connection of a server, as far as found out.
// Born    by takeOverTime().
// Dies    with it; it holds no resource.
// Holds   both ends of every connection are in this process, so what one end has written and the other has not read can be counted.

import type { Socket } from 'node:net'
import { loopback, pairKey, type ServerEnd } from './loopback.js'

/** Turns of the event loop in which nothing moves, after which nothing will: what a program does by setImmediate() takes one or two. */
const quietTurns = 4

/** Real time, kept from before anybody takes it over. */
const realNow = performance.now.bind(performance)

const nextTurn = () => new Promise<void>(resolve => setImmediate(resolve))

export class Rest {
  readonly #clientOf = new WeakMap<ServerEnd, Socket>()

  /**
   * Waits until nothing moves: no bytes between clients and fake servers, no connection being opened or closed, and nothing that follows from them.
   * @throws Error when things still move after so many milliseconds of real time
   */
  async reached(limitMs: number): Promise<void> {
    const startedAt = realNow()
    let seen = -1
    for (let quiet = 0; quiet < quietTurns; ) {
      await nextTurn()
      const now = loopback.events
      const isStill = now === seen && !loopback.isOpening && this.#isAllRead()
      quiet = isStill ? quiet + 1 : 0
      seen = now
      if (!isStill && realNow() - startedAt > limitMs) {
        throw new Error(`connections did not come to rest within ${limitMs} ms; ${loopback.busyCount} are busy`)
      }
    }
  }

  /** Looks at those connections only on which something has happened. */
  #isAllRead(): boolean {
    for (const end of loopback.busy) if (this.#isQuiet(end)) loopback.quiet(end)
    return loopback.busyCount === 0
  }

  #isQuiet(end: ServerEnd): boolean {
    const client = this.#clientEnd(end)
    // A client in another process: nothing is known of it.
    if (client === undefined) return true
    const { socket, isFrozen } = end
    // It neither reads nor hears that the client has gone, until it thaws.
    if (isFrozen) return client.destroyed || client.bytesRead === socket.bytesWritten
    if (client.destroyed || socket.destroyed || socket.writableEnded) return false
    return client.bytesWritten === socket.bytesRead && (client.isPaused() || client.bytesRead === socket.bytesWritten)
  }

  #clientEnd(end: ServerEnd): Socket | undefined {
    let client = this.#clientOf.get(end)
    if (client === undefined) {
      for (const each of loopback.clients) {
        const other = loopback.endOf(pairKey(each.localPort, each.remotePort))
        if (other !== undefined) this.#clientOf.set(other, each)
      }
      client = this.#clientOf.get(end)
    }
    return client
  }
}
