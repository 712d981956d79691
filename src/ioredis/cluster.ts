// Cluster: a Redis Cluster, in the shape of ioredis.
// Owns    no socket, timer or queue: those are the core client's. It holds the status, and a Redis object for each node.
// Born    by its user.
// Dies    at status `end`; connect() starts it again, with another client.
// Holds   every command goes through sendCommand(), and from there through that of the Redis object of its node.

import type { EventEmitter } from 'node:events'
import { Engine, type Node } from '../core.js'
import { asCallback, handled, type NodeCallback, noop } from './callback.js'
import { type ErrorHandlers, handleError } from './cluster-errors.js'
import { ClusterEvents, unavailable } from './cluster-events.js'
import {
  type ClusterNode,
  type ClusterOptions,
  clusterConfig,
  type NodeRole,
  parseClusterOptions,
  startupNodeOptions,
} from './cluster-options.js'
import { senderOfRead } from './cluster-reads.js'
import { ClusterSlots, checkTransaction } from './cluster-slots.js'
import { ClusterSubscriber } from './cluster-subscriber.js'
import type { Command } from './command.js'
import type { RedisCommander, Transaction } from './commander.js'
import { CONNECTION_CLOSED_ERROR_MSG } from './errors.js'
import { addEvents, becomeEmitter, emitSilently } from './events.js'
import { Commander } from './methods.js'
import { engineSender, NodeLink } from './node-link.js'
import { nodeSubscriber } from './node-subscriber.js'
import { needsOwnConnection, sessionOnly } from './own-connection.js'
import type { PipelineOwner, PipelineResult } from './pipeline.js'
import { linkFactory, Redis, type ReplyMapping } from './redis.js'
import type { RedisOptions } from './redis-options.js'
import { addScanStreams } from './scan-stream.js'
import type { Sender } from './sender.js'
import type { ClusterStatus } from './status.js'
import { addTransactionSupport } from './transaction.js'

// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the methods of an EventEmitter are copied below
// biome-ignore lint/correctness/noUnusedVariables: the interface of the same name uses it
export class Cluster<Mapping extends ReplyMapping = 'legacy'> extends Commander implements PipelineOwner {
  declare options: ClusterOptions
  status: ClusterStatus = 'wait'
  readonly isCluster = true
  /** May be changed; the next attempt takes them. */
  startupNodes: readonly ClusterNode[]
  /** Attempts since the cluster was last usable. */
  retryAttempts = 0
  connectionEpoch = 0
  manuallyClosing = false
  /** What it sends through at present. */
  core: Engine | null = null
  private readonly reports = new ClusterEvents(this)
  readonly subscriber = new ClusterSubscriber(this)
  private readonly handles = new Map<Node, Redis>()
  private table = new ClusterSlots(null)
  /** Rejects the connect() under way. */
  failStart: (error: Error) => void = noop
  private delayed: ((error?: Error) => void)[] = []

  /**
   * @param startupNodes one or more nodes to learn the others from: ports, URLs, `host:port`, or objects
   * @throws Error where an option cannot be
   */
  constructor(startupNodes: readonly ClusterNode[], options: ClusterOptions = {}) {
    super()
    becomeEmitter(this)
    this.startupNodes = startupNodes
    this.options = parseClusterOptions(options)
    for (const [name, script] of Object.entries(this.options.scripts ?? {})) this.defineCommand(name, script)
    if (this.options.lazyConnect) this.setStatus('wait')
    else this.connect().catch(noop)
  }

  /** Everything is pipelined, and nothing is kept back for it. */
  readonly autoPipelineQueueSize = 0

  setStatus(status: ClusterStatus, arg?: unknown): void {
    this.status = status
    process.nextTick(() => this.emit(status, arg))
  }

  // ---- life

  /**
   * Connects. Happens by itself unless `lazyConnect` is set.
   * @returns when the cluster is usable
   * @throws Error `Redis is already connecting/connected`; `None of startup nodes is available` when all of them fail
   */
  connect(callback?: NodeCallback<void>): Promise<void> {
    return asCallback(this.start(), callback)
  }

  private start(): Promise<void> {
    if (this.status === 'connecting' || this.status === 'connect' || this.status === 'ready') {
      return Promise.reject(new Error('Redis is already connecting/connected'))
    }
    return new Promise((resolve, reject) => {
      this.manuallyClosing = false
      this.connectionEpoch++
      this.reports.stopWaiting()
      this.setStatus('connecting')
      const settle = (error: Error | null) => {
        this.off('refresh', onRefresh)
        this.off('ready', onReady)
        this.off('close', onClose)
        this.off('end', onClose)
        if (error === null) resolve()
        else reject(error)
      }
      const onReady = () => settle(null)
      this.failStart = settle
      // Once the slots are known it is a matter of time.
      const onRefresh = () => void this.off('close', onClose)
      this.once('refresh', onRefresh)
      const onClose = () => settle(this.reports.closeError())
      this.once('ready', onReady)
      this.once('close', onClose)
      this.once('end', onClose)
      try {
        this.open()
      } catch (error) {
        this.reports.onImpossible(error as Error)
      }
    })
  }

  private open(): void {
    const { core: client } = this
    if (client === null || client.state === 'closed' || client.state === 'closing') {
      this.rebuild().refresh().catch(noop)
    } else if (client.state === 'idle') client.refresh().catch(noop)
    else this.reseed()
  }

  /** Another client, which dials nothing yet. */
  rebuild(): Engine {
    const client = new Engine(this.coreConfig(), this.reports.observer())
    this.core = client
    // As in ioredis: nothing is sent before the cluster is known to be in order.
    client.onHold = true
    this.table = new ClusterSlots(client)
    this.subscriber.attach(client)
    return client
  }

  private coreConfig(): ReturnType<typeof clusterConfig> {
    if (!Array.isArray(this.startupNodes) || this.startupNodes.length === 0) {
      throw new Error('`startupNodes` should contain at least one node.')
    }
    const onReport = (error: Error) => this.silentEmit('error', error)
    return clusterConfig(this.options, startupNodeOptions(this.startupNodes), onReport)
  }

  /** Takes the startup nodes as they are now, their names looked up anew. */
  reseed(): void {
    const { findSeeds, seeds } = this.coreConfig()
    this.core?.reseed(findSeeds ?? (async () => seeds))
  }

  /** Closes every connection. What has been written may still be answered; everything else fails. */
  disconnect(reconnect = false): void {
    const { status, core: client } = this
    if (reconnect) {
      this.reports.reconnect()
      return
    }
    if (status === 'disconnecting' && this.manuallyClosing) return
    this.setStatus('disconnecting')
    this.manuallyClosing = true
    if (status === 'wait' || client === null || client.state === 'closed') this.reports.onClosed()
    else void client.finish().then(() => this.reports.onClosed())
  }

  /** Lets open commands be answered, then closes every connection. */
  quit(callback?: NodeCallback<'OK'>): Promise<'OK'> {
    const { core: client } = this
    this.setStatus('disconnecting')
    this.manuallyClosing = true
    const closed = client === null ? Promise.resolve() : client.close()
    const promise = closed.then(() => 'OK' as const)
    // After the caller has his answer.
    promise.then(() => setImmediate(() => this.reports.onClosed()))
    return asCallback(promise, callback)
  }

  /** Another object with the same startup nodes and options, some of them replaced. */
  duplicate(startupNodes: readonly ClusterNode[] = [], override: ClusterOptions = {}): Cluster {
    const options: ClusterOptions = { ...this.options, ...override }
    if (this.options.redisOptions && override.redisOptions) {
      options.redisOptions = { ...this.options.redisOptions, ...override.redisOptions }
    }
    return new Cluster(startupNodes.length > 0 ? startupNodes : this.startupNodes, options)
  }

  // ---- nodes and slots

  /**
   * Redis objects of the nodes that are known.
   * @throws Error `Invalid role "x". Expected "all", "master" or "slave"`
   */
  nodes(role: NodeRole = 'all'): Redis[] {
    if (role !== 'all' && role !== 'master' && role !== 'slave') {
      throw new Error(`Invalid role "${role}". Expected "all", "master" or "slave"`)
    }
    const nodes = this.core?.topology.nodes ?? []
    const chosen = role === 'all' ? nodes : nodes.filter(node => this.table.isPrimary(node) === (role === 'master'))
    return chosen.map(node => this.handleOf(node))
  }

  /** For each slot `host:port` of its primary and of its replicas. Made anew when asked for after a change. */
  get slots(): string[][] {
    return this.table.slots
  }

  /** Numbers of the groups of nodes that share slots, by their joined addresses. */
  get _groupsIds(): Record<string, number> {
    return this.table.groupIds
  }

  /** For each slot the number of its group of nodes. */
  get _groupsBySlot(): (number | undefined)[] {
    return this.table.groupsBySlot
  }

  /** Asks who serves which slots. */
  refreshSlotsCache(callback?: (error?: Error) => void): void {
    const { core: client } = this
    const failed = () => callback?.(this.reports.allFailed())
    if (client === null || client.state === 'idle' || client.state === 'closed') process.nextTick(failed)
    else client.refresh().then(() => callback?.(undefined), failed)
  }

  /** The Redis object of a node; made when first asked for. */
  handleOf(node: Node): Redis {
    const handle = this.handles.get(node)
    if (handle === undefined) {
      const { host, port } = node.endpoint
      // What a node of a Cluster must be, whatever the options say.
      const fixed = { enableOfflineQueue: true, readOnly: node.isReplica, lazyConnect: true, retryStrategy: null }
      const options: RedisOptions = { ...this.options.redisOptions, host, port, ...fixed }
      const link = () => new NodeLink(this.core as Engine, node, () => nodeSubscriber(made))
      const made = new Redis({ ...options, [linkFactory]: link } as RedisOptions)
      this.handles.set(node, made)
      if (node.isReady) made.adoptReady()
      return made
    }
    return handle
  }

  /** Forgets a node that has left, and returns its Redis object. */
  forget(node: Node): Redis | undefined {
    const handle = this.handles.get(node)
    this.handles.delete(node)
    return handle
  }

  /** Forgets all nodes, and returns their Redis objects. */
  forgetAll(): Redis[] {
    const handles = [...this.handles.values()]
    this.handles.clear()
    this.table = new ClusterSlots(null)
    return handles
  }

  onTopologyChanged(): void {
    for (const [node, handle] of this.handles) handle.options.readOnly = node.isReplica
    this.table = new ClusterSlots(this.core)
  }

  // ---- commands

  /** Sends the command to the node of its first key. `node` sends it to that one. */
  override sendCommand(
    command: Command,
    stream?: unknown,
    node?: { redis?: Redis | undefined; slot?: number },
  ): Promise<unknown> {
    const handle = this.routed(command, node)
    return handle === null ? command.promise : handle.sendCommand(command, stream)
  }

  /** Sends the command for somebody who needs no promise of it. */
  post(command: Command): void {
    // Tools put a function of their own in its place.
    if (this.sendCommand !== ownSendCommand) handled(this.sendCommand(command))
    else this.routed(command)?.post(command)
  }

  /** The Redis object to send the command through; null when it has been dealt with. */
  private routed(command: Command, node?: { redis?: Redis | undefined; slot?: number }): Redis | null {
    if (this.status !== 'ready' && !this.admits(command)) return null
    if (command.group !== null) return this.directed(command, command.slotHint)
    if (node !== undefined) {
      node.redis ??= this.handleFor(node.slot ?? -1) ?? undefined
      if (node.redis !== undefined) return node.redis
    }
    const { kind } = command
    if (kind.subscribes) {
      this.subscriber.run(command)
      return null
    }
    let slot: number
    try {
      slot = node?.slot ?? command.route
      if (needsOwnConnection(command)) throw sessionOnly(command)
    } catch (error) {
      command.reject(error as Error)
      return null
    }
    return this.directed(command, slot)
  }

  /** @param slot of its keys, in a transaction of the keys of all its commands */
  private directed(command: Command, slot: number): Redis {
    command.slotHint = slot
    command.sender = typeof this.options.scaleReads === 'function' ? senderOfRead(this, command, slot) : this.sender
    return this.handleFor(slot) ?? this.anchor
  }

  private handleFor(slot: number): Redis | null {
    const topology = this.core?.topology
    if (topology === undefined) return null
    const node = slot < 0 ? null : topology.map.primaryOf(slot)
    return node === null ? null : this.handleOf(node)
  }

  /** Stands for whatever node will be found. */
  private get anchor(): Redis {
    this.anchored ??= new Redis({
      ...this.options.redisOptions,
      ...startupNodeOptions(this.startupNodes)[0],
      lazyConnect: true,
    })
    return this.anchored
  }
  private anchored: Redis | null = null

  readonly sender: Sender = engineSender(() => this.core as Engine)

  /** Whether the command may be sent now; has dealt with it where it may not. */
  private admits(command: Command): boolean {
    if (this.status === 'wait') this.connect().catch(noop)
    if (this.status === 'end' || this.core === null || this.manuallyClosing) {
      command.reject(new Error(this.status === 'disconnecting' ? unavailable : CONNECTION_CLOSED_ERROR_MSG))
      return false
    }
    if (this.options.enableOfflineQueue !== false) return true
    command.reject(new Error("Cluster isn't ready and enableOfflineQueue options is false"))
    return false
  }

  checkTransaction(commands: readonly Command[]): Error | null {
    return checkTransaction(commands, this.core?.topology.map)
  }

  /** A command has one slot. */
  checkPipelined(command: Command): Error | null {
    if (command.hasOneSlot) return null
    return new Error('All the keys in a pipeline command should belong to the same slot')
  }

  wholeFailure(results: readonly PipelineResult[]): Error | null {
    const [first] = results
    return results.every(([error]) => error?.message === unavailable) ? ((first as PipelineResult)[0] as Error) : null
  }

  /** Calls back once the slots are known, or with the error that says they will not be. */
  delayUntilReady(callback: (error?: Error) => void): void {
    this.delayed.push(callback)
  }

  callDelayed(error?: Error): void {
    for (const callback of this.delayed.splice(0)) process.nextTick(callback, error)
  }

  /** Tells what an error reply asks for: calls the handler of its kind. */
  handleError(error: Error, ttl: { value?: number }, handlers: ErrorHandlers): void {
    handleError(error, ttl, handlers, this.options, this.status === 'ready')
  }

  silentEmit(event: string, ...args: unknown[]): boolean {
    return emitSilently(this, event, args)
  }
}

export interface Cluster<Mapping extends ReplyMapping = 'legacy'>
  extends EventEmitter,
    RedisCommander<{ type: 'default'; mapping: Mapping extends 'resp3' ? 'resp3' : 'resp2' }>,
    Transaction<Mapping extends 'resp3' ? 'resp3' : 'resp2'> {}

/** Tools put a function of their own in its place. */
const ownSendCommand = Cluster.prototype.sendCommand

addEvents(Cluster.prototype)
addTransactionSupport(Cluster.prototype)
addScanStreams(Cluster.prototype, ['sscan', 'hscan', 'zscan'])
