// CallQueue: calls in the order they are to be answered; the first of them are on the wire, the rest are not yet.
// Owns    the order. Sole importer of denque.
// Born    with the connection, node or router whose calls it holds.
// Dies    by drain(): what is still in it is handed back once.
// Holds   [ sent … | unsent … ]; a sent call that settles early keeps its place, because its reply is still to come.

import Denque from 'denque'
import type { Call, CallHolder } from '../command/call.js'
import { CallFlag } from '../command/call.js'
import type { ErrorDetails } from '../errors.js'

/** What a queue hands back when it ends. */
export interface HandBack {
  /** Never written. */
  unsent: Call[]
  /** Written, and their replies will not come. */
  unanswered: Call[]
  /** Whose reply was due next, settled or not. */
  due?: Call | undefined
}

/** Settled calls among the unsent are swept out when there are this many and they are the majority. */
const sweepAt = 64

export class CallQueue implements CallHolder {
  #calls = new Denque<Call>()
  #sent = 0
  /** Settled calls in the unsent part. */
  #dead = 0
  readonly #situation: () => ErrorDetails
  readonly #onForsaken: (() => void) | null

  /** @param onForsaken a call has settled whose reply is still to come */
  constructor(situation: () => ErrorDetails, onForsaken: (() => void) | null = null) {
    this.#situation = situation
    this.#onForsaken = onForsaken
  }

  /** Everything in it, the places of settled calls included. */
  get length(): number {
    return this.#calls.length
  }

  /** Replies still to come. */
  get sent(): number {
    return this.#sent
  }

  /** Calls waiting to be written. */
  get unsent(): number {
    return this.#calls.length - this.#sent - this.#dead
  }

  push(call: Call): void {
    call.holder = this
    this.#calls.push(call)
  }

  /** The next call to write, marked as sent; undefined when there is none. */
  takeUnsent(): Call | undefined {
    if (this.#dead !== 0) this.#sweep()
    const call = this.#calls.peekAt(this.#sent)
    if (call === undefined) return undefined
    call.markSent()
    if (call.has(CallFlag.noReply)) {
      this.#calls.removeOne(this.#sent)
      call.holder = null
    } else this.#sent++
    return call
  }

  /** Takes out the next call, unwritten, for somebody else to hold; undefined when there is none. Nothing in it may have been written. */
  shiftUnsent(): Call | undefined {
    if (this.#dead !== 0) this.#sweep()
    const call = this.#calls.shift()
    if (call !== undefined) call.holder = null
    return call
  }

  /** The call whose reply comes next; undefined when no reply is due. */
  peekSent(): Call | undefined {
    return this.#sent === 0 ? undefined : this.#calls.peekFront()
  }

  /** Takes out the call whose reply has come. */
  shiftSent(): Call | undefined {
    if (this.#sent === 0) return undefined
    this.#sent--
    const call = this.#calls.shift() as Call
    call.holder = null
    return call
  }

  forget(_call: Call, wasSent: boolean): void {
    if (wasSent) {
      this.#onForsaken?.()
      return
    }
    this.#dead++
    // Calls that wait together mostly expire in the order in which they came.
    if (this.#sent === 0) {
      while (this.#calls.peekFront()?.settled === true) {
        this.#calls.shift()
        this.#dead--
      }
    }
    if (this.#dead >= sweepAt && this.#dead * 2 > this.#calls.length - this.#sent) this.#sweep()
  }

  #sweep(): void {
    const kept: Call[] = []
    for (let i = 0; i < this.#calls.length; i++) {
      const call = this.#calls.peekAt(i) as Call
      if (i < this.#sent || !call.settled) kept.push(call)
    }
    this.#calls = new Denque(kept)
    this.#dead = 0
  }

  situation(): ErrorDetails {
    return this.#situation()
  }

  /** Empties the queue and hands back what has not settled, in order. */
  drain(): HandBack {
    const handBack: HandBack = { unsent: [], unanswered: [], due: this.peekSent() }
    for (let i = 0; i < this.#calls.length; i++) {
      const call = this.#calls.peekAt(i) as Call
      if (call.settled) continue
      call.holder = null
      ;(i < this.#sent ? handBack.unanswered : handBack.unsent).push(call)
    }
    this.#calls = new Denque()
    this.#sent = 0
    this.#dead = 0
    return handBack
  }

  /** Users' calls in it that have not settled, counted one by one. */
  count(): { queued: number; inFlight: number } {
    let queued = 0
    let inFlight = 0
    for (let i = 0; i < this.#calls.length; i++) {
      const call = this.#calls.peekAt(i) as Call
      if (call.settled || call.has(CallFlag.internal)) continue
      if (i < this.#sent) inFlight++
      else queued++
    }
    return { queued, inFlight }
  }
}
