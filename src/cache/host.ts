// Host: what the cache needs of the client that it belongs to. Types only.

import type { Call, Outcome } from '../command/call.js'
import type { Argument, CommandName } from '../command/command.js'
import type { Node } from '../node/node.js'

/** A read as its caller states it, checked. */
export interface Read {
  readonly command: CommandName
  readonly args: readonly Argument[]
  /** -1 where there are no slots. */
  readonly slot: number
  readonly options: { readonly flags: number; readonly signal: AbortSignal | null }
}

export interface InternalCalls {
  /** Makes a call of the client's own; its outcome comes as a value. */
  issueInternal(name: string, args: readonly string[], flags: number, resolve: (outcome: Outcome) => void): Call
}

/** What makes and sends calls, and knows who serves what. */
export interface CacheHost<R extends Read> extends InternalCalls {
  issue(read: R, resolve: (outcome: Outcome) => void, flags: number): Call
  dispatch(call: Call): void
  /** Charges a call that waits for another one's reply; false when there is no room. */
  charge(call: Call): boolean
  ownerOf(slot: number): Node | null
}
