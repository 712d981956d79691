// VirtualTimer: what setTimeout() and setInterval() give while time has been taken over.
// Owns    nothing: VirtualClock holds it while it is due.
// Born    by setTimeout() or setInterval().
// Dies    when it has fired (an interval never does), or is cleared.

/** What keeps timers. */
export interface TimerKeeper {
  readonly now: number
  schedule(timer: VirtualTimer): void
  unschedule(timer: VirtualTimer): void
}

let made = 0

export class VirtualTimer {
  readonly id = ++made
  readonly delayMs: number
  readonly repeats: boolean
  /** In milliseconds of the virtual clock; of two timers due at once the one scheduled first comes first. */
  dueAt = 0
  sequence = 0
  readonly #keeper: TimerKeeper
  #run: (() => void) | null
  #hasRef = true

  constructor(keeper: TimerKeeper, run: () => void, delay: unknown, repeats: boolean) {
    const ms = Number(delay)
    // As Node.js reads it: anything but 1 to 2^31 - 1 is 1 (source: Node.js documentation, "setTimeout").
    this.delayMs = ms >= 1 && ms <= 2_147_483_647 ? Math.trunc(ms) : 1
    this.repeats = repeats
    this.#keeper = keeper
    this.#run = run
    keeper.schedule(this)
  }

  fire(): void {
    const run = this.#run
    if (run === null) return
    if (this.repeats) this.#keeper.schedule(this)
    run()
  }

  close(): this {
    this.#run = null
    this.#keeper.unschedule(this)
    return this
  }

  ref(): this {
    this.#hasRef = true
    return this
  }

  unref(): this {
    this.#hasRef = false
    return this
  }

  hasRef(): boolean {
    return this.#hasRef
  }

  refresh(): this {
    if (this.#run !== null) this.#keeper.schedule(this)
    return this
  }

  [Symbol.toPrimitive](): number {
    return this.id
  }

  [Symbol.dispose](): void {
    this.close()
  }

  // After release() a virtual timer may still be cleared by Node.js' own clearTimeout(), which looks at these two.

  get _onTimeout(): (() => void) | null {
    return this.#run
  }

  set _onTimeout(_: null) {
    this.close()
  }

  readonly _destroyed = true
}
