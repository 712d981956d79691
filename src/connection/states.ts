// States of a Connection. `closed` absorbs.

export type ConnectionState = 'handshaking' | 'ready' | 'draining' | 'closed'

export const connectionTransitions: Record<ConnectionState, readonly ConnectionState[]> = {
  handshaking: ['ready', 'closed'],
  ready: ['draining', 'closed'],
  draining: ['closed'],
  closed: [],
}
