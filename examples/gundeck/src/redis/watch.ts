// RedisWatch: says in the log when a Redis is lost, and when it is back. The connections are the clients' own to watch and repair.
// Owns    one timer, from start() to stop().

import type { Logger } from 'pino'
import type { RedisPort } from './port.js'

const intervalMs = 500
/** Between two lines about a Redis that stays away. */
const reminderMs = 30_000

interface Watched {
  readonly name: string
  readonly port: RedisPort
  ready: boolean
  sinceMs: number
  saidAtMs: number
}

export class RedisWatch {
  readonly #watched: Watched[]
  readonly #log: Logger
  #timer: NodeJS.Timeout | null = null

  constructor(ports: Record<string, RedisPort>, log: Logger) {
    this.#watched = Object.entries(ports).map(([name, port]) => ({ name, port, ready: false, sinceMs: 0, saidAtMs: 0 }))
    this.#log = log
  }

  start(): void {
    for (const watched of this.#watched) {
      this.#log.info(`starting connection to ${watched.name}...`)
      watched.sinceMs = watched.saidAtMs = performance.now()
    }
    this.#timer = setInterval(() => {
      for (const watched of this.#watched) this.#look(watched, performance.now())
    }, intervalMs)
  }

  #look(watched: Watched, nowMs: number): void {
    const { ready, waiting, lastError } = watched.port.inspect()
    const seconds = Math.round((nowMs - watched.sinceMs) / 1000)
    if (ready !== watched.ready) {
      Object.assign(watched, { ready, sinceMs: nowMs, saidAtMs: nowMs })
      if (ready) this.#log.info({ afterSeconds: seconds }, `Established connection to ${watched.name}.`)
      else this.#log.error({ waiting, error: lastError }, `Lost connection to ${watched.name}; reconnecting.`)
    } else if (!ready && nowMs - watched.saidAtMs >= reminderMs) {
      watched.saidAtMs = nowMs
      this.#log.error({ forSeconds: seconds, waiting, error: lastError }, `No connection to ${watched.name}.`)
    }
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
  }
}
