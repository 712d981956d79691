// Tracking: has one server report what changes, for as long as one of its connections lives.
// Owns    where the protocol has no pushes (RESP2), a second connection that hears the reports, and the timer before it is dialled again.
// Born    when a node has a usable connection.
// Dies    by stop(), when that connection is gone.
// Holds   onTracked names the node's connection, and only while reports about it are being heard; onUntracked follows when they are not.

import { CallFlag, type Outcome, type ReplyCollector } from '../command/call.js'
import type { Connection } from '../connection/connection.js'
import type { Opening } from '../connection/opening.js'
import { stacklessError } from '../errors.js'
import { type BackoffOptions, backoffMs } from '../node/backoff.js'
import type { Node } from '../node/node.js'
import type { Reply } from '../resp/decoder.js'
import type { InternalCalls } from './host.js'
import type { CacheConfig } from './options.js'
import { trackingArguments } from './policy.js'

export interface TrackingListener {
  /** What is read on this connection from now on is reported when it changes. */
  onTracked(carrier: object): void
  /** Changes may go unheard. */
  onUntracked(): void
  /** @param keys those that have changed; null for all there are */
  onInvalidated(keys: Reply): void
}

/** The channel on which servers report to connections without pushes. */
const channel = '__redis__:invalidate'

export class Tracking {
  readonly #node: Node
  /** The connection that is tracked. */
  readonly #carrier: Connection
  readonly #config: CacheConfig
  readonly #calls: InternalCalls
  readonly #backoff: BackoffOptions
  readonly #listener: TrackingListener
  #opening: Opening | null = null
  #link: Connection | null = null
  #timer: NodeJS.Timeout | null = null
  #failures = 0
  #stopped = false

  constructor(
    node: Node,
    config: CacheConfig,
    calls: InternalCalls,
    backoff: BackoffOptions,
    listener: TrackingListener,
  ) {
    this.#node = node
    this.#carrier = node.connection as Connection
    this.#config = config
    this.#calls = calls
    this.#backoff = backoff
    this.#listener = listener
    if (this.#carrier.protocol === 3) this.#turnOn(null)
    else this.#openLink()
  }

  /** @param redirectTo id of the connection that hears the reports; null for the tracked one itself */
  #turnOn(redirectTo: number | null): void {
    const link = this.#link
    // Prefixes given before would be refused as overlapping.
    if (redirectTo !== null) this.#say(this.#carrier, ['TRACKING', 'OFF'], () => {})
    this.#say(this.#carrier, trackingArguments(this.#config, redirectTo), reply => {
      if (this.#stopped || this.#link !== link) return
      // A server that cannot or may not do this is one without a cache; it is asked again on its next connection.
      if (reply instanceof Error) this.#endLink()
      else this.#listener.onTracked(this.#carrier)
    })
  }

  #say(connection: Connection, args: readonly string[], onReply: (reply: Outcome) => void): void {
    connection.send(this.#calls.issueInternal('CLIENT', args, 0, onReply))
  }

  // ---- the second connection

  #openLink(): void {
    this.#timer = null
    this.#opening = this.#node.openSubscriber({
      onReady: connection => {
        this.#opening = null
        this.#link = connection
        this.#listen(connection)
      },
      onFailed: () => {
        this.#opening = null
        this.#openLater()
      },
      onReplyError: (call, error) => call.fail(error),
      onPush: (kind, items) => {
        if (kind === 'message' && String(items[1]) === channel) this.#listener.onInvalidated(items[2] ?? null)
      },
      onClosed: () => {
        if (this.#link === null) return
        this.#link = null
        this.#listener.onUntracked()
        this.#openLater()
      },
    })
  }

  #listen(link: Connection): void {
    let id: Outcome = null
    this.#say(link, ['ID'], reply => {
      id = reply
    })
    const call = this.#calls.issueInternal('SUBSCRIBE', [channel], CallFlag.several, reply => {
      if (this.#link !== link) return
      if (reply instanceof Error || id instanceof Error) this.#endLink()
      else {
        this.#failures = 0
        this.#turnOn(Number(id))
      }
    })
    call.extras = { collector: new Subscribed() }
    link.send(call)
  }

  #openLater(): void {
    if (this.#stopped) return
    this.#failures++
    this.#timer = setTimeout(() => this.#openLink(), backoffMs(this.#failures, this.#backoff, Math.random()))
  }

  #endLink(): void {
    const link = this.#link
    this.#link = null
    const { key } = this.#node.endpoint
    link?.destroy(
      stacklessError('SLOTWISE_CLOSED', `${key} is not tracked any more`, { endpoint: key, phase: 'close' }),
    )
  }

  /** The tracked connection is gone. Nothing is reported any more. */
  stop(): void {
    if (this.#stopped) return
    this.#stopped = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    this.#opening?.cancel()
    this.#opening = null
    this.#endLink()
  }
}

/** Waits for the push that confirms the one channel. */
class Subscribed implements ReplyCollector {
  readonly parts = null
  started = false

  take(): boolean {
    return true
  }

  takePush(kind: string): boolean | null {
    return kind === 'subscribe' ? true : null
  }

  outcome(): Reply {
    return null
  }

  reset(): void {}
}
