// NotificationStore: notifications that users fetch later. The original keeps them in Cassandra.

import type { Payload, Recipient } from '../push/push.js'

export interface StoredNotification {
  id: string
  payload: Payload
}

export interface NotificationPage {
  notifications: StoredNotification[]
  hasMore: boolean
}

export interface NotificationStore {
  /** @param bytes what the payload is charged with */
  append(notification: StoredNotification, recipients: readonly Recipient[], bytes: number): Promise<void>
  /** Null when `since` is none of the user's. */
  list(
    user: string,
    options: { client: string | null; since: string | null; size: number },
  ): Promise<NotificationPage | null>
}

interface Entry {
  notification: StoredNotification
  user: string
  /** None for all clients. */
  clients: readonly string[]
  bytes: number
  storedAtMs: number
}

/** Objects and map entries about a row, over its payload. */
const overheadBytes = 200

/**
 * Stand-in: in this process's memory, lost when it ends. Holds so many bytes and no more: the oldest give way, and so do those whose
 * time is over.
 */
export class VolatileNotificationStore implements NotificationStore {
  readonly #maxBytes: number
  readonly #ttlMs: number
  readonly #now: () => number
  /** By age, the oldest first; a payload for several users is charged to each. */
  readonly #entries = new Set<Entry>()
  readonly #byUser = new Map<string, Set<Entry>>()
  #bytes = 0

  constructor(maxBytes: number, ttlSeconds: number, now: () => number = Date.now) {
    this.#maxBytes = maxBytes
    this.#ttlMs = ttlSeconds * 1000
    this.#now = now
  }

  get bytes(): number {
    return this.#bytes
  }

  append(notification: StoredNotification, recipients: readonly Recipient[], bytes: number): Promise<void> {
    for (const { user, clients } of recipients) {
      const entry = { notification, user, clients, bytes: bytes + overheadBytes, storedAtMs: this.#now() }
      this.#entries.add(entry)
      const own = this.#byUser.get(user)
      if (own === undefined) this.#byUser.set(user, new Set([entry]))
      else own.add(entry)
      this.#bytes += entry.bytes
    }
    this.#evict()
    return Promise.resolve()
  }

  #evict(): void {
    const expired = this.#now() - this.#ttlMs
    for (const entry of this.#entries) {
      if (this.#bytes <= this.#maxBytes && entry.storedAtMs > expired) return
      this.#entries.delete(entry)
      this.#bytes -= entry.bytes
      const own = this.#byUser.get(entry.user)
      own?.delete(entry)
      if (own?.size === 0) this.#byUser.delete(entry.user)
    }
  }

  list(
    user: string,
    { client, since, size }: Parameters<NotificationStore['list']>[1],
  ): Promise<NotificationPage | null> {
    this.#evict()
    const own = [...(this.#byUser.get(user) ?? [])]
    const from = since === null ? 0 : own.findIndex(({ notification }) => notification.id === since) + 1
    if (since !== null && from === 0) return Promise.resolve(null)
    const wanted = own
      .slice(from)
      .filter(({ clients }) => client === null || clients.length === 0 || clients.includes(client))
    const notifications = wanted.slice(0, size).map(({ notification }) => notification)
    return Promise.resolve({ notifications, hasMore: wanted.length > size })
  }
}
