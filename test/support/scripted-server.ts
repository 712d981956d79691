// ScriptedServer: a scripted peer that already knows what every server says first, and how to misbehave.
// Owns    a Peer, and the bytes it still has to drip.
// Born    by start().
// Dies    by close(), with all its connections.

import type { Socket } from 'node:net'
import { array, bulk, hello, Peer, slots } from './peer.js'

export { array, bulk, hello, slots }

/** Slots `first` to `last` are served by the primary at this port of 127.0.0.1. */
export type Layout = readonly (readonly [first: number, last: number, port: number])[]

/** Answers nothing at all, not even what there is a standard answer for. */
export const silence = Symbol('silence')

/** Raw RESP; undefined for the standard answer, or silence where there is none. */
export type Handler = (
  command: string[],
  connection: ScriptedConnection,
) => string | Buffer | typeof silence | undefined

export const moved = (slot: number, to: { port: number }) => `-MOVED ${slot} 127.0.0.1:${to.port}\r\n`

/** What a handler can do to the connection besides answering. */
export class ScriptedConnection {
  readonly #socket: Socket

  constructor(socket: Socket) {
    this.#socket = socket
  }

  send(raw: string | Buffer): void {
    if (!this.#socket.destroyed) this.#socket.write(raw)
  }

  /** Sends the bytes, then closes in the middle of whatever they began. */
  cut(raw: string | Buffer = ''): void {
    this.#socket.end(raw)
  }

  /** Resets the connection (RST), as a crashed host would. */
  reset(): void {
    this.#socket.resetAndDestroy()
  }
}

export class ScriptedServer {
  handler: Handler
  /** What it answers to CLUSTER SLOTS; null for an error, as a server without a cluster. */
  layout: Layout | null = null
  /** Says nothing to anybody any more. */
  mute = false
  /** Every reply one byte at a time, a turn of the event loop apart. */
  byteByByte = false
  readonly #peer: Peer
  readonly #connections = new WeakMap<Socket, ScriptedConnection>()
  readonly #drips = new WeakMap<Socket, Promise<void>>()

  private constructor(peer: Peer, handler: Handler) {
    this.#peer = peer
    this.handler = handler
    peer.script = (command, socket) => this.#answer(command, socket)
  }

  static async start(handler: Handler = () => undefined): Promise<ScriptedServer> {
    return new ScriptedServer(await Peer.listen(() => undefined), handler)
  }

  get port(): number {
    return this.#peer.port
  }

  get address(): string {
    return this.#peer.address
  }

  /** Connections accepted so far. */
  get accepted(): number {
    return this.#peer.accepted
  }

  /** Connections open now. */
  get open(): number {
    return this.#peer.sockets.size
  }

  /** Every command received so far, names in upper case. */
  get commands(): readonly string[][] {
    return this.#peer.commands
  }

  /** Commands of that name received so far, with their arguments. */
  seen(name: string): string[][] {
    return this.#peer.seen(name)
  }

  /** How many commands of that name have been received: `GET`, or `CLUSTER SLOTS`. */
  count(name: string): number {
    const [command, subcommand] = name.split(' ')
    return this.#peer.seen(command as string).filter(words => subcommand === undefined || words[1] === subcommand)
      .length
  }

  #answer(command: string[], socket: Socket): string | Buffer | undefined {
    if (this.mute) return undefined
    let connection = this.#connections.get(socket)
    if (connection === undefined) this.#connections.set(socket, (connection = new ScriptedConnection(socket)))
    const answer = this.handler(command, connection) ?? this.#standard(command)
    if (answer === silence || answer === undefined) return undefined
    if (!this.byteByByte) return answer
    const before = this.#drips.get(socket) ?? Promise.resolve()
    this.#drips.set(
      socket,
      before.then(() => drip(socket, Buffer.from(answer))),
    )
    return undefined
  }

  #standard([name, subcommand]: string[]): string | undefined {
    if (name === 'HELLO') return hello
    if (name === 'CLIENT' || name === 'ASKING' || name === 'AUTH' || name === 'SELECT') return '+OK\r\n'
    if (name === 'PING') return '+PONG\r\n'
    if (name === 'CLUSTER' && subcommand === 'SLOTS') {
      return this.layout === null ? '-ERR This instance has cluster support disabled\r\n' : slots(this.layout)
    }
    return undefined
  }

  /** Closes every connection there is; goes on accepting new ones. */
  cutAll(): void {
    this.#peer.cutAll()
  }

  /** Sends bytes that nobody has asked for to everybody. */
  sendToAll(raw: string | Buffer): void {
    for (const socket of this.#peer.sockets) socket.write(raw)
  }

  async close(): Promise<void> {
    await this.#peer.close()
  }
}

async function drip(socket: Socket, bytes: Buffer): Promise<void> {
  socket.setNoDelay(true)
  for (let i = 0; i < bytes.length && !socket.destroyed; i++) {
    socket.write(bytes.subarray(i, i + 1))
    await new Promise(resolve => setImmediate(resolve))
  }
}

/** Two scripted primaries with half the slots each, both of which know the layout. */
export async function startPair(): Promise<{ a: ScriptedServer; b: ScriptedServer; layout: Layout }> {
  const [a, b] = await Promise.all([ScriptedServer.start(), ScriptedServer.start()])
  const layout: Layout = [
    [0, 8191, a.port],
    [8192, 16383, b.port],
  ]
  a.layout = layout
  b.layout = layout
  return { a, b, layout }
}
