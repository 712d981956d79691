// VirtualClock: a time that passes only when it is told to, with the timers that wait in it.
// Owns    the timers, in the order in which they are due.
// Born    by takeOverTime().
// Dies    by its release.

import { type TimerKeeper, VirtualTimer } from './virtual-timer.js'

export class VirtualClock implements TimerKeeper {
  /** Milliseconds since the clock was made. */
  elapsedMs = 0
  #sequence = 0
  /** A binary heap: due first, scheduled first. */
  readonly #heap: VirtualTimer[] = []
  readonly #places = new Map<VirtualTimer, number>()
  readonly #byId = new Map<number, VirtualTimer>()

  get now(): number {
    return this.elapsedMs
  }

  /** How many timers wait. */
  get size(): number {
    return this.#heap.length
  }

  add(run: () => void, delay: unknown, repeats: boolean): VirtualTimer {
    return new VirtualTimer(this, run, delay, repeats)
  }

  schedule(timer: VirtualTimer): void {
    this.unschedule(timer)
    timer.dueAt = this.elapsedMs + timer.delayMs
    timer.sequence = ++this.#sequence
    this.#heap.push(timer)
    this.#byId.set(timer.id, timer)
    this.#rise(this.#heap.length - 1)
  }

  unschedule(timer: VirtualTimer): void {
    const at = this.#places.get(timer)
    if (at === undefined) return
    this.#places.delete(timer)
    this.#byId.delete(timer.id)
    const last = this.#heap.pop() as VirtualTimer
    if (last === timer) return
    this.#put(last, at)
    this.#rise(at)
    this.#sink(this.#places.get(last) as number)
  }

  /** The timer with that number, as clearTimeout() takes it. */
  timerOf(id: number): VirtualTimer | undefined {
    return this.#byId.get(id)
  }

  /** When the next timer is due; null when none waits. */
  get nextDueAt(): number | null {
    return this.#heap[0]?.dueAt ?? null
  }

  /** Takes out the next timer that is due at that time. */
  takeDue(time: number): VirtualTimer | null {
    const first = this.#heap[0]
    if (first === undefined || first.dueAt > time) return null
    this.unschedule(first)
    return first
  }

  /** Takes out all timers, in their order. */
  takeAll(): VirtualTimer[] {
    const all: VirtualTimer[] = []
    for (let timer = this.takeDue(Number.POSITIVE_INFINITY); timer !== null; ) {
      all.push(timer)
      timer = this.takeDue(Number.POSITIVE_INFINITY)
    }
    return all
  }

  #put(timer: VirtualTimer, at: number): void {
    this.#heap[at] = timer
    this.#places.set(timer, at)
  }

  #rise(from: number): void {
    const timer = this.#heap[from] as VirtualTimer
    let at = from
    while (at > 0) {
      const above = (at - 1) >> 1
      const parent = this.#heap[above] as VirtualTimer
      if (!isBefore(timer, parent)) break
      this.#put(parent, at)
      at = above
    }
    this.#put(timer, at)
  }

  #sink(from: number): void {
    const timer = this.#heap[from] as VirtualTimer
    let at = from
    for (;;) {
      let below = 2 * at + 1
      const [left, right] = [this.#heap[below], this.#heap[below + 1]]
      if (left === undefined) break
      if (right !== undefined && isBefore(right, left)) below++
      const child = this.#heap[below] as VirtualTimer
      if (!isBefore(child, timer)) break
      this.#put(child, at)
      at = below
    }
    this.#put(timer, at)
  }
}

const isBefore = (a: VirtualTimer, b: VirtualTimer) =>
  a.dueAt < b.dueAt || (a.dueAt === b.dueAt && a.sequence < b.sequence)
