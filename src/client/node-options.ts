// NodeOptions from a client's configuration. Pure.

import type { NodeOptions } from '../node/server-context.js'
import type { ClientConfig } from './options.js'

export function nodeOptions(config: ClientConfig): NodeOptions {
  return {
    backoffMinMs: config.backoffMinMs,
    backoffMaxMs: config.backoffMaxMs,
    connectTimeoutMs: config.connectTimeoutMs,
    drainTimeoutMs: config.drainTimeoutMs,
    maxLanes: config.maxLanes,
    maxConnectionLifetimeMs: config.maxConnectionLifetimeMs,
    sharedSubscriptions: config.sharedSubscriptions,
    subscriberName: config.subscriberName ?? null,
    // A function is asked for each attempt.
    dial: { tls: typeof config.tls === 'function' ? {} : config.tls, keepAliveMs: config.keepAliveMs, ...config.dial },
    connection: {
      handshake: {
        protocol: config.protocol,
        username: config.username,
        password: config.password,
        database: config.database,
        name: config.name,
        clientInfo: config.clientInfo,
        ...config.handshake,
      },
      limits: {
        maxDepth: config.maxReplyDepth,
        maxBulkBytes: config.maxReplyBulkBytes,
        maxAggregateLength: config.maxReplyAggregateLength,
      },
      stringNumbers: config.stringNumbers,
      pushes: true,
      pingIntervalMs: config.pingIntervalMs,
      silenceTimeoutMs: config.silenceTimeoutMs,
    },
  }
}
