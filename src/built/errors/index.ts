// Deep path of ioredis, kept for those who import it.

export { AbortError, ClusterAllFailedError, MaxRetriesPerRequestError, RedisError } from '../../index.js'
