// ScriptedServer: a Redis server in this process that knows what every server says first, and how to misbehave.
// Owns    a listening socket, and the connections it has accepted.
// Born    by start(), on a port that the kernel chooses.
// Dies    by close(), with all its connections.

import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'

export const bulk = (text: string) => `$${Buffer.byteLength(text)}\r\n${text}\r\n`
export const array = (items: readonly string[]) => `*${items.length}\r\n${items.join('')}`
export const hello = `%2\r\n${bulk('proto')}:3\r\n${bulk('role')}${bulk('master')}`

/** A CLUSTER SLOTS reply. */
export const slots = (layout: Layout) =>
  array(
    layout.map(([first, last, port]) => {
      const node = array([bulk('127.0.0.1'), `:${port}\r\n`, bulk(`id-${port}`), '*0\r\n'])
      return array([`:${first}\r\n`, `:${last}\r\n`, node])
    }),
  )

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
  /** Connections accepted so far. */
  accepted = 0
  /** Every command received so far, handshakes included, names in upper case. */
  readonly commands: string[][] = []
  readonly #server: Server
  readonly #connections = new Map<Socket, ScriptedConnection>()
  readonly #drips = new WeakMap<Socket, Promise<void>>()

  private constructor(handler: Handler) {
    this.handler = handler
    this.#server = createServer(socket => this.#serve(socket))
  }

  /** @param at an address of this host, and a port; by default the kernel chooses that */
  static async start(handler: Handler = () => undefined, at: { host?: string; port?: number } = {}) {
    const server = new ScriptedServer(handler)
    server.#server.listen(at.port ?? 0, at.host ?? '127.0.0.1')
    await once(server.#server, 'listening')
    return server
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port
  }

  get address(): string {
    return `127.0.0.1:${this.port}`
  }

  /** Connections open now. */
  get open(): number {
    return this.#connections.size
  }

  /** Commands of that name received so far, with their arguments. */
  seen(name: string): string[][] {
    return this.commands.filter(command => command[0] === name)
  }

  /** How many commands of that name have been received: `GET`, or `CLUSTER SLOTS`. */
  count(name: string): number {
    const [command, subcommand] = name.split(' ')
    return this.seen(command as string).filter(words => subcommand === undefined || words[1] === subcommand).length
  }

  #serve(socket: Socket): void {
    this.accepted++
    const connection = new ScriptedConnection(socket)
    this.#connections.set(socket, connection)
    socket.on('error', () => undefined)
    socket.on('close', () => this.#connections.delete(socket))
    let rest: Buffer = Buffer.alloc(0)
    socket.on('data', chunk => {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      for (let parsed = parseCommand(rest); parsed !== null; parsed = parseCommand(rest)) {
        rest = rest.subarray(parsed.end)
        const [name = '', ...args] = parsed.words
        const command = [name.toUpperCase(), ...args]
        this.commands.push(command)
        const reply = this.#answer(command, socket, connection)
        if (reply !== undefined && socket.writable) socket.write(reply)
      }
    })
  }

  #answer(command: string[], socket: Socket, connection: ScriptedConnection): string | Buffer | undefined {
    if (this.mute) return undefined
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
    if (name === 'CLUSTER' && subcommand === 'NODES') return '-ERR unknown subcommand\r\n'
    if (name === 'CLUSTER' && subcommand === 'SLOTS') {
      return this.layout === null ? '-ERR This instance has cluster support disabled\r\n' : slots(this.layout)
    }
    return undefined
  }

  /** Closes every connection there is; goes on accepting new ones. */
  cutAll(): void {
    for (const socket of this.#connections.keys()) socket.destroy()
  }

  /** Sends bytes that nobody has asked for to everybody. */
  sendToAll(raw: string | Buffer): void {
    for (const connection of this.#connections.values()) connection.send(raw)
  }

  async close(): Promise<void> {
    this.cutAll()
    await new Promise(resolve => this.#server.close(resolve))
  }
}

/** One command off the front of the bytes; null when it is not all there. */
function parseCommand(bytes: Buffer): { words: string[]; end: number } | null {
  let at = 0
  const line = () => {
    const end = bytes.indexOf('\r\n', at)
    if (end === -1) return null
    const text = bytes.toString('latin1', at, end)
    at = end + 2
    return text
  }
  const count = line()
  if (count === null) return null
  const words: string[] = []
  for (let i = 0; i < Number(count.slice(1)); i++) {
    const length = line()
    if (length === null) return null
    const end = at + Number(length.slice(1))
    if (end + 2 > bytes.length) return null
    words.push(bytes.toString('utf8', at, end))
    at = end + 2
  }
  return { words, end: at }
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
