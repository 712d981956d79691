// slotwise: until the ioredis-shaped API stands here, the native one. Re-exports only.

export * from './core.js'
