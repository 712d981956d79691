// WaitBudget: how much may wait for Redis, in bytes and in calls, over the whole client.
// Owns    two sums.
// Born    with the client.
// Dies    with it.
// Holds   each charged call is released exactly once, when it settles or is put on a connection that makes progress.

import type { Argument } from './command.js'

/**
 * Heap that a waiting call takes besides its arguments: the call (152 B), its promise and resolve function (160 B), its argument array
 * (64 B), its place in a queue (8 to 16 B), and what `await` or `then` hangs on the promise (100 to 150 B). Rounded up, so that the
 * bound errs on the small side.
 */
export const callOverheadBytes = 544
/** A string's header and rounding in V8. */
const stringOverheadBytes = 24

export interface WaitLimits {
  maxQueuedBytes: number
  maxQueuedCalls: number
}

/** What the budget needs of a call. */
export interface Chargeable {
  readonly args: readonly Argument[]
  /** Bytes this call is charged with; 0 when it is not. */
  chargedBytes: number
}

export class WaitBudget {
  readonly #limits: WaitLimits
  #bytes = 0
  #calls = 0

  constructor(limits: WaitLimits) {
    this.#limits = limits
  }

  get bytes(): number {
    return this.#bytes
  }

  get calls(): number {
    return this.#calls
  }

  /** Charges a call that has to wait. False, with nothing charged, when it does not fit. A charged call stays charged. */
  charge(call: Chargeable): boolean {
    if (call.chargedBytes !== 0) return true
    const bytes = waitingBytes(call.args)
    if (this.#calls >= this.#limits.maxQueuedCalls || this.#bytes + bytes > this.#limits.maxQueuedBytes) return false
    call.chargedBytes = bytes
    this.#bytes += bytes
    this.#calls++
    return true
  }

  release(call: Chargeable): void {
    if (call.chargedBytes === 0) return
    this.#bytes -= call.chargedBytes
    this.#calls--
    call.chargedBytes = 0
  }
}

/** Bytes of heap that a call with these arguments holds while it waits. */
export function waitingBytes(args: readonly Argument[]): number {
  let bytes = callOverheadBytes
  for (const arg of args) {
    if (typeof arg === 'string') bytes += stringOverheadBytes + stringBytes(arg)
    else if (typeof arg === 'object') bytes += arg.byteLength
    else bytes += 16
  }
  return bytes
}

/** V8 keeps one byte a character, or two once any character needs it; UTF-8 length bounds the wire side. */
function stringBytes(text: string): number {
  const utf8 = Buffer.byteLength(text)
  return utf8 === text.length ? utf8 : Math.max(utf8, 2 * text.length)
}
