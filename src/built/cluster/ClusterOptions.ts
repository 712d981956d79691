// Deep path of ioredis, kept for those who import it.

export type { ClusterOptions } from '../../index.js'
export { DEFAULT_CLUSTER_OPTIONS } from '../../ioredis/cluster-options.js'
