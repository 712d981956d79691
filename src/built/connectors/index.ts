// Deep path of ioredis, kept for those who import it.

export { SentinelConnector } from '../../index.js'
export { StandaloneConnector } from '../../ioredis/connectors.js'
