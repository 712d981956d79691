// Pace: lets the event loop turn now and then.
//
// A kept reply is there at once, and who awaits one after the other keeps everything else waiting: timers, sockets, and the reports of
// changes. So every thousandth comes at the end of the turn.

import type { Turn } from '../turn.js'

const maxInARow = 1000

export class Pace {
  readonly #turn: Turn
  #inARow = 0

  constructor(turn: Turn) {
    this.#turn = turn
  }

  promise<Value>(value: Value): Promise<Value> {
    if (++this.#inARow < maxInARow) return Promise.resolve(value)
    return new Promise(resolve => this.#later(value, resolve))
  }

  give<Value>(value: Value, resolve: (value: Value) => void): void {
    if (++this.#inARow < maxInARow) resolve(value)
    else this.#later(value, resolve)
  }

  #later<Value>(value: Value, resolve: (value: Value) => void): void {
    this.#inARow = 0
    this.#turn.schedule({ onTurnEnd: () => resolve(value) })
  }
}
