// common: what the ports on other clients share.

import {
  type AddRequest,
  type CallBounds,
  type PortInspection,
  type RedisPort,
  RedisUnavailableError,
  type StaleField,
  type StoredField,
} from '../../src/redis/port.js'
import type { Tracker } from '../tracker.mjs'

/** One command on a client. */
export interface Commands {
  hgetall(key: string): Promise<StoredField[]>
  eval(script: string, key: string, args: readonly string[]): Promise<unknown>
  /** Whether an error is the server's answer, rather than the lack of one. */
  isReply(error: Error): boolean
  ready(): boolean
  close(): Promise<void> | void
}

export const addScript = `redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) return redis.call('EXPIRE', KEYS[1], ARGV[3])`
const deleteScript = `if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end return redis.call('HDEL', KEYS[1], ARGV[1])`

/**
 * RedisPort on a client without deadlines for single calls: whoever waited goes away at the deadline, as programs do that set a timer beside the call;
 * what the client does with the command then is the client's.
 */
export function portOn(commands: Commands, tracker: Tracker): RedisPort {
  const call = <T,>(start: () => Promise<T>, { timeoutMs, signal }: CallBounds): Promise<T> =>
    new Promise((resolve, reject) => {
      const give = (code: string, message: string) =>
        reject(new RedisUnavailableError(code, message, { maybeExecuted: true }))
      const timer = setTimeout(give, timeoutMs, 'TIMEOUT', `no answer within ${timeoutMs} ms`)
      const onAbort = () => give('ABORTED', 'the caller has gone')
      signal?.addEventListener('abort', onAbort, { once: true })
      tracker
        .track(start())
        .then(resolve, (error: Error) =>
          reject(
            commands.isReply(error)
              ? error
              : new RedisUnavailableError('CLIENT', error.message, { maybeExecuted: true, cause: error }),
          ),
        )
        .finally(() => {
          clearTimeout(timer)
          signal?.removeEventListener('abort', onAbort)
        })
    })
  return {
    async add({ key, field, value, ttlSeconds }: AddRequest, bounds) {
      await call(() => commands.eval(addScript, key, [field, value, String(ttlSeconds)]), bounds)
    },
    list: (key, bounds) => call(() => commands.hgetall(key), bounds),
    listMany: (keys, bounds) => Promise.all(keys.map(key => call(() => commands.hgetall(key), bounds))),
    async deleteStale(fields: readonly StaleField[], bounds) {
      let deleted = 0
      let failure: Error | null = null
      for (const { key, field, value } of fields) {
        try {
          deleted += Number(await call(() => commands.eval(deleteScript, key, [field, value]), bounds))
        } catch (error) {
          failure ??= error as Error
        }
      }
      return { deleted, failure }
    },
    async check(bounds) {
      await call(() => commands.hgetall('user:'), bounds)
    },
    inspect: (): PortInspection => ({
      ready: commands.ready(),
      waiting: tracker.open,
      waitingBytes: null,
      inFlight: null,
      sockets: null,
    }),
    async close() {
      await commands.close()
    },
  }
}

export function fieldsOf(hash: Record<string, string>): StoredField[] {
  return Object.entries(hash).map(([field, value]) => ({ field, value }))
}

export function hostAndPort(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(':')
  return { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) }
}
