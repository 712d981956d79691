// Transaction: MULTI, its commands and EXEC as one call: written together, routed together, sent again together or not at all.
// Source: Redis "Transactions"; cluster spec, "Redirection and resharding".

import type { ReplyCollector } from '../command/call.js'
import type { Argument } from '../command/command.js'
import { ReplyError } from '../errors.js'
import type { Reply } from '../resp/decoder.js'
import { verdict } from '../routing/verdict.js'

/** One frame of a transaction: the name as it goes on the wire, and its arguments. */
export interface TransactionPart {
  readonly head: string
  readonly args: readonly Argument[]
}

export class TransactionReplies implements ReplyCollector {
  readonly parts: readonly TransactionPart[]
  readonly #clustered: boolean
  #replies: Reply[] = []

  /**
   * @param parts MULTI first, EXEC last
   * @param clustered whether redirects are to be followed
   */
  constructor(parts: readonly TransactionPart[], clustered: boolean) {
    this.parts = parts
    this.#clustered = clustered
  }

  take(reply: Reply): boolean {
    this.#replies.push(reply)
    return this.#replies.length === this.parts.length
  }

  takePush(): null {
    return null
  }

  /**
   * One reply a part, errors as values; the last is EXEC's. Where a node has refused to queue a command for a reason that will pass
   * or lies elsewhere, nothing has run, and that error stands for all.
   */
  outcome(): Reply {
    if (!this.#clustered || !(this.#replies.at(-1) instanceof ReplyError)) return this.#replies
    const passing = this.#replies.find(reply => reply instanceof ReplyError && verdict(reply, true).kind !== 'fail')
    return passing ?? this.#replies
  }

  get started(): boolean {
    return this.#replies.length !== 0
  }

  reset(): void {
    this.#replies = []
  }
}
