// Client: what its users call. Everything between a call and the servers is its Engine's.
// Owns    the engine.
// Born    by createClient(); dials nothing before the first call or connect().
// Dies    by close() or destroy().

import { EventEmitter } from 'node:events'
import { BatchCollector } from '../batch/batch.js'
import { CallFlag, type Outcome } from '../command/call.js'
import { type Argument, severalSlots } from '../command/command.js'
import type { TopologyChange } from '../observe.js'
import { type BufferMessage, type Message, Subscription, type SubscriptionOptions } from '../pubsub/subscription.js'
import type { Reply } from '../resp/decoder.js'
import { fanOutOf } from '../routing/fan-out.js'
import { type CallOptions, invalid } from './call-options.js'
import { Engine } from './engine.js'
import { callAll } from './fan-out-call.js'
import type { Inspection, NodeInspection } from './inspection.js'
import { type ClientConfig, type ClientOptions, resolveOptions } from './options.js'
import { deliver } from './parts.js'
import { type Prepared, prepare } from './prepare.js'
import { prepareScan, type ScanOptions, scan } from './scan.js'
import { type Session, type SessionOptions, withSession } from './session.js'
import { callSplit } from './split-call.js'
import type { ClientState } from './states.js'
import { checkSubscription } from './subscribe.js'

/** One command of a batch: name, arguments, options, as execute() takes them. */
export type BatchItem = readonly [name: string, args?: readonly Argument[], options?: CallOptions]

const noArguments: readonly Argument[] = []

/** Events of a {@link Client}, and what their listeners get. */
export interface ClientEvents {
  /** Another topology is in use: after a failover, a move of slots, a node that came or went. The first one, too. */
  topology: [change: TopologyChange]
}

export class Client extends EventEmitter<ClientEvents> {
  readonly #engine: Engine
  readonly #config: ClientConfig

  constructor(config: ClientConfig) {
    super()
    this.#config = config
    this.#engine = new Engine(config, {
      watchesTopology: () => this.listenerCount('topology') !== 0,
      onTopologyChanged: change => this.emit('topology', change),
    })
  }

  /** Where the client is in its life; `degraded` means that a node in use has no connection. */
  get state(): ClientState {
    return this.#engine.state
  }

  // ---- calls

  /**
   * Runs one command.
   *
   * @param name command name in any letter case, sent as given
   * @param args arguments; kept until the call settles, so they must not be changed meanwhile
   * @param options see {@link CallOptions}
   * @returns the reply. In a cluster, that of a command which concerns all servers (DBSIZE, FLUSHALL, KEYS, SCRIPT LOAD, …) is put
   *   together from theirs, unless `fanOut` is false; see docs/cluster-commands.md
   * @throws at once: SLOTWISE_INVALID_ARGUMENT, SLOTWISE_CROSS_SLOT, SLOTWISE_SESSION_ONLY. Rejects with a ReplyError, or with
   *   SLOTWISE_QUEUE_FULL, SLOTWISE_QUEUE_EXPIRED, SLOTWISE_TIMEOUT, SLOTWISE_ABORTED, SLOTWISE_CONNECTION_LOST,
   *   SLOTWISE_TOO_MANY_REDIRECTS, SLOTWISE_PARTIAL_FAILURE or SLOTWISE_CLOSED
   */
  execute(name: string, args: readonly Argument[] = noArguments, options?: CallOptions): Promise<Reply> {
    const { cache } = this.#engine
    if (cache !== null && options === undefined) {
      const kept = cache.answer(name, args)
      if (kept !== null) return kept
    }
    const prepared = this.#prepare(name, args, options)
    return new Promise(resolve => this.#start(prepared, 0, resolve as (outcome: Outcome) => void))
  }

  #prepare(name: string, args: readonly Argument[], options: CallOptions | undefined): Prepared {
    return prepare(this.#config.clustered, name, args, options, false, this.#config.splitMultiKey)
  }

  #start(prepared: Prepared, flags: number, resolve: (outcome: Outcome) => void): void {
    // Nearly every call has a slot.
    const several = prepared.slot >= 0 || !this.#config.clustered ? null : this.#startSeveral(prepared)
    if (several === null) this.#engine.start(prepared, flags, resolve)
    else deliver(several, (flags & CallFlag.errorAsValue) !== 0, resolve)
  }

  /** Makes a call that consists of several; null when this is none. */
  #startSeveral(prepared: Prepared): Promise<Reply> | null {
    if (prepared.slot === severalSlots) return callSplit(this.#engine, prepared)
    const fanOut = prepared.options.fanOut ? fanOutOf(prepared.command.spec) : null
    return fanOut === null ? null : callAll(this.#engine, this.#config, prepared, fanOut)
  }

  /**
   * Runs many commands, for any slots, each on its own: own redirects, own deadline, own error. Not atomic.
   *
   * @param items commands as execute() takes them
   * @returns one entry a command in the order given: its reply, or the Error it failed with. Never rejects
   * @throws at once, with nothing sent, what execute() throws at once for any of the commands
   */
  batch(items: readonly BatchItem[]): Promise<(Reply | Error)[]> {
    if (!Array.isArray(items)) throw invalid('A batch must be an array of [name, args, options]')
    const prepared = items.map(item => {
      if (!Array.isArray(item)) throw invalid('Each command of a batch must be an array [name, args, options]')
      const [name, args = noArguments, options] = item as unknown as BatchItem
      return this.#prepare(name, args, options)
    })
    return new Promise(resolve => {
      const collector = new BatchCollector(prepared.length, resolve)
      for (let i = 0; i < prepared.length; i++) {
        this.#start(prepared[i] as Prepared, CallFlag.errorAsValue, collector.sink(i) as (outcome: Outcome) => void)
      }
    })
  }

  /**
   * Subscribes to channels, patterns or shard channels. In a cluster channels and patterns are joined at one node, which is replaced
   * when it goes; shard channels at the owners of their slots. Iterate over the result for the messages, or give `onMessage`.
   *
   * @param names one name or several
   * @returns at once; `ready` tells when every name is subscribed to. Until then and after every interruption it is tried until it is so
   * @throws SLOTWISE_INVALID_ARGUMENT
   */
  subscribe(
    names: string | Uint8Array | readonly (string | Uint8Array)[],
    options: SubscriptionOptions<BufferMessage> & { buffers: true },
  ): Subscription<BufferMessage>
  subscribe(
    names: string | Uint8Array | readonly (string | Uint8Array)[],
    options?: SubscriptionOptions<Message>,
  ): Subscription<Message>
  subscribe(
    names: string | Uint8Array | readonly (string | Uint8Array)[],
    options: SubscriptionOptions<Message> | SubscriptionOptions<BufferMessage> = {},
  ): Subscription<Message> | Subscription<BufferMessage> {
    const checked = checkSubscription(names, options)
    const { timeoutMs = this.#config.timeoutMs } = options
    const own = { ...(options as SubscriptionOptions<Message>), timeoutMs }
    return new Subscription(this.#engine.subscriptions, checked, own)
  }

  /**
   * Lends one connection to a function that may give it a state of its own: WATCH, MULTI and EXEC, MONITOR, CLIENT REPLY, …
   * Nobody else's commands come in between. When the function has settled, the connection goes back as it was, or is closed.
   *
   * @param use gets the session; in a cluster the first command with a key decides on the server
   * @returns what the function returns
   * @throws what the function throws; its commands may fail with SLOTWISE_CONNECTION_LOST, and are never sent again. The first one
   *   may fail with SLOTWISE_TIMEOUT while it waits for a connection
   */
  session<Result>(use: (session: Session) => Promise<Result>, options: SessionOptions = {}): Promise<Result> {
    return withSession(this.#engine.sessionHost, use, options)
  }

  /**
   * All keys of the server, or of every shard of the cluster, page by page; for the guarantees see docs/cluster-commands.md. In short: a
   * key that is there from the first page to the last is returned at least once, whatever fails over or moves meanwhile; a key may be
   * returned more than once. Pages are asked for as they are taken, one at a time (SCAN command page, "Scan guarantees").
   *
   * @param options see {@link ScanOptions}
   * @returns an iterator of non-empty arrays of keys. It ends, and leaves nothing open, when a `for await` over it is left
   * @throws at once: SLOTWISE_INVALID_ARGUMENT. A page rejects with a ReplyError, or with SLOTWISE_TIMEOUT (no page came for `timeoutMs`;
   *   `endpoint` and `cause` say what was waited for), SLOTWISE_ABORTED, SLOTWISE_QUEUE_FULL or SLOTWISE_CLOSED; the scan is over then
   */
  scanIterator(options: ScanOptions & { buffers: true }): AsyncGenerator<Buffer[], void, undefined>
  scanIterator(options?: ScanOptions & { buffers?: false }): AsyncGenerator<string[], void, undefined>
  scanIterator(options: ScanOptions = {}): AsyncGenerator<string[] | Buffer[], void, undefined> {
    const pages = scan(this.#engine, this.#config, prepareScan(options))
    return pages as AsyncGenerator<string[] | Buffer[], void, undefined>
  }

  // ---- life

  /**
   * Connects without making a call. Calls need not wait for it.
   *
   * @returns when a server is usable (of a cluster: when the topology is known, too)
   * @throws SLOTWISE_CONNECT_TIMEOUT after `timeoutMs`, with the last failure as cause; the client goes on trying.
   *   SLOTWISE_CLOSED when the client is closed
   */
  connect(): Promise<void> {
    return this.#engine.connect()
  }

  /**
   * Takes no more calls, gives open ones `closeTimeoutMs` to settle, fails the rest with SLOTWISE_CLOSED, closes every socket.
   * @returns when the last socket has closed
   */
  close(): Promise<void> {
    return this.#engine.close()
  }

  /** Ends at once: every open call fails with SLOTWISE_CLOSED, every socket and timer is closed. */
  destroy(): void {
    this.#engine.destroy()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  // ---- looking at it

  /** Plain numbers, counted now. Costs time in proportion to the calls that are open. */
  inspect(): Inspection {
    return this.#engine.inspect()
  }

  /** The servers the client knows, and how it gets on with each. */
  nodes(): NodeInspection[] {
    return this.#engine.nodes()
  }
}

/**
 * Makes a client of a cluster or of a standalone server. Nothing is dialled before the first call or connect().
 * @throws SlotwiseError SLOTWISE_INVALID_OPTION
 */
export function createClient(options: ClientOptions): Client {
  return new Client(resolveOptions(options))
}
