// Stage: one cluster, the clients under test in processes of their own, and what the parent notes while things go wrong.
// Owns    the cluster, the children, the probes on primaries.
// Born    by open(); all clients are at work then.
// Dies    by close().

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { slotOf } from 'slotwise/core'
import { LocalCluster, type LocalClusterOptions } from '../../scripts/local-cluster.mjs'
import type { LocalServer } from '../../scripts/local-server.mjs'
import type { FromChild, Report, ToChild } from './child.mjs'
import type { DriverName } from './drivers.mjs'
import type { Gone } from './history.mjs'

const callersPerPrimary = 3

export const now = () => Number(process.hrtime.bigint() / 1000n)

/** The keys of one client, spread evenly over the slots. */
function keysOf(driver: DriverName, count: number): string[] {
  const keys: string[] = []
  for (let i = 0; i < count; i++) keys.push(`${driver}:${i}:${keyOf(Math.floor(((i + 0.5) * 16384) / count))}`)
  return keys
}

/** A hash tag of the slot. */
function keyOf(slot: number): string {
  for (let n = 0; ; n++) if (slotOf(String(n)) === slot) return `{${n}}`
}

/** Tells until when a primary has passed on what it has acknowledged: asks WAIT all the time (WAIT command page). */
class ReplicationProbe {
  safeUntil = now()
  #over = false
  readonly #ended: Promise<void>

  /** @param key a key that the primary serves */
  constructor(primary: LocalServer, key: string) {
    this.#ended = this.#run(primary, key)
  }

  async #run(primary: LocalServer, key: string): Promise<void> {
    while (!this.#over) {
      const from = now()
      try {
        await primary.command('SET', key, from)
        if (Number(await primary.command('WAIT', 1, 500)) >= 1) this.safeUntil = from
      } catch {
        return
      }
      await delay(10)
    }
  }

  async end(): Promise<void> {
    this.#over = true
    await this.#ended
  }
}

export interface StageOptions extends LocalClusterOptions {
  mixed?: boolean
  pauseMs?: number
}

/** What a scenario notes for its figures. */
export interface Notes {
  /** When things began to go wrong. */
  brokenAt: number
  /** From when on the client could have succeeded. */
  healedAt: number
  /** Primaries that went with what only they knew. */
  gone: Gone[]
  /** Keys whose callers were concerned, by client; all when not set. */
  concerned: Map<DriverName, ReadonlySet<string>>
}

export class Stage {
  readonly cluster: LocalCluster
  readonly drivers: readonly DriverName[]
  readonly keys: ReadonlyMap<DriverName, string[]>
  readonly notes: Notes = { brokenAt: 0, healedAt: 0, gone: [], concerned: new Map() }
  readonly #children = new Map<DriverName, ChildProcess>()

  private constructor(cluster: LocalCluster, drivers: readonly DriverName[]) {
    this.cluster = cluster
    this.drivers = drivers
    this.keys = new Map(drivers.map(driver => [driver, keysOf(driver, 3 * callersPerPrimary)]))
  }

  static async open(drivers: readonly DriverName[], options: StageOptions = {}): Promise<Stage> {
    const { mixed = false, pauseMs = 5, ...shape } = options
    const stage = new Stage(await LocalCluster.start(shape), drivers)
    try {
      for (const driver of drivers) await stage.#startChild(driver, mixed, pauseMs)
      await delay(700)
    } catch (error) {
      await stage.close()
      throw error
    }
    return stage
  }

  async #startChild(driver: DriverName, mixed: boolean, pauseMs: number): Promise<void> {
    const path = fileURLToPath(new URL('./child.mjs', import.meta.url))
    const child = fork(path, [], {
      execArgv: ['--expose-gc', '--unhandled-rejections=warn'],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    this.#children.set(driver, child)
    const { addresses } = this.cluster
    const keys = this.keys.get(driver) as string[]
    await this.#tell(child, { do: 'start', work: { driver, addresses, keys, pauseMs, mixed } }, 'started')
  }

  async #tell<Said extends FromChild['said']>(
    child: ChildProcess,
    message: ToChild,
    said: Said,
  ): Promise<Extract<FromChild, { said: Said }>> {
    const answered = (async () => {
      for (;;) {
        const [answer] = (await once(child, 'message')) as [FromChild]
        if (answer.said === said) return answer as Extract<FromChild, { said: Said }>
      }
    })()
    const died = once(child, 'exit').then(([code]) => {
      throw new Error(`the client's process ended with ${code}`)
    })
    child.send(message)
    return Promise.race([answered, died])
  }

  /** Tells every client's process something. */
  async tellAll(message: Extract<ToChild, { do: 'exhaust' | 'jump' }>): Promise<void> {
    await Promise.all([...this.#children.values()].map(child => this.#tell(child, message, 'done')))
  }

  /** Things go wrong from now on, for callers whose keys are on these primaries; for all when none is named. */
  async breaks(primaries?: readonly LocalServer[]): Promise<void> {
    if (primaries !== undefined) {
      const slots = await this.#slotsOf(primaries)
      for (const [driver, keys] of this.keys) {
        this.notes.concerned.set(driver, new Set(keys.filter(key => slots.has(slotOf(key)))))
      }
    }
    this.notes.brokenAt = now()
  }

  /** From now on a client could succeed. */
  heals(): void {
    this.notes.healedAt = now()
  }

  async #slotsOf(primaries: readonly LocalServer[]): Promise<Set<number>> {
    const slots = new Set<number>()
    for (const primary of primaries) {
      const ranges = (await primary.command('CLUSTER', 'SLOTS')) as [number, number, [string, number]][]
      for (const [first, last, [, port]] of ranges) {
        if (port === primary.port) for (let slot = first; slot <= last; slot++) slots.add(slot)
      }
    }
    return slots
  }

  /** Primaries go by `act`, with whatever they have not passed on: notes what Redis itself may lose. */
  async lose(primaries: readonly LocalServer[], act: () => Promise<unknown> | unknown): Promise<void> {
    const slots = await this.#slotsOf(primaries)
    const probes: ReplicationProbe[] = []
    for (const primary of primaries) {
      const [first] = await this.#slotsOf([primary])
      probes.push(new ReplicationProbe(primary, `probe:${keyOf(first as number)}`))
    }
    await delay(300)
    await this.breaks(primaries)
    const goneAt = Promise.resolve(act()).then(now)
    const safeUntil = Math.min(...probes.map(probe => probe.safeUntil))
    await goneAt
    await Promise.all(probes.map(probe => probe.end()))
    const keys = new Set([...this.keys.values()].flat().filter(key => slots.has(slotOf(key))))
    // What a frozen or isolated primary still acknowledges counts, until it knows that it was replaced.
    this.notes.gone.push({ keys, safeUntil, goneAt: Infinity })
  }

  /** The replica that follows a primary. */
  async replicaOf(primary: LocalServer): Promise<LocalServer> {
    for (const node of this.cluster.nodes) {
      if (node === primary || !node.running) continue
      const role = (await node.command('ROLE')) as [string, string, number]
      if (role[0] === 'slave' && role[2] === primary.port) return node
    }
    throw new Error(`${primary.address} has no replica`)
  }

  /** Waits until the server is a primary of a cluster that is in order, as it says itself. Looks every 5 ms. */
  async promoted(replica: LocalServer, limitMs = 20_000): Promise<void> {
    const deadline = performance.now() + limitMs
    while (performance.now() < deadline) {
      const role = (await replica.command('ROLE').catch(() => ['?'])) as string[]
      if (role[0] === 'master') {
        const info = String(await replica.command('CLUSTER', 'INFO'))
        if (info.includes('cluster_state:ok')) return
      }
      await delay(5)
    }
    throw new Error(`${replica.address} was not promoted within ${limitMs} ms`)
  }

  /** Ends the load and reads what the servers hold. */
  async finish(settleMs = 12_000): Promise<{ reports: Map<DriverName, Report>; lists: Map<string, number[]> }> {
    await this.cluster.waitUntilOk(30_000)
    const reports = new Map<DriverName, Report>()
    await Promise.all(
      [...this.#children].map(async ([driver, child]) => {
        reports.set(driver, await this.#tell(child, { do: 'stop', settleMs }, 'report'))
      }),
    )
    const lists = new Map<string, number[]>()
    for (const key of [...this.keys.values()].flat()) {
      const owner = await this.cluster.primaryOf(slotOf(key))
      lists.set(key, ((await owner.command('LRANGE', key, 0, -1)) as string[]).map(Number))
    }
    return { reports, lists }
  }

  async close(): Promise<void> {
    for (const child of this.#children.values()) if (child.connected) child.disconnect()
    await this.cluster.stop()
  }
}
