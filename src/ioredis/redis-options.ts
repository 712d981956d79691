// RedisOptions: what `new Redis(…)` takes, its defaults, and what the core makes of it. Pure.

import type { LookupFunction, Socket } from 'node:net'
import type { ConnectionOptions as TlsOptions } from 'node:tls'
import { type ClientConfig, type CommonOptions, type DirectOptions, resolveOptions, SlotwiseError } from '../core.js'
import { handshakePlan } from './handshake-plan.js'
import { frozenFieldsets, type HimportFieldset } from './himport.js'
import type { ScriptDefinition } from './methods.js'
import type { SentinelOptions } from './sentinel-options.js'
import { parseURL } from './url.js'

export interface CommonRedisOptions {
  /** Opens the sockets in place of this client. */
  Connector?: new (
    // biome-ignore lint/suspicious/noExplicitAny: it is given the options of whoever made it
    options: any,
  ) => {
    connect(emit: (type: string, error: Error) => void): Promise<Socket>
    disconnect(): void
    check(info: Record<string, string>): boolean
  }
  /** Milliseconds to the next attempt, by the number of attempts that have failed; anything but a number ends the client. */
  retryStrategy?: ((times: number) => number | undefined | null) | null
  /** Milliseconds a command may take, from being called to being settled. Default: no limit. */
  commandTimeout?: number
  /** Milliseconds without a byte while a reply is due, after which the connection is given up. */
  socketTimeout?: number
  /** Blocking commands that get no reply for this many milliseconds are answered with null. Default: no limit. */
  blockingTimeout?: number
  /** Milliseconds a blocking command is given beyond its own time before `blockingTimeout` counts. Default 100. */
  blockingTimeoutGrace?: number
  /** Idle milliseconds before TCP probes the peer. Default 30,000. */
  keepAlive?: number
  noDelay?: boolean
  connectionName?: string | null
  disableClientInfo?: boolean
  clientInfoTag?: string | undefined
  username?: string | null
  password?: string | null
  /** Database number. Default 0. */
  db?: number
  autoResubscribe?: boolean
  /** Sends again what had been written and not answered when the connection was lost. Default true. */
  autoResendUnfulfilledCommands?: boolean
  /** Whether to reconnect upon an error reply: 1 or true, or 2 to send the command again, too. */
  reconnectOnError?: ((error: Error) => boolean | 1 | 2) | null
  readOnly?: boolean
  stringNumbers?: boolean
  /** Milliseconds from the start of a dial to the end of the handshake. Default 10,000. */
  connectTimeout?: number
  disconnectTimeout?: number
  monitor?: boolean
  /** Reconnects a command waits for; null for any number. Default 20. */
  maxRetriesPerRequest?: number | null
  /** Longest wait between two looks at a loading server, in milliseconds. Default 10,000. */
  maxLoadingRetryTime?: number
  enableAutoPipelining?: boolean
  autoPipeliningIgnoredCommands?: string[]
  offlineQueue?: boolean
  commandQueue?: boolean
  enableOfflineQueue?: boolean
  enableReadyCheck?: boolean
  lazyConnect?: boolean
  scripts?: Record<string, ScriptDefinition>
  keyPrefix?: string
  showFriendlyErrorStack?: boolean
  /** RESP version. Default 3, with RESP2 where the server does not know it. */
  protocol?: 2 | 3
  /** `legacy`: replies in the shapes of RESP2. `resp3`: maps as objects, doubles as numbers. Default `legacy`. */
  replyMapping?: 'legacy' | 'resp3'
  /** Checked and kept; not prepared on the server by itself. */
  himportFieldsets?: readonly HimportFieldset[]
  /** Options of slotwise's own, such as `maxQueuedBytes`; they take precedence. */
  slotwise?: Partial<CommonOptions>
}

export interface StandaloneConnectionOptions {
  host?: string
  port?: number
  path?: string
  /** IP version of looked-up addresses: 4, 6, or 0 for either. Default 0. */
  family?: number
  lookup?: LookupFunction
  tls?: TlsOptions
}

export type RedisOptions = CommonRedisOptions & SentinelOptions & StandaloneConnectionOptions

export const DEFAULT_REDIS_OPTIONS: RedisOptions = {
  port: 6379,
  host: 'localhost',
  family: 0,
  connectTimeout: 10_000,
  disconnectTimeout: 2000,
  retryStrategy: times => Math.min(50 * 2 ** (times - 1), 5000) + Math.floor(Math.random() * 200),
  keepAlive: 30_000,
  noDelay: true,
  connectionName: null,
  disableClientInfo: false,
  clientInfoTag: undefined,
  blockingTimeoutGrace: 100,
  sentinels: null,
  name: null,
  role: 'master',
  sentinelRetryStrategy: times => Math.min(times * 10, 1000),
  sentinelReconnectStrategy: () => 60_000,
  natMap: null,
  enableTLSForSentinelMode: false,
  updateSentinels: true,
  failoverDetector: false,
  username: null,
  password: null,
  db: 0,
  enableOfflineQueue: true,
  enableReadyCheck: true,
  autoResubscribe: true,
  autoResendUnfulfilledCommands: true,
  lazyConnect: false,
  keyPrefix: '',
  reconnectOnError: null,
  readOnly: false,
  stringNumbers: false,
  maxRetriesPerRequest: 20,
  maxLoadingRetryTime: 10_000,
  enableAutoPipelining: false,
  autoPipeliningIgnoredCommands: [],
  sentinelMaxConnections: 10,
  protocol: 3,
  replyMapping: 'legacy',
}

/**
 * The options that the arguments of `new Redis(…)` add up to. What is said first counts, except that a number is always the port.
 * @throws Error `Invalid argument x`
 */
export function parseRedisArguments(args: readonly unknown[], defaults: RedisOptions): RedisOptions {
  const options: Record<string, unknown> = {}
  const add = (more: object) => {
    // What is inherited counts, too.
    for (const name in more) if (options[name] === undefined) options[name] = (more as Record<string, unknown>)[name]
  }
  let isTls = false
  for (const arg of args) {
    if (arg === null || arg === undefined) continue
    if (typeof arg === 'object') add(arg)
    else if (typeof arg === 'string') {
      add(parseURL(arg))
      isTls ||= arg.startsWith('rediss://')
    } else if (typeof arg === 'number') options.port = arg
    else throw new Error(`Invalid argument ${String(arg)}`)
  }
  if (isTls) add({ tls: true })
  add(defaults)
  for (const name of ['port', 'db']) {
    if (typeof options[name] === 'string') options[name] = Number.parseInt(options[name], 10)
  }
  if (options.replyMapping === 'resp3' && options.protocol !== 3) {
    throw new Error('The "resp3" replyMapping is only supported with protocol 3')
  }
  const profile =
    typeof options.tls === 'string' ? options.tls : (options.tls as { profile?: string } | undefined)?.profile
  if (profile) throw new Error(`TLS profile "${profile}" is not known: give its certificate as tls.ca`)
  if (options.himportFieldsets !== undefined) options.himportFieldsets = frozenFieldsets(options.himportFieldsets)
  return options as RedisOptions
}

const day = 86_400_000

/** A number of milliseconds as the core takes it; what is no such number is taken for `otherwise`. */
function ms(value: unknown, min: number, otherwise: number): number {
  return typeof value === 'number' && value >= min ? Math.min(Math.floor(value), day) : otherwise
}

/** Options that mean the same to the core, whatever there is at the other end: one server or a cluster. */
export function commonOptions(options: RedisOptions): CommonOptions {
  const name = options.connectionName
  const { socketTimeout } = options
  return {
    ...(options.username ? { username: String(options.username) } : {}),
    ...(options.password ? { password: String(options.password) } : {}),
    ...(options.tls ? { tls: options.tls } : {}),
    // What CLIENT SETNAME would refuse is not sent.
    ...(typeof name === 'string' && /^[!-~]+$/.test(name) ? { name } : {}),
    clientInfo: options.disableClientInfo !== true,
    protocol: options.protocol === 2 ? 2 : 'auto',
    stringNumbers: options.stringNumbers === true,
    // Deadlines are those of each command; how long one may wait is bounded by maxRetriesPerRequest, as in ioredis.
    timeoutMs: 0,
    maxQueueAgeMs: day,
    connectTimeoutMs: ms(options.connectTimeout, 1, day),
    keepAliveMs: ms(options.keepAlive, 0, 0),
    // Longer than the core's own: a slow script is no dead server.
    pingIntervalMs: 10_000,
    silenceTimeoutMs: ms(socketTimeout, 10, 30_000),
    resend: options.autoResendUnfulfilledCommands === false ? 'none' : 'all',
    ...options.slotwise,
  }
}

/** What opens sockets and greets servers, for both kinds of client. */
export function connectionDetails(
  options: RedisOptions,
  onReport: (error: Error) => void,
): Pick<ClientConfig, 'dial' | 'handshake'> {
  const { family, lookup, clientInfoTag } = options
  return {
    dial: {
      noDelay: options.noDelay !== false,
      ...(typeof family === 'number' && { family }),
      ...(lookup !== undefined && { lookup }),
    },
    handshake: {
      readOnly: options.readOnly === true,
      ...(clientInfoTag && { clientInfoTag: String(clientInfoTag).replace(/[^!-~]/g, '_') }),
      plan: handshakePlan,
      onReport,
      onUnneededPassword: message =>
        console.warn(
          /no password is set/i.test(message)
            ? '[WARN] Redis server does not require a password, but a password was supplied.'
            : "[WARN] This Redis server's `default` user does not require a password, but a password was supplied",
        ),
    },
  }
}

/** The core's configuration of one server. */
export function directConfig(options: RedisOptions, onReport: (error: Error) => void): ClientConfig {
  const { path, host, port, db } = options
  const server = path ? { path } : { host: host || 'localhost', port: port ?? 6379 }
  const database = typeof db === 'number' && Number.isInteger(db) && db >= 0 ? db : 0
  const config = resolveOptions({ ...commonOptions(options), database, server })
  for (const name of ['credentials', 'tls'] as const) {
    if (typeof config[name] !== 'function') continue
    throw new SlotwiseError(
      'SLOTWISE_INVALID_OPTION',
      `Option slotwise.${name}: a function is for a Cluster, or for createClient()`,
    )
  }
  return { ...config, ...connectionDetails(options, onReport) }
}

export function directOptions(options: RedisOptions, previous: DirectOptions['previous'] | null): DirectOptions {
  return {
    readyCheck: options.enableReadyCheck !== false,
    maxLoadingRetryMs: ms(options.maxLoadingRetryTime, 0, 0),
    resubscribe: options.autoResubscribe !== false,
    finishTimeoutMs: ms(options.disconnectTimeout, 0, 2000),
    ...(previous && { previous }),
  }
}
