// The program: a Gundeck on slotwise.

import { openSlotwise } from './redis/slotwise.js'
import { runGundeck } from './service.js'

await runGundeck(process.argv.slice(2), (target, limits) =>
  openSlotwise(target, { maxQueuedBytes: limits.maxQueuedBytes, maxQueueAgeMs: limits.backgroundTimeoutMs }),
)
