// Deep path of ioredis, kept for those who import it.

export { Redis as default } from '../index.js'
