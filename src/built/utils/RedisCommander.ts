// Deep path of ioredis, kept for those who import it.

export type { ChainableCommander, ClientContext, RedisCommander, Result, ResultTypes } from '../../ioredis/commander.js'
