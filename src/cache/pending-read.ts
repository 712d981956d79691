// PendingRead: one read on its way to a server, the calls that wait for its reply, and whether that reply may be kept.
// Owns    the calls that share it, until each has its reply or is let go.
// Born    in the cache, for a read that it cannot answer.
// Dies    once: with the outcome of the call that leads it.
// Holds   once invalid it is never valid again, and nobody else shares it.

import type { Call, CallHolder } from '../command/call.js'
import type { ErrorDetails } from '../errors.js'
import type { Asked } from './policy.js'
import type { Region } from './region.js'

export class PendingRead implements CallHolder {
  readonly asked: Asked
  readonly region: Region
  readonly slot: number
  /** Other callers may have its reply, too. */
  readonly shareable: boolean
  /** What the region and the slot were when it was called. */
  readonly #carrier: object
  readonly #epoch: number
  /** The call that goes to the server. */
  leader: Call | null = null
  #valid = true
  readonly #waiting = new Set<Call>()

  constructor(asked: Asked, region: Region, slot: number, epoch: number, shareable: boolean) {
    this.asked = asked
    this.region = region
    this.slot = slot
    this.shareable = shareable
    this.#carrier = region.carrier as object
    this.#epoch = epoch
  }

  /** Nothing has come that makes its reply one not to keep. */
  get valid(): boolean {
    return this.#valid
  }

  /** Its key has changed, or its connection is gone. */
  invalidate(): void {
    this.#valid = false
  }

  /**
   * Whether the reply of the call may be kept: it was written once, on the connection whose tracking covers it, and that connection
   * has covered it ever since.
   *
   * @param epoch the slot's epoch now
   */
  mayKeep(call: Call, epoch: number): boolean {
    const extras = call.extras
    return (
      this.#valid &&
      this.region.carrier === this.#carrier &&
      extras?.carrier === this.#carrier &&
      (extras.retries ?? 0) === 0 &&
      epoch === this.#epoch
    )
  }

  /** Lets the call wait for the reply, too. */
  join(call: Call): void {
    call.holder = this
    this.#waiting.add(call)
  }

  /** The calls that wait, taken out, in the order in which they joined; at most so many. */
  take(count = Infinity): Call[] {
    const taken: Call[] = []
    for (const call of this.#waiting) {
      if (taken.length >= count) break
      call.holder = null
      this.#waiting.delete(call)
      taken.push(call)
    }
    return taken
  }

  /** Calls that share its reply. */
  get waiting(): number {
    return this.#waiting.size
  }

  // ---- for its calls

  forget(call: Call): void {
    this.#waiting.delete(call)
  }

  situation(): ErrorDetails {
    return this.leader?.holder?.situation() ?? {}
  }
}
