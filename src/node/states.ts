// States of a Node. `retired` absorbs.

/**
 * `idle`: nobody has needed it yet. `handing-over`: another connection is there, and the old one still has answers to get. `waiting`: between two
 * attempts.
 */
export type NodeState = 'idle' | 'connecting' | 'ready' | 'handing-over' | 'waiting' | 'retired'

export const nodeTransitions: Record<NodeState, readonly NodeState[]> = {
  idle: ['connecting', 'waiting', 'retired'],
  connecting: ['ready', 'waiting', 'retired'],
  ready: ['handing-over', 'waiting', 'retired'],
  'handing-over': ['ready', 'waiting', 'retired'],
  waiting: ['connecting', 'retired'],
  retired: [],
}
