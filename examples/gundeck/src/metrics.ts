// Metrics of one service, in a registry of its own.

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { ThreadBudget } from './native/thread-budget.js'
import type { PortInspection, RedisPort } from './redis/port.js'

/** Duration of requests, under the name that dashboards know. */
export function requestDuration(registry: Registry): Histogram<'method' | 'handler' | 'status_code'> {
  return new Histogram({
    name: 'http_request_duration_seconds',
    help: 'duration of HTTP requests',
    labelNames: ['method', 'handler', 'status_code'],
    registers: [registry],
  })
}

export type DropReason = 'backlog-full' | 'redis-unavailable' | 'failed' | 'shutdown'

export class Metrics {
  readonly registry = new Registry()
  readonly requestDuration = requestDuration(this.registry)
  readonly #registers = [this.registry]
  readonly unreachable = new Counter({
    name: 'push_ws_unreachable',
    help: 'presences whose Cannon could not be reached',
    registers: this.#registers,
  })
  readonly dropped = new Counter({
    name: 'gundeck_pushes_dropped_total',
    help: 'pushes that were answered with 200 and not delivered to websockets',
    labelNames: ['reason'] as const,
    registers: this.#registers,
  })
  readonly presencesDeleted = new Counter({
    name: 'gundeck_presences_deleted_total',
    help: 'presences deleted because their websocket is gone',
    registers: this.#registers,
  })
  readonly cleanUpFailures = new Counter({
    name: 'gundeck_clean_up_failures_total',
    help: 'clean-ups that did not delete everything; the next push tries again',
    registers: this.#registers,
  })
  readonly additionalFailures = new Counter({
    name: 'gundeck_additional_write_failures_total',
    help: 'writes that the additional Redis may not have',
    registers: this.#registers,
  })
  readonly nativeNotSent = new Counter({
    name: 'gundeck_native_pushes_not_sent_total',
    help: 'native pushes that the stand-in would have sent',
    registers: this.#registers,
  })
  readonly #hardBreached = new Counter({
    name: 'net_nativepush_thread_budget_hard_limit_breached',
    help: 'native pushes dropped over the hard limit',
    registers: this.#registers,
  })
  readonly #softBreached = new Counter({
    name: 'net_nativepush_thread_budget_soft_limit_breached',
    help: 'native pushes started over the soft limit',
    registers: this.#registers,
  })

  onBreach(kind: 'hard' | 'soft'): void {
    const counter = kind === 'hard' ? this.#hardBreached : this.#softBreached
    counter.inc()
  }

  watchProcess(): void {
    collectDefaultMetrics({ register: this.registry })
  }

  #gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name,
      help,
      registers: this.#registers,
      collect() {
        this.set(read())
      },
    })
  }

  watchBudget(budget: ThreadBudget): void {
    const prefix = 'net_nativepush_thread_budget'
    this.#gauge(`${prefix}_allocated`, 'cost of the native pushes that go on', () => budget.spent)
    for (const kind of ['hard', 'soft'] as const) {
      const limit = budget.limits[kind]
      if (limit !== undefined) this.#gauge(`${prefix}_${kind}_limit`, `the ${kind} limit`, () => limit)
    }
  }

  watchBackground(read: () => { pushes: number; bytes: number }): void {
    this.#gauge('gundeck_background_pushes', 'push requests answered and not done', () => read().pushes)
    this.#gauge('gundeck_background_push_bytes', 'their size', () => read().bytes)
  }

  /** Numbers that a port cannot tell are left out. */
  watchRedis(ports: Record<string, RedisPort>): void {
    const gauges: [string, string, (seen: PortInspection) => number | null][] = [
      ['gundeck_redis_ready', '1 when calls could be served, as far as the client knows', seen => Number(seen.ready)],
      ['gundeck_redis_waiting', 'calls that wait for Redis and have not been sent', seen => seen.waiting],
      ['gundeck_redis_waiting_bytes', 'bytes charged to them', seen => seen.waitingBytes],
      ['gundeck_redis_in_flight', 'calls sent and not answered', seen => seen.inFlight],
      ['gundeck_redis_sockets', 'open sockets', seen => seen.sockets],
    ]
    for (const [name, help, read] of gauges) {
      new Gauge({
        name,
        help,
        labelNames: ['redis'],
        registers: this.#registers,
        collect() {
          for (const [redis, port] of Object.entries(ports)) {
            const value = read(port.inspect())
            if (value !== null) this.set({ redis }, value)
          }
        },
      })
    }
  }
}
