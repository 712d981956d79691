// What programs that embed the service need. Re-exports only.

export { type Config, ConfigError, loadConfig, resolveConfig } from './config.js'
export { createGundeck, type Gundeck, type GundeckParts } from './gundeck.js'
export type { NativeAddress, NativeMessage, NativePush } from './native/native.js'
export type { CannonClient } from './push/cannon-client.js'
export * from './redis/port.js'
export { openSlotwise, type SlotwiseLimits } from './redis/slotwise.js'
export { type OpenRedis, runGundeck } from './service.js'
export type { ClientDirectory } from './stand-ins/client-directory.js'
export type { NotificationPage, NotificationStore, StoredNotification } from './stand-ins/notification-store.js'
