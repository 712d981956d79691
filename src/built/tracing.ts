// Deep path of ioredis, kept for those who import it.

export { sanitizeArgs, traceBatch, traceCommand, traceConnect } from '../ioredis/tracing.js'
