// Peer: a scripted Redis server in this process. It answers what the script says, or nothing.

import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'

/** Raw RESP to write, or undefined for silence. */
export type Script = (command: string[], socket: Socket) => string | Buffer | undefined

export const bulk = (text: string) => `$${Buffer.byteLength(text)}\r\n${text}\r\n`
export const array = (items: readonly string[]) => `*${items.length}\r\n${items.join('')}`
export const hello = `%2\r\n${bulk('proto')}:3\r\n${bulk('role')}${bulk('master')}`

/** A CLUSTER SLOTS reply: ranges with the port of their primary on 127.0.0.1. */
export const slots = (ranges: readonly (readonly [first: number, last: number, port: number])[]) =>
  array(
    ranges.map(([first, last, port]) => {
      const node = array([bulk('127.0.0.1'), `:${port}\r\n`, bulk(`id-${port}`), '*0\r\n'])
      return array([`:${first}\r\n`, `:${last}\r\n`, node])
    }),
  )

/** Answers what every connection says first; undefined for the rest. */
export function greet([name, subcommand]: string[]): string | undefined {
  if (name === 'HELLO') return hello
  if (name === 'CLIENT' && (subcommand === 'SETINFO' || subcommand === 'SETNAME')) return '+OK\r\n'
  if (name === 'PING') return '+PONG\r\n'
  if (name === 'ASKING') return '+OK\r\n'
  return undefined
}

export class Peer {
  /** Connections accepted so far. */
  accepted = 0
  /** Every command received, handshakes included, names in upper case. */
  readonly commands: string[][] = []
  readonly sockets = new Set<Socket>()
  readonly #server: Server
  script: Script

  private constructor(script: Script) {
    this.script = script
    this.#server = createServer(socket => this.#serve(socket))
  }

  static async listen(script: Script): Promise<Peer> {
    const peer = new Peer(script)
    peer.#server.listen(0, '127.0.0.1')
    await once(peer.#server, 'listening')
    return peer
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port
  }

  get address(): string {
    return `127.0.0.1:${this.port}`
  }

  seen(name: string): string[][] {
    return this.commands.filter(command => command[0] === name)
  }

  cutAll(): void {
    for (const socket of this.sockets) socket.destroy()
  }

  async close(): Promise<void> {
    this.cutAll()
    await new Promise(resolve => this.#server.close(resolve))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #serve(socket: Socket): void {
    this.accepted++
    this.sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => this.sockets.delete(socket))
    let rest = Buffer.alloc(0)
    socket.on('data', chunk => {
      rest = Buffer.concat([rest, chunk])
      for (let parsed = parseCommand(rest); parsed !== null; parsed = parseCommand(rest)) {
        rest = rest.subarray(parsed.end)
        const command = [(parsed.words[0] as string).toUpperCase(), ...parsed.words.slice(1)]
        this.commands.push(command)
        const reply = this.script(command, socket)
        if (reply !== undefined && !socket.destroyed) socket.write(reply)
      }
    })
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
