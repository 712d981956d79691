// Issuer: makes calls, counts them, and watches their deadlines.
// Owns    the deadline wheel, the watched signals, the wait budget, and the two counters `issued` and `settled`.
// Born    with the client.
// Dies    with it, when every call has settled.
// Holds   issued - settled = calls that are in some queue right now.

import { type ErrorDetails, type SlotwiseError, stacklessError } from '../errors.js'
import { newOrigin, type Origin, type QueueMessage, queueChannel } from '../observe.js'
import type { Turn } from '../turn.js'
import { AbortWatch } from './abort-watch.js'
import { Call, CallFlag, type CallMaker, callError, noTimeoutMs, type Outcome } from './call.js'
import { type Argument, type CommandName, isReadonly, nameFor, resolveCommand } from './command.js'
import { DeadlineWheel } from './deadline-wheel.js'
import { WaitBudget, type WaitLimits } from './wait-budget.js'

export interface IssuerOptions extends WaitLimits {
  /** Deadline of a call that names none, in milliseconds. */
  timeoutMs: number
  /** How long a call may wait for a usable connection, in milliseconds. */
  maxQueueAgeMs: number
}

/** Turns a failure into the one that the caller is to see. */
export type Translate = (call: Call, error: Error) => Error

export class Issuer implements CallMaker {
  readonly #options: IssuerOptions
  readonly #turn: Turn
  readonly #wheel = new DeadlineWheel<Call>()
  readonly #signals = new AbortWatch()
  readonly budget: WaitBudget
  #issued = 0
  #settled = 0
  #onIdle: (() => void) | null = null

  /** For calls with CallFlag.translated. */
  readonly translate: Translate

  /** Whose calls these are, for those who look on. */
  readonly origin: Origin

  constructor(
    options: IssuerOptions,
    turn: Turn,
    translate: Translate = (_call, error) => error,
    origin: Origin = newOrigin(null),
  ) {
    this.translate = translate
    this.origin = origin
    this.#options = options
    this.#turn = turn
    this.budget = new WaitBudget(options)
  }

  /** Calls made by the user; the client's own are not counted. */
  get issued(): number {
    return this.#issued
  }

  get settled(): number {
    return this.#settled
  }

  /** Makes a user's call. Its deadline runs from now. */
  issue(
    name: CommandName,
    args: readonly Argument[],
    slot: number,
    flags: number,
    timeoutMs: number,
    resolve: (outcome: Outcome) => void,
  ): Call {
    const now = this.#turn.now()
    const bits = isReadonly(name.spec) ? flags | CallFlag.repeatable | CallFlag.readOnly : flags
    const call = new Call(this, name, args, slot, bits, now, timeoutMs, resolve)
    this.#issued++
    if (timeoutMs !== noTimeoutMs) this.#wheel.add(call, now)
    return call
  }

  /**
   * Makes a call of the client's own, for one connection: not counted, not bounded, never sent again. Its outcome comes as a
   * value, error or reply.
   */
  issueInternal(
    name: string,
    args: readonly Argument[],
    timeoutMs: number,
    flags: number,
    resolve: (outcome: Outcome) => void,
  ): Call {
    const now = this.#turn.now()
    const command = nameFor(resolveCommand(name), args)
    const bits = flags | CallFlag.internal | CallFlag.errorAsValue
    const call = new Call(this, command, args, -1, bits, now, timeoutMs, resolve)
    if (timeoutMs !== noTimeoutMs) this.#wheel.add(call, now)
    return call
  }

  /** Ties the call to a signal: aborting it fails the call in whatever phase it is. */
  watch(call: Call, signal: AbortSignal): void {
    this.#signals.add(call, signal)
  }

  /**
   * Charges the call to the budget of what waits. False when there is no room; the call has then failed with
   * SLOTWISE_QUEUE_FULL, and `situation` says what it would have waited for.
   */
  admit(call: Call, situation: () => ErrorDetails): boolean {
    if (call.has(CallFlag.internal) || this.budget.charge(call)) return true
    const { maxQueuedBytes, maxQueuedCalls } = this.#options
    const message = `Waiting calls have reached their bound (${maxQueuedBytes} bytes, ${maxQueuedCalls} calls)`
    this.#reportRefused('SLOTWISE_QUEUE_FULL', call)
    call.failWith('SLOTWISE_QUEUE_FULL', message, { phase: 'queue', ...situation() })
    return false
  }

  #reportRefused(code: QueueMessage['code'], call: Call): void {
    if (!queueChannel.hasSubscribers) return
    const { bytes, calls } = this.budget
    queueChannel.publish({ client: this.origin, code, command: call.spec.name, queuedBytes: bytes, queuedCalls: calls })
  }

  /** The call has no connection to go to: starts its age limit. */
  startAge(call: Call): void {
    if (call.has(CallFlag.internal)) return
    const now = this.#turn.now()
    const expiresAt = now + this.#options.maxQueueAgeMs
    if (expiresAt < call.deadlineAt) this.#moveDeadline(call, expiresAt, now)
  }

  /** The call is put on a connection that makes progress: it no longer waits. */
  dismiss(call: Call): void {
    this.budget.release(call)
    this.endAge(call)
  }

  /** The call has a connection to go to, if one that stands still: its deadline is its own again. */
  endAge(call: Call): void {
    const deadlineAt = call.createdAt + call.timeoutMs
    if (deadlineAt !== call.deadlineAt) this.#moveDeadline(call, deadlineAt, this.#turn.now())
  }

  #moveDeadline(call: Call, deadlineAt: number, now: number): void {
    this.#wheel.remove(call)
    call.deadlineAt = deadlineAt
    if (call.timeoutMs !== noTimeoutMs || deadlineAt < call.createdAt + noTimeoutMs) this.#wheel.add(call, now)
  }

  /** The error for a call whose time has come. The clock of the turn may be older than `now`, and before its deadline. */
  overdue(call: Call, now: number): SlotwiseError {
    const situation = call.holder?.situation() ?? {}
    const lastError = call.extras?.lastError
    const details: ErrorDetails = lastError === undefined ? situation : { cause: lastError, ...situation }
    if (call.state === 'sent') {
      return callError(call, now, 'SLOTWISE_TIMEOUT', `No reply within ${call.timeoutMs} ms`, {
        ...details,
        phase: 'flight',
      })
    }
    if (now >= call.createdAt + call.timeoutMs) {
      return callError(call, now, 'SLOTWISE_TIMEOUT', `Not sent within ${call.timeoutMs} ms`, {
        ...details,
        phase: 'queue',
      })
    }
    this.#reportRefused('SLOTWISE_QUEUE_EXPIRED', call)
    const age = `Waited ${this.#options.maxQueueAgeMs} ms for a usable connection`
    return callError(call, now, 'SLOTWISE_QUEUE_EXPIRED', age, { ...details, phase: 'queue' })
  }

  explain(call: Call, code: SlotwiseError['code'], message: string, details: ErrorDetails): SlotwiseError {
    return callError(call, this.#turn.now(), code, message, details)
  }

  /** Called by the call itself, once. */
  onSettled(call: Call): void {
    this.#wheel.remove(call)
    if (call.chargedBytes !== 0) this.budget.release(call)
    const signal = call.extras?.signal
    if (signal !== undefined) this.#signals.remove(call, signal)
    if (call.has(CallFlag.internal)) return
    this.#settled++
    if (this.#onIdle !== null && this.#settled === this.#issued) {
      const onIdle = this.#onIdle
      this.#onIdle = null
      onIdle()
    }
  }

  /** Runs `then` when every user's call has settled; at once when none is open. */
  whenIdle(then: () => void): void {
    if (this.#settled === this.#issued) then()
    else this.#onIdle = then
  }
}

/** The error every open call gets when its client goes. */
export function closedError(): SlotwiseError {
  return stacklessError('SLOTWISE_CLOSED', 'The client is closed', { phase: 'close' })
}
