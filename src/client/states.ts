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

/**
 * States of a DirectClient. `connecting`: no socket yet. `connected`: the socket is open, calls are not written yet, or no longer.
 * `waiting`: for the next attempt. `ending`: the socket is ended from this side. `ended` absorbs.
 */
export type DirectState = 'idle' | 'connecting' | 'connected' | 'ready' | 'waiting' | 'ending' | 'ended'

export const directTransitions: Record<DirectState, readonly DirectState[]> = {
  idle: ['connecting', 'waiting', 'ended'],
  connecting: ['connected', 'waiting', 'ended'],
  connected: ['ready', 'waiting', 'ended'],
  ready: ['connected', 'ending', 'waiting', 'ended'],
  waiting: ['connecting', 'ended'],
  ending: ['ended'],
  ended: [],
}
