// Deep path of ioredis, kept for those who import it.

export { addTransactionSupport } from '../ioredis/transaction.js'
