// RedisEvents: what a link reports, as the statuses and events that ioredis' users know.
// Owns    nothing; it tells its Redis object.
// Born    with it.
// Dies    with it.
// Holds   only the link made last is listened to.

import { type DirectHooks, owned, type Reply, ReplyError, type SlotwiseError, sameBytes } from '../core.js'
import type { ConnectorLike } from './abstract-connector.js'
import { noop } from './callback.js'
import { Command } from './command.js'
import {
  CONNECTION_CLOSED_ERROR_MSG,
  connectionError,
  MaxRetriesPerRequestError,
  ofHandshake,
  translate,
  withDetails,
} from './errors.js'
import { type Link, launch } from './link.js'
import type { RedisOptions } from './redis-options.js'
import type { Condition, RedisStatus } from './status.js'

/** The object whose link is listened to. */
export interface Reported {
  readonly options: RedisOptions
  readonly connector: ConnectorLike | null
  readonly currentLink: Link | null
  readonly knownScripts: Set<string>
  condition: Condition | undefined
  connectionEpoch: number
  retryAttempts: number
  setStatus(status: RedisStatus, arg?: unknown): void
  silentEmit(event: string, ...args: unknown[]): boolean
  flushQueue(error: Error): void
  /** Another attempt has begun by itself. */
  traceRetry(): void
  emit(event: string, ...args: unknown[]): boolean
  listenerCount(event: string): number
}

export class RedisEvents {
  readonly #redis: Reported
  /** Counts links; only the last one is listened to. */
  #current = 0
  #connectorError: Error | null = null
  #firstFailureAt = 0
  /** Between two attempts. */
  #pausing = false
  /** The channel of the last message: they come in runs, and the name as text costs more than to see that it is the same. */
  #heard: { bytes: Buffer; text: string } | null = null

  constructor(redis: Reported) {
    this.#redis = redis
  }

  /** Stops listening to the link made last. */
  detach(): void {
    this.#current++
  }

  /** Why the connector gave no socket; asked once. */
  takeConnectorError(): Error | null {
    const error = this.#connectorError
    this.#connectorError = null
    return error
  }

  onConnecting(): void {
    const redis = this.#redis
    redis.connectionEpoch++
    this.#pausing = false
    const { username, password, db, protocol, replyMapping } = redis.options
    redis.condition = {
      select: redis.condition?.select ?? db ?? 0,
      auth: username ? [username, password ?? null] : (password ?? null),
      subscriber: false,
      protocol: protocol ?? 3,
      replyMapping: replyMapping ?? 'legacy',
    }
    redis.setStatus('connecting')
  }

  hooks(): DirectHooks {
    const redis = this.#redis
    const own = ++this.#current
    const listens = () => own === this.#current
    const { connector } = redis
    const hooks: DirectHooks = {
      onOpen: () => {
        if (listens()) redis.setStatus('connect')
      },
      onReady: () => {
        if (listens()) this.#onReady()
      },
      onRetry: () => {
        if (!listens()) return
        redis.traceRetry()
        this.onConnecting()
      },
      onClosed: reason => (listens() ? this.#onClosed(reason) : null),
      onEnded: reason => {
        if (!listens()) return
        // A connection that was never asked for does not close, and one that is lost has closed already.
        if (reason === null && (redis.currentLink?.dialled ?? true) && !this.#pausing) redis.setStatus('close')
        redis.setStatus('end')
      },
      onPush: (kind, items) => {
        if (listens()) this.#onPush(kind, items)
      },
      onErrorReply: (error, command) => {
        const { reconnectOnError } = redis.options
        if (typeof reconnectOnError !== 'function' || command.startsWith('CLIENT') || !listens()) return 'fail'
        const decision = reconnectOnError(error)
        return decision === 2 ? 'resend' : decision === true || decision === 1 ? 'reconnect' : 'fail'
      },
      onInfoForbidden: error => {
        console.warn(
          `Skipping the ready check because INFO command fails: "${error.message}". You can disable ready check with "enableReadyCheck". More: https://github.com/luin/ioredis/wiki/Disable-ready-check.`,
        )
      },
      onTrouble: error => {
        if (listens()) redis.silentEmit('error', error)
      },
      translate,
    }
    if (connector !== null) {
      hooks.accepts = info => {
        const accepted = connector.check(info)
        if (!accepted) connector.disconnect()
        return accepted
      }
      hooks.open = async () => {
        try {
          return await connector.connect((event, error) => {
            redis.silentEmit(event, error)
          })
        } catch (error) {
          this.#connectorError = error as Error
          throw error
        }
      }
    }
    return hooks
  }

  #onReady(): void {
    const redis = this.#redis
    const link = redis.currentLink as Link
    const protocol = link.protocol ?? 3
    if (redis.condition !== undefined) redis.condition.protocol = protocol
    if (protocol === 2 && redis.options.replyMapping === 'resp3') {
      console.warn(
        '[WARN] replyMapping "resp3" was requested, but the server does not support RESP3. Replies will use RESP2-compatible shapes until connected to a server that supports RESP3.',
      )
    }
    redis.retryAttempts = 0
    this.#firstFailureAt = 0
    redis.setStatus('ready')
    if (!redis.options.monitor) return
    const monitor = new Command('monitor', [], { replyEncoding: 'utf8' })
    monitor.promise.then(
      () => redis.setStatus('monitoring'),
      (error: Error) => redis.silentEmit('error', error),
    )
    launch(monitor, link)
  }

  #onClosed(reason: SlotwiseError): number | null {
    const redis = this.#redis
    // The next connection may be to a server that knows none of them.
    redis.knownScripts.clear()
    const connectorError = this.#connectorError
    const error = connectorError ?? connectionError(reason, redis.options.socketTimeout)
    // What the server has against the connection it has against what waits for one.
    if (reason.phase === 'handshake' && reason.cause instanceof ReplyError) redis.flushQueue(ofHandshake(reason.cause))
    if (error !== null && error.message !== CONNECTION_CLOSED_ERROR_MSG) redis.silentEmit('error', error)
    if (connectorError !== null) {
      redis.flushQueue(connectorError)
      return null
    }
    redis.setStatus('close')
    const { retryStrategy, maxRetriesPerRequest } = redis.options
    if (typeof retryStrategy !== 'function') return null
    if (redis.retryAttempts === 0) this.#firstFailureAt = performance.now()
    const delayMs = retryStrategy(++redis.retryAttempts)
    if (typeof delayMs !== 'number') return null
    redis.setStatus('reconnecting', delayMs)
    this.#pausing = true
    if (typeof maxRetriesPerRequest === 'number' && maxRetriesPerRequest >= 0) {
      if (redis.retryAttempts % (maxRetriesPerRequest + 1) === 0) {
        const exceeded = withDetails(new MaxRetriesPerRequestError(maxRetriesPerRequest), reason)
        const elapsedMs = Math.round(performance.now() - this.#firstFailureAt)
        redis.flushQueue(Object.assign(exceeded, { cause: error ?? reason, attempts: redis.retryAttempts, elapsedMs }))
      }
    }
    return Math.max(0, delayMs)
  }

  /** The database is in force for what comes after it, and for the next connection once it has been confirmed. */
  onSelect(command: Command): void {
    const redis = this.#redis
    const database = Number(String(command.args[0]))
    if (!Number.isInteger(database)) return
    if (redis.condition !== undefined && redis.condition.select !== database) {
      redis.condition.select = database
      redis.emit('select', database)
    }
    const link = redis.currentLink
    command.promise.then(() => {
      if (link !== null) link.database = database
    }, noop)
  }

  #onPush(kind: string, items: readonly Reply[]): void {
    const redis = this.#redis
    switch (kind) {
      case 'message':
      case 'smessage':
        this.#emitMessage(kind, items[1], items[2])
        return
      case 'pmessage': {
        const [pattern, channel, message] = items.slice(1)
        if (redis.listenerCount(kind) > 0) redis.emit(kind, String(pattern), String(channel), String(message))
        if (redis.listenerCount('pmessageBuffer') > 0) {
          redis.emit('pmessageBuffer', String(pattern), owned(channel as Reply), owned(message as Reply))
        }
        return
      }
      case 'monitor':
        this.#emitMonitor(String(items[0]))
        break
      case 'sunsubscribe':
        redis.emit('moved')
        break
    }
    if (redis.condition !== undefined) redis.condition.subscriber = (redis.currentLink?.subscribed ?? 0) !== 0
  }

  #emitMessage(kind: 'message' | 'smessage', channel: Reply | undefined, message: Reply | undefined): void {
    const redis = this.#redis
    if (redis.listenerCount(kind) > 0) redis.emit(kind, this.#textOf(channel), String(message))
    const event = kind === 'message' ? 'messageBuffer' : 'smessageBuffer'
    if (redis.listenerCount(event) > 0) redis.emit(event, owned(channel as Reply), owned(message as Reply))
  }

  #textOf(channel: Reply | undefined): string {
    if (!(channel instanceof Buffer)) return String(channel)
    if (this.#heard === null || !sameBytes(this.#heard.bytes, channel)) {
      this.#heard = { bytes: Buffer.from(channel), text: channel.toString() }
    }
    return this.#heard.text
  }

  /** `1700000000.123456 [0 127.0.0.1:50000] "GET" "key"`: time, arguments, source, database. Source: MONITOR command page. */
  #emitMonitor(line: string): void {
    const match = /^(\S+) \[(\S+) ([^\]]*(?:\][^ ]*)?)\] "(.*)"$/s.exec(line)
    if (match === null) return
    const [, time, database, source, text = ''] = match
    const args = text.split('" "').map(arg => arg.replaceAll('\\"', '"'))
    this.#redis.emit('monitor', time, args, source, database)
  }
}
