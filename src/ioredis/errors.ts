// Errors of the ioredis-shaped API: the names and texts that programs match, with what the core knows added to them.

import { type Call, commandText, ReplyError, SlotwiseError } from '../core.js'

/** Text of the error for a command that cannot be carried out because there is no connection, and will be none. */
export const CONNECTION_CLOSED_ERROR_MSG = 'Connection is closed.'

/** Base of the errors that are no replies. */
export class RedisError extends Error {
  override get name(): string {
    return this.constructor.name
  }
}

/** A command was given up; `command` names it where it is one command. */
export class AbortError extends RedisError {
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
  readonly lastNodeError: Error

  constructor(message: string, lastNodeError: Error) {
    super(message)
    this.lastNodeError = lastNodeError
  }
}

/** The error a command fails with, for what the core says. */
export function translate(call: Call, error: Error): Error {
  if (error instanceof ReplyError) {
    return Object.assign(error, { command: { name: commandText(call), args: call.args } })
  }
  if (!(error instanceof SlotwiseError)) return error
  switch (error.code) {
    case 'SLOTWISE_CLOSED':
      return withDetails(new Error(CONNECTION_CLOSED_ERROR_MSG), error)
    case 'SLOTWISE_TIMEOUT':
      return withDetails(new Error('Command timed out'), error)
    case 'SLOTWISE_TOO_MANY_REDIRECTS':
      return withDetails(new Error(`Too many Cluster redirections. Last error: ${String(error.cause)}`), error)
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
export function withDetails<Target extends Error>(target: Target, { ...details }: SlotwiseError): Target {
  delete (details as { name?: string }).name
  delete (details as { command?: string }).command
  return Object.assign(target, details)
}

/** What the `error` event shows: the operating system's own error where there is one, as programs match its `code`. */
export function connectionError(reason: SlotwiseError): Error | null {
  if (reason.code === 'SLOTWISE_CLOSED') return null
  if (reason.code === 'SLOTWISE_CONNECT_TIMEOUT') {
    const details = { errorno: 'ETIMEDOUT', code: 'ETIMEDOUT', syscall: 'connect', cause: reason }
    return Object.assign(new Error('connect ETIMEDOUT'), details)
  }
  // The peer has closed the connection, which is no error.
  if (reason.code === 'SLOTWISE_CONNECTION_LOST') return reason.cause instanceof Error ? reason.cause : null
  if (reason.code === 'SLOTWISE_CONNECT_FAILED' || reason.code === 'SLOTWISE_LOCAL_EXHAUSTION') {
    return reason.cause instanceof Error ? reason.cause : reason
  }
  if (reason.code === 'SLOTWISE_AUTH_FAILED' || reason.code === 'SLOTWISE_HANDSHAKE_FAILED') {
    return reason.cause instanceof Error ? reason.cause : reason
  }
  return reason
}
