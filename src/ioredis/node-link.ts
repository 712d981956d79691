// NodeLink: a node of a Cluster's, as a Redis object sees it. The connection is the Cluster's; nothing here opens or closes it.

import {
  type Argument,
  CallFlag,
  type CommandName,
  type Engine,
  type Node,
  type Outcome,
  resolveCommand,
  TransactionReplies,
} from '../core.js'
import type { Link } from './link.js'
import type { Parts, Sender } from './sender.js'

type Resolve = (outcome: Outcome) => void

/** A transaction as one call, for the slot of its keys or pinned to a node. */
export function submitTransaction(
  client: Engine,
  slot: number,
  parts: Parts,
  flags: number,
  timeoutMs: number,
  resolve: Resolve,
  node: Node | null,
): void {
  const args = parts.flatMap(part => part.args)
  const collector = new TransactionReplies(parts, node === null)
  const bits = flags | CallFlag.several | (node === null ? 0 : CallFlag.pinned)
  client.submit(resolveCommand('multi'), args, slot, bits, timeoutMs, resolve, { collector, pinnedTo: node })
}

/** What sends to whoever serves a slot. */
export function engineSender(engine: () => Engine): Sender {
  return {
    submit: (name, args, flags, timeoutMs, resolve, slot = -1) =>
      engine().submit(name, args, slot, flags, timeoutMs, resolve),
    submitTransaction: (parts, flags, timeoutMs, resolve, slot = -1) =>
      submitTransaction(engine(), slot, parts, flags, timeoutMs, resolve, null),
  }
}

/** What takes a node's subscriptions. */
export interface Subscriber {
  call(name: string, ...args: unknown[]): Promise<unknown>
}

const subscribing = new Set(
  ['SUBSCRIBE', 'PSUBSCRIBE', 'SSUBSCRIBE'].flatMap(name => [name, name.replace('SUB', 'UNSUB')]),
)

export class NodeLink implements Link {
  readonly #client: Engine
  readonly #node: Node
  readonly #makeSubscriber: () => Subscriber
  #subscriber: Subscriber | null = null
  database = 0
  readonly subscribed = 0
  readonly dialled = true

  /** @param subscriber a connection of the node's own, for subscriptions: what subscribes on a shared one would concern all */
  constructor(client: Engine, node: Node, subscriber: () => Subscriber) {
    this.#client = client
    this.#node = node
    this.#makeSubscriber = subscriber
  }

  get state(): string {
    const { state } = this.#node
    return state === 'retired' ? 'ended' : state === 'waiting' ? 'connecting' : state
  }

  get socket(): unknown {
    return this.#node.connection?.socket ?? null
  }

  get protocol(): 2 | 3 | null {
    return this.#node.protocol
  }

  submit(name: CommandName, args: readonly Argument[], flags: number, timeoutMs: number, resolve: Resolve): void {
    if (subscribing.has(name.spec.name)) {
      this.#subscriber ??= this.#makeSubscriber()
      const done = this.#subscriber.call(name.spec.name.toLowerCase(), ...args)
      done.then(resolve as (reply: unknown) => void, (error: Error) =>
        resolve((flags & CallFlag.errorAsValue) === 0 ? Promise.reject(error) : error),
      )
      return
    }
    const copy = this.#node.isReplica ? CallFlag.fromReplica : 0
    this.#client.submit(name, args, -1, flags | CallFlag.pinned | copy, timeoutMs, resolve, { pinnedTo: this.#node })
  }

  submitTransaction(parts: Parts, flags: number, timeoutMs: number, resolve: Resolve): void {
    submitTransaction(this.#client, -1, parts, flags, timeoutMs, resolve, this.#node)
  }

  count(): { queued: number; inFlight: number } {
    return this.#node.count()
  }

  open(): void {
    this.#node.open()
  }

  finish(): void {}

  reconnect(): void {}

  failWaiting(_error: Error): void {}
}
