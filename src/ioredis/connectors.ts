// Connectors: what opens a Redis object's sockets when it does not dial its one server by itself.

import type { Socket } from 'node:net'
import { openSocket, tcpEndpoint, unixEndpoint } from '../core.js'
import { AbstractConnector, type ConnectorLike, type ErrorEmitter } from './abstract-connector.js'
import { noop } from './callback.js'
import { directConfig, type RedisOptions } from './redis-options.js'
import { type MakeSentinelClient, SentinelConnector } from './sentinel-connector.js'

/** Dials the one server that the options name. */
export class StandaloneConnector extends AbstractConnector {
  readonly #options: RedisOptions

  constructor(options: RedisOptions) {
    super(options.disconnectTimeout ?? 2000)
    this.#options = options
  }

  override connect(_emit: ErrorEmitter): Promise<Socket> {
    const { path, host, port, tls, keepAlive, noDelay } = this.#options
    const endpoint = path ? unixEndpoint(path) : tcpEndpoint(host || 'localhost', port ?? 6379)
    this.stream = openSocket(endpoint, { tls: tls ?? null, keepAliveMs: keepAlive ?? 0, noDelay: noDelay !== false })
    return Promise.resolve(this.stream)
  }
}

/** Whose connector it is. */
export interface ConnectorOwner {
  readonly options: RedisOptions
  emit(event: string, ...args: unknown[]): boolean
}

/**
 * The connector that the options ask for; null when the core is to dial the one server they name.
 * @param make makes a client of a sentinel
 * @throws SLOTWISE_INVALID_OPTION for options of our own, at once; ioredis' are taken as ioredis takes them
 */
export function connectorFor(owner: ConnectorOwner, make: MakeSentinelClient): ConnectorLike | null {
  const { options } = owner
  if (options.slotwise) directConfig(options, noop)
  if (options.Connector) return new options.Connector(options) as ConnectorLike
  if (!options.sentinels) return null
  const connector = new SentinelConnector(options, make)
  connector.emitter = owner
  return connector
}
