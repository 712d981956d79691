// LimitedLog: one line a second, however often something fails. The metric beside it counts every time.

import type { Logger } from 'pino'

export class LimitedLog {
  readonly #log: Logger
  readonly #intervalMs: number
  readonly #lines = new Map<string, { saidAt: number; suppressed: number }>()

  constructor(log: Logger, intervalMs = 1000) {
    this.#log = log
    this.#intervalMs = intervalMs
  }

  /** @param message one of a few fixed texts: each has its own interval */
  say(level: 'warn' | 'error', fields: object, message: string): void {
    const now = performance.now()
    const line = this.#lines.get(message)
    if (line !== undefined && now - line.saidAt < this.#intervalMs) {
      line.suppressed++
      return
    }
    this.#log[level](
      line === undefined || line.suppressed === 0 ? fields : { ...fields, suppressed: line.suppressed },
      message,
    )
    this.#lines.set(message, { saidAt: now, suppressed: 0 })
  }
}
