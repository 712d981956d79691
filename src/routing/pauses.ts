// Pauses: calls that wait before they are tried again.
// Owns    those calls, and a timer for each length of pause in use.
// Born    with the router.
// Dies    by drain().
// Holds   a call for a slot that waits here waits behind those before it, so that none of them overtakes another.

import type { Call } from '../command/call.js'
import type { Issuer } from '../command/issuer.js'
import { CallQueue } from '../connection/call-queue.js'
import type { ErrorDetails } from '../errors.js'

interface Pause {
  readonly calls: CallQueue
  readonly timer: NodeJS.Timeout
}

export class Pauses {
  readonly #issuer: Issuer
  readonly #onOver: (calls: readonly Call[]) => void
  /** By their length, in milliseconds. */
  readonly #pauses = new Map<number, Pause>()
  /** The pause in which calls of a slot wait. */
  readonly #held = new Map<number, Pause>()
  /** The reply that made a call wait last. */
  #reason: Error | null = null

  /** @param onOver takes the calls whose pause is over, in the order in which they came */
  constructor(issuer: Issuer, onOver: (calls: readonly Call[]) => void) {
    this.#issuer = issuer
    this.#onOver = onOver
  }

  /** Calls of this slot wait: one more has to wait behind them. */
  holds(slot: number): boolean {
    return this.#held.size !== 0 && this.#held.has(slot)
  }

  /** Keeps the call for so many milliseconds, up to a quarter more, so that the clients of one cluster do not come back together. */
  add(call: Call, pauseMs: number): void {
    this.#reason = call.extras?.lastError ?? this.#reason
    if (!this.#issuer.admit(call, this.#situation)) return
    const pause = this.#held.get(call.slot) ?? this.#pauses.get(pauseMs) ?? this.#begin(pauseMs)
    if (call.slot >= 0) this.#held.set(call.slot, pause)
    pause.calls.push(call)
  }

  #begin(pauseMs: number): Pause {
    const pause = {
      calls: new CallQueue(this.#situation),
      timer: setTimeout(() => this.#end(pauseMs, pause), pauseMs * (1 + Math.random() / 4)),
    }
    this.#pauses.set(pauseMs, pause)
    return pause
  }

  #end(pauseMs: number, pause: Pause): void {
    this.#pauses.delete(pauseMs)
    for (const [slot, holder] of this.#held) if (holder === pause) this.#held.delete(slot)
    this.#onOver(pause.calls.drain().unsent)
  }

  readonly #situation = (): ErrorDetails => (this.#reason === null ? {} : { cause: this.#reason })

  /** Users' calls that wait. */
  countQueued(): number {
    let queued = 0
    for (const { calls } of this.#pauses.values()) queued += calls.count().queued
    return queued
  }

  /** Lets go of everything, and hands it out. */
  drain(): Call[] {
    const calls: Call[] = []
    for (const pause of this.#pauses.values()) {
      clearTimeout(pause.timer)
      calls.push(...pause.calls.drain().unsent)
    }
    this.#pauses.clear()
    this.#held.clear()
    return calls
  }
}
