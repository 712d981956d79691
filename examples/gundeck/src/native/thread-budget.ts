// ThreadBudget: how much native push work goes on at a time. There is no queue: what is over the hard limit is not done.
// Owns    the table of what runs.
// Holds   an entry leaves the table when its action has settled, so the sum of costs is what runs; nothing has to be repaired.

import type { Logger } from 'pino'

export interface BudgetLimits {
  hard?: number | undefined
  soft?: number | undefined
}

export interface BudgetEvents {
  onBreach(kind: 'hard' | 'soft'): void
}

export class ThreadBudget {
  readonly limits: BudgetLimits
  readonly #events: BudgetEvents
  readonly #log: Logger
  #spent = 0
  #keys = 0

  constructor(limits: BudgetLimits, events: BudgetEvents, log: Logger) {
    this.limits = limits
    this.#events = events
    this.#log = log
  }

  /** Sum of the costs of what runs. */
  get spent(): number {
    return this.#spent
  }

  /**
   * Runs the action, or gives the fallback at once. The limits are compared with what was spent before: one action may go over them.
   * @returns what the action returns; rejects with what it rejects with
   */
  async run<Result>(cost: number, fallback: Result, action: () => Promise<Result>): Promise<Result> {
    const { hard, soft } = this.limits
    const spent = this.#spent
    const hardBreach = hard !== undefined && spent >= hard
    const softBreach = soft !== undefined && spent >= soft
    if (hardBreach || softBreach) {
      const kind = hardBreach ? 'hard' : 'soft'
      this.#events.onBreach(kind)
      const fields = { spent, 'soft-breach': softBreach, 'hard-breach': hardBreach }
      this.#log.warn(fields, `runWithBudget: ${kind} limit reached`)
    }
    if (hardBreach) return fallback
    this.#spent += cost
    try {
      this.#log.debug({ key: this.#keys++, spent: this.#spent }, 'runWithBudget: go')
      return await action()
    } finally {
      this.#spent -= cost
    }
  }
}
