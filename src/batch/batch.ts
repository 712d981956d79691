// Batch: many commands at once, results in call order, each with its own redirects, deadline and error. Pure: it collects.

import type { Reply } from '../resp/decoder.js'

/** Collects the outcome of every call; an entry that failed is its Error. */
export class BatchCollector {
  readonly #results: (Reply | Error)[]
  readonly #done: (results: (Reply | Error)[]) => void
  #open: number

  constructor(size: number, done: (results: (Reply | Error)[]) => void) {
    this.#results = new Array(size).fill(null)
    this.#done = done
    this.#open = size
    if (size === 0) done(this.#results)
  }

  /** The function that takes the outcome of call `index`, reply or error. */
  sink(index: number): (outcome: Reply | Error) => void {
    return outcome => {
      this.#results[index] = outcome
      if (--this.#open === 0) this.#done(this.#results)
    }
  }
}
