// Connectors: what opens a Redis object's sockets when it does not dial its one server by itself.

import type { Socket } from 'node:net'
import { endSocket, openSocket, tcpEndpoint, unixEndpoint } from '../core.js'
import type { RedisOptions } from './redis-options.js'
import { SentinelConnector } from './sentinel-connector.js'

/** Reports an event of the connector's, such as `sentinelError`. */
export type ErrorEmitter = (event: string, error: Error) => void

export interface ConnectorLike {
  /** A socket to the server, open or opening. */
  connect(emit: ErrorEmitter): Promise<Socket>
  /** Gives up what is under way; the socket ends. */
  disconnect(): void
  /** Whether the server is the one that is wanted, by its INFO. */
  check(info: Readonly<Record<string, string>>): boolean
}

/** Base of connectors that users write. */
export abstract class AbstractConnector implements ConnectorLike {
  protected connecting = false
  protected stream: Socket | undefined
  protected readonly disconnectTimeout: number

  /** @param disconnectTimeout milliseconds a socket is given to end before it is destroyed */
  constructor(disconnectTimeout: number) {
    this.disconnectTimeout = disconnectTimeout
  }

  abstract connect(emit: ErrorEmitter): Promise<Socket>

  check(_info: Readonly<Record<string, string>>): boolean {
    return true
  }

  disconnect(): void {
    this.connecting = false
    if (this.stream !== undefined) endSocket(this.stream, this.disconnectTimeout)
  }
}

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
  disconnect(reconnect?: boolean): void
  silentEmit(event: string, ...args: unknown[]): boolean
}

/** The connector that the options ask for; null when the core is to dial the one server they name. */
export function connectorFor(redis: ConnectorOwner): ConnectorLike | null {
  const { options } = redis
  if (options.Connector) return new options.Connector(options) as ConnectorLike
  if (options.sentinels) return new SentinelConnector(options, redis)
  return null
}
