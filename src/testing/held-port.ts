// HeldPort: the port of a server that is down. Dials are refused, and nobody else gets the port meanwhile.
// Owns    a socket that is connected to itself: the kernel gives its port to no other program, and nobody listens there.
// Born    by hold(), when a server has stopped listening.
// Dies    by release(), before the server listens again, or when it is closed.

import { connect, type Socket } from 'node:net'

export class HeldPort {
  readonly #socket: Socket

  private constructor(socket: Socket) {
    this.#socket = socket
  }

  /** Resolves with null where the kernel does not do that; then the port is free, as that of a real server which is down. */
  static hold(host: string, port: number): Promise<HeldPort | null> {
    const socket = connect({ host, port, localAddress: host, localPort: port })
    socket.unref()
    return new Promise(resolve => {
      socket.once('connect', () => resolve(new HeldPort(socket)))
      socket.on('error', () => resolve(null))
    })
  }

  /** The port can be listened on at once. */
  release(): void {
    this.#socket.resetAndDestroy()
  }
}
