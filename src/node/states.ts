// States of a Node. `retired` absorbs.

/** `idle`: nobody has needed it yet. `waiting`: between two attempts. */
export type NodeState = 'idle' | 'connecting' | 'ready' | 'waiting' | 'retired'

export const nodeTransitions: Record<NodeState, readonly NodeState[]> = {
  idle: ['connecting', 'waiting', 'retired'],
  connecting: ['ready', 'waiting', 'retired'],
  ready: ['waiting', 'retired'],
  waiting: ['connecting', 'retired'],
  retired: [],
}
