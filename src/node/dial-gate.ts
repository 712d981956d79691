// DialGate: what all dials of a client have in common.
// Owns    the counts of dials and failures, the pause after this host ran out of sockets, and the one that a user wants.
// Born    with the client.
// Dies    with it.
// Holds   running out of descriptors, ports or buffers stops every dial for a while and is never counted against a server.

export class DialGate {
  /** Attempts started. */
  dials = 0
  /** Attempts that did not end in a usable connection, local exhaustion included. */
  failures = 0
  /** Attempts that this host itself had no means for. */
  exhausted = 0
  #exhaustedUntil = 0
  #pausedUntil = 0
  readonly #pauseMs: number

  constructor(pauseMs: number) {
    this.#pauseMs = pauseMs
  }

  /** Another socket would only make it worse: no dial for the pause. */
  onExhausted(now: number): void {
    this.exhausted++
    this.#exhaustedUntil = now + this.#pauseMs
  }

  /** No dial for so many milliseconds, because somebody wants it so. */
  pause(now: number, pauseMs: number): void {
    this.#pausedUntil = now + pauseMs
  }

  /** Ends that pause. */
  resume(): void {
    this.#pausedUntil = 0
  }

  /** Milliseconds until dialling is allowed again; 0 when it is. */
  remainingMs(now: number): number {
    return Math.max(0, this.#exhaustedUntil - now, this.#pausedUntil - now)
  }
}
