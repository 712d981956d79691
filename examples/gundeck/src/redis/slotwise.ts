// SlotwisePort: RedisPort on slotwise. What waits, for how long, on which connection, and what follows a redirect is the client's.
// Owns    the client.
// Born    by openSlotwise(), which dials without waiting.
// Dies    by close().

import { setTimeout as delay } from 'node:timers/promises'
import { type BatchItem, type CommonOptions, createClient, ReplyError, SlotwiseError, slotOf } from 'slotwise/core'
import {
  type AddRequest,
  type CallBounds,
  type PortInspection,
  type RedisPort,
  type RedisTarget,
  RedisUnavailableError,
  type StaleField,
  type StoredField,
} from './port.js'

export interface SlotwiseLimits {
  /** Bound of what waits for Redis. */
  maxQueuedBytes: number
  /** How long a call may wait for a connection, whatever its deadline. */
  maxQueueAgeMs: number
}

type Client = ReturnType<typeof createClient>
type Reply = Awaited<ReturnType<Client['execute']>>

/** One call for what would be MULTI, HSET, EXPIRE, EXEC: it is redirected as a whole, and takes no connection for itself. */
const addScript = `redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) return redis.call('EXPIRE', KEYS[1], ARGV[3])`
/** Deletes what is still there as it was read. Nobody can write between the comparison and the deletion. */
const deleteScript = `if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end return redis.call('HDEL', KEYS[1], ARGV[1])`

/** The original's schedule for a server that has become a replica. In a cluster the client sees to it. */
const readOnlyDelaysMs = [100, 200, 400]
const slotCount = 16384

export function openSlotwise(target: RedisTarget, limits: SlotwiseLimits): RedisPort {
  const { host, port, connectionMode, username, password, tls } = target
  const options: CommonOptions = {
    ...limits,
    name: 'gundeck',
    // A path that drops packets is given up within three seconds.
    pingIntervalMs: 1000,
    silenceTimeoutMs: 2000,
    // Neither a registration nor a deletion is repeated when it may have run: another one may have come in between.
    resend: 'safe',
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(tls !== undefined && {
      tls: { ...(tls.ca !== undefined && { ca: tls.ca }), rejectUnauthorized: !tls.insecureSkipVerify },
    }),
  }
  const clustered = connectionMode === 'cluster'
  const address = { host, port }
  return new SlotwisePort(
    createClient(clustered ? { ...options, cluster: [address] } : { ...options, server: address }),
    clustered,
  )
}

class SlotwisePort implements RedisPort {
  readonly #client: Client
  readonly #clustered: boolean
  readonly #slotKeys = new SlotKeys()

  constructor(client: Client, clustered: boolean) {
    this.#client = client
    this.#clustered = clustered
    // Goes on trying by itself; inspect() and check() tell how it is.
    void client.connect().catch(() => undefined)
  }

  async add({ key, field, value, ttlSeconds }: AddRequest, bounds: CallBounds): Promise<void> {
    await this.#eval(addScript, [key, field, value, ttlSeconds], bounds)
  }

  async #eval(script: string, args: readonly (string | number)[], bounds: CallBounds): Promise<Reply> {
    const deadline = performance.now() + bounds.timeoutMs
    for (const pauseMs of [...(this.#clustered ? [] : readOnlyDelaysMs), null]) {
      try {
        const leftMs = Math.max(1, Math.floor(deadline - performance.now()))
        return await this.#client.execute('EVAL', [script, 1, ...args], { ...bounds, timeoutMs: leftMs })
      } catch (error) {
        const refused = error instanceof ReplyError && error.code === 'READONLY'
        if (!refused || pauseMs === null || performance.now() + pauseMs >= deadline) throw unavailableOr(error)
        await delay(pauseMs, undefined, signalOf(bounds)).catch(() => {
          throw unavailableOr(error)
        })
      }
    }
    throw new Error('unreachable')
  }

  async list(key: string, bounds: CallBounds): Promise<StoredField[]> {
    try {
      return fieldsOf(await this.#client.execute('HGETALL', [key], bounds))
    } catch (error) {
      throw unavailableOr(error)
    }
  }

  async listMany(keys: readonly string[], bounds: CallBounds): Promise<StoredField[][]> {
    const replies = await this.#client.batch(keys.map((key): BatchItem => ['HGETALL', [key], bounds]))
    return replies.map(reply => {
      if (reply instanceof Error) throw unavailableOr(reply)
      return fieldsOf(reply)
    })
  }

  async deleteStale(
    fields: readonly StaleField[],
    bounds: CallBounds,
  ): Promise<{ deleted: number; failure: Error | null }> {
    const outcomes = await Promise.allSettled(
      fields.map(({ key, field, value }) => this.#eval(deleteScript, [key, field, value], bounds)),
    )
    let deleted = 0
    let failure: Error | null = null
    for (const outcome of outcomes) {
      if (outcome.status === 'fulfilled') deleted += outcome.value as number
      else failure ??= outcome.reason as Error
    }
    return { deleted, failure }
  }

  async check(bounds: CallBounds): Promise<void> {
    try {
      if (!this.#clustered) {
        await this.#client.execute('EXISTS', ['user:'], bounds)
        return
      }
      const shards = (await this.#client.execute('CLUSTER', ['SLOTS'], bounds)) as [number, number, [string, number]][]
      const covered = shards.reduce((sum, [from, to]) => sum + to - from + 1, 0)
      if (covered !== slotCount) throw new Error(`only ${covered} of ${slotCount} slots have a server`)
      // One read a server that owns slots: connections may stand while their servers refuse to answer.
      const slotByServer = new Map(shards.map(([from, , [host, port]]) => [`${host}:${port}`, from]))
      const items = [...slotByServer.values()].map(
        (slot): BatchItem => ['EXISTS', [this.#slotKeys.keyOf(slot)], bounds],
      )
      const failure = (await this.#client.batch(items)).find(reply => reply instanceof Error)
      if (failure !== undefined) throw failure
    } catch (error) {
      throw unavailableOr(error)
    }
  }

  inspect(): PortInspection {
    const { state, queued, queuedBytes, inFlight, sockets } = this.#client.inspect()
    return {
      ready: state === 'ready',
      waiting: queued,
      waitingBytes: queuedBytes,
      inFlight,
      sockets: sockets.total,
      lastError: this.#client.nodes().find(node => node.lastError !== null)?.lastError ?? null,
    }
  }

  close(): Promise<void> {
    return this.#client.close()
  }
}

/** The server's errors stay what they are; those of the client say that there was no answer. */
function unavailableOr(error: unknown): Error {
  if (!(error instanceof SlotwiseError)) return error as Error
  const because = error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message
  return new RedisUnavailableError(error.code, because, { maybeExecuted: error.maybeExecuted ?? false, cause: error })
}

/** RESP3 has a map, RESP2 a flat array. */
function fieldsOf(reply: Reply): StoredField[] {
  if (reply instanceof Map) return Array.from(reply as Map<string, string>, ([field, value]) => ({ field, value }))
  const flat = reply as string[]
  return Array.from({ length: flat.length / 2 }, (_, i) => ({ field: flat[2 * i]!, value: flat[2 * i + 1]! }))
}

function signalOf({ signal }: CallBounds): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal }
}

/** A key for each slot that is asked for. Found by trying, and kept: there are few servers. */
class SlotKeys {
  readonly #keys = new Map<number, string>()
  #tried = 0

  keyOf(slot: number): string {
    for (;;) {
      const found = this.#keys.get(slot)
      if (found !== undefined) return found
      const key = `user:${this.#tried++}`
      if (!this.#keys.has(slotOf(key))) this.#keys.set(slotOf(key), key)
    }
  }
}
