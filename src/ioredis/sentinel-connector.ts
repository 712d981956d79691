// SentinelConnector: asks sentinels where the server is, and opens a socket to it.
// Owns    the clients it asks with, each for one question, and those of the failover detector.
// Born    with its Redis object.
// Dies    by disconnect(); connect() starts it again.
// Holds   one question at a time; nothing is left open when disconnect() has returned, but for what is closing.
// Source: "High availability with Redis Sentinel".

import type { Socket } from 'node:net'
import { openSocket, pause, tcpEndpoint } from '../core.js'
import { AbstractConnector, type ErrorEmitter } from './abstract-connector.js'
import { noop } from './callback.js'
import { CONNECTION_CLOSED_ERROR_MSG } from './errors.js'
import type { RedisOptions } from './redis-options.js'
import { choose, connected, mapped, readRows, type ServerAddress, toAddress, usable } from './sentinel-choice.js'
import { SentinelIterator } from './sentinel-iterator.js'
import type { SentinelAddress } from './sentinel-options.js'

/** A client of a sentinel, as far as it is used here. */
export interface SentinelClient {
  sentinel(subcommand: string, name: string): Promise<unknown>
  subscribe(channel: string): Promise<unknown>
  disconnect(): void
  on(event: string, listener: (...args: unknown[]) => void): unknown
}

export type MakeSentinelClient = (options: RedisOptions) => SentinelClient

const failoverChannel = '+switch-master'
const defaultSentinelPort = 26379

export class SentinelConnector extends AbstractConnector {
  /** Made anew by the class that users know, which this one must not import. */
  static makeClient: MakeSentinelClient | null = null

  readonly options: RedisOptions
  readonly sentinelIterator: SentinelIterator
  /** Is told of what only tests and tools listen to. */
  emitter: { emit(event: string, ...args: unknown[]): boolean } | null = null
  private retryAttempts = 0
  private readonly make: MakeSentinelClient
  private detectors: SentinelClient[] = []

  /** @throws Error `Requires at least one sentinel to connect to.`, `Requires the name of master.` */
  constructor(options: RedisOptions, make: MakeSentinelClient | null = SentinelConnector.makeClient) {
    super(options.disconnectTimeout ?? 2000)
    if (!options.sentinels?.length) throw new Error('Requires at least one sentinel to connect to.')
    if (!options.name) throw new Error('Requires the name of master.')
    this.options = options
    this.make = make as MakeSentinelClient
    this.sentinelIterator = new SentinelIterator(options.sentinels)
  }

  /** A server of another role is refused, and the next sentinel is asked. */
  override check(info: Readonly<Record<string, string>>): boolean {
    const { role } = info
    if (!role || (this.options.role ?? 'master') === role) return true
    // The one behind that which was asked last is to be first.
    this.sentinelIterator.next()
    this.sentinelIterator.next()
    this.sentinelIterator.reset(true)
    return false
  }

  override disconnect(): void {
    super.disconnect()
    this.endDetectors()
  }

  override async connect(emit: ErrorEmitter): Promise<Socket> {
    this.connecting = true
    this.retryAttempts = 0
    let lastError: Error | null = null
    for (;;) {
      const { done, value } = this.sentinelIterator.next()
      if (done || value === undefined) {
        await this.startOver(emit, lastError)
        continue
      }
      const outcome = await this.ask(value).catch((error: Error) => error)
      if (!this.connecting) throw new Error(CONNECTION_CLOSED_ERROR_MSG)
      if (outcome !== null && !(outcome instanceof Error)) return this.open(outcome)
      const at = `${value.host}:${value.port}`
      const message =
        outcome === null
          ? `connected to sentinel ${at} successfully, but got an invalid reply: null`
          : `failed to connect to sentinel ${at} because ${outcome.message}`
      emit('sentinelError', new Error(message))
      lastError = outcome ?? lastError
    }
  }

  /** None has answered: waits for another round, or gives up. */
  private async startOver(emit: ErrorEmitter, lastError: Error | null): Promise<void> {
    this.sentinelIterator.reset(false)
    const { sentinelRetryStrategy } = this.options
    const delayMs = typeof sentinelRetryStrategy === 'function' ? sentinelRetryStrategy(++this.retryAttempts) : null
    const what =
      typeof delayMs === 'number'
        ? `All sentinels are unreachable. Retrying from scratch after ${delayMs}ms.`
        : 'All sentinels are unreachable and retry is disabled.'
    const error = new Error(lastError === null ? what : `${what} Last error: ${lastError.message}`)
    if (typeof delayMs !== 'number') throw error
    emit('error', error)
    await pause(delayMs)
    if (!this.connecting) throw new Error(CONNECTION_CLOSED_ERROR_MSG)
  }

  private open({ host, port }: ServerAddress): Socket {
    const { enableTLSForSentinelMode, tls, keepAlive, noDelay } = this.options
    const secure = enableTLSForSentinelMode && tls ? tls : null
    const details = { tls: secure, keepAliveMs: keepAlive ?? 0, noDelay: noDelay !== false }
    const socket = openSocket(tcpEndpoint(host, port), details)
    this.stream = socket
    socket.once(secure === null ? 'connect' : 'secureConnect', () => this.watchForFailover())
    return socket
  }

  // ---- asking

  private clientOf({ host, port, family }: Partial<SentinelAddress>, more: RedisOptions = {}): SentinelClient {
    const { sentinelUsername, sentinelPassword, sentinelTLS, sentinelCommandTimeout, connectTimeout, protocol } =
      this.options
    const client = this.make({
      host: host ?? '127.0.0.1',
      port: port ?? defaultSentinelPort,
      username: sentinelUsername ?? null,
      password: sentinelPassword ?? null,
      retryStrategy: null,
      enableReadyCheck: false,
      ...(sentinelTLS && { tls: sentinelTLS }),
      ...((family ?? this.options.family) !== undefined && { family: family ?? (this.options.family as number) }),
      ...(sentinelCommandTimeout !== undefined && { commandTimeout: sentinelCommandTimeout }),
      ...(connectTimeout !== undefined && { connectTimeout }),
      ...(protocol !== undefined && { protocol }),
      ...more,
    })
    // Whoever asks is told what goes wrong.
    client.on('error', noop)
    return client
  }

  /** Where the server is, by this sentinel; null when it knows none. */
  private async ask(sentinel: Partial<SentinelAddress>): Promise<ServerAddress | null> {
    const client = this.clientOf(sentinel)
    const { role, name, preferredSlaves, natMap } = this.options
    try {
      if (role === 'slave') {
        const replicas = usable(readRows(await client.sentinel('slaves', name as string)))
        const chosen = choose(replicas, preferredSlaves)
        return chosen && mapped(chosen, natMap)
      }
      const reply = await client.sentinel('get-master-addr-by-name', name as string)
      await this.learnFrom(client)
      if (!Array.isArray(reply)) return null
      return mapped({ host: String(reply[0]), port: Number(reply[1]) }, natMap)
    } finally {
      client.disconnect()
    }
  }

  /** Takes over the sentinels that this one knows. */
  private async learnFrom(client: SentinelClient): Promise<void> {
    const { updateSentinels, name, natMap } = this.options
    if (updateSentinels === false) return
    for (const row of connected(readRows(await client.sentinel('sentinels', name as string)))) {
      this.sentinelIterator.add(mapped(toAddress(row), natMap))
    }
  }

  // ---- failover

  /** Subscribes to the sentinels' news, and reconnects upon a failover. */
  private watchForFailover(): void {
    const { failoverDetector, sentinelMaxConnections, sentinelReconnectStrategy } = this.options
    if (!failoverDetector) return
    this.endDetectors()
    this.sentinelIterator.reset(true)
    const subscribed: Promise<unknown>[] = []
    while (this.detectors.length < (sentinelMaxConnections ?? 10)) {
      const { done, value } = this.sentinelIterator.next()
      if (done || value === undefined) break
      const client = this.clientOf(value, {
        lazyConnect: true,
        ...(sentinelReconnectStrategy && { retryStrategy: sentinelReconnectStrategy }),
      })
      this.detectors.push(client)
      client.on('reconnecting', () => this.emitter?.emit('sentinelReconnecting'))
      client.on('message', channel => {
        // Once a failover: the next connection has detectors of its own.
        if (channel === failoverChannel && this.detectors.includes(client)) this.disconnect()
      })
      subscribed.push(client.subscribe(failoverChannel).catch(noop))
    }
    this.sentinelIterator.reset(false)
    void Promise.all(subscribed).then(() => this.emitter?.emit('failoverSubscribed'))
  }

  private endDetectors(): void {
    for (const client of this.detectors.splice(0)) client.disconnect()
  }
}
