// demo-screen: shows a run. A live table on a terminal, plain lines elsewhere.

import { clearScreenDown, moveCursor } from 'node:readline'
import type { Sample } from './demo-load.mjs'

const columns: [title: string, width: number, value: (sample: Sample) => string][] = [
  ['ops/s', 7, sample => sample.opsPerSec.toFixed(0)],
  ['p99 ms', 8, sample => sample.p99Ms.toFixed(1)],
  ['failed', 8, sample => String(sample.failed)],
  ['waiting', 8, sample => String(sample.waitingCalls)],
  ['waiting kB', 11, sample => (sample.waitingBytes / 1024).toFixed(0)],
  ['heap MB', 8, sample => (sample.heapBytes / 1048576).toFixed(1)],
  ['resident MB', 12, sample => (sample.residentBytes / 1048576).toFixed(1)],
  ['sockets', 8, sample => String(sample.sockets)],
  ['dials', 6, sample => String(sample.dials)],
  ['refreshes', 10, sample => String(sample.refreshes)],
  ['state', 9, sample => sample.state],
]
const secondsWidth = 6
const phaseWidth = 22
const plainLineEveryMs = 1000

const header =
  's'.padStart(secondsWidth) +
  '  ' +
  'phase'.padEnd(phaseWidth) +
  columns.map(([title, width]) => title.padStart(width)).join('')

export class Screen {
  readonly #live = process.stdout.isTTY === true
  readonly #startedAt = performance.now()
  #phase = 'starting'
  #row = ''
  #lastLineAt = -Infinity
  #drawn = false

  constructor() {
    process.stdout.write(header + '\n')
  }

  /** A new phase begins; the row of the one before stays on the screen. */
  phase(name: string): void {
    this.#keep()
    this.#phase = name
    this.#lastLineAt = -Infinity
  }

  /** A remark of its own line. */
  note(text: string): void {
    this.#keep()
    process.stdout.write(`${this.#seconds()}  ${text}\n`)
  }

  sample(sample: Sample): void {
    this.#row =
      `${this.#seconds()}  ${this.#phase.padEnd(phaseWidth)}` +
      columns.map(([, width, value]) => value(sample).padStart(width)).join('')
    if (this.#live) {
      this.#erase()
      process.stdout.write(this.#row + '\n')
      this.#drawn = true
      return
    }
    if (performance.now() - this.#lastLineAt < plainLineEveryMs) return
    this.#lastLineAt = performance.now()
    process.stdout.write(this.#row + '\n')
  }

  #seconds(): string {
    return ((performance.now() - this.#startedAt) / 1000).toFixed(1).padStart(secondsWidth)
  }

  #erase(): void {
    if (!this.#drawn) return
    moveCursor(process.stdout, 0, -1)
    clearScreenDown(process.stdout)
    this.#drawn = false
  }

  #keep(): void {
    this.#drawn = false
  }
}
