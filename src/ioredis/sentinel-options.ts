// SentinelOptions: what `new Redis(…)` takes to be led to its server by Sentinel.

import type { ConnectionOptions as TlsOptions } from 'node:tls'
import type { NatMap } from '../core.js'

export type { NatMap }

export interface SentinelAddress {
  host?: string
  port: number
  family?: number
}

export interface AddressFromResponse {
  port: string
  ip: string
  flags?: string
}

export interface PreferredSlave {
  ip: string
  port: string
  /** Lower ones are taken first. Default 1. */
  prio?: number
}

/** Which replica to take: one, a list by priority, or a choice among those that are up. */
export type PreferredSlaves =
  | PreferredSlave
  | PreferredSlave[]
  | ((slaves: AddressFromResponse[]) => AddressFromResponse | null)

export interface SentinelOptions {
  sentinels?: Partial<SentinelAddress>[] | null
  /** Name of the group of servers. */
  name?: string | null
  role?: 'master' | 'slave'
  sentinelUsername?: string
  sentinelPassword?: string
  /** Milliseconds until all sentinels are asked again; anything but a number ends the attempt. */
  sentinelRetryStrategy?: ((times: number) => number | undefined | null) | null
  /** Milliseconds until a failover detector reconnects to its sentinel. */
  sentinelReconnectStrategy?: ((times: number) => number | undefined | null) | null
  sentinelCommandTimeout?: number
  sentinelMaxConnections?: number
  sentinelTLS?: TlsOptions
  enableTLSForSentinelMode?: boolean
  preferredSlaves?: PreferredSlaves
  natMap?: NatMap | null
  /** Learns further sentinels from those given. Default true. */
  updateSentinels?: boolean
  /** Subscribes to sentinels' news of a failover, and reconnects at once. Default false. */
  failoverDetector?: boolean
}
