import type { Socket } from 'node:net'
import type { RedisOptions } from './redis-options.js'
export class SentinelConnector {
  constructor(
    readonly options: RedisOptions,
    readonly redis?: unknown,
  ) {}
  connect(_emit: unknown): Promise<Socket> {
    return Promise.reject(new Error('not yet'))
  }
  disconnect(): void {}
  check(_info: unknown): boolean {
    return true
  }
}
