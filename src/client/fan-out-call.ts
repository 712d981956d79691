// FanOutCall: a command that concerns a whole cluster, made as one call for each server.

import { CallFlag, noTimeoutMs, type Outcome } from '../command/call.js'
import { blockingTimeoutMs, isReadonly, resolveCommand } from '../command/command.js'
import { ReplyError, SlotwiseError, stacklessError } from '../errors.js'
import type { Node } from '../node/node.js'
import type { Reply } from '../resp/decoder.js'
import { type FanOut, mergeReplies, successorOf, type Target, targetsOf } from '../routing/fan-out.js'
import { mayResend, type ResendMode, verdict } from '../routing/verdict.js'
import { pause } from '../turn.js'
import type { Engine } from './engine.js'
import { failureOf, type PartOutcome, repliesOf } from './parts.js'
import { type Prepared, timeoutOf } from './prepare.js'

/** What a call for several servers takes from the client's options. */
export interface FanOutOptions {
  /** Deadline of a call that names none, in milliseconds; 0 for none. */
  timeoutMs: number
  /** Before a server that could not carry it out is asked again, in milliseconds. */
  retryDelayMs: number
  resend: ResendMode
}

/** One deadline for whatever is done on behalf of one call. */
export class Deadline {
  readonly timeoutMs: number
  readonly startedAt = performance.now()

  constructor(timeoutMs: number) {
    this.timeoutMs = timeoutMs
  }

  /** Milliseconds left, at least 1, as a call cannot be made with none; `noTimeoutMs` where there is no deadline. */
  get leftMs(): number {
    if (this.timeoutMs === noTimeoutMs) return noTimeoutMs
    return Math.max(1, Math.ceil(this.timeoutMs - this.elapsedMs))
  }

  get elapsedMs(): number {
    return performance.now() - this.startedAt
  }

  get isOver(): boolean {
    return this.timeoutMs !== noTimeoutMs && this.elapsedMs >= this.timeoutMs
  }
}

/**
 * Asks every server that the command concerns, and merges what they answer. One deadline and one signal for the whole.
 *
 * A shard whose primary has gone is asked at its new primary, where the command has not run yet or may run twice (it only reads, or
 * `idempotent`).
 *
 * @returns the merged reply. Rejects with SLOTWISE_PARTIAL_FAILURE, whose `parts` tell what became of each server; with the error
 *   itself where all servers failed alike
 */
export async function callAll(
  engine: Engine,
  options: FanOutOptions,
  prepared: Prepared,
  { reach, merge }: FanOut,
): Promise<Reply> {
  const { command, args } = prepared
  const deadline = new Deadline(timeoutOf(prepared.options, blockingTimeoutMs(command.spec, args), options.timeoutMs))
  const targets = await knownTargets(engine, prepared, reach, deadline)
  const call = new FanOutCall(engine, options, prepared, deadline, targets)
  const parts = await call.run()
  const replies = merge === 'one' ? succeeded(parts) : repliesOf(parts)
  if (replies === null) throw failureOf(command.spec.name, parts, deadline.startedAt)
  return mergeReplies(merge, replies)
}

/** Where one success is enough. */
function succeeded(parts: readonly PartOutcome[]): Reply[] | null {
  const replies = parts.map(({ outcome }) => outcome).filter((outcome): outcome is Reply => !isFailure(outcome))
  return replies.length === 0 ? null : replies
}

function isFailure(outcome: Reply | Error): outcome is Error {
  return outcome instanceof Error
}

/** Waits, as a call without a key does, until the topology is known. */
async function knownTargets(
  engine: Engine,
  prepared: Prepared,
  reach: FanOut['reach'],
  deadline: Deadline,
): Promise<Target<Node>[]> {
  for (;;) {
    const targets = targetsOf(reach, slot => engine.topology.map.shardOf(slot))
    if (targets.length !== 0) return targets
    await callKeyless(engine, 'PING', prepared, deadline)
  }
}

/** Some node's reply to another command, in the name of this one. */
async function callKeyless(engine: Engine, name: string, prepared: Prepared, deadline: Deadline): Promise<Reply> {
  const command = resolveCommand(name)
  const outcome = await callOnce(engine, { ...prepared, command, args: [], slot: -1, node: null }, deadline)
  if (!isFailure(outcome)) return outcome
  if (outcome instanceof SlotwiseError) Object.assign(outcome, { command: prepared.command.spec.name })
  throw outcome
}

/** One call within the deadline. Never rejects. */
export function callOnce(engine: Engine, prepared: Prepared, deadline: Deadline): Promise<Reply | Error> {
  return new Promise(resolve => {
    const options = { ...prepared.options, timeoutMs: deadline.leftMs }
    const flags = CallFlag.errorAsValue | (prepared.node === null ? 0 : CallFlag.pinned)
    engine.start({ ...prepared, options }, flags, resolve as (outcome: Outcome) => void)
  })
}

/** True when a failure on one server is not final: the command has not run there, or may run twice. */
export function mayAskAgain(error: Error, resend: ResendMode, repeatable: boolean): boolean {
  if (error instanceof ReplyError) return verdict(error, true).kind === 'retry'
  const { code, maybeExecuted } = error as SlotwiseError
  return code === 'SLOTWISE_CONNECTION_LOST' && (maybeExecuted === false || mayResend(resend, repeatable))
}

class FanOutCall {
  readonly #engine: Engine
  readonly #options: FanOutOptions
  readonly #prepared: Prepared
  readonly #deadline: Deadline
  readonly #targets: readonly Target<Node>[]
  /** Every server that a part has gone to, or is to go to. */
  readonly #asked: Set<Node>
  readonly #repeatable: boolean

  constructor(
    engine: Engine,
    options: FanOutOptions,
    prepared: Prepared,
    deadline: Deadline,
    targets: readonly Target<Node>[],
  ) {
    this.#engine = engine
    this.#options = options
    this.#prepared = prepared
    this.#deadline = deadline
    this.#targets = targets
    this.#asked = new Set(targets.map(({ node }) => node))
    const { spec } = prepared.command
    this.#repeatable = isReadonly(spec) || (prepared.options.flags & CallFlag.repeatable) !== 0
  }

  async run(): Promise<PartOutcome[]> {
    const parts = await Promise.all(this.#targets.map(target => this.#ask(target)))
    return parts.filter(part => part !== null)
  }

  /** Null when what the target served is served by servers that are asked anyway. */
  async #ask(target: Target<Node>): Promise<PartOutcome | null> {
    let { node } = target
    for (;;) {
      const outcome = await callOnce(this.#engine, { ...this.#prepared, slot: -1, node }, this.#deadline)
      const name = node.endpoint.key
      if (!isFailure(outcome)) return { name, outcome }
      const error = withEndpoint(outcome, name)
      if (!mayAskAgain(error, this.#options.resend, this.#repeatable)) return { name, outcome: error }
      const next = await this.#whomNext(target, node, error)
      if (next === null) return null
      if (next instanceof Error) return { name, outcome: next }
      node = next
    }
  }

  /** The server to ask after one has failed: whoever serves its slots, or, after a pause, itself; null for nobody. */
  async #whomNext(target: Target<Node>, node: Node, error: Error): Promise<Node | Error | null> {
    const { topology } = this.#engine
    for (let waited = false; ; waited = true) {
      // A replica that has left the cluster has nobody in its place.
      if (target.slots === null && !topology.nodes.includes(node)) return error
      const next = successorOf({ ...target, node }, slot => topology.map.primaryOf(slot), this.#asked)
      if (next === null) return null
      if (next !== node || waited) {
        this.#asked.add(next)
        return next
      }
      // The client knows of nobody else yet.
      this.#engine.refresh().catch(() => undefined)
      const { signal } = this.#prepared.options
      await pause(Math.min(this.#options.retryDelayMs, this.#deadline.leftMs), signal ?? undefined)
      if (this.#deadline.isOver) return this.#late(node, error)
    }
  }

  #late(node: Node, cause: Error): SlotwiseError {
    const { timeoutMs, elapsedMs } = this.#deadline
    return stacklessError('SLOTWISE_TIMEOUT', `${node.endpoint.key} could not carry it out within ${timeoutMs} ms`, {
      cause,
      command: this.#prepared.command.spec.name,
      endpoint: node.endpoint.key,
      elapsedMs: Math.round(elapsedMs),
      phase: 'queue',
      maybeExecuted: (cause as { maybeExecuted?: boolean }).maybeExecuted === true,
    })
  }
}

/** Says which server a failure concerns. */
function withEndpoint(error: Error, endpoint: string): Error {
  if (error instanceof SlotwiseError && error.endpoint === undefined) return Object.assign(error, { endpoint })
  return error
}
