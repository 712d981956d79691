// States of a Client. `closed` absorbs.

/** `idle`: nothing has been dialled. `degraded`: a node in use has no connection, or slots have no node. */
export type ClientState = 'idle' | 'starting' | 'ready' | 'degraded' | 'closing' | 'closed'

export const clientTransitions: Record<ClientState, readonly ClientState[]> = {
  idle: ['starting', 'closing', 'closed'],
  starting: ['ready', 'degraded', 'closing', 'closed'],
  ready: ['degraded', 'closing', 'closed'],
  degraded: ['ready', 'closing', 'closed'],
  closing: ['closed'],
  closed: [],
}
