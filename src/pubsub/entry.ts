// Entry: one name that somebody wants to hear of, and how far its subscription has got.

import { slotOf } from '../command/slot.js'
import { sameBytes } from '../resp/text.js'
import type { Carrier } from './carrier.js'
import type { SubscriptionKind } from './subscription-set.js'

/** Times between which messages may have been missed, in milliseconds since 1970, and the names concerned. */
export interface NamesGap {
  readonly kind: SubscriptionKind
  readonly names: readonly Buffer[]
  readonly fromMs: number
  readonly toMs: number
}

/** A name that was subscribed to. */
export interface Named {
  readonly kind: SubscriptionKind
  readonly name: Buffer
  /** As text. */
  readonly text: string
}

/** Who wants to hear. */
export interface Sink {
  /**
   * @param name what was subscribed to: the channel, or the pattern that it matches
   * @param channel good until it returns, as is the payload
   */
  onMessage(name: Named, channel: Buffer, payload: Buffer): void
  /** Messages may have been missed; the subscription stands again. */
  onGap(gap: NamesGap): void
  /** The server has refused it, and it is not tried again. */
  onRefused(kind: SubscriptionKind, name: Buffer, error: Error): void
  /** The client is closed. */
  onEnded(): void
}

/** Somebody who waits for a number of names to be joined or left. */
export interface Waiter {
  left: number
  resolve(): void
  reject(error: Error): void
}

/** `none → joining → joined → leaving → none`; back to `none` whenever the connection is lost or the server lets go of it. */
export type EntryPhase = 'none' | 'joining' | 'joined' | 'leaving'

export class Entry implements Named {
  readonly kind: SubscriptionKind
  readonly name: Buffer
  readonly text: string
  /** Its bytes as latin1. */
  readonly key: string
  readonly slot: number
  readonly sinks = new Set<Sink>()
  phase: EntryPhase = 'none'
  /** Where it is joined, or being so. */
  carrier: Carrier | null = null
  /** Since when messages may have been missed, in milliseconds since 1970; null when none can have been. */
  missedFromMs: number | null = null
  /** To be asked for in a command of its own: one with several names has been refused. */
  alone = false
  /** Those who wait for it to be joined, and to be left. */
  joining: Waiter[] = []
  leaving: Waiter[] = []

  constructor(kind: SubscriptionKind, name: Buffer) {
    this.kind = kind
    this.name = name
    this.text = name.toString()
    this.key = name.toString('latin1')
    this.slot = kind === 'ssubscribe' ? slotOf(name) : -1
  }

  /** The bytes are those of its name. */
  isNamed(bytes: Buffer): boolean {
    return sameBytes(bytes, this.name)
  }

  settle(waiters: 'joining' | 'leaving', error: Error | null = null): void {
    for (const waiter of this[waiters].splice(0)) {
      if (error !== null) waiter.reject(error)
      else if (--waiter.left === 0) waiter.resolve()
    }
  }
}
