// FakeServer: a Redis server inside this process: real connections over the loopback, data in memory, and faults to order.
// Owns    a listening socket while it is running, and the connections it has accepted.
// Born    by start(), on a port that the kernel chooses.
// Dies    by close(), with all its connections.

import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { SlotwiseError } from '../errors.js'
import { type Answer, Failure, Pairs, Simple } from './answer.js'
import { execute, readable } from './executor.js'
import { FakeConnection } from './fake-connection.js'
import { HeldPort } from './held-port.js'
import { loopback } from './loopback.js'
import type { Faults } from './outgoing.js'
import { ServerHost } from './server-host.js'
import { silence } from './wire.js'

/**
 * Decides about one command: raw RESP to answer with, `silence` for no answer at all, or undefined for the answer that the server would have given.
 * The command's name is in upper case.
 */
export type Handler = (command: string[], connection: FakeConnection) => string | Buffer | typeof silence | undefined

/** Slots `first` to `last` are served by the server at this port of 127.0.0.1. */
export type Layout = readonly (readonly [first: number, last: number, port: number])[]

export interface FakeServerOptions {
  /** What is asked before the server answers by itself. */
  handler?: Handler
  /**
   * `commands` (default): it is a Redis server, with data. `greetings`: it knows what every server is asked first (HELLO, AUTH, SELECT, CLIENT, PING,
   * ASKING, CLUSTER SLOTS and NODES), grants it all, and is silent about everything that the handler does not answer.
   */
  answers?: 'commands' | 'greetings'
  /** Asked for by AUTH and HELLO. Default none. */
  password?: string
  /** Whose password that is. Default `default`. */
  username?: string
  /** 2 for a server that does not know HELLO. Default 3. */
  maxProtocol?: 2 | 3
  /** Address of this host to listen on. Default 127.0.0.1. */
  host?: string
  /** Port to listen on, 1 to 65535; 0, the default, for one that the kernel chooses. */
  port?: number
  /** How many of the commands received last are kept in `commands`, at least; 0 for none. Default 10,000. */
  keptCommands?: number
}

const greetings = new Map<string, Answer>([
  [
    'HELLO',
    new Pairs([
      ['proto', 3],
      ['role', 'master'],
    ]),
  ],
  ['CLIENT', new Simple('OK')],
  ['ASKING', new Simple('OK')],
  ['AUTH', new Simple('OK')],
  ['SELECT', new Simple('OK')],
  ['PING', new Simple('PONG')],
])
const clusterDisabled = new Failure('ERR This instance has cluster support disabled')

export class FakeServer {
  /** Asked about each command before the server answers by itself. */
  handler: Handler
  /** What it says to CLUSTER SLOTS, whatever is true; null for the truth. */
  layout: Layout | null = null
  /** @internal */
  readonly host: ServerHost
  readonly #answersAll: boolean
  readonly #keptCommands: number
  readonly #faults: Faults = { mute: false, frozen: false, byteByByte: false, delayMs: 0, cutAfterBytes: null }
  readonly #connections = new Set<FakeConnection>()
  readonly #counts = new Map<string, number>()
  #commands: string[][] = []
  #accepted = 0
  #listener: Server | null = null
  /** Its port, between kill() and restart(). */
  #held: HeldPort | null = null
  #isClosed = false
  readonly #address: string
  #port: number

  /** See {@link start}. */
  protected constructor(options: FakeServerOptions, host: ServerHost) {
    this.handler = options.handler ?? (() => undefined)
    this.host = host
    this.#answersAll = options.answers !== 'greetings'
    this.#address = options.host ?? '127.0.0.1'
    this.#port = options.port ?? 0
    this.#keptCommands = options.keptCommands ?? 10_000
    host.onEndSession = session => {
      for (const connection of this.#connections) if (connection.session === session) connection.socket.destroy()
    }
  }

  /**
   * Starts a server of its own, which is no node of a cluster.
   * @throws SlotwiseError SLOTWISE_INVALID_OPTION
   */
  static async start(options: FakeServerOptions = {}): Promise<FakeServer> {
    const server = new FakeServer(options, hostFor(options))
    await server.listen()
    return server
  }

  get port(): number {
    return this.#port
  }

  /** `host:port`, by default at 127.0.0.1. */
  get address(): string {
    return `${this.#address}:${this.#port}`
  }

  /** False after kill(), until restart(). */
  get isRunning(): boolean {
    return this.#listener !== null
  }

  // ---- what it has seen

  /** Connections accepted so far. */
  get accepted(): number {
    return this.#accepted
  }

  /** How many connections are open now. */
  get open(): number {
    return this.#connections.size
  }

  /** The connections that are open now. */
  get connections(): readonly FakeConnection[] {
    return [...this.#connections]
  }

  /** Commands received so far, handshakes included, names in upper case; the last 10,000 (`keptCommands`) at least. */
  get commands(): readonly string[][] {
    return this.#commands
  }

  /** Commands of that name among `commands`. */
  seen(name: string): string[][] {
    return this.#commands.filter(command => command[0] === name)
  }

  /** How many commands of that name have been received: `GET`, or `CLUSTER SLOTS`. */
  count(name: string): number {
    return this.#counts.get(name) ?? 0
  }

  /** Forgets the commands seen and their counts. */
  forget(): void {
    this.#commands = []
    this.#counts.clear()
  }

  // ---- faults

  /** Reads what it is sent and never answers: a peer that has gone, or a black hole. What it is asked meanwhile is carried out all the same. */
  get mute(): boolean {
    return this.#faults.mute
  }

  set mute(on: boolean) {
    this.#faults.mute = on
  }

  /** Sends every reply one byte at a time, a turn of the event loop apart. */
  get byteByByte(): boolean {
    return this.#faults.byteByByte
  }

  set byteByByte(on: boolean) {
    this.#faults.byteByByte = on
    this.#onFaultsChanged()
  }

  /** Sends every reply so many milliseconds later. 0, the default, for at once. */
  get delayMs(): number {
    return this.#faults.delayMs
  }

  set delayMs(ms: number) {
    this.#faults.delayMs = ms
    this.#onFaultsChanged()
  }

  /** Whether it is frozen. */
  get isFrozen(): boolean {
    return this.#faults.frozen
  }

  /** Stops reading and writing, as a process that was stopped (SIGSTOP) or a host that hangs: connections are still accepted. */
  freeze(): void {
    this.#faults.frozen = true
    this.#onFaultsChanged()
  }

  /** Goes on where freeze() stopped: everything received meanwhile is answered now. */
  thaw(): void {
    this.#faults.frozen = false
    this.#onFaultsChanged()
  }

  /** Answers LOADING for so many milliseconds, as a server that has just been started. */
  loading(ms: number): void {
    this.host.loadingUntil = Date.now() + ms
  }

  /** Ends the next reply after so many bytes, and its connection with it. */
  cutNextReply(afterBytes: number): void {
    this.#faults.cutAfterBytes = afterBytes
  }

  /** Closes every connection there is (FIN); goes on accepting new ones. */
  cutAll(): void {
    for (const connection of this.#connections) connection.socket.destroy()
  }

  /** Resets every connection there is (RST); goes on accepting new ones. */
  resetAll(): void {
    for (const connection of this.#connections) connection.reset()
  }

  /** Sends bytes that nobody has asked for to everybody. */
  sendToAll(raw: string | Buffer): void {
    for (const connection of this.#connections) connection.send(raw)
  }

  /** As if the process was killed: connections are reset, new ones refused. The data stays for restart(). */
  async kill(): Promise<void> {
    const listener = this.#listener
    if (listener === null) return
    this.#listener = null
    const closed = this.#stopListening(listener)
    this.resetAll()
    // Else another program may get the port, and this server's clients with it.
    const held = await HeldPort.hold(this.#address, this.#port)
    await closed
    // It may have been started again, or closed, in between.
    if (this.#listener === null && !this.#isClosed) this.#held = held
    else held?.release()
  }

  #stopListening(listener: Server): Promise<unknown> {
    loopback.stoppedListening(this.#address, this.#port)
    return new Promise(resolve => listener.close(resolve))
  }

  /**
   * Listens again on the same port, with the data it had and without faults.
   * @throws Error EADDRINUSE when another program has taken the port meanwhile
   */
  async restart(): Promise<void> {
    await this.kill()
    this.#held?.release()
    this.#held = null
    Object.assign(this.#faults, { mute: false, frozen: false, byteByByte: false, delayMs: 0, cutAfterBytes: null })
    await this.listen()
  }

  /** Ends it, with all its connections. */
  async close(): Promise<void> {
    this.thaw()
    this.#isClosed = true
    this.#held?.release()
    this.#held = null
    const listener = this.#listener
    this.#listener = null
    this.cutAll()
    if (listener !== null) await this.#stopListening(listener)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** @internal */
  async listen(): Promise<void> {
    loopback.watch()
    const listener = createServer(socket => this.#accept(socket))
    listener.listen(this.#port, this.#address)
    await once(listener, 'listening')
    this.#listener = listener
    this.#isClosed = false
    this.#port = (listener.address() as { port: number }).port
    this.host.port = this.#port
    loopback.listening(this.#address, this.#port)
  }

  #accept(socket: Socket): void {
    this.#accepted++
    const connection = new FakeConnection(socket, this.#accepted, this.host.credentials === null, {
      faults: this.#faults,
      answer: (from, words) => this.#answer(from, words),
      onClosed: closed => {
        this.#connections.delete(closed)
        this.host.removeSession(closed.session)
      },
    })
    this.#connections.add(connection)
    this.host.addSession(connection.session)
  }

  #answer(connection: FakeConnection, words: readonly string[]): Answer | Buffer | typeof silence {
    const command = this.#record(words)
    const handled = this.#faults.mute ? undefined : this.handler(command, connection)
    if (handled === silence) return silence
    if (handled !== undefined) return Buffer.from(handled as string)
    const [name, subcommand] = command as [string, string?]
    const topic = name === 'CLUSTER' ? subcommand?.toUpperCase() : undefined
    const asksForSlots = topic === 'SLOTS'
    if (this.layout !== null && asksForSlots) return slotsOf(this.layout)
    if (this.#answersAll) return execute(this.host, connection.session, words)
    return asksForSlots || topic === 'NODES' ? clusterDisabled : (greetings.get(name) ?? silence)
  }

  #record(words: readonly string[]): string[] {
    const command = readable(words)
    const [name, subcommand] = command as [string, string?]
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1)
    if (name === 'CLUSTER' || name === 'CLIENT') {
      const both = `${name} ${subcommand?.toUpperCase()}`
      this.#counts.set(both, (this.#counts.get(both) ?? 0) + 1)
    }
    const kept = this.#keptCommands
    if (kept > 0) this.#commands.push(command)
    // Forgotten in halves, so that forgetting costs little.
    if (this.#commands.length > 2 * kept) this.#commands = this.#commands.slice(-kept)
    return command
  }

  #onFaultsChanged(): void {
    for (const connection of this.#connections) connection.onFaultsChanged()
  }
}

/** @internal */
export function hostFor(options: FakeServerOptions): ServerHost {
  const { password, username = 'default', maxProtocol = 3, keptCommands = 0 } = options
  if (maxProtocol !== 2 && maxProtocol !== 3) throw invalid('maxProtocol must be 2 or 3')
  if (!Number.isInteger(keptCommands) || keptCommands < 0) throw invalid('keptCommands must be an integer from 0')
  const credentials = password === undefined ? null : { username, password }
  return new ServerHost({ version: '7.0.15', maxProtocol, credentials })
}

/** @internal */
export function invalid(message: string): SlotwiseError {
  return new SlotwiseError('SLOTWISE_INVALID_OPTION', message)
}

function slotsOf(layout: Layout): Answer {
  return layout.map(([first, last, port]) => [first, last, ['127.0.0.1', port, `id-${port}`, []]])
}
