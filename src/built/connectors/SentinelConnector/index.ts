// Deep path of ioredis, kept for those who import it.

export { SentinelConnector as default, SentinelIterator } from '../../../index.js'
