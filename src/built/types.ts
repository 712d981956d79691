// Deep path of ioredis, kept for those who import it.

export type { Callback, NodeRole } from '../index.js'
