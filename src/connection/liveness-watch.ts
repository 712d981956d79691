// LivenessWatch: looks at a connection from time to time, and asks or gives up when it has been silent for too long.
// Owns    the timer of the next look.
// Born    when its connection is ready.
// Dies    by stop(), with the connection.
// Holds   what has arrived during a stall of the event loop is seen before the peer is called silent.

import { type LivenessLimits, liveness, type Silence } from './liveness.js'

export interface Watched {
  /** How it stands now; null when it has ended. */
  silence(): Silence | null
  /** It has been silent: time to ask. */
  onSilent(): void
  /** It owes a reply and has said nothing. */
  onDead(silentMs: number): void
}

export class LivenessWatch {
  readonly #limits: LivenessLimits
  readonly #watched: Watched
  #timer: NodeJS.Timeout | null = null

  constructor(limits: LivenessLimits, watched: Watched) {
    this.#limits = limits
    this.#watched = watched
    this.#arm(limits.pingIntervalMs)
  }

  #arm(delayMs: number): void {
    // Silence counts from a call that may come any time, so that a look is due within its limit.
    const lookMs = Math.min(delayMs, this.#limits.silenceTimeoutMs)
    this.#timer = setTimeout(this.#onTimer, Math.max(1, lookMs))
    this.#timer.unref()
  }

  // Timers run before sockets are read.
  readonly #onTimer = (): void => {
    setImmediate(this.#look)
  }

  readonly #look = (): void => {
    const now = this.#watched.silence()
    if (now === null) return
    const verdict = liveness(now, this.#limits)
    if (verdict.kind === 'alive') this.#arm(verdict.lookAgainMs)
    else if (verdict.kind === 'ping') {
      this.#watched.onSilent()
      this.#arm(this.#limits.silenceTimeoutMs)
    } else this.#watched.onDead(now.silentMs)
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
  }
}
