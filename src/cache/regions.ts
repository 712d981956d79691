// Regions: which servers report what changes, and what they report.
// Owns    one region for each node with a usable connection, and its tracking.
// Born    with the client's cache.
// Dies    by stop().
// Holds   a region belongs to one connection of its node, and is gone with it.

import type { BackoffOptions } from '../node/backoff.js'
import type { Node } from '../node/node.js'
import type { Reply } from '../resp/decoder.js'
import type { InternalCalls } from './host.js'
import type { CacheConfig } from './options.js'
import { Region } from './region.js'
import { Tracking } from './tracking.js'

export interface RegionsListener {
  /** Nothing that comes from the region counts any more. @param wasOn whether anything could be kept until now */
  onLost(region: Region, wasOn: boolean): void
  /** @param keys those that have changed; null for all there are, while the region's connection is as good as before */
  onInvalidated(region: Region, keys: readonly Reply[] | null): void
}

export class Regions {
  readonly #config: CacheConfig
  readonly #calls: InternalCalls
  readonly #backoff: BackoffOptions
  readonly #listener: RegionsListener
  readonly #regions = new Map<Node, { region: Region; tracking: Tracking }>()

  constructor(config: CacheConfig, calls: InternalCalls, backoff: BackoffOptions, listener: RegionsListener) {
    this.#config = config
    this.#calls = calls
    this.#backoff = backoff
    this.#listener = listener
  }

  /** The region of a node; null while nothing from it may be kept. */
  of(node: Node | null): Region | null {
    const region = node === null ? undefined : this.#regions.get(node)?.region
    return region === undefined || region.carrier === null ? null : region
  }

  /** Servers that report what changes. */
  countOn(): number {
    let count = 0
    for (const { region } of this.#regions.values()) if (region.carrier !== null) count++
    return count
  }

  /** The node has a usable connection, another than before. */
  open(node: Node): void {
    this.close(node)
    const region = new Region(node)
    const tracking = new Tracking(node, this.#config, this.#calls, this.#backoff, {
      onTracked: carrier => {
        region.carrier = carrier
      },
      onUntracked: () => this.#lose(region),
      onInvalidated: keys => this.#invalidate(region, keys),
    })
    this.#regions.set(node, { region, tracking })
  }

  /** The node's connection is gone, or the node is. */
  close(node: Node): void {
    const entry = this.#regions.get(node)
    if (entry === undefined) return
    this.#regions.delete(node)
    entry.tracking.stop()
    this.#lose(entry.region)
  }

  #lose(region: Region): void {
    const wasOn = region.carrier !== null
    region.carrier = null
    this.#listener.onLost(region, wasOn)
  }

  /** A push on the node's shared connection. */
  onPush(node: Node, kind: string, items: readonly Reply[]): void {
    const entry = this.#regions.get(node)
    if (kind === 'invalidate' && entry !== undefined) this.#invalidate(entry.region, items[1] ?? null)
  }

  #invalidate(region: Region, keys: Reply): void {
    this.#listener.onInvalidated(region, Array.isArray(keys) ? keys : null)
  }

  closeRetired(): void {
    for (const node of [...this.#regions.keys()]) if (node.state === 'retired') this.close(node)
  }

  stop(): void {
    for (const node of [...this.#regions.keys()]) this.close(node)
  }
}
