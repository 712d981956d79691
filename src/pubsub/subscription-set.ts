// SubscriptionSet: what one connection is subscribed to, as the server has confirmed it.
// Owns    three sets of names: channels, patterns, shard channels.
// Born    with the client that subscribes.
// Dies    with it; outlives connections, so that the next one can be subscribed to the same.
// Holds   a name is in it from its confirmation to the confirmation that it has gone.

import type { Reply } from '../resp/decoder.js'

/** What a SUBSCRIBE, PSUBSCRIBE or SSUBSCRIBE command subscribes to. */
export type SubscriptionKind = 'subscribe' | 'psubscribe' | 'ssubscribe'

const kinds: Record<string, SubscriptionKind> = {
  subscribe: 'subscribe',
  psubscribe: 'psubscribe',
  ssubscribe: 'ssubscribe',
  unsubscribe: 'subscribe',
  punsubscribe: 'psubscribe',
  sunsubscribe: 'ssubscribe',
}

export class SubscriptionSet {
  // By the name's bytes as latin1: names need not be text.
  readonly #names: Record<SubscriptionKind, Map<string, Buffer>> = {
    subscribe: new Map(),
    psubscribe: new Map(),
    ssubscribe: new Map(),
  }

  get size(): number {
    return this.count('subscribe') + this.count('psubscribe') + this.count('ssubscribe')
  }

  count(kind: SubscriptionKind): number {
    return this.#names[kind].size
  }

  /** The names of a kind, in the order in which they were subscribed to. */
  names(kind: SubscriptionKind): Buffer[] {
    return [...this.#names[kind].values()]
  }

  /** Takes a confirmation: `subscribe`, `punsubscribe`, …; other pushes leave it as it is. */
  onPush(pushKind: string, items: readonly Reply[]): void {
    const kind = kinds[pushKind]
    const name = items[1]
    if (kind === undefined || !(name instanceof Buffer)) return
    if (pushKind === kind) this.#names[kind].set(name.toString('latin1'), Buffer.from(name))
    else this.#names[kind].delete(name.toString('latin1'))
  }

  clear(): void {
    for (const kind of Object.values(this.#names)) kind.clear()
  }
}

/** The kind that a command name, in lower case, adds to or takes from; undefined for any other command. */
export function subscriptionKind(command: string): SubscriptionKind | undefined {
  return Object.hasOwn(kinds, command) ? kinds[command] : undefined
}
