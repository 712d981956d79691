// Redis: one server, in the shape of ioredis.
// Owns    no socket, timer or queue: those are the core's. It holds the status, and the link that it sends through.
// Born    by its user, or as a handle of a Cluster's node.
// Dies    at status `end`; connect() starts it again, with another link.
// Holds   `status` is what the link has reported last, unless its user has assigned it.

import type { EventEmitter } from 'node:events'
import { DirectClient } from '../core.js'
import type { ConnectorLike } from './abstract-connector.js'
import { limitBlocking } from './blocking-limit.js'
import { asCallback, handled, type NodeCallback, noop } from './callback.js'
import { Command } from './command.js'
import type { RedisCommander, Transaction } from './commander.js'
import { connectorFor } from './connectors.js'
import { CONNECTION_CLOSED_ERROR_MSG, translate } from './errors.js'
import { addEvents, becomeEmitter, emitSilently } from './events.js'
import { type Link, launch } from './link.js'
import { Commander } from './methods.js'
import { RedisEvents } from './redis-events.js'
import {
  DEFAULT_REDIS_OPTIONS,
  directConfig,
  directOptions,
  parseRedisArguments,
  type RedisOptions,
} from './redis-options.js'
import { addScanStreams } from './scan-stream.js'
import { ScriptCommand } from './script.js'
import type { Condition, RedisStatus } from './status.js'
import { addressOf, commandContext, traceCommand, traceConnect, tracesCommands, tracesConnects } from './tracing.js'
import { addTransactionSupport } from './transaction.js'

/** How replies are shown: in the shapes of RESP2, or of RESP3. */
export type ReplyMapping = 'legacy' | 'resp3'

/** Option of a Cluster's handles: makes their link. */
export const linkFactory = Symbol('linkFactory')

const validWhileSubscribed = new Set(Command.FLAGS.VALID_IN_SUBSCRIBER_MODE)
const validWhileMonitoring = new Set(Command.FLAGS.VALID_IN_MONITOR_MODE)

// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the methods of an EventEmitter are copied below
// biome-ignore lint/correctness/noUnusedVariables: the interface of the same name uses it
export class Redis<Mapping extends ReplyMapping = 'legacy'> extends Commander {
  static defaultOptions: RedisOptions = DEFAULT_REDIS_OPTIONS
  static Command = Command
  // biome-ignore lint/suspicious/noExplicitAny: set by the entry, as Cluster stands on Redis
  static Cluster: any

  static createClient(...args: ConstructorParameters<typeof Redis>): Redis {
    return new Redis(...args)
  }

  declare options: RedisOptions
  status: RedisStatus = 'wait'
  readonly isCluster: boolean = false
  condition: Condition | undefined
  connector: ConnectorLike | null = null
  /** Attempts since the last connection was ready. */
  retryAttempts = 0
  connectionEpoch = 0
  /** The connection is being closed because its user wants it so. */
  manuallyClosing = false
  /** Scripts that the server is known to have. */
  readonly knownScripts = new Set<string>()
  /** Commands wait for nothing but the link. */
  private link: Link | null = null
  private readonly makeLink: (() => Link) | null
  private readonly reports = new RedisEvents(this)

  /**
   * Connects to one server, at once unless `lazyConnect` is set. What is said first counts; a number is always the port.
   *
   * @param port 1 to 65535; default 6379
   * @param host name or address; default `localhost`
   * @param path a Unix socket's path, a port, `host:port`, or a `redis://` or `rediss://` URL
   * @throws Error `Invalid argument x`, or where an option cannot be
   */
  constructor(port: number, host: string, options: RedisOptions)
  constructor(path: string, options: RedisOptions)
  constructor(port: number, options: RedisOptions)
  constructor(port: number, host: string)
  constructor(options: RedisOptions)
  constructor(port: number)
  constructor(path: string)
  constructor()
  constructor(...args: readonly unknown[]) {
    super()
    becomeEmitter(this)
    this.options = parseRedisArguments(args.slice(0, 3), Redis.defaultOptions)
    this.makeLink = (args[0] as { [linkFactory]?: () => Link } | undefined)?.[linkFactory] ?? null
    this.connector = this.makeLink === null ? connectorFor(this, options => new Redis(options)) : null
    for (const [name, script] of Object.entries(this.options.scripts ?? {})) this.defineCommand(name, script)
    if (this.options.lazyConnect) this.setStatus('wait')
    else this.connect().catch(noop)
  }

  /** What it sends through at present. */
  get currentLink(): Link | null {
    return this.link
  }

  /** The socket, for looking at. */
  get stream(): unknown {
    return this.link?.socket ?? undefined
  }

  /** Commands written and not answered; has a `length`. */
  get commandQueue(): { readonly length: number } {
    return { length: this.link?.count().inFlight ?? 0 }
  }

  /** Commands that wait for a connection; has a `length`. */
  get offlineQueue(): { readonly length: number } {
    return { length: this.link?.count().queued ?? 0 }
  }

  /** Always 0: everything is pipelined, and nothing is kept back for it. */
  get autoPipelineQueueSize(): number {
    return 0
  }

  /** `normal`, `subscriber` or `monitor`. */
  get mode(): 'normal' | 'subscriber' | 'monitor' {
    if (this.options.monitor) return 'monitor'
    return this.isSubscriber ? 'subscriber' : 'normal'
  }

  /** With RESP2 a connection that has subscribed takes few commands; RESP3 has no such mode. */
  private get isSubscriber(): boolean {
    return this.link !== null && this.link.subscribed !== 0 && this.link.protocol === 2
  }

  setStatus(status: RedisStatus, arg?: unknown): void {
    this.status = status
    process.nextTick(() => this.emit(status, arg))
  }

  // ---- life

  /**
   * Connects. Happens by itself unless `lazyConnect` is set.
   * @returns when the connection is ready
   * @throws Error `Redis is already connecting/connected`, or `Connection is closed.` when the first attempt fails
   */
  connect(callback?: NodeCallback<void>): Promise<void> {
    return asCallback(
      this.traced(() => this.start()),
      callback,
    )
  }

  private traced(connect: () => Promise<void>): Promise<void> {
    return traceConnect(connect, () => ({ ...addressOf(this.options), connectionEpoch: this.connectionEpoch }))
  }

  traceRetry(): void {
    const outcome = () =>
      new Promise<void>((resolve, reject) => {
        this.once('ready', resolve)
        this.once('close', () => reject(new Error(CONNECTION_CLOSED_ERROR_MSG)))
      })
    if (tracesConnects()) this.traced(outcome).catch(noop)
  }

  private start(): Promise<void> {
    if (this.status === 'connecting' || this.status === 'connect' || this.status === 'ready') {
      return Promise.reject(new Error('Redis is already connecting/connected'))
    }
    return new Promise((resolve, reject) => {
      let link: Link
      try {
        link = this.linkToStart()
      } catch (error) {
        reject(error)
        return
      }
      this.link = link
      this.manuallyClosing = false
      if (link.state === 'idle') this.reports.onConnecting()
      const settle = (error: Error | null) => {
        this.off('ready', onReady)
        this.off('close', onClose)
        this.off('end', onClose)
        if (error === null) resolve()
        else reject(error)
      }
      const onReady = () => settle(null)
      const onClose = () => settle(this.reports.takeConnectorError() ?? new Error(CONNECTION_CLOSED_ERROR_MSG))
      this.once('ready', onReady)
      this.once('close', onClose)
      this.once('end', onClose)
      link.open()
    })
  }

  /** Another link, unless there is one that waits for its next attempt. */
  private linkToStart(): Link {
    const { link } = this
    if (link?.state === 'waiting') return link
    if (link !== null && link.state !== 'ended') {
      // Its user has declared it dead.
      this.reports.detach()
      link.finish()
    }
    return this.createLink()
  }

  /** The node of a Cluster's, whose handle this is, is connected. */
  adoptReady(): void {
    if (this.makeLink === null || this.status === 'ready') return
    this.link ??= this.makeLink()
    this.setStatus('ready')
  }

  /** The link of a connection of its own; a Cluster's handle has another. */
  private createLink(): Link {
    if (this.makeLink !== null) return this.makeLink()
    const config = directConfig(this.options, error => this.silentEmit('error', error))
    const previous = this.link instanceof DirectClient ? this.link : null
    return new DirectClient(config, directOptions(this.options, previous), this.reports.hooks())
  }

  /**
   * Closes the connection. What has been written may still be answered; everything else fails with `Connection is closed.`
   * @param reconnect to open another at once, as if it had been lost
   */
  disconnect(reconnect = false): void {
    if (reconnect) {
      if (this.status === 'wait') this.connectLater()
      else this.link?.reconnect()
      this.connector?.disconnect()
      return
    }
    this.manuallyClosing = true
    if (this.link !== null && this.link.state !== 'ended') this.link.finish()
    else if (this.status === 'wait') {
      this.setStatus('close')
      this.setStatus('end')
    }
    this.connector?.disconnect()
  }

  /** As if a connection had been lost, where there has been none. */
  private connectLater(): void {
    this.setStatus('close')
    const delayMs = this.options.retryStrategy?.(++this.retryAttempts)
    if (typeof delayMs !== 'number') {
      this.setStatus('end')
      return
    }
    this.setStatus('reconnecting', delayMs)
    this.link = this.createLink()
    this.link.open(Math.max(1, delayMs))
  }

  /** @deprecated Use disconnect(). */
  end(): void {
    this.disconnect()
  }

  /** Another object with the same options, some of them replaced. */
  duplicate(override?: Partial<RedisOptions>): Redis {
    return new Redis({ ...this.options, ...override })
  }

  /** A connection that shows every command the server gets, as `monitor` events. Source: MONITOR command page. */
  monitor(callback?: NodeCallback<Redis>): Promise<Redis> {
    const monitor = this.duplicate({ monitor: true, lazyConnect: false })
    const promise = new Promise<Redis>((resolve, reject) => {
      monitor.once('error', reject)
      monitor.once('monitoring', () => resolve(monitor))
    })
    return asCallback(promise, callback)
  }

  // ---- commands

  /** Sends the command. Everything goes through here, so that it can be watched here. */
  override sendCommand(command: Command, _stream?: unknown, _node?: unknown): Promise<unknown> {
    if (!this.launchOrRefuse(command) || !tracesCommands() || command.isTraced) return command.promise
    command.isTraced = true
    return traceCommand(() => command.promise, commandContext(command, this.database, this.options))
  }

  /** Sends the command for somebody who needs no promise of it. */
  post(command: Command): void {
    if (this.sendCommand !== ownSendCommand || tracesCommands()) handled(this.sendCommand(command))
    else this.launchOrRefuse(command)
  }

  private launchOrRefuse(command: Command): boolean {
    const { options } = this
    if (typeof options.commandTimeout === 'number') command.setTimeout(options.commandTimeout)
    command.protocol = this.condition?.protocol ?? 3
    if (options.replyMapping === 'resp3') this.showAsResp3(command)
    // What waits for a connection does not block on a server.
    if (options.blockingTimeout) limitBlocking(command, options, this.link?.state === 'ready')
    if (command.sender !== null) this.launch(command, command.sender)
    else if ((this.status === 'ready' && !options.monitor && !this.isSubscriber) || this.admits(command)) {
      this.launch(command, this.link as Link)
    } else return false
    return true
  }

  private showAsResp3(command: Command): void {
    const { stringNumbers } = this.options
    if (command.protocol === 3)
      command.setReplyContext({ protocol: 3, replyMapping: 'resp3', stringNumbers: stringNumbers === true })
  }

  private launch(command: Command, sender: NonNullable<Command['sender']>): void {
    if (command instanceof ScriptCommand) command.choose(command.knownScripts ?? this.knownScripts)
    if (command.name === 'select') this.reports.onSelect(command)
    if (command.group !== null) command.group.add(command, sender)
    else launch(command, sender, this.sendCommand !== ownSendCommand)
  }

  /** Whether the command may be sent now; has dealt with it where it may not. */
  private admits(command: Command): boolean {
    if (this.status === 'wait') this.connect().catch(noop)
    if (this.status === 'end' || this.link === null) return this.refuse(command, CONNECTION_CLOSED_ERROR_MSG)
    if (this.isSubscriber && !validWhileSubscribed.has(command.name.toLowerCase())) {
      return this.refuse(command, 'Connection in subscriber mode, only subscriber commands may be used')
    }
    if (this.options.monitor && this.status !== 'connect' && !validWhileMonitoring.has(command.name)) {
      return this.refuse(command, "Connection is in monitoring mode, can't process commands.")
    }
    if (this.link.state === 'ready') return true
    if (this.options.enableOfflineQueue === false) {
      return this.refuse(command, "Stream isn't writeable and enableOfflineQueue options is false")
    }
    if (command.name === 'quit' && this.offlineQueue.length === 0) {
      this.disconnect()
      command.resolve(Buffer.from('OK'))
      return false
    }
    return true
  }

  private refuse(command: Command, message: string): false {
    command.reject(new Error(message))
    return false
  }

  /** Fails what waits for a connection. */
  flushQueue(error: Error): void {
    this.link?.failWaiting(error)
  }

  // ---- for those who look closer

  private get database(): number {
    return this.condition?.select ?? this.options.db ?? 0
  }

  /** Payload of the trace of a transaction. */
  _buildBatchContext(batchSize: number) {
    return { batchMode: 'MULTI' as const, batchSize, database: this.database, ...addressOf(this.options) }
  }

  /** Emits only where somebody listens; an error that nobody listens for is printed. */
  silentEmit(event: string, ...args: unknown[]): boolean {
    return emitSilently(this, event, args)
  }

  /** Fails everything with the error, and reconnects. */
  recoverFromFatalError(_commandError: Error, error: Error): void {
    this.flushQueue(error)
    this.silentEmit('error', error)
    this.disconnect(true)
  }

  /** Gives the error to the command it answers, after asking `reconnectOnError`. */
  handleReconnection(error: Error, item: { command: Command }): void {
    const { reconnectOnError } = this.options
    const decision = reconnectOnError?.(error) ?? false
    if (decision) this.disconnect(true)
    if (decision === 2) this.sendCommand(item.command)
    else item.command.reject(error)
  }

  static readonly translate = translate
}

export interface Redis<Mapping extends ReplyMapping = 'legacy'>
  extends EventEmitter,
    RedisCommander<{ type: 'default'; mapping: Mapping extends 'resp3' ? 'resp3' : 'resp2' }>,
    Transaction<Mapping extends 'resp3' ? 'resp3' : 'resp2'> {}

/** Tools put a function of their own in its place, and look at each command from there. */
const ownSendCommand = Redis.prototype.sendCommand

addEvents(Redis.prototype)
addTransactionSupport(Redis.prototype)
addScanStreams(Redis.prototype, ['scan', 'sscan', 'hscan', 'zscan'])
