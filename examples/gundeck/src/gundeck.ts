// Gundeck: the service, put together.
// Owns    the HTTP server, the push jobs, the connections to Cannons, the watch over Redis, and the ports it was given.
// Born    by createGundeck(); serves from listen() on, whether or not Redis is there.
// Dies    by close(): no new requests, open ones answered, jobs given some time, then every connection closed.

import type { AddressInfo } from 'node:net'
import { type Logger, pino } from 'pino'
import type { Config } from './config.js'
import { createApp } from './http/app.js'
import { addRoutes } from './http/routes.js'
import { LimitedLog } from './limited-log.js'
import { Metrics } from './metrics.js'
import type { NativePush } from './native/native.js'
import { ThreadBudget } from './native/thread-budget.js'
import { PresenceStore } from './presence/store.js'
import { type CannonClient, HttpCannonClient } from './push/cannon-client.js'
import { Pusher } from './push/pusher.js'
import { UuidV1 } from './push/uuid-v1.js'
import { type RedisPort, RedisUnavailableError } from './redis/port.js'
import { RedisWatch } from './redis/watch.js'
import { type ClientDirectory, NoCapabilities } from './stand-ins/client-directory.js'
import { LoggingNativePush } from './stand-ins/logging-native-push.js'
import { type NotificationStore, VolatileNotificationStore } from './stand-ins/notification-store.js'

export interface GundeckParts {
  config: Config
  /** The main Redis. Closed with the service, as the additional one is. */
  redis: RedisPort
  additionalRedis?: RedisPort | null
  /** Defaults: HTTP, and the stand-ins. */
  cannonClient?: CannonClient
  clientDirectory?: ClientDirectory
  notificationStore?: NotificationStore
  nativePush?: NativePush
  log?: Logger
  /** Clock of registrations, in milliseconds. */
  now?: () => number
  /** Numbers about the process (memory, event loop) among the metrics. Default false. */
  processMetrics?: boolean
}

export interface Gundeck {
  readonly metrics: Metrics
  /** Push requests that have been answered and are not done yet. */
  inspectPushes(): { pushes: number; bytes: number }
  /** @returns the port: the configuration's, or what it stands for when that is 0 */
  listen(): Promise<number>
  close(): Promise<void>
}

export function createGundeck(parts: GundeckParts): Gundeck {
  const { config, redis, now = Date.now } = parts
  const { limits, settings } = config
  const additional = parts.additionalRedis ?? null
  const log = parts.log ?? pino({ level: config.logLevel })
  const limited = new LimitedLog(log)
  const metrics = new Metrics()
  const cannons = parts.cannonClient ?? new HttpCannonClient(limits.cannonTimeoutMs)
  const notifications =
    parts.notificationStore ??
    new VolatileNotificationStore(limits.maxStoredNotificationBytes, settings.notificationTTL, now)
  const presences = new PresenceStore({
    main: redis,
    additional,
    additionalTimeoutMs: limits.backgroundTimeoutMs,
    onAdditionalFailure(error) {
      metrics.additionalFailures.inc()
      limited.say('warn', { 'redis.errMsg': error.message }, 'Additional Redis may have missed a write')
    },
  })
  const { maxConcurrentNativePushes } = settings
  const budget =
    maxConcurrentNativePushes === undefined ? null : new ThreadBudget(maxConcurrentNativePushes, metrics, log)
  const pusher = new Pusher({
    presences,
    cannons,
    nativePush: parts.nativePush ?? new LoggingNativePush(log, () => metrics.nativeNotSent.inc()),
    budget,
    perNativePushConcurrency: settings.perNativePushConcurrency ?? null,
    redisTimeoutMs: limits.backgroundTimeoutMs,
    maxBytes: limits.maxBackgroundPushBytes,
    metrics,
    log,
    now,
  })
  const ports = { 'main-redis': redis, ...(additional !== null && { 'additional-write-redis': additional }) }
  const watch = new RedisWatch(ports, log)
  metrics.watchRedis(ports)
  metrics.watchBackground(() => pusher.inspect())
  if (budget !== null) metrics.watchBudget(budget)
  if (parts.processMetrics === true) metrics.watchProcess()

  let closing: Promise<void> | null = null
  let checking: Promise<void> | null = null
  const app = createApp({
    log,
    duration: metrics.requestDuration,
    maxRequestBytes: limits.maxRequestBytes,
    onFailure(error, request) {
      // A caller who has gone is nobody's failure.
      if (error instanceof RedisUnavailableError) {
        if (!request.raw.socket.destroyed)
          limited.say('warn', { 'redis.errMsg': error.message }, 'Redis error; not retrying.')
      } else request.log.error({ err: error, message: error.message }, 'IO Exception occurred')
    },
  })
  addRoutes(app, {
    limits,
    presences,
    pusher,
    clients: parts.clientDirectory ?? new NoCapabilities(),
    notifications,
    ids: new UuidV1(),
    metrics,
    checkReadiness() {
      if (closing !== null) return Promise.reject(new Error('the service ends'))
      // However many ask, Redis is asked once at a time.
      checking ??= redis.check({ timeoutMs: limits.readinessTimeoutMs }).finally(() => {
        checking = null
      })
      return checking
    },
    onPushFailed: error => log.error({ error: error.message }, 'Push failed'),
    now,
  })

  async function end(): Promise<void> {
    await app.close()
    await pusher.close(limits.shutdownGraceMs)
    watch.stop()
    await Promise.all([cannons.close(), redis.close(), additional?.close()])
  }

  return {
    metrics,
    inspectPushes: () => pusher.inspect(),
    async listen() {
      watch.start()
      await app.listen({ host: config.host, port: config.port })
      return (app.server.address() as AddressInfo).port
    },
    close() {
      closing ??= end()
      return closing
    },
  }
}
