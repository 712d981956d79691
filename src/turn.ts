// Turn: the end of the current turn of the event loop, and a clock that is read at most once in it.
// Owns    one setImmediate, armed while something is due at the end of the turn.
// Born    with the client.
// Dies    with it; nothing outlives the turn that armed it.
// Holds   what was scheduled runs once, after the I/O callbacks of this turn; now() never goes back.

/** Something that wants to act once at the end of a turn, after every call made in that turn has been queued. */
export interface AtTurnEnd {
  onTurnEnd(): void
}

/** Resolves after so many milliseconds, or as soon as the signal aborts it. For waits that have no other owner. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const done = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal?.addEventListener('abort', done)
    if (signal?.aborted === true) done()
  })
}

export class Turn {
  #due: AtTurnEnd[] = []
  #spare: AtTurnEnd[] = []
  #armed = false
  #nowMs = -1

  /**
   * Milliseconds on the monotonic clock, whole, as of the first time it was asked for in this turn.
   * Reading the clock costs about 50 ns, a twentieth of a whole call, so all calls of a turn share one reading. Whole
   * milliseconds stay small integers in V8 for 24 days of uptime; fractions would cost a heap number in each call.
   */
  now(): number {
    if (this.#nowMs === -1) {
      this.#nowMs = Math.floor(performance.now())
      this.#arm()
    }
    return this.#nowMs
  }

  /** Runs `target.onTurnEnd()` once at the end of this turn. The caller keeps track of having asked already. */
  schedule(target: AtTurnEnd): void {
    this.#due.push(target)
    this.#arm()
  }

  #arm(): void {
    if (this.#armed) return
    this.#armed = true
    setImmediate(this.#end)
  }

  // One immediate serves every connection of the client: three connections would otherwise arm three.
  readonly #end = (): void => {
    this.#armed = false
    this.#nowMs = -1
    const due = this.#due
    this.#due = this.#spare
    for (let i = 0; i < due.length; i++) (due[i] as AtTurnEnd).onTurnEnd()
    due.length = 0
    this.#spare = due
  }
}
