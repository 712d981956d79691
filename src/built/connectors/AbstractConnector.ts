// Deep path of ioredis, kept for those who import it.

export { AbstractConnector as default } from '../../index.js'
