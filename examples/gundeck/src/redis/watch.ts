// RedisWatch: says in the log when a Redis is lost, and when it is back. The connections are the clients' own to watch and repair.
// Owns    one timer, from start() to stop().

import type { Logger } from 'pino'
import type { RedisPort } from './port.js'

const intervalMs = 500

export class RedisWatch {
  readonly #ports: Record<string, RedisPort>
  readonly #log: Logger
  readonly #ready = new Map<string, { ready: boolean; since: number }>()
  #timer: NodeJS.Timeout | null = null

  constructor(ports: Record<string, RedisPort>, log: Logger) {
    this.#ports = ports
    this.#log = log
  }

  start(): void {
    for (const name of Object.keys(this.#ports)) {
      this.#log.info(`starting connection to ${name}...`)
      this.#ready.set(name, { ready: false, since: performance.now() })
    }
    this.#timer = setInterval(() => this.#look(), intervalMs)
  }

  #look(): void {
    for (const [name, port] of Object.entries(this.#ports)) {
      const { ready, waiting } = port.inspect()
      const before = this.#ready.get(name)
      if (before === undefined || before.ready === ready) continue
      const seconds = Math.round((performance.now() - before.since) / 1000)
      this.#ready.set(name, { ready, since: performance.now() })
      if (ready) this.#log.info({ afterSeconds: seconds }, `Established connection to ${name}.`)
      else this.#log.error({ waiting }, `Lost connection to ${name}; reconnecting.`)
    }
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
  }
}
