// Deep path of ioredis, kept for those who import it.

export { MaxRetriesPerRequestError as default } from '../../index.js'
