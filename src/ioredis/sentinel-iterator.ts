// SentinelIterator: the sentinels there are, those that answer first.

import type { SentinelAddress } from './sentinel-options.js'

type Sentinel = Partial<SentinelAddress>

function keyOf({ host = '127.0.0.1', port = 26379 }: Sentinel): string {
  return `${host}:${port}`
}

export class SentinelIterator {
  cursor = 0
  readonly sentinels: Sentinel[]

  constructor(sentinels: readonly Sentinel[]) {
    this.sentinels = [...sentinels]
  }

  /** The next one; done once all have been given, until reset(). */
  next(): { done: boolean; value: Sentinel | undefined } {
    const done = this.cursor >= this.sentinels.length
    return { done, value: done ? undefined : this.sentinels[this.cursor++] }
  }

  /** Starts over. @param moveCurrentEndpointToFirst with the one given last */
  reset(moveCurrentEndpointToFirst: boolean): void {
    if (moveCurrentEndpointToFirst && this.sentinels.length > 1 && this.cursor !== 1) {
      this.sentinels.unshift(...this.sentinels.splice(this.cursor - 1))
    }
    this.cursor = 0
  }

  /** False when it is there already. */
  add(sentinel: Sentinel): boolean {
    const key = keyOf(sentinel)
    if (this.sentinels.some(known => keyOf(known) === key)) return false
    this.sentinels.push(sentinel)
    return true
  }

  toString(): string {
    return `${JSON.stringify(this.sentinels)} @${this.cursor}`
  }
}
