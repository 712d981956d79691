// Pusher: what follows a push request after it has been answered: presences, Cannons, clean-up, native pushes.
// Owns    the jobs that go on, and the bytes of what they carry.
// Dies    by close(), which gives them some time.
// Holds   every push that is not delivered for want of Redis, room or time is counted and, once a second, logged.

import type { Logger } from 'pino'
import { LimitedLog } from '../limited-log.js'
import type { DropReason, Metrics } from '../metrics.js'
import { type NativePush, nativeMessages } from '../native/native.js'
import type { ThreadBudget } from '../native/thread-budget.js'
import type { Presence } from '../presence/presence.js'
import type { PresenceStore } from '../presence/store.js'
import { RedisUnavailableError } from '../redis/port.js'
import type { CannonClient } from './cannon-client.js'
import { type Answered, type BulkPush, isStale, type NumberedPush, planBulkPushes, readAnswer } from './fan-out.js'

export interface PusherOptions {
  presences: PresenceStore
  cannons: CannonClient
  nativePush: NativePush
  /** Null: native pushes are not limited. */
  budget: ThreadBudget | null
  perNativePushConcurrency: number | null
  /** What Redis is given in each of the two steps that ask it. */
  redisTimeoutMs: number
  /** Bound of what the jobs carry: a push waits with its payload while Redis is away. */
  maxBytes: number
  metrics: Metrics
  log: Logger
  now: () => number
}

interface Outcome {
  delivered: Answered['delivered']
  stale: Presence[]
}

const nobody: Outcome = { delivered: [], stale: [] }

export class Pusher {
  readonly #options: PusherOptions
  readonly #limited: LimitedLog
  readonly #jobs = new Set<Promise<void>>()
  readonly #shutdown = new AbortController()
  #bytes = 0

  constructor(options: PusherOptions) {
    this.#options = options
    this.#limited = new LimitedLog(options.log)
  }

  inspect(): { pushes: number; bytes: number } {
    return { pushes: this.#jobs.size, bytes: this.#bytes }
  }

  /**
   * Starts the job of one request, and returns. Without room for it, its pushes are dropped here and now.
   * @param bytes size of the request
   */
  start(pushes: readonly NumberedPush[], bytes: number, requestId: string): void {
    if (pushes.length === 0) return
    const log = this.#options.log.child({ request: requestId })
    if (this.#bytes + bytes > this.#options.maxBytes) {
      this.#drop('backlog-full', pushes, new Error(`${this.#bytes} bytes of pushes wait already`))
      return
    }
    this.#bytes += bytes
    const job = this.#run(pushes, requestId, log)
      .catch(error => this.#limited.say('error', { error: messageOf(error) }, 'Push job failed'))
      .finally(() => {
        this.#bytes -= bytes
        this.#jobs.delete(job)
      })
    this.#jobs.add(job)
  }

  async #run(pushes: readonly NumberedPush[], requestId: string, log: Logger): Promise<void> {
    if (log.isLevelEnabled('debug')) log.debug({ pushes: JSON.stringify(pushes) }, 'pushing')
    let delivered: Outcome['delivered'] = []
    try {
      const outcome = await this.#toWebsockets(pushes, requestId, log)
      delivered = outcome.delivered
      await this.#cleanUp(outcome.stale)
    } catch (error) {
      const reason = this.#shutdown.signal.aborted
        ? 'shutdown'
        : error instanceof RedisUnavailableError
          ? 'redis-unavailable'
          : 'failed'
      this.#drop(reason, pushes, error as Error)
    }
    // Also when no presence could be read: a device that is told twice is better off than one that is not told.
    const presencesById = new Map(pushes.map(({ notification }) => [notification.id, [] as Presence[]]))
    for (const { notificationId, presence } of delivered) presencesById.get(notificationId)?.push(presence)
    for (const push of pushes) await this.#native(push, presencesById.get(push.notification.id) ?? [], log)
  }

  #drop(reason: DropReason, pushes: readonly NumberedPush[], error: Error): void {
    this.#options.metrics.dropped.inc({ reason }, pushes.length)
    this.#limited.say('error', { reason, pushes: pushes.length, error: messageOf(error) }, 'Pushes dropped')
  }

  async #toWebsockets(pushes: readonly NumberedPush[], requestId: string, log: Logger): Promise<Outcome> {
    // Each user is read once a request, all of them at the same time: the client pipelines on each server.
    const users = [...new Set(pushes.flatMap(({ push }) => push.recipients.map(({ user }) => user)))]
    const bounds = { timeoutMs: this.#options.redisTimeoutMs, signal: this.#shutdown.signal }
    const lists = await this.#options.presences.listMany(users, bounds)
    const presencesOf = new Map(users.map((user, i) => [user, lists[i] as Presence[]]))
    const plans = planBulkPushes(pushes, user => presencesOf.get(user) ?? [])
    const outcomes = await Promise.all(plans.map(plan => this.#toCannon(plan, requestId, log)))
    return {
      delivered: outcomes.flatMap(outcome => outcome.delivered),
      stale: [...new Set(outcomes.flatMap(outcome => outcome.stale))],
    }
  }

  async #toCannon(plan: BulkPush, requestId: string, log: Logger): Promise<Outcome> {
    for (const { notification, presences } of plan.batches) {
      const fields = {
        ntf_id: notification.id,
        user_ids: presences.map(p => p.user),
        conn_ids: presences.map(p => p.conn),
      }
      log.debug(fields, 'Bulk sending notification to Cannon.')
    }
    let answered: Answered | null
    try {
      answered = readAnswer(plan, await this.#options.cannons.bulkPush(plan, requestId))
      if (answered === null) throw new Error('the Cannon answered for a target that it was not sent')
    } catch (error) {
      return this.#unreachable(plan, error as Error, log)
    }
    for (const { user, conn } of answered.gone) log.debug({ user_id: user, conn_id: conn }, 'WebSocket presence gone')
    for (const { presence } of answered.delivered) {
      log.debug({ user_id: presence.user, conn_id: presence.conn }, 'WebSocket push success')
    }
    return { delivered: answered.delivered, stale: answered.gone }
  }

  /** A Cannon that fails fails for itself alone, and keeps its presences unless they are old. */
  #unreachable(plan: BulkPush, error: Error, log: Logger): Outcome {
    const presences = [...new Set(plan.batches.flatMap(batch => batch.presences))]
    this.#options.metrics.unreachable.inc(presences.length)
    for (const presence of presences) {
      const fields = {
        user_id: presence.user,
        conn_id: presence.conn,
        created_at: presence.createdAtMs,
        cannon_uri: plan.endpoint,
        resource_target: presence.resource,
        http_exception: messageOf(error).replaceAll('\n', ' | '),
      }
      log.warn(fields, 'WebSocket presence unreachable: ')
    }
    const now = this.#options.now()
    return { ...nobody, stale: presences.filter(presence => isStale(presence, now)) }
  }

  /** What stays is found again by the next push. */
  async #cleanUp(stale: readonly Presence[]): Promise<void> {
    const { presences, redisTimeoutMs, metrics } = this.#options
    try {
      const bounds = { timeoutMs: redisTimeoutMs, signal: this.#shutdown.signal }
      metrics.presencesDeleted.inc(await presences.deleteStale(stale, bounds))
    } catch (error) {
      metrics.cleanUpFailures.inc()
      this.#limited.say('warn', { error: messageOf(error) }, 'Stale presences not deleted')
    }
  }

  async #native(push: NumberedPush, delivered: readonly Presence[], log: Logger): Promise<void> {
    const { budget, nativePush, perNativePushConcurrency } = this.#options
    const messages = nativeMessages(push, delivered)
    if (messages.length === 0) return
    const width = Math.min(messages.length, perNativePushConcurrency ?? messages.length)
    const sendAll = async () => {
      const iterator = messages.values()
      const sender = async () => {
        for (const message of iterator) {
          await nativePush.send(message).catch(error => log.warn({ error: messageOf(error) }, 'Native push failed'))
        }
      }
      await Promise.all(Array.from({ length: width }, sender))
    }
    await (budget === null ? sendAll() : budget.run(width, undefined, sendAll))
  }

  /** Waits for the jobs, so long and no longer; what then still waits, for Redis or for a Cannon, is given up. */
  async close(graceMs: number): Promise<void> {
    const timer = setTimeout(() => {
      this.#shutdown.abort(new Error('the service ends'))
      void this.#options.cannons.close()
    }, graceMs)
    while (this.#jobs.size > 0) await Promise.all(this.#jobs)
    clearTimeout(timer)
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error)
}
