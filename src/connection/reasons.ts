// Reasons: why a connection has come to its end, as errors. Pure.

import { type Phase, SlotwiseError, stacklessError } from '../errors.js'

/** Its owner has closed it. */
export function closing(endpoint: string): SlotwiseError {
  return stacklessError('SLOTWISE_CLOSED', `The connection to ${endpoint} is closed`, { endpoint, phase: 'close' })
}

/** The socket is gone; without a cause the peer has closed it. */
export function lost(endpoint: string, phase: Phase, cause: Error | undefined): SlotwiseError {
  const message = `The connection to ${endpoint} was lost: ${cause?.message ?? 'closed by the peer'}`
  return stacklessError('SLOTWISE_CONNECTION_LOST', message, { endpoint, phase, ...(cause && { cause }) })
}

/** The decoder, or whoever takes what it finds, has thrown: the stream has lost its framing. */
export function unreadable(endpoint: string, cause: unknown): SlotwiseError {
  if (cause instanceof SlotwiseError) return Object.assign(cause, { endpoint })
  return stacklessError('SLOTWISE_PROTOCOL', 'The reply could not be handled', { cause, endpoint })
}
