// DirectOptions: what a DirectClient can be told, and what it asks and tells its user.

import type { Socket } from 'node:net'
import type { Call } from '../command/call.js'
import type { ReplyError, SlotwiseError } from '../errors.js'
import type { SubscriptionSet } from '../pubsub/subscription-set.js'
import type { Reply } from '../resp/decoder.js'

/** What the user of a DirectClient decides, and is told. */
export interface DirectHooks {
  /** Opens the socket of the next attempt; by default the server is dialled. */
  open?(): Promise<Socket>
  /** The socket is open; the handshake begins. */
  onOpen(): void
  /** Whether the server is the one that is wanted, by its INFO. Only with `readyCheck`. */
  accepts?(info: Readonly<Record<string, string>>): boolean
  /** Calls are written from now on. */
  onReady(): void
  /**
   * The connection, or the attempt to open one, has come to its end, and end() has not been called.
   * Returns the milliseconds until the next attempt, or null when there is to be none.
   */
  onClosed(reason: SlotwiseError): number | null
  /** The pause after onClosed() is over and the next attempt begins. */
  onRetry(): void
  /** There will be no further attempt; everything has settled. `reason` is null when it was asked for. */
  onEnded(reason: SlotwiseError | null): void
  /** Buffers among the items are good until it returns. */
  onPush(kind: string, items: readonly Reply[]): void
  /** What to do with an error reply: give it to the caller, reconnect, too, or reconnect and send the call again. */
  onErrorReply(error: ReplyError, command: string): 'fail' | 'reconnect' | 'resend'
  /** The user may not ask INFO; the server is taken to be ready. */
  onInfoForbidden(error: Error): void
  /** Something went wrong that no call can be told. */
  onTrouble(error: Error): void
  /** The error to fail a call with. */
  translate(call: Call, error: Error): Error
}

/** What is configured beyond a client's options. */
export interface DirectOptions {
  /** Asks INFO until the server has loaded its data set. */
  readyCheck: boolean
  /** Longest wait between two such questions, in milliseconds; 0 for no limit. */
  maxLoadingRetryMs: number
  /** Subscribes the next connection to what the last one was subscribed to. */
  resubscribe: boolean
  /** What finish() gives the server to close, in milliseconds. */
  finishTimeoutMs: number
  /** The client whose place this one takes: it goes on with its database and subscriptions. */
  previous?: { readonly database: number; readonly subscriptions: SubscriptionSet }
}
