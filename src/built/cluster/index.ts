// Deep path of ioredis, kept for those who import it.

export { Cluster as default } from '../../index.js'
