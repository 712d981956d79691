// BareClient: the least a promise-per-command cluster client can do, as the yardstick for our own cost per command.
//
// It hashes the slot, makes one object and one promise a call, queues in denque, decodes with redis-parser, joins text and writes
// once a turn of the event loop. No redirects, errors, deadlines or bounds, ASCII only, and a fixed map of primaries.

import { createRequire } from 'node:module'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

const require = createRequire(import.meta.url)
const Denque = require('denque') as new () => { push(call: BareCall): void; shift(): BareCall | undefined }
const Parser = require('redis-parser') as new (handlers: {
  returnReply(reply: unknown): void
  returnError(error: Error): void
  returnFatalError(error: Error): void
  returnBuffers: boolean
}) => { execute(chunk: Buffer): void }

export type BareArgument = string | number
export type BareCommand = readonly [name: string, args: readonly BareArgument[]]

export interface BareOptions {
  /** PEM of the authority that has signed the servers' certificates; undefined for plain TCP. */
  ca?: string | undefined
  /** Strings of replies as Buffers. */
  buffers?: boolean
}

const table = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1
  return crc
})

function slotOf(key: string): number {
  let start = 0
  let end = key.length
  const open = key.indexOf('{')
  if (open !== -1) {
    const close = key.indexOf('}', open + 1)
    if (close > open + 1) {
      start = open + 1
      end = close
    }
  }
  let crc = 0
  for (let i = start; i < end; i++) {
    crc = ((crc << 8) & 0xffff) ^ (table[((crc >> 8) ^ key.charCodeAt(i)) & 0xff] as number)
  }
  return crc & 16383
}

class BareCall {
  readonly resolve: (reply: unknown) => void
  readonly reject: (error: Error) => void

  constructor(resolve: (reply: unknown) => void, reject: (error: Error) => void) {
    this.resolve = resolve
    this.reject = reject
  }
}

class BareConnection {
  readonly socket: Socket
  readonly #queue = new Denque()
  #text = ''
  #scheduled = false

  constructor(host: string, port: number, { ca, buffers = false }: BareOptions, onReply: (reply: unknown) => void) {
    const socket = ca === undefined ? connect(port, host) : connectTls({ port, host, ca })
    this.socket = socket.setNoDelay(true)
    const parser = new Parser({
      returnReply: reply => {
        const call = this.#queue.shift()
        if (call === undefined) onReply(reply)
        else call.resolve(reply)
      },
      returnError: error => this.#queue.shift()?.reject(error),
      returnFatalError: error => {
        throw error
      },
      returnBuffers: buffers,
    })
    this.socket.on('data', chunk => parser.execute(chunk as Buffer))
  }

  readonly #flush = (): void => {
    this.#scheduled = false
    const text = this.#text
    this.#text = ''
    this.socket.write(text)
  }

  send(name: string, args: readonly BareArgument[], call: BareCall): void {
    let text = `*${args.length + 1}\r\n$${name.length}\r\n${name}\r\n`
    for (let i = 0; i < args.length; i++) {
      const arg = args[i]
      const value = typeof arg === 'string' ? arg : String(arg)
      text += `$${Buffer.byteLength(value)}\r\n${value}\r\n`
    }
    this.#text += text
    this.#queue.push(call)
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(this.#flush)
  }
}

export class BareClient {
  readonly #connections: BareConnection[]
  readonly #owners: Uint16Array
  #onMessage: (payload: unknown) => void = () => undefined

  /** @param addresses `host:port` of primaries that share the slots evenly, in the order of their slots; one for a server alone */
  constructor(addresses: readonly string[], options: BareOptions = {}) {
    const onReply = (reply: unknown) => {
      const [kind, , payload] = reply as [string, string, unknown]
      if (kind === 'message') this.#onMessage(payload)
    }
    this.#connections = addresses.map(address => {
      const [host, port] = address.split(':') as [string, string]
      return new BareConnection(host, Number(port), options, onReply)
    })
    const count = this.#connections.length
    this.#owners = Uint16Array.from({ length: 16384 }, (_, slot) => {
      let owner = 0
      while (slot >= Math.floor(((owner + 1) * 16384) / count)) owner++
      return owner
    })
  }

  #connectionOf(key: BareArgument): BareConnection {
    return this.#connections[this.#owners[slotOf(String(key))] as number] as BareConnection
  }

  /** @param keyIndex which argument is the key */
  call(name: string, args: readonly BareArgument[], keyIndex = 0): Promise<unknown> {
    const connection = this.#connectionOf(args[keyIndex] as BareArgument)
    return new Promise((resolve, reject) => connection.send(name, args, new BareCall(resolve, reject)))
  }

  /** Many commands with one promise for all. */
  pipeline(commands: readonly BareCommand[]): Promise<unknown[]> {
    return new Promise((resolve, reject) => {
      const replies = new Array<unknown>(commands.length)
      let missing = commands.length
      for (let i = 0; i < commands.length; i++) {
        const [name, args] = commands[i] as BareCommand
        const take = (reply: unknown) => {
          replies[i] = reply
          if (--missing === 0) resolve(replies)
        }
        this.#connectionOf(args[0] as BareArgument).send(name, args, new BareCall(take, reject))
      }
    })
  }

  /** From now on the first connection gives messages. One subscription a client. */
  async subscribe(channel: string, onMessage: (payload: unknown) => void): Promise<void> {
    this.#onMessage = onMessage
    const [connection] = this.#connections as [BareConnection]
    await new Promise((resolve, reject) => connection.send('SUBSCRIBE', [channel], new BareCall(resolve, reject)))
  }

  close(): void {
    for (const { socket } of this.#connections) socket.destroy()
  }
}
