// Sockets: the websockets of one Cannon, by user and conn.
// Owns    every websocket, its ping timer and its lifetime.
// Dies    by close().
// Holds   one socket a user and conn: a new one takes the place of the old one, which is closed.

import type { WebSocket } from 'ws'

export interface SocketsOptions {
  pingIntervalMs: number
  pongTimeoutMs: number
  maxLifetimeMs: number
}

export class Sockets {
  readonly #options: SocketsOptions
  readonly #byName = new Map<string, WebSocket>()
  readonly #all = new Set<WebSocket>()

  constructor(options: SocketsOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#byName.size
  }

  add(user: string, conn: string, socket: WebSocket): void {
    const name = nameOf(user, conn)
    this.#byName.get(name)?.close(1000, 'replaced')
    this.#byName.set(name, socket)
    this.#all.add(socket)
    const { pingIntervalMs, pongTimeoutMs, maxLifetimeMs } = this.#options
    let heardAt = performance.now()
    const pings = setInterval(() => {
      if (performance.now() - heardAt > pingIntervalMs + pongTimeoutMs) socket.terminate()
      else socket.ping()
    }, pingIntervalMs)
    const life = setTimeout(() => socket.close(1000, 'lifetime over'), maxLifetimeMs)
    socket.on('pong', () => {
      heardAt = performance.now()
    })
    socket.on('message', data => {
      if (String(data) === 'ping') socket.send(Buffer.from('pong'))
    })
    // What is wrong with a socket ends it; its close event follows.
    socket.on('error', () => undefined)
    socket.once('close', () => {
      clearInterval(pings)
      clearTimeout(life)
      this.#all.delete(socket)
      this.remove(user, conn, socket)
    })
  }

  /** Only if it is this very socket: it may have been replaced. */
  remove(user: string, conn: string, socket: WebSocket): void {
    const name = nameOf(user, conn)
    if (this.#byName.get(name) === socket) this.#byName.delete(name)
  }

  /** @returns whether the message is on its way to the client */
  async send(user: string, conn: string, message: Buffer): Promise<boolean> {
    const socket = this.#byName.get(nameOf(user, conn))
    if (socket === undefined || socket.readyState !== socket.OPEN) return false
    const failure = await new Promise<Error | null | undefined>(resolve =>
      socket.send(message, { binary: true }, resolve),
    )
    if (failure === null || failure === undefined) return true
    socket.terminate()
    return false
  }

  /** Asks every client to go; who has not gone by then is cut off. */
  async close(graceMs: number): Promise<void> {
    const open = [...this.#all]
    const gone = Promise.all(open.map(socket => new Promise<void>(resolve => socket.once('close', () => resolve()))))
    for (const socket of open) socket.close(1001, 'going away')
    const timer = setTimeout(() => {
      for (const socket of open) socket.terminate()
    }, graceMs)
    await gone
    clearTimeout(timer)
  }
}

function nameOf(user: string, conn: string): string {
  return `${user} ${conn}`
}
