// slotwise: the ioredis-shaped API. Re-exports only.

import { Redis } from './ioredis/redis.js'

export { Redis, Redis as default }
