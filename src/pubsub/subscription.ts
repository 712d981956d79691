// Subscription: some names, and the messages that have come for them, as one user sees them.
// Owns    the messages that nobody has taken yet, and whoever waits for the next.
// Born    by client.subscribe().
// Dies    by close(), by the end of a `for await` loop over it, or with the client.
// Holds   at most `maxBufferedMessages` messages; what there is no room for is dropped as `overflow` says, and counted.

import { type SlotwiseError, stacklessError } from '../errors.js'
import { pause } from '../turn.js'
import type { Named, NamesGap, Sink } from './entry.js'
import type { SubscriptionKind } from './subscription-set.js'
import type { Subscriptions } from './subscriptions.js'

export interface Message {
  /** The channel that it was published on. */
  readonly channel: string
  /** The pattern that the channel matches; only with kind `pattern`. */
  readonly pattern?: string
  readonly payload: string
}

/** A message with option `buffers`. */
export interface BufferMessage {
  readonly channel: Buffer
  readonly pattern?: Buffer
  readonly payload: Buffer
}

/** "You may have missed messages": times in milliseconds since 1970 by this host's clock. */
export interface Gap {
  readonly channels: readonly string[]
  readonly fromMs: number
  readonly toMs: number
}

export interface SubscriptionOptions<Received = Message> {
  /** `channel` (SUBSCRIBE), `pattern` (PSUBSCRIBE) or `shard` (SSUBSCRIBE). Default `channel`. */
  kind?: 'channel' | 'pattern' | 'shard'
  /** Channel, pattern and payload as Buffers. Default false. */
  buffers?: boolean
  /** Messages kept for a reader who is busy. Default 1,000. */
  maxBufferedMessages?: number
  /** What is dropped when they are too many: the `oldest` that is kept, or the `newest`, which has just come. Default `oldest`. */
  overflow?: 'oldest' | 'newest'
  /** Deadline of `ready`, in milliseconds, 0 for none; trying goes on after it. Default: the client's `timeoutMs`. */
  timeoutMs?: number
  /** Takes each message as it comes; nothing is buffered then, and there is nothing to iterate over. */
  onMessage?(message: Received): void
  /** Messages may have been missed; the subscription stands again. */
  onGap?(gap: Gap): void
}

const commands = { channel: 'subscribe', pattern: 'psubscribe', shard: 'ssubscribe' } as const

interface Reader<Received> {
  resolve(result: IteratorResult<Received, undefined>): void
  reject(error: Error): void
}

export class Subscription<Received = Message> implements AsyncIterable<Received>, Sink {
  readonly #subscriptions: Subscriptions
  readonly #kind: SubscriptionKind
  readonly #names: readonly Buffer[]
  readonly #options: Required<Pick<SubscriptionOptions, 'buffers' | 'maxBufferedMessages' | 'overflow'>>
  readonly #onMessage: ((message: Received) => void) | undefined
  readonly #onGap: ((gap: Gap) => void) | undefined
  #buffered: Received[] = []
  #readers: Reader<Received>[] = []
  #dropped = 0
  #closed = false
  #failure: Error | null = null
  #closing: Promise<void> | null = null
  /**
   * Resolves when every name is subscribed to. Rejects with a ReplyError when the server refuses one, with SLOTWISE_TIMEOUT when that takes
   * longer than `timeoutMs` (it is tried on), and with SLOTWISE_CLOSED when the client is closed first.
   */
  readonly ready: Promise<void>

  /** @param options `timeoutMs` is the client's own where the user has said nothing */
  constructor(subscriptions: Subscriptions, names: readonly Buffer[], options: SubscriptionOptions<Received>) {
    this.#subscriptions = subscriptions
    this.#names = names
    this.#kind = commands[options.kind ?? 'channel']
    const { buffers = false, maxBufferedMessages = 1000, overflow = 'oldest' } = options
    this.#options = { buffers, maxBufferedMessages, overflow }
    this.#onMessage = options.onMessage
    this.#onGap = options.onGap
    const joined = subscriptions.add(this.#kind, names, this)
    // Whoever does not look at `ready` hears of it from the iterator.
    joined.catch((error: SlotwiseError) => this.#end(error.code === 'SLOTWISE_CLOSED' ? null : error))
    this.ready = within(joined, options.timeoutMs ?? 0, names.length)
    this.ready.catch(ignore)
  }

  /** Messages that have been dropped because there was no room for them. */
  get dropped(): number {
    return this.#dropped
  }

  /** Messages that nobody has taken yet. */
  get buffered(): number {
    return this.#buffered.length
  }

  onMessage(name: Named, channel: Buffer, payload: Buffer): void {
    const message = this.#messageOf(name, channel, payload)
    if (this.#onMessage !== undefined) {
      this.#onMessage(message)
      return
    }
    const reader = this.#readers.shift()
    if (reader !== undefined) {
      reader.resolve({ value: message, done: false })
      return
    }
    const { maxBufferedMessages, overflow } = this.#options
    if (this.#buffered.length >= maxBufferedMessages) {
      this.#dropped++
      if (overflow === 'newest' || maxBufferedMessages === 0) return
      this.#buffered.shift()
    }
    this.#buffered.push(message)
  }

  #messageOf({ kind, name, text }: Named, channel: Buffer, payload: Buffer): Received {
    const isPattern = kind === 'psubscribe'
    if (this.#options.buffers) {
      // They came as part of all that had been received.
      const own = { channel: Buffer.from(channel), payload: Buffer.from(payload) }
      return (isPattern ? { ...own, pattern: name } : own) as Received
    }
    const message = isPattern
      ? { channel: channel.toString(), pattern: text, payload: payload.toString() }
      : { channel: text, payload: payload.toString() }
    return message as Received
  }

  onGap({ names, fromMs, toMs }: NamesGap): void {
    this.#onGap?.({ channels: names.map(String), fromMs, toMs })
  }

  onRefused(_kind: SubscriptionKind, _name: Buffer, error: Error): void {
    this.#end(error)
    void this.close()
  }

  /** The client is closed. */
  onEnded(): void {
    this.#end(null)
  }

  #end(failure: Error | null): void {
    this.#closed = true
    this.#failure ??= failure
    for (const reader of this.#readers.splice(0)) {
      if (failure === null) reader.resolve({ value: undefined, done: true })
      else reader.reject(failure)
    }
  }

  /** Messages in the order in which they come. Ends with the subscription; throws the server's error when it refuses a name. */
  [Symbol.asyncIterator](): AsyncIterator<Received, undefined> {
    return {
      next: () => this.#next(),
      return: async () => {
        await this.close()
        return { value: undefined, done: true }
      },
    }
  }

  #next(): Promise<IteratorResult<Received, undefined>> {
    const value = this.#buffered.shift()
    if (value !== undefined) return Promise.resolve({ value, done: false })
    if (this.#failure !== null) return Promise.reject(this.#failure)
    if (this.#closed) return Promise.resolve({ value: undefined, done: true })
    return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }))
  }

  /**
   * Ends the subscription. What has been buffered can still be read.
   * @returns when the servers have let go of the names that nobody else of this client has subscribed to
   */
  close(): Promise<void> {
    this.#end(null)
    this.#closing ??= this.#subscriptions.remove(this.#kind, this.#names, this).catch(ignore)
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** The same promise, or SLOTWISE_TIMEOUT after so many milliseconds; 0 for no limit. */
async function within(joined: Promise<void>, timeoutMs: number, names: number): Promise<void> {
  if (timeoutMs === 0) return joined
  const settled = new AbortController()
  const limit = pause(timeoutMs, settled.signal).then(() => {
    if (settled.signal.aborted) return
    const message = `Not subscribed to all of ${names} names within ${timeoutMs} ms`
    throw stacklessError('SLOTWISE_TIMEOUT', message, { phase: 'queue', elapsedMs: timeoutMs })
  })
  try {
    await Promise.race([joined, limit])
  } finally {
    settled.abort()
  }
}

function ignore(): void {}
