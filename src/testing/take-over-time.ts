// takeOverTime: time that passes at a test's command.
// Owns    the global timer functions, Date.now and performance.now, and Math.random if asked to.
// Born    by takeOverTime(); there is one at a time.
// Dies    by release(), which puts everything back.
// Holds   real input and output go on: setImmediate(), process.nextTick() and sockets are left alone.

import { promisify } from 'node:util'
import { SlotwiseError } from '../errors.js'
import { Rest } from './rest.js'
import { VirtualClock } from './virtual-clock.js'
import { VirtualTimer } from './virtual-timer.js'

export interface TakeOverTimeOptions {
  /** Makes Math.random() give the same numbers each time: any integer. Default: random numbers are left alone. */
  seed?: number
  /** Real milliseconds within which connections must come to rest after each step. Default 5,000. */
  restLimitMs?: number
}

/** Time, taken over. */
export interface VirtualTime {
  /** Milliseconds that have passed since it was taken over. */
  readonly now: number
  /** How many timers wait. */
  readonly timers: number
  /**
   * Lets time pass: every timer that is due meanwhile runs at its time, in order, and before the next one whatever it has set going between clients and
   * fake servers comes to rest.
   * @param ms 0 or more
   */
  advance(ms: number): Promise<void>
  /**
   * Lets time pass until the promise has settled: what a program waits for while time stands still may need timers, a client's `connect()` for one.
   * @param limitMs at most so many virtual milliseconds; default an hour
   * @returns what the promise gives
   * @throws what the promise gives, or Error when it has not settled within the limit
   */
  until<Result>(promise: Promise<Result>, limitMs?: number): Promise<Result>
  /** Lets everything come to rest that needs no time. */
  settle(): Promise<void>
  /** Gives time back. Timers that still wait go on in real time. */
  release(): void
  [Symbol.dispose](): void
}

type Callback = (...args: unknown[]) => void

let isTaken = false

/**
 * Takes over setTimeout, setInterval, clearTimeout, clearInterval, Date.now and performance.now of this process. Both clocks begin at the next full second.
 *
 * @throws SlotwiseError SLOTWISE_INVALID_OPTION, or SLOTWISE_INVALID_ARGUMENT when time has been taken over already
 */
export function takeOverTime(options: TakeOverTimeOptions = {}): VirtualTime {
  const { seed, restLimitMs = 5000 } = options
  if (seed !== undefined && !Number.isInteger(seed)) throw invalid('seed must be an integer')
  if (!(restLimitMs > 0)) throw invalid('restLimitMs must be a number above 0')
  if (isTaken) throw new SlotwiseError('SLOTWISE_INVALID_ARGUMENT', 'time has been taken over already')
  isTaken = true

  const clock = new VirtualClock()
  const rest = new Rest()
  const real = setTimeout
  const restore = install(clock, seed)
  let isReleased = false

  const release = () => {
    if (isReleased) return
    isReleased = true
    isTaken = false
    restore()
    handOver(clock, real)
  }
  return {
    get now() {
      return clock.elapsedMs
    },
    get timers() {
      return clock.size
    },
    async advance(ms) {
      if (!(ms >= 0))
        throw new SlotwiseError('SLOTWISE_INVALID_ARGUMENT', 'milliseconds to advance by must be 0 or more')
      await advance(clock, clock.elapsedMs + ms, () => rest.reached(restLimitMs))
    },
    until: (promise, limitMs = 3_600_000) => until(clock, promise, limitMs, () => rest.reached(restLimitMs)),
    settle: () => rest.reached(restLimitMs),
    release,
    [Symbol.dispose]: release,
  }
}

type Settle = () => Promise<void>

async function advance(clock: VirtualClock, time: number, settle: Settle): Promise<void> {
  await settle()
  for (let due = clock.nextDueAt; due !== null && due <= time; due = clock.nextDueAt) await step(clock, due, settle)
  clock.elapsedMs = time
  await settle()
}

/** Runs all timers that are due at one time: they belong to one turn, as in Node.js. */
async function step(clock: VirtualClock, due: number, settle: Settle): Promise<void> {
  clock.elapsedMs = Math.max(clock.elapsedMs, due)
  for (let timer = clock.takeDue(due); timer !== null; timer = clock.takeDue(due)) {
    timer.fire()
    await undefined
  }
  await settle()
}

async function until<Result>(
  clock: VirtualClock,
  promise: Promise<Result>,
  limitMs: number,
  settle: Settle,
): Promise<Result> {
  const limit = clock.elapsedMs + limitMs
  let isSettled = false
  const onSettled = () => {
    isSettled = true
  }
  promise.then(onSettled, onSettled)
  await settle()
  while (!isSettled) {
    const due = clock.nextDueAt
    if (due === null) throw new Error('the promise has not settled, and no timer waits that could make it')
    if (due > limit) throw new Error(`the promise has not settled within ${limitMs} ms`)
    await step(clock, due, settle)
  }
  return promise
}

/** Puts the virtual functions in place; gives what puts the real ones back. */
function install(clock: VirtualClock, seed: number | undefined): () => void {
  const startDate = Math.ceil(Date.now() / 1000) * 1000
  const startPerformance = Math.ceil(performance.now() / 1000) * 1000
  const { clearTimeout: realClear } = globalThis

  const make =
    (repeats: boolean) =>
    (callback: Callback, delay?: unknown, ...args: unknown[]) => {
      if (typeof callback !== 'function') throw new TypeError('The "callback" argument must be of type function.')
      return clock.add(() => callback(...args), delay, repeats)
    }
  const clear = (timer: unknown) => {
    if (timer instanceof VirtualTimer) timer.close()
    else {
      const known = typeof timer === 'number' || typeof timer === 'string' ? clock.timerOf(Number(timer)) : undefined
      if (known !== undefined) known.close()
      else realClear(timer as NodeJS.Timeout)
    }
  }
  const virtualSetTimeout = Object.assign(make(false), {
    [promisify.custom]: (ms?: number, value?: unknown) =>
      new Promise(resolve => clock.add(() => resolve(value), ms, false)),
  })
  const put = [
    replace(globalThis, 'setTimeout', virtualSetTimeout),
    replace(globalThis, 'setInterval', make(true)),
    replace(globalThis, 'clearTimeout', clear),
    replace(globalThis, 'clearInterval', clear),
    replace(Date, 'now', () => startDate + Math.floor(clock.elapsedMs)),
    replace(performance, 'now', () => startPerformance + clock.elapsedMs),
  ]
  if (seed !== undefined) put.push(replace(Math, 'random', randomFrom(seed)))
  return () => {
    for (const back of put) back()
  }
}

/** Replaces a property; gives what puts it back as it was, down to whether it was the object's own. */
function replace(target: object, name: string, value: unknown): () => void {
  const before = Object.getOwnPropertyDescriptor(target, name)
  Object.defineProperty(target, name, {
    value,
    configurable: true,
    writable: true,
    enumerable: before?.enumerable ?? false,
  })
  return () => {
    if (before === undefined) Reflect.deleteProperty(target, name)
    else Object.defineProperty(target, name, before)
  }
}

/** What still waits goes on in real time, with what was left of its delay. */
function handOver(clock: VirtualClock, real: typeof setTimeout): void {
  for (const timer of clock.takeAll()) {
    const left = Math.max(1, timer.dueAt - clock.elapsedMs)
    const go = () => {
      if (timer._onTimeout === null) return
      timer._onTimeout()
      if (timer.repeats) start(timer.delayMs)
    }
    const start = (ms: number) => {
      const handle = real(go, ms)
      if (!timer.hasRef()) handle.unref()
    }
    start(left)
  }
}

/** Mulberry32: 32 bits of state, numbers from 0 to below 1. */
function randomFrom(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

function invalid(message: string): SlotwiseError {
  return new SlotwiseError('SLOTWISE_INVALID_OPTION', message)
}
