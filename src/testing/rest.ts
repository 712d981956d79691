// Rest: whether anything is still on its way between this process's sockets and the fake servers in it.
// Owns    a subscription to the sockets that this process opens, while it watches.
// Born    by watchLoopback().
// Dies    by stop().
//
// Both ends of every connection are in this process, so what one end has written and the other has not read can be counted.

import diagnostics from 'node:diagnostics_channel'
import type { Socket } from 'node:net'
import { runningServers } from './loopback.js'

/** Turns of the event loop in which nothing moves, after which nothing will: what a program does by setImmediate() takes one or two. */
const quietTurns = 4

/** Node.js tells of each socket it makes for a client. */
const channel = 'net.client.socket'

/** Real time, kept from before anybody takes it over. */
const realNow = performance.now.bind(performance)

export class Rest {
  readonly #clients = new Set<Socket>()
  readonly #onSocket = (message: unknown): void => {
    const { socket } = message as { socket: Socket }
    this.#clients.add(socket)
    socket.once('close', () => this.#clients.delete(socket))
  }

  constructor() {
    diagnostics.subscribe(channel, this.#onSocket)
  }

  /**
   * Waits until nothing moves: no bytes between clients and fake servers, no connection being opened or closed, and nothing that follows from them.
   * @throws Error when things still move after so many milliseconds of real time
   */
  async reached(limitMs: number): Promise<void> {
    const startedAt = realNow()
    let before = ''
    for (let quiet = 0; quiet < quietTurns; ) {
      await new Promise(resolve => setImmediate(resolve))
      const seen = this.#look()
      quiet = seen.isSettled && seen.signature === before ? quiet + 1 : 0
      before = seen.signature
      if (quiet === 0 && realNow() - startedAt > limitMs) {
        throw new Error(`connections did not come to rest within ${limitMs} ms: ${seen.signature}`)
      }
    }
  }

  /** What has been written and read so far, and whether one equals the other. */
  #look(): { isSettled: boolean; signature: string } {
    const peers = new Map<number, { socket: Socket; isFrozen: boolean }>()
    let [sent, received, isSettled] = [0, 0, true]
    for (const server of runningServers()) {
      for (const { socket } of server.connections) {
        if (socket.remotePort !== undefined) peers.set(socket.remotePort, { socket, isFrozen: server.isFrozen })
        sent += socket.bytesWritten
        received += socket.bytesRead
      }
    }
    for (const client of this.#clients) {
      sent += client.bytesWritten
      received += client.bytesRead
      if (client.connecting) isSettled = false
      const peer = peers.get(client.localPort ?? 0)
      if (peer === undefined) continue
      peers.delete(client.localPort ?? 0)
      const { socket, isFrozen } = peer
      if (!isFrozen && client.bytesWritten !== socket.bytesRead) isSettled = false
      if (client.bytesRead !== socket.bytesWritten && !client.isPaused()) isSettled = false
      if (client.destroyed || socket.destroyed || socket.writableEnded) isSettled = false
    }
    const signature = `${this.#clients.size} clients, ${peers.size} unpaired, ${sent} sent, ${received} received`
    return { isSettled, signature }
  }

  stop(): void {
    diagnostics.unsubscribe(channel, this.#onSocket)
  }
}
