// Deep path of ioredis, kept for those who import it.

export { ScanStream as default } from '../index.js'
