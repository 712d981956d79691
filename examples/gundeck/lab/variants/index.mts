// variants: the clients under comparison. Each is loaded when it is chosen, so that none is in the memory of another's process.

import type { Config } from '../../src/config.js'
import type { RedisPort } from '../../src/redis/port.js'
import type { Mark, Tracker } from '../tracker.mjs'

export interface Opened {
  port: RedisPort
  /** Null where the client does not tell. */
  waitingBytes(): number | null
  refreshes(): number | null
}

export interface Variant {
  about: string
  /** The service's own bounds are off, as they are in the original. */
  unbounded?: boolean
  /** Connections are made where this process cannot count them. */
  dialsUnseen?: boolean
  open(addresses: readonly string[], limits: Config['limits'], tracker: Tracker, mark: Mark): Promise<Opened>
}

export const variants: Record<string, Variant> = {
  slotwise: {
    about: 'This package: what waits is bounded in bytes, count and age; one dial at a time for each server.',
    open: async (...args) => (await import('./slotwise.mjs')).onSlotwise(...args),
  },
  ioredis: {
    about: 'ioredis 6 with default options.',
    open: async (...args) => (await import('./ioredis.mjs')).onIoredis({})(...args),
  },
  'ioredis-no-queue': {
    about: 'ioredis 6 with enableOfflineQueue: false: what cannot be sent at once fails.',
    open: async (...args) => (await import('./ioredis.mjs')).onIoredis({ enableOfflineQueue: false })(...args),
  },
  'node-redis': {
    about: 'node-redis 6 with default options.',
    open: async (...args) => (await import('./node-redis.mjs')).onNodeRedis(...args),
  },
  glide: {
    about:
      'Valkey GLIDE 2: the connections belong to a native library, whose memory shows as “other resident”. Its requestTimeout is that of the service’s pushes, 30 s.',
    dialsUnseen: true,
    open: async (...args) => (await import('./glide.mjs')).onGlide(...args),
  },
  'faulty-model': {
    about:
      'A model of the design that leaked: every caller that meets a dead connection reconnects by itself, no old connection is closed, waits have no bound.',
    unbounded: true,
    open: async (...args) => (await import('./faulty.mjs')).onFaultyModel(...args),
  },
}
