// Call: one execution of one command.
// Owns    its promise's resolve function.
// Born    in Issuer.issue().
// Dies    once: fulfilled or failed, by whoever holds it or by its deadline or signal.
// Holds   until it settles it is in exactly one queue, or in the hands of the one function that is moving it.

import { type ErrorDetails, type Phase, type SlotwiseError, stacklessError } from '../errors.js'
import type { Reply } from '../resp/decoder.js'
import type { KnownArray } from '../resp/known-array.js'
import type { Argument, CommandName, CommandSpec } from './command.js'
import type { Deadlined, Link } from './deadline-wheel.js'
import type { Chargeable } from './wait-budget.js'

/** `unsent → sent → settled`; back to `unsent` only when it may be sent again. */
const states = ['unsent', 'sent', 'settled'] as const
export type CallState = (typeof states)[number]

/** Numbers, and transitions as bits, because each call makes two of them: with names in tables a call took 72 ns here, with these 52. */
const State = { unsent: 0, sent: 1, settled: 2 } as const
const transitions: readonly number[] = [
  /* unsent */ (1 << State.sent) | (1 << State.settled),
  /* sent */ (1 << State.unsent) | (1 << State.settled),
  /* settled */ 0,
]

/** Bit mask of what a call is. */
export const CallFlag = {
  /** Running it twice does no harm: read-only by the command table, or the caller said so. */
  repeatable: 1,
  /** The client's own (handshake, PING, topology); not counted, not bounded, never retried. */
  internal: 2,
  /** Strings of the reply as Buffers. */
  buffers: 4,
  /** The reply as the bytes received. */
  raw: 8,
  /** The reply in the shapes of RESP2. */
  legacy: 16,
  /** To be sent right behind ASKING. */
  asking: 32,
  /** An earlier connection was lost between writing it and its reply. */
  lostReply: 64,
  /** A failure is handed to `resolve` as a value, not as a rejected promise. */
  errorAsValue: 128,
  /** Has a collector, as it gets several replies. */
  several: 256,
  /** Goes to one node, whatever the slot map says, and its error replies are the caller's. */
  pinned: 512,
  /** Stands between a MULTI and its EXEC, which are calls of their own. */
  fragment: 1024,
  /** Its failures are translated by the client's `translate`. */
  translated: 2048,
  /** A replica may answer it from its copy. */
  fromReplica: 4096,
  /** Blocks its connection, and so gets one of its own. */
  ownLane: 8192,
  /** The server has been told not to answer it: written, it is done. */
  noReply: 16384,
  /** Changes nothing, by the command table. */
  readOnly: 32768,
  /** A replica could not answer it: the primary is to. */
  fromPrimary: 65536,
  /** Is told which connection it is put on. */
  stamped: 131072,
  /** To be sent right behind CLIENT CACHING YES. */
  optIn: 262144,
} as const

/** `flags & formatFlags` shifted right by this is the ReplyFormat. */
export const formatShift = 2
export const formatFlags = CallFlag.buffers | CallFlag.raw | CallFlag.legacy

/** What a call that gets several replies does with them. */
export interface ReplyCollector {
  /** The frames to write instead of the call's own; null for the call's own. */
  readonly parts: readonly { readonly head: string; readonly args: readonly Argument[] }[] | null
  /** Takes a reply, or an error reply as a value. True when it was the last. */
  take(reply: Reply): boolean
  /** Takes a push that may stand for a reply: null when it does not, else true when it was the last. */
  takePush(kind: string, items: readonly Reply[]): boolean | null
  /** What the call gets; an error is judged as if the call had got it. */
  outcome(): Reply
  /** Some of its replies have come. */
  readonly started: boolean
  /** It is to be sent again: forgets what it has taken. */
  reset(): void
}

/** Where a call is held: a queue that can let go of one call, and say what it is waiting for. */
export interface CallHolder {
  /** The call has settled; `wasSent` says whether its reply is still to come. */
  forget(call: Call, wasSent: boolean): void
  /** Why calls wait here: endpoint, attempts and cause, as far as known. */
  situation(): ErrorDetails
}

/** Whoever made the call: keeps its deadline, and is told when it settles. */
export interface CallMaker {
  /** The error for a call that ends without a reply. */
  explain(call: Call, code: SlotwiseError['code'], message: string, details: ErrorDetails): SlotwiseError
  /** The error for a call whose time has come. */
  overdue(call: Call, now: number): SlotwiseError
  onSettled(call: Call): void
  /** With CallFlag.translated: the error to fail with instead. */
  translate(call: Call, error: Error): Error
}

/** What few calls have. */
export interface CallExtras {
  /** How long it may block on the server, in milliseconds; Infinity for ever. */
  blockingMs?: number
  /** How often it was sent in vain. */
  retries?: number
  /** MOVED and ASK replies it has got. */
  redirects?: number
  /** Address of the server that answered MOVED last. */
  movedBy?: string
  /** Connections that were lost between writing it and its reply. */
  losses?: number
  signal?: AbortSignal
  /** The error reply or failure that made the call be tried again. */
  lastError?: Error
  /** With CallFlag.raw: a reply that this one probably equals, or nearly. */
  expectedRaw?: KnownArray | null
  /** With CallFlag.several. */
  collector?: ReplyCollector
  /** With CallFlag.pinned: the node, or what stands for it. */
  pinnedTo?: unknown
  /** Of a read: the node that is to answer it, if it is connected. */
  readAt?: unknown
  /** With CallFlag.stamped: the connection that it was put on last. */
  carrier?: object
}

/** A reply; or a failure, as a rejected promise or (CallFlag.errorAsValue) as it is. */
export type Outcome = Reply | Error | Promise<never>

/** Timeout of a call without a deadline: 12 days, and still a small integer, which Infinity is not. */
export const noTimeoutMs = 2 ** 30

const noArguments: readonly Argument[] = []

function settled(): void {}

export class Call implements Deadlined, Chargeable {
  // TypeScript's `private` here, not `#`: private methods cost each instance a brand, and this is the object of which
  // there are 200,000 a second.
  private current: number
  private readonly maker: CallMaker
  private readonly name: CommandName
  args: readonly Argument[]
  /** Hash slot of its keys; -1 when any node will do. */
  readonly slot: number
  flags: number
  readonly createdAt: number
  /** From call to settlement, in milliseconds; `noTimeoutMs` for none. */
  readonly timeoutMs: number
  deadlineAt: number
  wheelPrevious: Link | null
  wheelNext: Link | null
  chargedBytes: number
  holder: CallHolder | null
  extras: CallExtras | null
  // A promise's resolve function alone: keeping its reject function, too, would cost each waiting call 56 B.
  private resolve: (outcome: Outcome) => void

  constructor(
    maker: CallMaker,
    name: CommandName,
    args: readonly Argument[],
    slot: number,
    flags: number,
    createdAt: number,
    timeoutMs: number,
    resolve: (outcome: Outcome) => void,
  ) {
    this.current = State.unsent
    this.maker = maker
    this.name = name
    this.args = args
    this.slot = slot
    this.flags = flags
    this.createdAt = createdAt
    this.timeoutMs = timeoutMs
    this.deadlineAt = createdAt + timeoutMs
    this.wheelPrevious = null
    this.wheelNext = null
    this.chargedBytes = 0
    this.holder = null
    this.extras = null
    this.resolve = resolve
  }

  get spec(): CommandSpec {
    return this.name.spec
  }

  /** Wire bytes of the command's name as the caller spelled it. */
  get head(): string {
    return this.name.head
  }

  get state(): CallState {
    return states[this.current] as CallState
  }

  get settled(): boolean {
    return this.current === State.settled
  }

  has(flag: number): boolean {
    return (this.flags & flag) !== 0
  }

  private to(next: number): void {
    if (((transitions[this.current] as number) & (1 << next)) === 0) {
      throw new Error(`Call: ${this.state} -> ${states[next]}`)
    }
    this.current = next
  }

  /** The connection has put it on the wire. */
  markSent(): void {
    this.to(State.sent)
  }

  /** It will be tried again; `ran` is false when a reply proved that it has not run. */
  markUnsent(ran: boolean, reason: Error): void {
    if (this.current === State.sent) this.to(State.unsent)
    this.flags = (this.flags & ~(CallFlag.asking | CallFlag.fromReplica)) | (ran ? CallFlag.lostReply : 0)
    this.extras ??= {}
    this.extras.lastError = reason
    this.extras.retries = (this.extras.retries ?? 0) + 1
    this.extras.collector?.reset()
  }

  fulfil(value: Reply): void {
    if (this.current === State.settled) return
    this.settle()(value)
  }

  fail(error: Error): void {
    if (this.current === State.settled) return
    const reason = this.has(CallFlag.translated) ? this.maker.translate(this, error) : error
    this.settle()(this.has(CallFlag.errorAsValue) ? reason : Promise.reject(reason))
  }

  /** Fails with one of this client's own errors, with what this call knows of its own life added to it. */
  failWith(code: SlotwiseError['code'], message: string, details: ErrorDetails): void {
    this.fail(this.maker.explain(this, code, message, details))
  }

  /** How often it was put on a connection. */
  get attempts(): number {
    return (this.extras?.retries ?? 0) + (this.current === State.sent ? 1 : 0)
  }

  /** True when the command may have been run by a server. */
  get maybeExecuted(): boolean {
    return this.current === State.sent || this.has(CallFlag.lostReply)
  }

  onDeadline(now: number): void {
    this.fail(this.maker.overdue(this, now))
  }

  onAbort(reason: unknown): void {
    const phase: Phase = this.current === State.sent ? 'flight' : 'queue'
    this.failWith('SLOTWISE_ABORTED', 'The call was aborted', { cause: reason, phase })
  }

  /** Gives up everything but the place in the queue, which may stay for a while, and returns the way to the caller. */
  private settle(): (outcome: Outcome) => void {
    const wasSent = this.current === State.sent
    this.to(State.settled)
    const holder = this.holder
    if (holder !== null) {
      this.holder = null
      holder.forget(this, wasSent)
    }
    this.maker.onSettled(this)
    const { resolve } = this
    if (holder !== null) {
      this.args = noArguments
      this.resolve = settled
    }
    return resolve
  }
}

/** The command's name as its caller spelled it. */
export function commandText({ head }: Call): string {
  return head.slice(head.indexOf('\n') + 1, -2)
}

/** Error for a call that ends without a reply, with the fields every such error has. */
export function callError(
  call: Call,
  now: number,
  code: SlotwiseError['code'],
  message: string,
  details: ErrorDetails,
) {
  return stacklessError(code, message, {
    command: call.spec.name,
    attempts: call.attempts,
    elapsedMs: now - call.createdAt,
    maybeExecuted: call.maybeExecuted,
    ...details,
  })
}
