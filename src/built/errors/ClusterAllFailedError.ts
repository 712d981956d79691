// Deep path of ioredis, kept for those who import it.

export { ClusterAllFailedError as default } from '../../index.js'
