// Deep path of ioredis, kept for those who import it.

export { SentinelIterator as default } from '../../../index.js'
