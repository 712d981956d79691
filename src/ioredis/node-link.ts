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
import type { Parts } from './sender.js'

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

export class NodeLink implements Link {
  readonly #client: Engine
  readonly #node: Node
  database = 0
  readonly subscribed = 0
  readonly dialled = true

  constructor(client: Engine, node: Node) {
    this.#client = client
    this.#node = node
  }

  get state(): string {
    const { state } = this.#node
    return state === 'retired' ? 'ended' : state === 'waiting' ? 'connecting' : state
  }

  get socket(): unknown {
    return this.#node.socket
  }

  get protocol(): 2 | 3 | null {
    return this.#node.protocol
  }

  submit(name: CommandName, args: readonly Argument[], flags: number, timeoutMs: number, resolve: Resolve): void {
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
