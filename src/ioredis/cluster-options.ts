// ClusterOptions: what `new Cluster(…)` takes, its defaults, and what the core makes of it. Pure, but for names looked up.

import { lookup, resolveSrv, type SrvRecord } from 'node:dns'
import { isIP } from 'node:net'
import { type ClientConfig, type Endpoint, locator, resolveOptions, tcpEndpoint } from '../core.js'
import type { ScaleReads } from './cluster-reads.js'
import type { ScriptDefinition } from './methods.js'
import {
  type CommonRedisOptions,
  commonOptions,
  connectionDetails,
  DEFAULT_REDIS_OPTIONS,
  type RedisOptions,
} from './redis-options.js'
import type { NatMap } from './sentinel-options.js'
import { parseURL } from './url.js'

export type NodeRole = 'master' | 'slave' | 'all'
export type ClusterNode = string | number | { host?: string; port?: number }

export type DNSLookupFunction = (
  hostname: string,
  callback: (error: NodeJS.ErrnoException | null | undefined, address: string, family?: number) => void,
) => void
export type DNSResolveSrvFunction = (
  hostname: string,
  callback: (error: NodeJS.ErrnoException | null | undefined, records?: SrvRecord[]) => void,
) => void

export interface ClusterOptions {
  /** Milliseconds until the startup nodes are tried again, by how often that has failed; anything but a number ends the client. */
  clusterRetryStrategy?: (times: number, reason?: Error) => number | undefined | null
  /** Accepted, and not used: lost nodes are always redialled. */
  clusterNodeRetryStrategy?: ((times: number) => number | undefined | null) | null
  enableOfflineQueue?: boolean
  enableReadyCheck?: boolean
  /** Who answers reads: `master`, `slave`, `all`, or whom a function chooses of the nodes of the slot, the primary first. Default `master`. */
  scaleReads?: NodeRole | ScaleReads
  /** Redirects and tries after a pause that a command may get. Default 16. */
  maxRedirections?: number
  /** Milliseconds before MOVED is followed. Default 0. */
  retryDelayOnMoved?: number
  /** Milliseconds before a command is sent again whose connection has been lost for the second time; 0: it is never sent again. Default 100. */
  retryDelayOnFailover?: number
  /** Milliseconds before a command is tried again after CLUSTERDOWN; 0: the error is the caller's. Default 100. */
  retryDelayOnClusterDown?: number
  /** Milliseconds before a command is tried again after TRYAGAIN; 0: the error is the caller's. Default 100. */
  retryDelayOnTryAgain?: number
  /** Milliseconds a node has to answer who serves which slots. Default 1000. */
  slotsRefreshTimeout?: number
  /** Milliseconds between comparisons of who serves which slots. Default 60,000. */
  slotsRefreshInterval?: number
  useSRVRecords?: boolean
  resolveSrv?: DNSResolveSrvFunction
  dnsLookup?: DNSLookupFunction
  natMap?: NatMap
  redisOptions?: RedisOptions
  enableAutoPipelining?: boolean
  autoPipeliningIgnoredCommands?: string[]
  shardedSubscribers?: boolean
  lazyConnect?: boolean
  keyPrefix?: string
  scripts?: Record<string, ScriptDefinition>
  showFriendlyErrorStack?: boolean
  himportFieldsets?: CommonRedisOptions['himportFieldsets']
  /** Options of slotwise's own, such as `maxQueuedBytes`; they take precedence. */
  slotwise?: CommonRedisOptions['slotwise']
}

export const DEFAULT_CLUSTER_OPTIONS: ClusterOptions = {
  clusterRetryStrategy: times => Math.min(100 + times * 2, 2000),
  clusterNodeRetryStrategy: null,
  enableOfflineQueue: true,
  enableReadyCheck: true,
  scaleReads: 'master',
  maxRedirections: 16,
  retryDelayOnMoved: 0,
  retryDelayOnFailover: 100,
  retryDelayOnClusterDown: 100,
  retryDelayOnTryAgain: 100,
  slotsRefreshTimeout: 1000,
  useSRVRecords: false,
  resolveSrv,
  dnsLookup: lookup as DNSLookupFunction,
  enableAutoPipelining: false,
  autoPipeliningIgnoredCommands: [],
  shardedSubscribers: false,
}

/** Options with the defaults for what is not given. */
export function parseClusterOptions(given: ClusterOptions): ClusterOptions {
  const set = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  const options: ClusterOptions = { ...DEFAULT_CLUSTER_OPTIONS, ...set }
  const prefix = options.keyPrefix || options.redisOptions?.keyPrefix
  if (prefix) options.keyPrefix = prefix
  const { scaleReads } = options
  if (typeof scaleReads !== 'function' && !['all', 'master', 'slave'].includes(scaleReads as string)) {
    throw new Error(`Invalid option scaleReads "${scaleReads}". Expected "all", "master", "slave" or a custom function`)
  }
  return options
}

/** Startup nodes as options of a Redis object; host and port are always there. */
export function startupNodeOptions(nodes: readonly ClusterNode[]): (RedisOptions & { host: string; port: number })[] {
  return nodes.map(node => {
    if (typeof node !== 'object' && typeof node !== 'string' && typeof node !== 'number') {
      throw new Error(`Invalid argument ${String(node)}`)
    }
    const given: Record<string, unknown> =
      typeof node === 'object' ? { ...node } : typeof node === 'number' ? { port: node } : parseURL(node)
    // A cluster has but one database.
    delete given.db
    if (typeof node === 'string' && node.startsWith('rediss://')) given.tls = true
    const port = typeof given.port === 'string' ? Number.parseInt(given.port, 10) : given.port
    return { ...given, host: (given.host as string) || '127.0.0.1', port: (port as number) || 6379 }
  })
}

const day = 86_400_000

function within(value: unknown, min: number, max: number, otherwise: number): number {
  return typeof value === 'number' && value >= min ? Math.min(Math.floor(value), max) : otherwise
}

/** The core's configuration of a cluster. */
export function clusterConfig(
  options: ClusterOptions,
  nodes: ReturnType<typeof startupNodeOptions>,
  onReport: (error: Error) => void,
): ClientConfig & { seeds: Endpoint[] } {
  const redisOptions: RedisOptions = { ...DEFAULT_REDIS_OPTIONS, ...nodes[0], ...options.redisOptions }
  const { db: _, readOnly: __, ...common } = redisOptions
  const periodMs = within(options.slotsRefreshInterval, 1, day, 60_000)
  const lostMs = within(options.retryDelayOnFailover, 1, day, 0)
  const config = resolveOptions({
    ...commonOptions(common),
    cluster: nodes.map(({ host, port }) => ({ host, port })),
    maxRedirects: within(options.maxRedirections, 0, 1000, 16),
    refreshTimeoutMs: within(options.slotsRefreshTimeout, 1, day, 1000),
    refreshPeriodMs: periodMs,
    refreshMinIntervalMs: Math.min(periodMs, 1000),
    drainTimeoutMs: within(redisOptions.disconnectTimeout, 0, day, 2000),
    ...(lostMs === 0 && { resend: 'none' as const }),
    // As in ioredis: a slow listener cannot fill the connection that all commands share.
    sharedSubscriptions: false,
    topologyCommand: 'slots',
    readFrom: options.scaleReads === 'slave' ? 'replicas' : options.scaleReads === 'all' ? 'all' : 'primary',
    ...options.slotwise,
  })
  const names = [...new Set(nodes.map(({ host }) => host))].filter(host => isIP(host) === 0)
  return {
    ...config,
    seeds: config.seeds as Endpoint[],
    ...connectionDetails(common, onReport),
    maxRetries: config.maxRedirects,
    subscriberName: `ioredis-cluster(subscriber)${config.name === null ? '' : `:${config.name}`}`,
    retryDelaysMs: {
      MOVED: within(options.retryDelayOnMoved, 1, day, 0),
      TRYAGAIN: within(options.retryDelayOnTryAgain, 1, day, 0),
      CLUSTERDOWN: within(options.retryDelayOnClusterDown, 1, day, 0),
      LOST: lostMs,
    },
    ...(options.natMap && { locate: locator(options.natMap) }),
    ...(names.length > 0 && { seeds: [], findSeeds: () => findSeeds(options, nodes, names) }),
  }
}

/** Looks the startup nodes' names up. */
async function findSeeds(
  { useSRVRecords, dnsLookup, resolveSrv }: ClusterOptions,
  nodes: ReturnType<typeof startupNodeOptions>,
  names: readonly string[],
): Promise<Endpoint[]> {
  const address = (name: string) =>
    new Promise<string>((resolve, reject) => {
      ;(dnsLookup as DNSLookupFunction)(name, (error, found) => (error ? reject(error) : resolve(found)))
    })
  const records = (name: string) =>
    new Promise<SrvRecord[]>((resolve, reject) => {
      ;(resolveSrv as DNSResolveSrvFunction)(name, (error, found) => (error ? reject(error) : resolve(found ?? [])))
    })
  const found = new Map<string, Endpoint[]>()
  await Promise.all(
    names.map(async name => {
      if (!useSRVRecords) {
        const host = await address(name)
        found.set(
          name,
          nodes.filter(node => node.host === name).map(node => reachedBy(name, host, node.port)),
        )
        return
      }
      // Lower priority values first; the first whose name is found will do.
      const sorted = (await records(name)).sort((a, b) => a.priority - b.priority || b.weight - a.weight)
      let failure: unknown
      for (const record of sorted) {
        try {
          found.set(name, [reachedBy(record.name, await address(record.name), record.port)])
          return
        } catch (error) {
          failure = error
        }
      }
      throw failure ?? new Error(`No SRV records for ${name}`)
    }),
  )
  const seeds = nodes.flatMap(({ host, port }) => found.get(host) ?? [tcpEndpoint(host, port)])
  return [...new Map(seeds.map(seed => [seed.key, seed])).values()]
}

/** Where a name leads. With TLS the server may prove that it is the one of that name. */
function reachedBy(name: string, host: string, port: number): Endpoint {
  return { ...tcpEndpoint(host, port), servername: name }
}
