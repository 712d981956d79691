// Parts: a call that consists of several commands: what each came to, and the one outcome of all. Pure.

import type { Outcome } from '../command/call.js'
import { ReplyError, SlotwiseError, stacklessError } from '../errors.js'
import type { Reply } from '../resp/decoder.js'

/** What one part came to. */
export interface PartOutcome {
  /** Its slot, or the server it went to as `host:port`. */
  readonly name: number | string
  readonly outcome: Reply | Error
}

/** The replies where every part has one, else null. */
export function repliesOf(parts: readonly PartOutcome[]): Reply[] | null {
  return parts.some(({ outcome }) => outcome instanceof Error) ? null : parts.map(({ outcome }) => outcome as Reply)
}

/**
 * The error of the whole. Where all parts came to the same end, it is that of the first: nothing has been done by halves. So is
 * being aborted, which is what its caller wanted to know.
 *
 * @param parts at least one of them failed
 * @param startedAt when the whole began, in milliseconds of performance.now()
 */
export function failureOf(command: string, parts: readonly PartOutcome[], startedAt: number): Error {
  const failed = parts.filter((part): part is PartOutcome & { outcome: Error } => part.outcome instanceof Error)
  const first = (failed.find(({ outcome }) => codeOf(outcome) === 'SLOTWISE_ABORTED') ?? failed[0])?.outcome as Error
  const alike = failed.length === parts.length && failed.every(({ outcome }) => codeOf(outcome) === codeOf(first))
  if (alike && failed.length === 1) return first
  const maybeExecuted = parts.some(({ outcome }) => !(outcome instanceof Error) || mayHaveRun(outcome))
  const named = new Map(parts.map(({ name, outcome }) => [name, outcome instanceof Error ? outcome : 'ok'] as const))
  if (alike || codeOf(first) === 'SLOTWISE_ABORTED') {
    if (!(first instanceof SlotwiseError)) return first
    return Object.assign(first, { parts: named, maybeExecuted })
  }
  const { endpoint } = first as { endpoint?: string }
  const message = `${failed.length} of the ${parts.length} parts of ${command} failed; the first: ${first.message}`
  return stacklessError('SLOTWISE_PARTIAL_FAILURE', message, {
    command,
    cause: first,
    parts: named,
    elapsedMs: Math.round(performance.now() - startedAt),
    maybeExecuted,
    ...(endpoint !== undefined && { endpoint }),
  })
}

function codeOf(error: Error): string | undefined {
  return (error as { code?: string }).code
}

/** A server that answers with an error has looked at the command. */
function mayHaveRun(error: Error): boolean {
  return error instanceof ReplyError || (error as { maybeExecuted?: boolean }).maybeExecuted === true
}

/** Turns a promise into an outcome that a call's resolve function takes. */
export function deliver(reply: Promise<Reply>, asValue: boolean, resolve: (outcome: Outcome) => void): void {
  reply.then(resolve, (error: Error) => resolve(asValue ? error : Promise.reject(error)))
}
