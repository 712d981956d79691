// PresenceStore: presences in Redis. Reads ask the main Redis; writes go to it and then, if there is one, to the additional Redis, for
// which nobody waits.
// Owns    nothing: calls and connections are the ports'.

import type { CallBounds, RedisPort, StaleField } from '../redis/port.js'
import { decodePresence, encodePresence, keyOf, type Presence } from './presence.js'

/** Seven days, for the whole hash, from the last registration. */
export const presenceTtlSeconds = 604_800

export interface PresenceStoreOptions {
  main: RedisPort
  additional: RedisPort | null
  /** What a write to the additional Redis is given. */
  additionalTimeoutMs: number
  /** A write that the main Redis has, and the additional one may not have. */
  onAdditionalFailure(error: Error): void
}

export class PresenceStore {
  readonly #options: PresenceStoreOptions

  constructor(options: PresenceStoreOptions) {
    this.#options = options
  }

  /** Registers a presence, or replaces the one of the same user and conn. */
  async add(presence: Presence, bounds: CallBounds): Promise<void> {
    const request = { key: keyOf(presence.user), ...encodePresence(presence), ttlSeconds: presenceTtlSeconds }
    await this.#options.main.add(request, bounds)
    this.#repeat(port => port.add(request, { timeoutMs: this.#options.additionalTimeoutMs }))
  }

  async list(user: string, bounds: CallBounds): Promise<Presence[]> {
    return decodeAll(user, await this.#options.main.list(keyOf(user), bounds))
  }

  /** One list a user, in the order given. */
  async listMany(users: readonly string[], bounds: CallBounds): Promise<Presence[][]> {
    if (users.length === 0) return []
    const lists = await this.#options.main.listMany(users.map(keyOf), bounds)
    return lists.map((fields, i) => decodeAll(users[i] as string, fields))
  }

  /** Deletes presences that were read, unless somebody has registered them again since. */
  async deleteStale(presences: readonly Presence[], bounds: CallBounds): Promise<number> {
    const fields: StaleField[] = []
    for (const { user, stored } of presences) if (stored !== null) fields.push({ key: keyOf(user), ...stored })
    if (fields.length === 0) return 0
    const { deleted, failure } = await this.#options.main.deleteStale(fields, bounds)
    if (failure !== null) throw failure
    this.#repeat(async port => {
      const outcome = await port.deleteStale(fields, { timeoutMs: this.#options.additionalTimeoutMs })
      if (outcome.failure !== null) throw outcome.failure
    })
    return deleted
  }

  /** The additional Redis is somebody else's trouble: what fails there is told, and neither waited for nor tried again. */
  #repeat(write: (port: RedisPort) => Promise<void>): void {
    const { additional, onAdditionalFailure } = this.#options
    if (additional !== null) void write(additional).catch(onAdditionalFailure)
  }
}

function decodeAll(user: string, fields: readonly { field: string; value: string }[]): Presence[] {
  return fields.map(field => decodePresence(user, field)).filter(presence => presence !== null)
}
