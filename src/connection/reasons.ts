// Reasons: why a connection has come to its end, as errors. Pure.

import { type Phase, type SlotwiseError, stacklessError } from '../errors.js'

/** Its owner has closed it. */
export function closing(endpoint: string): SlotwiseError {
  return stacklessError('SLOTWISE_CLOSED', `The connection to ${endpoint} is closed`, { endpoint, phase: 'close' })
}

/** The socket is gone; without a cause the peer has closed it. */
export function lost(endpoint: string, phase: Phase, cause: Error | undefined): SlotwiseError {
  const message = `The connection to ${endpoint} was lost: ${cause?.message ?? 'closed by the peer'}`
  return stacklessError('SLOTWISE_CONNECTION_LOST', message, { endpoint, phase, ...(cause && { cause }) })
}
