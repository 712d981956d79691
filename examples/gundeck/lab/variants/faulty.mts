// A model of the design that leaked, for comparison only. It does on purpose what must not be done:
// - the connection is one shared cell, and whoever finds it broken opens another by himself and puts it into the cell: of N callers, N do;
// - the connection that was in the cell is not closed, nor is the one from which the others were learned;
// - the broken connection stays in the cell, within everybody's reach, while it is being replaced;
// - every I/O error counts as the loss of Redis, also the lack of descriptors;
// - a caller waits without a bound, whatever its deadline was.

import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import RedisParser from 'redis-parser'
import { slotOf } from 'slotwise/core'
import type { RedisPort, StoredField } from '../../src/redis/port.js'
import type { Mark, Tracker } from '../tracker.mjs'
import { addScript, hostAndPort } from './common.mjs'
import type { Variant } from './index.mjs'

const firstDelayMs = 50
const lastDelayMs = 1000
const slotCount = 16384

class ErrorReply extends Error {}

/** A socket to one server, and the callers that wait for its replies. */
class Line {
  readonly #socket: Socket
  readonly #waiting: { resolve: (reply: unknown) => void; reject: (error: Error) => void }[] = []
  #broken: Error | null = null

  private constructor(host: string, port: number) {
    // Half open: when the server goes, the descriptor stays until somebody closes it, and nobody does.
    this.#socket = connect({ host, port, allowHalfOpen: true, noDelay: true })
    const parser = new RedisParser({
      returnReply: (reply: unknown) => this.#waiting.shift()?.resolve(reply),
      returnError: (error: Error) => this.#waiting.shift()?.reject(new ErrorReply(error.message)),
    })
    this.#socket.on('data', chunk => parser.execute(chunk))
    this.#socket.on('error', error => this.#break(error))
    this.#socket.on('end', () => this.#break(new Error('connection lost')))
  }

  static async open(host: string, port: number): Promise<Line> {
    const line = new Line(host, port)
    await new Promise<void>((resolve, reject) => {
      line.#socket.once('connect', resolve)
      line.#socket.once('error', reject)
    })
    return line
  }

  #break(error: Error): void {
    this.#broken ??= error
    for (const { reject } of this.#waiting.splice(0)) reject(error)
  }

  send(args: readonly (string | number)[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#broken !== null) {
        reject(this.#broken)
        return
      }
      this.#waiting.push({ resolve, reject })
      const parts = args.map(arg => `$${Buffer.byteLength(String(arg))}\r\n${arg}\r\n`)
      this.#socket.write(`*${args.length}\r\n${parts.join('')}`)
    })
  }
}

/** A line to every server. */
class Connection {
  readonly #lineOfSlot: Line[]

  private constructor(lineOfSlot: Line[]) {
    this.#lineOfSlot = lineOfSlot
  }

  static async open(addresses: readonly string[]): Promise<Connection> {
    const { host, port } = hostAndPort(addresses[Math.floor(Math.random() * addresses.length)] as string)
    const seed = await Line.open(host, port)
    const slots = (await seed.send(['CLUSTER', 'SLOTS'])) as [number, number, ...[string, number][]][]
    const state = String(await seed.send(['CLUSTER', 'INFO']))
    if (!state.includes('cluster_state:ok')) throw new Error('cluster down')
    const lines = new Map<number, Line>()
    const lineOfSlot = new Array<Line>(slotCount)
    for (const [from, to, ...servers] of slots) {
      for (const [serverHost, serverPort] of servers)
        if (!lines.has(serverPort)) lines.set(serverPort, await Line.open(serverHost, serverPort))
      lineOfSlot.fill(lines.get(servers[0]?.[1] as number) as Line, from, to + 1)
    }
    return new Connection(lineOfSlot)
  }

  send(key: string, args: readonly (string | number)[]): Promise<unknown> {
    const line = this.#lineOfSlot[slotOf(key)]
    return line === undefined ? Promise.reject(new Error('slot not served')) : line.send(args)
  }
}

class FaultyPort implements RedisPort {
  #cell: Connection | null = null
  readonly #addresses: readonly string[]
  readonly #tracker: Tracker
  readonly #mark: Mark

  constructor(addresses: readonly string[], tracker: Tracker, mark: Mark) {
    this.#addresses = addresses
    this.#tracker = tracker
    this.#mark = mark
  }

  async connect(): Promise<void> {
    this.#cell = await Connection.open(this.#addresses)
  }

  async #run(key: string, args: readonly (string | number)[]): Promise<unknown> {
    for (;;) {
      try {
        if (this.#cell === null) throw new Error('no connection')
        return await this.#cell.send(key, args)
      } catch (error) {
        if (error instanceof ErrorReply && !/CLUSTERDOWN|MOVED|LOADING/.test(error.message)) throw error
      }
      let pauseMs = firstDelayMs
      for (;;) {
        await delay(pauseMs)
        pauseMs = Math.min(2 * pauseMs, lastDelayMs)
        try {
          this.#cell = await Connection.open(this.#addresses)
          this.#mark('connected', 'a caller replaces the shared connection')
          break
        } catch {
          // Again, and without an end.
        }
      }
    }
  }

  #call(key: string, args: readonly (string | number)[]): Promise<unknown> {
    return this.#tracker.track(this.#run(key, args))
  }

  async add({ key, field, value, ttlSeconds }: Parameters<RedisPort['add']>[0]): Promise<void> {
    await this.#call(key, ['EVAL', addScript, 1, key, field, value, ttlSeconds])
  }

  async list(key: string): Promise<StoredField[]> {
    const flat = (await this.#call(key, ['HGETALL', key])) as string[]
    return Array.from({ length: flat.length / 2 }, (_, i) => ({
      field: flat[2 * i] as string,
      value: flat[2 * i + 1] as string,
    }))
  }

  async listMany(keys: readonly string[]): Promise<StoredField[][]> {
    const lists: StoredField[][] = []
    for (const key of keys) lists.push(await this.list(key))
    return lists
  }

  async deleteStale(): Promise<{ deleted: number; failure: Error | null }> {
    return { deleted: 0, failure: null }
  }

  async check(): Promise<void> {
    await this.list('user:')
  }

  inspect() {
    return { ready: true, waiting: this.#tracker.open, waitingBytes: null, inFlight: null, sockets: null }
  }

  async close(): Promise<void> {}
}

export const onFaultyModel: Variant['open'] = async (addresses, _limits, tracker, mark) => {
  const port = new FaultyPort(addresses, tracker, mark)
  await port.connect()
  return { port, waitingBytes: () => null, refreshes: () => null }
}
