// Deep path of ioredis, kept for those who import it.

export type { CommonRedisOptions, RedisOptions } from '../../index.js'
export { DEFAULT_REDIS_OPTIONS } from '../../ioredis/redis-options.js'
