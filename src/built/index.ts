// Deep path of ioredis, kept for those who import it.

export * from '../index.js'
export { Redis as default } from '../index.js'
