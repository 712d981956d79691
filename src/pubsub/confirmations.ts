// Confirmations: the pushes that answer one SUBSCRIBE or UNSUBSCRIBE command, one for each name.
// Source: SUBSCRIBE, UNSUBSCRIBE command pages; RESP3 specification, "Push type".

import type { ReplyCollector } from '../command/call.js'
import type { Reply } from '../resp/decoder.js'
import { owned } from '../resp/text.js'
import { type SubscriptionSet, subscriptionKind } from './subscription-set.js'

export class Confirmations implements ReplyCollector {
  readonly parts = null
  readonly #kind: string
  readonly #names: number
  readonly #subscriptions: SubscriptionSet
  /** Still to come; -1 before the first. */
  #left = -1
  #count: Reply = 0

  /**
   * @param kind the command's name in lower case
   * @param names how many it has as arguments; 0 for an UNSUBSCRIBE from everything
   */
  constructor(kind: string, names: number, subscriptions: SubscriptionSet) {
    this.#kind = kind
    this.#names = names
    this.#subscriptions = subscriptions
  }

  /** The command was answered by a plain reply, as it is within a transaction. */
  take(reply: Reply): boolean {
    this.#count = reply
    return true
  }

  takePush(kind: string, items: readonly Reply[]): boolean | null {
    if (kind !== this.#kind) return null
    if (this.#left === -1) this.#left = this.#names === 0 ? this.#all() : this.#names
    // It is a number; whatever else is sent in its place is kept for longer than a read, too.
    this.#count = owned(items[2] ?? null)
    return --this.#left <= 0
  }

  /** Everything of its kind is named, or one null when there is nothing. */
  #all(): number {
    const kind = subscriptionKind(this.#kind)
    return kind === undefined ? 1 : Math.max(1, this.#subscriptions.count(kind))
  }

  /** How many channels and patterns the connection is subscribed to now. */
  outcome(): Reply {
    return this.#count
  }

  // Subscribing twice does no harm.
  readonly started = false

  reset(): void {
    this.#left = -1
  }
}
