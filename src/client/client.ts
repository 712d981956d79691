// Client: what its users call. Everything between a call and the servers is its Engine's.
// Owns    the engine.
// Born    by createClient(); dials nothing before the first call or connect().
// Dies    by close() or destroy().

import { BatchCollector } from '../batch/batch.js'
import { CallFlag, type Outcome } from '../command/call.js'
import type { Argument } from '../command/command.js'
import type { Reply } from '../resp/decoder.js'
import { type CallOptions, invalid } from './call-options.js'
import { Engine } from './engine.js'
import type { Inspection, NodeInspection } from './inspection.js'
import { type ClientConfig, type ClientOptions, resolveOptions } from './options.js'
import { type Prepared, prepare } from './prepare.js'
import { type Session, type SessionOptions, withSession } from './session.js'
import type { ClientState } from './states.js'

/** One command of a batch: name, arguments, options, as execute() takes them. */
export type BatchItem = readonly [name: string, args?: readonly Argument[], options?: CallOptions]

const noArguments: readonly Argument[] = []

export class Client {
  readonly #engine: Engine

  constructor(config: ClientConfig) {
    this.#engine = new Engine(config)
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
   * @returns the reply
   * @throws at once: SLOTWISE_INVALID_ARGUMENT, SLOTWISE_CROSS_SLOT, SLOTWISE_SESSION_ONLY. Rejects with a ReplyError, or with
   *   SLOTWISE_QUEUE_FULL, SLOTWISE_QUEUE_EXPIRED, SLOTWISE_TIMEOUT, SLOTWISE_ABORTED, SLOTWISE_CONNECTION_LOST,
   *   SLOTWISE_TOO_MANY_REDIRECTS or SLOTWISE_CLOSED
   */
  execute(name: string, args: readonly Argument[] = noArguments, options?: CallOptions): Promise<Reply> {
    const prepared = prepare(this.#engine.clustered, name, args, options)
    const known = this.#engine.cache?.find(prepared)
    if (known !== undefined) return Promise.resolve(known)
    return new Promise(resolve => this.#engine.start(prepared, 0, resolve as (outcome: Outcome) => void))
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
      return prepare(this.#engine.clustered, name, args, options)
    })
    return new Promise(resolve => {
      const collector = new BatchCollector(prepared.length, resolve)
      for (let i = 0; i < prepared.length; i++) {
        this.#engine.start(
          prepared[i] as Prepared,
          CallFlag.errorAsValue,
          collector.sink(i) as (outcome: Outcome) => void,
        )
      }
    })
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
    return withSession(this.#engine, use, options)
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
