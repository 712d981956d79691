// ClusterSubscriber: what a Cluster is subscribed to, in the shape of ioredis.
// Owns    the names that are wanted; how they are come by is the core's.
// Born    with its Cluster.
// Dies    with it; outlives the cores that the Cluster has one after the other, each of which is given the same names.
// Holds   a reply is the number of names after its command, in the order of commands.

import {
  type Engine,
  type Named,
  type NamesGap,
  ReplyError,
  type Sink,
  type SubscriptionKind,
  slotOf,
} from '../core.js'
import { noop } from './callback.js'
import type { Command } from './command.js'
import { AbortError, CONNECTION_CLOSED_ERROR_MSG } from './errors.js'
import type { ClusterStatus } from './status.js'

/** The object that it speaks for. */
export interface SubscribingCluster {
  readonly options: { shardedSubscribers?: boolean }
  readonly core: Engine | null
  readonly status: ClusterStatus
  emit(event: string, ...args: unknown[]): boolean
  silentEmit(event: string, ...args: unknown[]): boolean
  listenerCount(event: string): number
}

const kinds: Record<string, { kind: SubscriptionKind; adds: boolean }> = {
  subscribe: { kind: 'subscribe', adds: true },
  psubscribe: { kind: 'psubscribe', adds: true },
  ssubscribe: { kind: 'ssubscribe', adds: true },
  unsubscribe: { kind: 'subscribe', adds: false },
  punsubscribe: { kind: 'psubscribe', adds: false },
  sunsubscribe: { kind: 'ssubscribe', adds: false },
}

export class ClusterSubscriber implements Sink {
  readonly #cluster: SubscribingCluster
  /** By their bytes as latin1, in the order in which they came. */
  readonly #wanted: Record<SubscriptionKind, Map<string, { name: Buffer; at: number }>> = {
    subscribe: new Map(),
    psubscribe: new Map(),
    ssubscribe: new Map(),
  }
  #commands = 0
  /** Called before the cluster was usable. */
  readonly #held: Command[] = []

  constructor(cluster: SubscribingCluster) {
    this.#cluster = cluster
  }

  /** Carries the command out; returns its promise. */
  run(command: Command): Promise<unknown> {
    if (this.#cluster.status === 'ready') this.#run(command)
    else this.#held.push(command)
    return command.promise
  }

  /** The cluster is usable: what was called before is carried out. */
  onUsable(): void {
    for (const command of this.#held.splice(0)) this.#run(command)
  }

  /** The cluster will not be usable. */
  onEnd(message: string): void {
    for (const command of this.#held.splice(0)) command.reject(new Error(message))
  }

  #run(command: Command): void {
    const commandName = command.name.toLowerCase()
    const { kind, adds } = kinds[commandName] as (typeof kinds)[string]
    let names: Buffer[] = command.args.map(name => Buffer.from(name as string))
    if (adds && names.length === 0) {
      const error = new ReplyError(`ERR wrong number of arguments for '${commandName}' command`)
      command.reject(Object.assign(error, { command: { name: command.name, args: command.args } }))
      return
    }
    if (kind === 'ssubscribe' && names.some(name => slotOf(name) !== slotOf(names[0] as Buffer))) {
      command.reject(new AbortError('Possible CROSSSLOT error: All channels must hash to the same slot'))
      return
    }
    const ofKind = this.#wanted[kind]
    if (!adds && names.length === 0) names = [...ofKind.values()].map(({ name }) => name)
    const at = ++this.#commands
    for (const name of names) {
      const key = name.toString('latin1')
      if (!adds) ofKind.delete(key)
      else if (!ofKind.has(key)) ofKind.set(key, { name, at })
    }
    const plain = this.#wanted.subscribe.size + this.#wanted.psubscribe.size
    const count = () => (kind === 'ssubscribe' ? this.#countBeside(names[0], at) : plain)
    const subscriptions = (this.#cluster.core as Engine).subscriptions
    const done = adds ? subscriptions.add(kind, names, this) : subscriptions.remove(kind, names, this)
    done.then(
      () => command.resolve(count()),
      (error: Error) => this.#fail(command, kind, names, at, error),
    )
  }

  /** Shard channels of the same node, as of the command. */
  #countBeside(name: Buffer | undefined, at: number): number {
    const map = this.#cluster.core?.topology.map
    if (map === undefined || name === undefined) return 0
    const owner = map.primaryOf(slotOf(name))
    let count = 0
    for (const other of this.#wanted.ssubscribe.values()) {
      if (other.at <= at && map.primaryOf(slotOf(other.name)) === owner) count++
    }
    return count
  }

  #fail(command: Command, kind: SubscriptionKind, names: readonly Buffer[], at: number, error: Error): void {
    for (const name of names) {
      const key = name.toString('latin1')
      if (error instanceof ReplyError && this.#wanted[kind].get(key)?.at === at) this.#wanted[kind].delete(key)
    }
    if (error instanceof ReplyError) {
      command.reject(Object.assign(error, { command: { name: command.name, args: command.args } }))
    } else command.reject(Object.assign(new Error(CONNECTION_CLOSED_ERROR_MSG), { cause: error }))
  }

  /** Another core: what was wanted of the one before is wanted of it. */
  attach(engine: Engine): void {
    for (const kind of ['subscribe', 'psubscribe', 'ssubscribe'] as const) {
      const names = [...this.#wanted[kind].values()].map(({ name }) => name)
      if (names.length !== 0) engine.subscriptions.add(kind, names, this).catch(noop)
    }
  }

  /** The primaries are known; with option `shardedSubscribers` there is one subscriber for each. */
  onPrimariesKnown(count: number): void {
    if (this.#cluster.options.shardedSubscribers !== true) return
    for (let i = 0; i < count; i++) this.#cluster.emit('+subscriber')
    this.#cluster.emit('subscribersReady')
  }

  // ---- what comes

  onMessage({ kind, text }: Named, channel: Buffer, payload: Buffer): void {
    const cluster = this.#cluster
    if (kind === 'psubscribe') {
      if (cluster.listenerCount('pmessage') > 0) cluster.emit('pmessage', text, `${channel}`, `${payload}`)
      if (cluster.listenerCount('pmessageBuffer') > 0) {
        cluster.emit('pmessageBuffer', text, Buffer.from(channel), Buffer.from(payload))
      }
      return
    }
    const [event, bufferEvent] =
      kind === 'subscribe' ? (['message', 'messageBuffer'] as const) : (['smessage', 'smessageBuffer'] as const)
    if (cluster.listenerCount(event) > 0) cluster.emit(event, text, `${payload}`)
    // They came as part of all that had been received.
    if (cluster.listenerCount(bufferEvent) > 0) cluster.emit(bufferEvent, Buffer.from(channel), Buffer.from(payload))
  }

  onGap({ kind, names, fromMs, toMs }: NamesGap): void {
    const cluster = this.#cluster
    cluster.emit('gap', { channels: names.map(String), fromMs, toMs })
    if (kind !== 'ssubscribe' || cluster.options.shardedSubscribers !== true) return
    for (const event of ['-subscriber', '+subscriber', 'subscribersReady']) cluster.emit(event)
  }

  onRefused(kind: SubscriptionKind, name: Buffer, error: Error): void {
    const wanted = this.#wanted[kind].get(name.toString('latin1'))
    // Whoever has just asked for it hears of it from his command.
    if (wanted === undefined || wanted.at === this.#commands) return
    this.#wanted[kind].delete(name.toString('latin1'))
    this.#cluster.silentEmit('error', error)
  }

  onEnded(): void {}
}
