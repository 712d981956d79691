// Options: what a user may set, the defaults, and the check that turns both into one configuration. Pure.

import type { ConnectionOptions as TlsOptions } from 'node:tls'
import type { CacheConfig, CacheOptions } from '../cache/options.js'
import type { CredentialsProvider, TlsProvider } from '../connection/access.js'
import type { DialOptions } from '../connection/dial.js'
import type { Endpoint } from '../connection/endpoint.js'
import type { HandshakeOptions } from '../connection/handshake.js'
import type { ReadFrom } from '../routing/read-policy.js'
import type { RouterOptions } from '../routing/router.js'
import type { ResendMode } from '../routing/verdict.js'
import type { ResolveSrv, Seed } from '../topology/seeds.js'
import type { TopologyCommand } from '../topology/source.js'
import { invalidOption as invalid, type NodeAddress } from './address.js'
import { type AddressOptions, type ClusterAddress, parseSeeds, resolveAddressing } from './address-options.js'
import { resolveCacheOptions } from './cache-options.js'

/** Everything but where the servers are. All times are milliseconds, all sizes bytes. */
export interface CommonOptions extends AddressOptions {
  /** ACL user; without a password it is not used. Default: the server's default user. */
  username?: string
  password?: string
  /**
   * In place of the two: asked for at each attempt to connect, and for live connections before what it gave ends; see docs/credentials.md. Default: none.
   */
  credentials?: CredentialsProvider
  /**
   * TLS options of Node (`ca`, `cert`, `key`, `servername`, …), true for its defaults, or a function that gives them for each attempt to connect.
   * Default: plain TCP.
   */
  tls?: boolean | TlsOptions | TlsProvider
  /** Database number of a standalone server, 0 to 16383; a cluster has only 0. Default 0. */
  database?: number
  /** Name for CLIENT LIST. Default: none. */
  name?: string
  /** Tells the server this library's name and version (CLIENT SETINFO). Default true. */
  clientInfo?: boolean
  /** RESP version; `auto` asks for 3 and falls back to 2 where the server does not know HELLO. Default `auto`. */
  protocol?: 'auto' | 2 | 3
  /** Numbers of replies as strings: exact beyond 2^53. Default false. */
  stringNumbers?: boolean

  /** One deadline for a call, from being made to being settled; 0 for none. Default 10,000. */
  timeoutMs?: number
  /** Bytes (payload and overhead) of calls that wait for a usable connection. Default 33,554,432 (32 MiB). */
  maxQueuedBytes?: number
  /** Calls that wait for a usable connection. Default 1,000,000: the bytes bind first. */
  maxQueuedCalls?: number
  /** How long a call waits for a usable connection before it fails. 0: it does not wait longer than one tick. Default 5,000. */
  maxQueueAgeMs?: number

  /** From the start of a dial to a usable connection: look-up, TCP, TLS and handshake. Default 5,000. */
  connectTimeoutMs?: number
  /** Idle time before TCP probes the peer. Default 30,000. */
  keepAliveMs?: number
  /** Silence after which a connection is pinged. Default 5,000. */
  pingIntervalMs?: number
  /** Silence after which a connection is destroyed while a reply is due. Default 5,000. */
  silenceTimeoutMs?: number
  /** First and longest wait between two dials of one server. Defaults 50 and 1,000. */
  backoffMinMs?: number
  backoffMaxMs?: number
  /** How long no socket is opened after this host ran out of descriptors, ports or buffers. Default 1,000. */
  exhaustionPauseMs?: number
  /**
   * How long a connection is used, from nine tenths of it on, at random; 0 for ever. Another one is opened first, and nothing is lost. Default 0.
   */
  maxConnectionLifetimeMs?: number
  /** What a server that has left the cluster is given to answer calls in flight. Default 2,000. */
  drainTimeoutMs?: number
  /** What close() gives open calls before it fails them. Default 2,000. */
  closeTimeoutMs?: number
  /**
   * Connections to one server, besides the one that calls share, for blocking commands and sessions, each of which has one to itself.
   * Default 256.
   */
  maxLanes?: number
  /**
   * Subscriptions share the connection of calls where the server speaks RESP3. False gives them one of their own for each server, as RESP2
   * needs: the server then bounds what waits on it (`client-output-buffer-limit pubsub`) apart from replies. Default true.
   */
  sharedSubscriptions?: boolean

  /** Who answers reads of a cluster: see {@link ReadFrom}. What a replica answers may be older than what has been written. Default `primary`. */
  readFrom?: ReadFrom

  /** MOVED and ASK replies one call may get. Default 16. */
  maxRedirects?: number
  /** Pause before a call is tried again after TRYAGAIN, CLUSTERDOWN, LOADING, READONLY or MASTERDOWN. Default 100. */
  retryDelayMs?: number
  /**
   * Calls that were written when their connection was lost: `safe` sends again what cannot do harm twice (read-only, or
   * `idempotent`), `all` everything, `none` nothing. What is not sent again fails with `maybeExecuted`. Default `safe`.
   */
  resend?: ResendMode
  /**
   * MGET, MSET, DEL, UNLINK, EXISTS and TOUCH may name keys of several slots of a cluster: they are sent as one command for each slot,
   * which is not atomic. Default false: SLOTWISE_CROSS_SLOT.
   */
  splitMultiKey?: boolean

  /** Least and longest time between two looks at the cluster's topology. Defaults 1,000 and 15,000. */
  refreshMinIntervalMs?: number
  /**
   * Least time between two looks while calls wait that nobody can serve, in a failover; grows to `refreshMinIntervalMs` with the number of servers (1 ms
   * each) and with the time that it goes on (a hundredth). Default 100.
   */
  refreshUrgentIntervalMs?: number
  refreshMaxIntervalMs?: number
  /**
   * What nodes are asked for the topology: CLUSTER SLOTS, or CLUSTER SHARDS, which Redis 7 has and not always answers right. `auto` asks
   * SLOTS, and servers from version 8 on, when that has changed, SHARDS, too: it tells how nodes are. Default `auto`.
   */
  topologyCommand?: TopologyCommand
  /** What one node has to answer a topology question. Default 2,000. */
  refreshTimeoutMs?: number
  /** Between comparisons of the topology that nothing has asked for; 0 for none. Default 60,000, and 10,000 with `readFrom`: a replica that comes back is not missed otherwise. */
  refreshPeriodMs?: number

  /** Keeps replies of reads in this process until their server reports a change; see {@link CacheOptions}. Default: none are kept. */
  cache?: CacheOptions

  /** Nesting a reply may have. Default 128. */
  maxReplyDepth?: number
  /** Bytes a string in a reply may have. Default 536,870,912 (512 MiB, the server's own limit). */
  maxReplyBulkBytes?: number
  /** Elements an aggregate in a reply may have. Default 16,777,216. */
  maxReplyAggregateLength?: number
}

/** Where the servers are: exactly one of the two. */
export type ClientOptions = CommonOptions &
  (
    | {
        /** One or more nodes of a cluster to learn the others from, or names that stand for some. */
        cluster: readonly ClusterAddress[]
        server?: undefined
      }
    | { /** One standalone server. */ server: NodeAddress; cluster?: undefined }
  )

type NumberRule = { default: number; min: number; max: number }

const day = 86_400_000
const numberRules = {
  database: { default: 0, min: 0, max: 16383 },
  timeoutMs: { default: 10_000, min: 0, max: day },
  maxQueuedBytes: { default: 32 * 1024 * 1024, min: 0, max: 2 ** 40 },
  maxQueuedCalls: { default: 1_000_000, min: 0, max: 2 ** 31 },
  maxQueueAgeMs: { default: 5_000, min: 0, max: day },
  connectTimeoutMs: { default: 5_000, min: 1, max: day },
  keepAliveMs: { default: 30_000, min: 0, max: day },
  pingIntervalMs: { default: 5_000, min: 10, max: day },
  silenceTimeoutMs: { default: 5_000, min: 10, max: day },
  backoffMinMs: { default: 50, min: 1, max: day },
  backoffMaxMs: { default: 1_000, min: 1, max: day },
  exhaustionPauseMs: { default: 1_000, min: 1, max: day },
  maxConnectionLifetimeMs: { default: 0, min: 0, max: day },
  drainTimeoutMs: { default: 2_000, min: 0, max: day },
  closeTimeoutMs: { default: 2_000, min: 0, max: day },
  maxLanes: { default: 256, min: 1, max: 65_536 },
  maxRedirects: { default: 16, min: 0, max: 1000 },
  retryDelayMs: { default: 100, min: 1, max: day },
  refreshMinIntervalMs: { default: 1_000, min: 1, max: day },
  refreshUrgentIntervalMs: { default: 100, min: 1, max: day },
  refreshMaxIntervalMs: { default: 15_000, min: 1, max: day },
  refreshTimeoutMs: { default: 2_000, min: 1, max: day },
  refreshPeriodMs: { default: 60_000, min: 0, max: day },
  maxReplyDepth: { default: 128, min: 1, max: 10_000 },
  maxReplyBulkBytes: { default: 512 * 1024 * 1024, min: 1, max: 2 ** 31 },
  maxReplyAggregateLength: { default: 16_777_216, min: 1, max: 2 ** 31 },
} satisfies Record<string, NumberRule>

type NumberName = keyof typeof numberRules

const choices = {
  protocol: ['auto', 2, 3],
  resend: ['safe', 'all', 'none'],
  topologyCommand: ['auto', 'slots', 'shards'],
} as const

/** Everything set, checked and resolved. */
export type ClientConfig = Record<NumberName, number> & {
  clustered: boolean
  /** Of a standalone server: its endpoint. */
  seeds: Seed[]
  username: string | null
  password: string | null
  tls: TlsOptions | TlsProvider | null
  credentials: CredentialsProvider | null
  name: string | null
  clientInfo: boolean
  protocol: 'auto' | 2 | 3
  stringNumbers: boolean
  sharedSubscriptions: boolean
  readFrom: ReadFrom
  resend: ResendMode
  /** Name of connections for subscriptions alone, for CLIENT LIST; by default that of all. */
  subscriberName?: string
  splitMultiKey: boolean
  topologyCommand: TopologyCommand
  cache: CacheConfig | null
  /** Where a server is reached that the cluster announces under another address. */
  locate?: (announced: Endpoint) => Endpoint
  resolveSrv?: ResolveSrv
  /** For calls without a deadline; see RouterOptions. */
  maxRetries?: number
  retryDelaysMs?: NonNullable<RouterOptions['retryDelaysMs']>
  /** Looks up where the cluster's seeds are; they are tried in the order given. */
  findSeeds?: () => Promise<readonly Endpoint[]>
  dial?: Pick<DialOptions, 'noDelay' | 'family' | 'lookup'>
  handshake?: Pick<HandshakeOptions, 'clientInfoTag' | 'readOnly' | 'onUnneededPassword' | 'onReport' | 'plan'>
}

const otherDefaults = {
  username: null,
  password: null,
  tls: null,
  credentials: null,
  name: null,
  clientInfo: true,
  sharedSubscriptions: true,
  stringNumbers: false,
  protocol: 'auto',
  resend: 'safe',
  readFrom: 'primary',
  splitMultiKey: false,
  topologyCommand: 'auto',
  lookup: null,
  resolveSrv: null,
  natMap: null,
  cache: null,
} as const

/** Every option but `cluster` and `server`, with its default; null for none. */
export const optionDefaults: Readonly<Record<string, number | string | boolean | null>> = {
  ...Object.fromEntries(Object.entries(numberRules).map(([name, rule]) => [name, rule.default])),
  ...otherDefaults,
}

const knownOptions = new Set(['cluster', 'server', ...Object.keys(optionDefaults)])

/**
 * Checks options and fills in the defaults.
 * @throws SlotwiseError SLOTWISE_INVALID_OPTION, naming the option, never its value
 */
export function resolveOptions(options: ClientOptions): ClientConfig {
  if (typeof options !== 'object' || options === null) throw invalid('options', 'must be an object')
  for (const name of Object.keys(options)) if (!knownOptions.has(name)) throw invalid(name, 'is not a known option')
  const given = options as unknown as Record<string, unknown>
  const { seeds, ...said } = parseSeeds(given.cluster, given.server)
  const clustered = given.cluster !== undefined
  const readFrom = resolveReadFrom(given, clustered)
  const numbers = resolveNumbers(given, {
    database: said.database,
    refreshPeriodMs: readFrom === 'primary' ? null : 10_000,
  })
  if (clustered && numbers.database !== 0) throw invalid('database', 'must be 0 in a cluster')
  if (numbers.backoffMaxMs < numbers.backoffMinMs) throw invalid('backoffMaxMs', 'must not be less than backoffMinMs')
  if (numbers.refreshMaxIntervalMs < numbers.refreshMinIntervalMs) {
    throw invalid('refreshMaxIntervalMs', 'must not be less than refreshMinIntervalMs')
  }
  return {
    ...numbers,
    clustered,
    seeds,
    username: text(given, 'username') ?? said.username,
    password: text(given, 'password') ?? said.password,
    tls: resolveTls(given.tls, said.tls),
    credentials: resolveCredentials(given),
    ...resolveAddressing(given, clustered),
    name: resolveName(given),
    clientInfo: flag(given, 'clientInfo', otherDefaults.clientInfo),
    stringNumbers: flag(given, 'stringNumbers', otherDefaults.stringNumbers),
    sharedSubscriptions: flag(given, 'sharedSubscriptions', otherDefaults.sharedSubscriptions),
    protocol: choice(given, 'protocol', otherDefaults.protocol),
    resend: choice(given, 'resend', otherDefaults.resend),
    readFrom,
    splitMultiKey: flag(given, 'splitMultiKey', otherDefaults.splitMultiKey),
    topologyCommand: choice(given, 'topologyCommand', otherDefaults.topologyCommand),
    cache: resolveCacheOptions(given.cache),
  }
}

function resolveNumbers(
  given: Record<string, unknown>,
  defaults: Partial<Record<string, number | null>>,
): Record<NumberName, number> {
  const numbers = {} as Record<NumberName, number>
  for (const name of Object.keys(numberRules) as NumberName[]) {
    const rule: NumberRule = numberRules[name]
    const otherwise = defaults[name] ?? rule.default
    const value = given[name] === undefined ? otherwise : given[name]
    if (!Number.isInteger(value) || (value as number) < rule.min || (value as number) > rule.max) {
      throw invalid(name, `must be a whole number from ${rule.min} to ${rule.max}`)
    }
    numbers[name] = value as number
  }
  return numbers
}

function resolveTls(tls: unknown, byAddress: boolean): TlsOptions | TlsProvider | null {
  if (typeof tls === 'function') return tls as TlsProvider
  if (tls === undefined) return byAddress ? {} : null
  if (tls === true) return {}
  if (tls === false) {
    if (byAddress) throw invalid('tls', 'must not be false with a rediss:// address')
    return null
  }
  if (typeof tls !== 'object' || tls === null || Array.isArray(tls))
    throw invalid('tls', 'must be a boolean, an object or a function')
  return tls as TlsOptions
}

function resolveCredentials({ credentials, username, password }: Record<string, unknown>): CredentialsProvider | null {
  if (credentials === undefined) return null
  if (typeof credentials !== 'function') throw invalid('credentials', 'must be a function')
  if (username !== undefined || password !== undefined)
    throw invalid('credentials', 'must not be given with username or password')
  return credentials as CredentialsProvider
}

function resolveReadFrom({ readFrom = 'primary' }: Record<string, unknown>, clustered: boolean): ReadFrom {
  if (typeof readFrom === 'object' && readFrom !== null) {
    const { zone, zoneOf } = readFrom as { zone?: unknown; zoneOf?: unknown }
    if (typeof zone !== 'string') throw invalid('readFrom.zone', 'must be a string')
    if (typeof zoneOf !== 'function') throw invalid('readFrom.zoneOf', 'must be a function')
  } else if (!['primary', 'replicas', 'all', 'lowest-latency'].includes(readFrom as string)) {
    throw invalid('readFrom', 'must be primary, replicas, all, lowest-latency or { zone, zoneOf }')
  }
  if (!clustered && readFrom !== 'primary') throw invalid('readFrom', 'must be primary without a cluster')
  return readFrom as ReadFrom
}

function resolveName(given: Record<string, unknown>): string | null {
  const name = text(given, 'name')
  // CLIENT SETNAME refuses anything else, and a refused handshake would be a riddle.
  if (name !== null && !/^[\x21-\x7e]+$/.test(name)) throw invalid('name', 'must be printable ASCII without spaces')
  return name
}

function text(given: Record<string, unknown>, name: string): string | null {
  const value = given[name]
  if (value === undefined) return null
  if (typeof value !== 'string') throw invalid(name, 'must be a string')
  return value
}

function flag(given: Record<string, unknown>, name: string, otherwise: boolean): boolean {
  const value = given[name]
  if (value === undefined) return otherwise
  if (typeof value !== 'boolean') throw invalid(name, 'must be a boolean')
  return value
}

function choice<Name extends keyof typeof choices>(
  given: Record<string, unknown>,
  name: Name,
  otherwise: (typeof choices)[Name][number],
): (typeof choices)[Name][number] {
  const value = given[name]
  if (value === undefined) return otherwise
  const allowed: readonly unknown[] = choices[name]
  if (!allowed.includes(value)) throw invalid(name, `must be one of ${allowed.join(', ')}`)
  return value as (typeof choices)[Name][number]
}
