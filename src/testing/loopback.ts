// Loopback: the connections that the fake servers of this process have accepted, and what has happened on them, for whoever wants to know whether
// anything is still on its way. Costs a counter and a set entry for each read and write.

import diagnostics from 'node:diagnostics_channel'
import type { Socket } from 'node:net'

/** The server's end of a connection. */
export interface ServerEnd {
  readonly socket: Socket
  /** The server does not read at present. */
  readonly isFrozen: boolean
  /** See `pairKey`. */
  readonly pairKey: number
}

/** Both ports of a connection in one number: either of them alone may occur twice. */
export function pairKey(clientPort = 0, serverPort = 0): number {
  return clientPort * 65_536 + serverPort
}

class Loopback {
  /** Rises whenever a fake server accepts, reads, writes or loses a connection, and when a socket of this process is made or closed. */
  events = 0
  /** Sockets that this process has opened since it had a fake server, to whomever. */
  readonly clients = new Set<Socket>()
  /** Those of them that are being opened. */
  readonly #connecting = new Set<Socket>()
  /** By `pairKey`, connections that the kernel has opened to a fake server which has not been told yet. */
  readonly #awaited = new Map<number, Socket>()
  /** `host:port` of each fake server that listens. */
  readonly #listening = new Set<string>()
  #isWatching = false
  readonly #open = new Map<number, ServerEnd>()
  readonly #busy = new Set<ServerEnd>()

  /** To be called before there can be a connection. Node.js tells of each socket that it makes for a client. */
  watch(): void {
    if (this.#isWatching) return
    this.#isWatching = true
    diagnostics.subscribe('net.client.socket', message => {
      const { socket } = message as { socket: Socket }
      this.events++
      this.clients.add(socket)
      this.#connecting.add(socket)
      socket.once('connect', () => this.#onConnect(socket))
      socket.once('close', () => this.#onClientClosed(socket))
    })
  }

  #onConnect(client: Socket): void {
    this.#connecting.delete(client)
    const { localPort, remotePort, remoteAddress } = client
    const key = pairKey(localPort, remotePort)
    // Of servers in other processes nothing is known.
    if (this.#open.has(key) || !this.#listening.has(`${remoteAddress}:${remotePort}`)) return
    this.#awaited.set(key, client)
    client.once('close', () => {
      if (this.#awaited.get(key) === client) this.#awaited.delete(key)
    })
  }

  #onClientClosed(client: Socket): void {
    this.events++
    this.clients.delete(client)
    this.#connecting.delete(client)
  }

  listening(host: string, port: number): void {
    this.#listening.add(`${host}:${port}`)
  }

  stoppedListening(host: string, port: number): void {
    this.#listening.delete(`${host}:${port}`)
  }

  /** A connection is being opened, or its fake server is still to be told of it. */
  get isOpening(): boolean {
    return this.#connecting.size + this.#awaited.size > 0
  }

  opened(end: ServerEnd): void {
    this.#open.set(end.pairKey, end)
    this.#awaited.delete(end.pairKey)
    this.touched(end)
  }

  touched(end: ServerEnd): void {
    this.events++
    this.#busy.add(end)
  }

  closed(end: ServerEnd): void {
    this.events++
    this.#busy.delete(end)
    if (this.#open.get(end.pairKey) === end) this.#open.delete(end.pairKey)
  }

  endOf(key: number): ServerEnd | undefined {
    return this.#open.get(key)
  }

  /** Ends on which something has happened since they were last found to be quiet. */
  get busy(): Iterable<ServerEnd> {
    return this.#busy
  }

  quiet(end: ServerEnd): void {
    this.#busy.delete(end)
  }

  get busyCount(): number {
    return this.#busy.size
  }
}

/** One for the process: servers do not know who watches. */
export const loopback = new Loopback()
