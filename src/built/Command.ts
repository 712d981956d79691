// Deep path of ioredis, kept for those who import it.

export { Command as default } from '../index.js'
