// What a deadline costs that is kept: in and out again.

import Benchmark from 'benchmark'
import { type Deadlined, DeadlineWheel, type Link } from '../../src/command/deadline-wheel.js'
import { add, runAsMain } from '../lib/micro.mjs'

export const suite = new Benchmark.Suite('deadline-wheel')

class Entry implements Deadlined {
  readonly createdAt: number
  deadlineAt: number
  wheelPrevious: Link | null = null
  wheelNext: Link | null = null

  constructor(now: number, timeoutMs: number) {
    this.createdAt = now
    this.deadlineAt = now + timeoutMs
  }

  onDeadline(): void {}
}

function inAndOut(name: string, open: number, timeoutOf: (i: number) => number): void {
  const wheel = new DeadlineWheel<Entry>()
  const now = Math.floor(performance.now())
  const entries = Array.from({ length: open }, (_, i) => new Entry(now, timeoutOf(i)))
  add(suite, name, open, () => {
    for (let i = 0; i < open; i++) wheel.add(entries[i] as Entry, now)
    for (let i = 0; i < open; i++) wheel.remove(entries[i] as Entry)
    if (wheel.size !== 0) throw new Error('an entry is left')
  })
}

inAndOut('one timeout, 200 open', 200, () => 10_000)
inAndOut('one timeout, 10,000 open', 10_000, () => 10_000)
inAndOut('many timeouts, 10,000 open', 10_000, i => 20 + ((i * 7919) % 20_000))

runAsMain(import.meta.url, suite)
