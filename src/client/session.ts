// Session: one connection lent to one user, who may give it whatever state he likes.
// Owns    the lane while it lasts, and its notes of the state that the connection is in.
// Born    by client.session(); asks for a lane with its first command, whose key says where.
// Dies    by end(), when its user's function has settled.
// Holds   the connection goes back as it came, or is closed; nothing on it is ever sent a second time.

import { type Call, CallFlag, type Outcome } from '../command/call.js'
import type { Argument } from '../command/command.js'
import type { HandBack } from '../connection/call-queue.js'
import { type ReplyError, SlotwiseError, stacklessError } from '../errors.js'
import type { Lane } from '../node/lane-pool.js'
import type { Node } from '../node/node.js'
import { Confirmations } from '../pubsub/confirmations.js'
import { SubscriptionSet, subscriptionKind } from '../pubsub/subscription-set.js'
import type { Reply } from '../resp/decoder.js'
import { owned } from '../resp/text.js'
import { type CallOptions, invalid } from './call-options.js'
import { type Prepared, prepare } from './prepare.js'
import { SessionState } from './session-state.js'

export interface SessionOptions {
  /** Deadline for getting a connection, in milliseconds, 0 for none. Default: the client's `timeoutMs`. */
  timeoutMs?: number
  /** Gives up waiting for a connection, and ends the session: its connection is closed at once. */
  signal?: AbortSignal
  /** Takes what the server sends by itself: lines of MONITOR, messages of subscriptions (strings as Buffers), invalidations. */
  onPush?(kind: string, items: readonly Reply[]): void
}

/** Where a session gets its connection from. */
export interface SessionHost {
  readonly clustered: boolean
  /** A lane of the server of this slot; -1 for any server. */
  lend(
    slot: number,
    timeoutMs: number | undefined,
    signal: AbortSignal | undefined,
  ): Promise<{ node: Node; lane: Lane }>
  serves(node: Node, slot: number): boolean
  /** Makes a call without sending it. */
  issue(prepared: Prepared, resolve: (outcome: Outcome) => void): Call
  /** Why a session is over whose connection has ended. */
  lossCode(): 'SLOTWISE_CLOSED' | 'SLOTWISE_CONNECTION_LOST'
  onMoved(node: Node, error: ReplyError): void
}

const noArguments: readonly Argument[] = []

export class Session {
  readonly #host: SessionHost
  readonly #options: SessionOptions
  readonly #state = new SessionState()
  readonly #subscriptions = new SubscriptionSet()
  #lent: Promise<{ node: Node; lane: Lane }> | null = null
  #lane: Lane | null = null
  #node: Node | null = null
  /** Why nothing can be called any more; null while it can. */
  #over: SlotwiseError | null = null

  constructor(host: SessionHost, options: SessionOptions) {
    this.#host = host
    this.#options = options
    options.signal?.addEventListener('abort', this.#onAbort)
    if (options.signal?.aborted === true) this.#onAbort()
  }

  /**
   * Runs one command on the session's connection, in the order of calls. Error replies are the caller's: nothing is redirected or
   * sent again.
   *
   * @param name command name; WATCH, MULTI, EXEC, SUBSCRIBE, MONITOR, CLIENT REPLY and the like are allowed here
   * @param args arguments; the first command with a key decides on the server
   * @returns the reply; null for a command that CLIENT REPLY has silenced
   * @throws at once: SLOTWISE_INVALID_ARGUMENT; SLOTWISE_CROSS_SLOT for keys of another server than the session's. Rejects with a
   *   ReplyError, or with SLOTWISE_CONNECTION_LOST, SLOTWISE_TIMEOUT, SLOTWISE_ABORTED or SLOTWISE_CLOSED
   */
  execute(name: string, args: readonly Argument[] = noArguments, options?: CallOptions): Promise<Reply> {
    const prepared = prepare(this.#host.clustered, name, args, options, true)
    if (this.#over !== null) return Promise.reject(this.#over)
    if (this.#node !== null && prepared.slot >= 0 && !this.#host.serves(this.#node, prepared.slot)) {
      const command = prepared.command.spec.name
      throw new SlotwiseError('SLOTWISE_CROSS_SLOT', `${command}: the session is on another server`, { command })
    }
    this.#lent ??= this.#borrow(prepared.slot)
    if (this.#lane !== null) return this.#send(prepared)
    return this.#lent.then(() => this.#send(prepared))
  }

  async #borrow(slot: number): Promise<{ node: Node; lane: Lane }> {
    const { timeoutMs, signal } = this.#options
    const lent = await this.#host.lend(slot, timeoutMs, signal)
    const { node, lane } = lent
    this.#node = node
    this.#lane = lane
    lane.user = {
      onReplyError: (call, error) => this.#onReplyError(call, error),
      onPush: (kind, items) => {
        this.#subscriptions.onPush(kind, items)
        this.#options.onPush?.(kind, items.map(owned))
      },
      onClosed: (reason, handBack) => this.#onClosed(reason, handBack),
    }
    return lent
  }

  #send(prepared: Prepared): Promise<Reply> {
    if (this.#over !== null) return Promise.reject(this.#over)
    const silenced = this.#state.note(prepared.command.spec.name, prepared.args)
    return new Promise(resolve => {
      const call = this.#host.issue(prepared, resolve as (outcome: Outcome) => void)
      if (silenced) call.flags |= CallFlag.noReply
      const kind = call.spec.name.toLowerCase()
      if (subscriptionKind(kind) !== undefined) {
        call.flags |= CallFlag.several
        const collector = new Confirmations(kind, prepared.args.length, this.#subscriptions)
        call.extras = { ...call.extras, collector }
      }
      this.#lane?.connection?.send(call)
    })
  }

  #onReplyError(call: Call, error: ReplyError): void {
    if (error.code === 'MOVED' && this.#node !== null) this.#host.onMoved(this.#node, error)
    call.fail(Object.assign(error, { command: call.spec.name }))
  }

  #onClosed(reason: SlotwiseError, { unsent, unanswered }: HandBack): void {
    const code = this.#host.lossCode()
    for (const call of unanswered) call.failWith(code, reason.message, { cause: reason, phase: 'flight' })
    for (const call of unsent) call.failWith(code, reason.message, { cause: reason, phase: 'flight' })
    const { endpoint } = reason
    const details = { cause: reason, phase: 'close' as const, ...(endpoint !== undefined && { endpoint }) }
    this.#over ??= stacklessError(code, reason.message, details)
  }

  readonly #onAbort = (): void => {
    const cause = this.#options.signal?.reason
    this.#over ??= stacklessError('SLOTWISE_ABORTED', 'The session was aborted', { cause })
    this.#lane?.connection?.destroy(this.#over)
  }

  /** Gives the connection back, if it can be made what it was, or closes it. */
  async end(): Promise<void> {
    this.#options.signal?.removeEventListener('abort', this.#onAbort)
    const lent = await this.#lent?.catch(() => null)
    if (lent === undefined || lent === null) {
      this.#over ??= over()
      return
    }
    const { node, lane } = lent
    const cleaning = this.#over === null ? this.#state.cleaning() : null
    try {
      if (cleaning !== null) await this.execute(cleaning)
    } catch {
      this.#state.spoil()
    }
    const clean = this.#over === null && this.#state.isClean
    this.#over ??= over()
    node.lanes.giveBack(lane, clean)
  }
}

function over(): SlotwiseError {
  return stacklessError('SLOTWISE_CLOSED', 'The session is over', { phase: 'close' })
}

/**
 * Runs a function with a session, and ends the session whatever comes of it.
 * @throws what the function throws; SLOTWISE_INVALID_ARGUMENT for options that cannot be
 */
export async function withSession<Result>(
  host: SessionHost,
  use: (session: Session) => Promise<Result>,
  options: SessionOptions,
): Promise<Result> {
  checkOptions(use, options)
  const session = new Session(host, options)
  try {
    return await use(session)
  } finally {
    await session.end()
  }
}

const known = new Set(['timeoutMs', 'signal', 'onPush'])
const maxTimeoutMs = 86_400_000

function checkOptions(use: unknown, options: SessionOptions): void {
  if (typeof use !== 'function') throw invalid('A session needs a function that uses it')
  if (typeof options !== 'object' || options === null) throw invalid('Session options must be an object')
  for (const name of Object.keys(options)) if (!known.has(name)) throw invalid(`${name} is not a known session option`)
  const { timeoutMs, signal, onPush } = options
  if (timeoutMs !== undefined && (!Number.isInteger(timeoutMs) || timeoutMs < 0 || timeoutMs > maxTimeoutMs)) {
    throw invalid(`timeoutMs must be a whole number from 0 to ${maxTimeoutMs}`)
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw invalid('signal must be an AbortSignal')
  if (onPush !== undefined && typeof onPush !== 'function') throw invalid('onPush must be a function')
}
