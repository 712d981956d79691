// Errors of the HTTP interface: what each failure looks like to a caller. Pure.

import { RedisUnavailableError } from '../redis/port.js'

/** A refusal in the service's own form, `{ code, label, message }`. */
export class ServiceError extends Error {
  readonly statusCode: number
  readonly label: string

  constructor(statusCode: number, label: string, message: string) {
    super(message)
    this.statusCode = statusCode
    this.label = label
  }
}

/** A request that cannot be read: plain text, as the original's framework answers. */
export class RequestError extends Error {
  readonly statusCode: number

  constructor(statusCode: number, message: string) {
    super(message)
    this.statusCode = statusCode
  }
}

export function serviceErrorOf(error: unknown): ServiceError {
  if (error instanceof ServiceError) return error
  if (error instanceof RedisUnavailableError) {
    return new ServiceError(503, 'redis-unavailable', 'Redis is not available; try again')
  }
  return new ServiceError(500, 'server-error', 'Server Error')
}

export function notPorted(what: string): ServiceError {
  return new ServiceError(501, 'not-implemented', `${what}: not part of this port`)
}
