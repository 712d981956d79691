// Tracking: has servers tell of changes, connection by connection.
// Owns    the note of which nodes cannot be tracked.
// Born    with the cache.
// Dies    with it.
// Holds   a connection counts as tracked from the reply to CLIENT TRACKING on; whatever is sent later on it is covered.
// Source: CLIENT TRACKING command page; redis.io/docs, "Client-side caching in Redis".

import { noTimeoutMs } from '../command/call.js'
import type { Issuer } from '../command/issuer.js'
import type { Node } from '../node/node.js'
import { type CacheConfig, disjointPrefixes } from './policy.js'

export interface TrackingListener {
  onTracked(node: Node, connection: object): void
}

/** Arguments of CLIENT. */
export function trackingArguments({ mode, prefixes }: Pick<CacheConfig, 'mode' | 'prefixes'>): string[] {
  const args = ['TRACKING', 'ON']
  if (mode === 'optin') args.push('OPTIN')
  if (mode === 'broadcast') {
    args.push('BCAST')
    for (const prefix of disjointPrefixes(prefixes ?? [])) args.push('PREFIX', prefix)
  }
  return args
}

export class Tracking {
  readonly #args: readonly string[]
  readonly #issuer: Issuer
  readonly #listener: TrackingListener
  readonly #untracked = new Set<Node>()

  constructor(config: CacheConfig, issuer: Issuer, listener: TrackingListener) {
    this.#args = trackingArguments(config)
    this.#issuer = issuer
    this.#listener = listener
  }

  onReady(node: Node): void {
    const { connection } = node
    if (connection === null || node.protocol !== 3) {
      this.#untracked.add(node)
      return
    }
    const call = this.#issuer.issueInternal('CLIENT', this.#args, noTimeoutMs, 0, outcome => {
      // It fails with its connection, and a node that has been retired is none that replies are kept of.
      if (!node.isReady || node.connection !== connection) return
      if (outcome === 'OK') this.#listener.onTracked(node, connection)
      else this.#untracked.add(node)
    })
    node.send(call)
  }

  onLost(node: Node): void {
    this.#untracked.delete(node)
  }

  /** Nodes with a connection that cannot be tracked. */
  get untracked(): number {
    for (const node of this.#untracked) if (!node.isReady) this.#untracked.delete(node)
    return this.#untracked.size
  }
}
