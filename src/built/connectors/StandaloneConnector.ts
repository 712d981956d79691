// Deep path of ioredis, kept for those who import it.

export { StandaloneConnector as default } from '../../ioredis/connectors.js'
