// Carrier: what brings one server's messages: its shared connection where that can, and one of its own where it cannot.
// Owns    that own connection, or the attempt to open it.
// Born    when a name is to be joined at the server.
// Dies    by end(), or with its own connection.
// Holds   at most one connection; what is said on it is answered in order.
// Source: RESP3 specification, "Push type"; SUBSCRIBE, PSUBSCRIBE, SSUBSCRIBE command pages.

import { CallFlag, noTimeoutMs, type Outcome } from '../command/call.js'
import type { Issuer } from '../command/issuer.js'
import type { Connection } from '../connection/connection.js'
import type { Opening } from '../connection/opening.js'
import { closing } from '../connection/reasons.js'
import type { SlotwiseError } from '../errors.js'
import type { Node } from '../node/node.js'
import type { Reply } from '../resp/decoder.js'
import { Confirmations } from './confirmations.js'
import { SubscriptionSet } from './subscription-set.js'

export interface CarrierListener {
  /** It can be used now. */
  onCarrierReady(carrier: Carrier): void
  onPush(carrier: Carrier, kind: string, items: readonly Reply[]): void
  /** It can no longer be used, or could not be opened at all. */
  onCarrierLost(carrier: Carrier, reason: SlotwiseError): void
}

export class Carrier {
  readonly node: Node
  readonly #issuer: Issuer
  readonly #listener: CarrierListener
  /** What the server has confirmed. */
  readonly #confirmed = new SubscriptionSet()
  #opening: Opening | null = null
  #own: Connection | null = null
  #lastReadAt = 0

  constructor(node: Node, issuer: Issuer, listener: CarrierListener) {
    this.node = node
    this.#issuer = issuer
    this.#listener = listener
  }

  /** True where the server's shared connection brings messages, too. */
  get isShared(): boolean {
    return this.node.sharesSubscriptions
  }

  get isUsable(): boolean {
    return this.#own !== null || this.isShared
  }

  /** When the server was last heard of here, on the clock of the turn. */
  get lastReadAt(): number {
    return this.#own?.lastReadAt ?? (this.isShared ? this.node.lastReadAt : this.#lastReadAt)
  }

  /** Opens a connection of its own where that is needed and there is none. */
  open(): void {
    if (this.#opening !== null || this.#own !== null || !this.node.isReady || this.isShared) return
    this.#opening = this.node.openSubscriber({
      onReady: connection => {
        this.#opening = null
        this.#own = connection
        this.#listener.onCarrierReady(this)
      },
      onFailed: error => {
        this.#opening = null
        this.#listener.onCarrierLost(this, error)
      },
      onReplyError: (call, error) => call.fail(error),
      onPush: (kind, items) => this.onPush(kind, items),
      onClosed: reason => {
        this.#lastReadAt = this.#own?.lastReadAt ?? 0
        this.#own = null
        this.#confirmed.clear()
        this.#listener.onCarrierLost(this, reason)
      },
    })
  }

  /** Says a command of the kind; the outcome is an error or comes when every name has been confirmed. */
  say(command: string, names: readonly Buffer[], onOutcome: (outcome: Outcome) => void): void {
    const call = this.#issuer.issueInternal(command, names, noTimeoutMs, CallFlag.several, onOutcome)
    call.extras = { collector: new Confirmations(command, names.length, this.#confirmed) }
    if (this.#own !== null) this.#own.send(call)
    else this.node.send(call)
  }

  /** News from its connection. */
  onPush(kind: string, items: readonly Reply[]): void {
    this.#confirmed.onPush(kind, items)
    this.#listener.onPush(this, kind, items)
  }

  /** The shared connection is gone. */
  onSharedLost(lastReadAt: number): void {
    if (this.#own !== null) return
    this.#lastReadAt = lastReadAt
    this.#confirmed.clear()
  }

  /** Closes its own connection. */
  end(): void {
    this.#opening?.cancel()
    this.#opening = null
    this.#own?.destroy(closing(this.node.endpoint.key))
  }
}
