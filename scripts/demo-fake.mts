// demo-fake: the demo's cluster where no redis-server can be had: fake nodes of slotwise/testing inside this process.
// Owns    the fake cluster, and a connection of ioredis to each primary that is being asked something.
// Born    by start().
// Dies    by disposal.

import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { FakeCluster } from 'slotwise/testing'

/** What the demo asks of a server, without slotwise. */
export interface DemoServer {
  command(name: string, ...args: string[]): Promise<unknown>
}

/** What the demo does to a cluster. */
export interface DemoCluster extends AsyncDisposable {
  readonly addresses: string[]
  killAll(): Promise<void>
  restartAll(): Promise<void>
  waitUntilOk(limitMs: number): Promise<void>
  primaries(): Promise<DemoServer[]>
}

/** As a real cluster of the demo: it is down for the node timeout after its nodes have come back. */
const downAfterRestartMs = 2000

export class FakeDemoCluster implements DemoCluster {
  readonly #cluster: FakeCluster
  #asked: Redis[] = []
  #okAt = 0

  private constructor(cluster: FakeCluster) {
    this.#cluster = cluster
  }

  static async start(): Promise<FakeDemoCluster> {
    return new FakeDemoCluster(await FakeCluster.start({ primaries: 3, replicas: 1, keptCommands: 0 }))
  }

  get addresses(): string[] {
    return this.#cluster.addresses
  }

  killAll(): Promise<void> {
    this.#hangUp()
    return this.#cluster.killAll()
  }

  async restartAll(): Promise<void> {
    this.#cluster.setDown(true)
    await this.#cluster.restartAll()
    this.#okAt = performance.now() + downAfterRestartMs
  }

  async waitUntilOk(): Promise<void> {
    await delay(Math.max(0, this.#okAt - performance.now()))
    this.#cluster.setDown(false)
  }

  async primaries(): Promise<DemoServer[]> {
    this.#hangUp()
    this.#asked = this.#cluster.primaries.map(node => new Redis(node.port, '127.0.0.1'))
    return this.#asked.map(redis => ({ command: (name, ...args) => redis.call(name, ...args) }))
  }

  #hangUp(): void {
    for (const redis of this.#asked) redis.disconnect()
    this.#asked = []
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#hangUp()
    return this.#cluster.close()
  }
}
