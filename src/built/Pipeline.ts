// Deep path of ioredis, kept for those who import it.

export { Pipeline as default } from '../index.js'
