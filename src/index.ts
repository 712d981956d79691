// slotwise: the ioredis-shaped API. `require('slotwise')` is the Redis constructor, with everything else hung on it.

import { ReplyError, SlotwiseError } from './core.js'
import { AbstractConnector } from './ioredis/abstract-connector.js'
import { Cluster } from './ioredis/cluster.js'
import { Command } from './ioredis/command.js'
import { AbortError, ClusterAllFailedError, MaxRetriesPerRequestError, RedisError } from './ioredis/errors.js'
import { Pipeline } from './ioredis/pipeline.js'
import { print } from './ioredis/print.js'
import { Redis } from './ioredis/redis.js'
import { ScanStream } from './ioredis/scan-stream.js'
import { SentinelConnector } from './ioredis/sentinel-connector.js'
import { SentinelIterator } from './ioredis/sentinel-iterator.js'

Redis.Cluster = Cluster
SentinelConnector.makeClient = options => new Redis(options)

// Once the way to plug in another implementation; reading and writing it only warns.
const promiseWarning =
  '[WARN] slotwise does not support plugging third-party Promise library anymore. Native Promise will be used.'
Object.defineProperty(Redis, 'Promise', {
  configurable: true,
  enumerable: false,
  get() {
    console.warn(promiseWarning)
    return Promise
  },
  set(_implementation: unknown) {
    console.warn(promiseWarning)
  },
})

export type {
  ClusterNode,
  ClusterOptions,
  DNSLookupFunction,
  DNSResolveSrvFunction,
  NodeRole,
} from './ioredis/cluster-options.js'
export type {
  Callback,
  ChainableCommander,
  ClientContext,
  RedisCommander,
  RedisKey,
  RedisValue,
  Result,
} from './ioredis/commander.js'
export type { HimportFieldset } from './ioredis/himport.js'
export type { CommonRedisOptions, RedisOptions, StandaloneConnectionOptions } from './ioredis/redis-options.js'
export type { ScanStreamOptions } from './ioredis/scan-stream.js'
export type {
  NatMap,
  SentinelAddress,
  SentinelOptions as SentinelConnectionOptions,
} from './ioredis/sentinel-options.js'
export type { ClusterStatus, RedisStatus } from './ioredis/status.js'
export type { BatchOperationContext, CommandTraceContext, ConnectTraceContext } from './ioredis/tracing.js'
export {
  AbortError,
  AbstractConnector,
  Cluster,
  ClusterAllFailedError,
  Command,
  MaxRetriesPerRequestError,
  Pipeline,
  print,
  Redis,
  Redis as default,
  RedisError,
  ReplyError,
  ScanStream,
  SentinelConnector,
  SentinelIterator,
  SlotwiseError,
}

// What CommonJS gets is the constructor itself; the names are its properties.
const names = module.exports as Record<string, unknown>
module.exports = Object.assign(Redis, { ...names })
Object.defineProperty(Redis, '__esModule', { value: true })
