// Session: what a fake server knows about one connection, as far as commands can change it.
// Owns    no resource: the connection owns the session.
// Born    with the connection.
// Dies    with it, by end().

import type { Answer } from './answer.js'
import type { CommandSpec } from './command-spec.js'
import type { Keyspace, Waiter, Watcher } from './keyspace.js'

export interface SessionPeer {
  /** Both ends, as CLIENT LIST shows them. */
  readonly address: string
  readonly localAddress: string
}

/** A command of a transaction that is being queued. */
export interface Queued {
  readonly spec: CommandSpec
  readonly words: readonly string[]
}

interface Watched {
  readonly keyspace: Keyspace
  readonly key: string
  /** There was a key, whose time may end before EXEC. */
  readonly existed: boolean
}

export class Session implements Watcher {
  readonly id: number
  readonly peer: SessionPeer
  readonly startedAt = Date.now()
  /** Sends what nobody asked for, or asked for long ago. */
  readonly send: (answer: Answer) => void
  protocol: 2 | 3 = 2
  name = ''
  library = ''
  libraryVersion = ''
  database = 0
  authenticated: boolean
  /** READONLY has been said. */
  readsFromReplica = false
  /** ASKING has been said, for the next command. */
  asking = false
  noEvict = false
  queue: Queued[] | null = null
  /** A command could not be queued. */
  queueFailed = false
  /** Something watched was changed. */
  modified = false
  readonly channels = new Set<string>()
  readonly patterns = new Map<string, RegExp>()
  readonly shardChannels = new Set<string>()
  lastCommand = 'NULL'
  lastAt = this.startedAt
  /** To be closed once what it is owed has been sent. */
  ending = false
  /** While it is blocked: what undoes that. Commands that follow wait. */
  blocked: { readonly waiter: Waiter; cancel(): void } | null = null
  #watched: Watched[] = []

  constructor(id: number, peer: SessionPeer, authenticated: boolean, send: (answer: Answer) => void) {
    this.id = id
    this.peer = peer
    this.authenticated = authenticated
    this.send = send
  }

  get subscriptions(): number {
    return this.channels.size + this.patterns.size
  }

  get isSubscribed(): boolean {
    return this.subscriptions + this.shardChannels.size > 0
  }

  watch(keyspace: Keyspace, key: string, now: number): void {
    this.#watched.push({ keyspace, key, existed: keyspace.get(key, now) !== undefined })
    keyspace.watch(key, this)
  }

  onModified(): void {
    this.modified = true
  }

  /** Whether anything watched has changed or expired. */
  isDisturbed(now: number): boolean {
    return this.modified || this.#watched.some(({ keyspace, key, existed }) => existed && keyspace.isExpired(key, now))
  }

  unwatch(): void {
    for (const { keyspace, key } of this.#watched) keyspace.unwatch(key, this)
    this.#watched = []
    this.modified = false
  }

  endTransaction(): void {
    this.queue = null
    this.queueFailed = false
    this.unwatch()
  }

  /** Forgets all but id and addresses, as RESET does. */
  reset(authenticated: boolean): void {
    this.endTransaction()
    this.channels.clear()
    this.patterns.clear()
    this.shardChannels.clear()
    this.protocol = 2
    this.name = ''
    this.database = 0
    this.readsFromReplica = false
    this.asking = false
    this.noEvict = false
    this.authenticated = authenticated
  }

  end(): void {
    this.blocked?.cancel()
    this.blocked = null
    this.unwatch()
  }
}
