// Errors of the ioredis-shaped API: the names and texts that programs match, with what the core knows added to them.

import { type Call, commandText, RedisError, ReplyError, SlotwiseError } from '../core.js'

export { RedisError }

/** Text of the error for a command that cannot be carried out because there is no connection, and will be none. */
export const CONNECTION_CLOSED_ERROR_MSG = 'Connection is closed.'

/** A command was given up; `command` names it where it is one command. */
export class AbortError extends RedisError {
  override get name(): string {
    return this.constructor.name
  }
  declare command?: { name: string; args: readonly unknown[] }
}

/** The connection was lost as often as `maxRetriesPerRequest` allows while the command waited. */
export class MaxRetriesPerRequestError extends AbortError {
  constructor(maxRetriesPerRequest: number) {
    super(
      `Reached the max retries per request limit (which is ${maxRetriesPerRequest}). Refer to "maxRetriesPerRequest" option for details.`,
    )
  }
}

/** No node of the cluster gave a usable answer; `lastNodeError` is the last failure, `cause` has all of them. */
export class ClusterAllFailedError extends RedisError {
  static defaultMessage = 'Failed to refresh slots cache.'

  override get name(): string {
    return this.constructor.name
  }

  /** Null when no node is known. */
  readonly lastNodeError: Error | null

  constructor(message: string, lastNodeError: Error | null) {
    super(message)
    this.lastNodeError = lastNodeError
  }
}

/** The error a command fails with, for what the core says. */
export function translate(call: Call, error: Error): Error {
  if (error instanceof ReplyError) {
    // What waited fails with the reply to what the connection begins with.
    if (typeof error.command === 'object') return error
    return Object.assign(error, { command: { name: commandText(call), args: call.args } })
  }
  if (!(error instanceof SlotwiseError)) return error
  switch (error.code) {
    case 'SLOTWISE_CLOSED':
      return withDetails(new Error(CONNECTION_CLOSED_ERROR_MSG), error)
    case 'SLOTWISE_TIMEOUT':
      return withDetails(new Error('Command timed out'), error)
    case 'SLOTWISE_TOO_MANY_REDIRECTS': {
      const last = error.cause instanceof ReplyError ? error.cause : new Error(CONNECTION_CLOSED_ERROR_MSG)
      return withDetails(new Error(`Too many Cluster redirections. Last error: ${last}`), error)
    }
    case 'SLOTWISE_CONNECTION_LOST': {
      const aborted = withDetails(new AbortError('Command aborted due to connection close'), error) as AbortError
      aborted.command = { name: commandText(call), args: call.args }
      return aborted
    }
    default:
      return error
  }
}

/** Adds what the core's error says: code, cause, endpoint, phase, attempts, elapsedMs, maybeExecuted. */
export function withDetails<Target extends Error>(target: Target, error: SlotwiseError): Target {
  const { command: _, cause, ...details } = error
  Object.assign(target, details)
  return cause === undefined ? target : withCause(target, cause)
}

/** Adds a cause as Node's own errors have it: there, and not in the way of comparisons. */
export function withCause<Target extends Error>(target: Target, cause: unknown): Target {
  return Object.defineProperty(target, 'cause', { value: cause, configurable: true, enumerable: false, writable: true })
}

/** An error reply to what the connection begins with, with its command as every ReplyError has it here. */
export function ofHandshake(reply: ReplyError): ReplyError {
  const { command = 'info', args = [] } = reply as { command?: unknown; args?: readonly string[] }
  if (typeof command !== 'string') return reply
  delete (reply as { args?: unknown }).args
  return Object.assign(reply, { command: { name: command, args } })
}

/** What the `error` event shows: the operating system's own error where there is one, as programs match its `code`. */
export function connectionError(reason: SlotwiseError, socketTimeout?: number): Error | null {
  if (reason.code === 'SLOTWISE_CLOSED') return null
  if (reason.code === 'SLOTWISE_CONNECT_TIMEOUT') {
    const details = { errorno: 'ETIMEDOUT', code: 'ETIMEDOUT', syscall: 'connect' }
    return withCause(Object.assign(new Error('connect ETIMEDOUT'), details), reason)
  }
  if (reason.code === 'SLOTWISE_CONNECTION_SILENT' && socketTimeout !== undefined) {
    const message = `Socket timeout. Expecting data, but didn't receive any in ${socketTimeout}ms.`
    return withCause(new Error(message), reason)
  }
  // The peer has closed the connection, which is no error.
  if (reason.code === 'SLOTWISE_CONNECTION_LOST') return reason.cause instanceof Error ? reason.cause : null
  if (reason.code === 'SLOTWISE_CONNECT_FAILED' || reason.code === 'SLOTWISE_LOCAL_EXHAUSTION') {
    return reason.cause instanceof Error ? reason.cause : reason
  }
  if (reason.code === 'SLOTWISE_AUTH_FAILED' || reason.code === 'SLOTWISE_HANDSHAKE_FAILED') {
    // Without a cause it was the wrong server, and another is asked for.
    return reason.cause instanceof ReplyError ? ofHandshake(reason.cause) : null
  }
  return reason
}
