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
import type { FromChild, Report, ToChild, Work } from './child.mjs'
import type { DriverName } from './drivers.mjs'
import { type Gone, seal } from './history.mjs'
import { clientHost, type Network } from './network.mjs'

const callersPerPrimary = 3
/** Time for what clients have left behind to arrive. */
const sealedMs = 300

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
  /** Deadline of each call, in milliseconds; by default the library's own. */
  timeoutMs?: number
  /** What clients are told of where the cluster is, and what the names in it stand for; by default every server's address. */
  seeds?: (cluster: LocalCluster) => Promise<{ addresses: string[]; names: Record<string, string> }>
}

/** A cluster; where packets may be lost, with an address for each server. */
function startCluster(shape: LocalClusterOptions, network: Network | null): Promise<LocalCluster> {
  if (network === null) return LocalCluster.start(shape)
  const { primaries = 3, replicasPerPrimary = 1 } = shape
  const hosts = Array.from({ length: primaries * (1 + replicasPerPrimary) }, (_, i) => `127.0.0.${10 + i}`)
  const front = network.front?.bind(network)
  return LocalCluster.start({ ...shape, hosts, ...(front !== undefined && { front }) })
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
  readonly #network: Network | null
  readonly #children = new Map<DriverName, ChildProcess>()

  private constructor(cluster: LocalCluster, drivers: readonly DriverName[], network: Network | null) {
    this.#network = network
    this.cluster = cluster
    this.drivers = drivers
    this.keys = new Map(drivers.map(driver => [driver, keysOf(driver, 3 * callersPerPrimary)]))
  }

  /** @param network what may fail between servers and clients; null for nothing. It is closed with the stage */
  static async open(
    drivers: readonly DriverName[],
    options: StageOptions = {},
    network: Network | null = null,
  ): Promise<Stage> {
    const { mixed = false, pauseMs = 5, timeoutMs, seeds, ...shape } = options
    const stage = new Stage(await startCluster(shape, network), drivers, network)
    try {
      const { addresses, names } = (await seeds?.(stage.cluster)) ?? { addresses: stage.cluster.addresses, names: {} }
      for (const driver of drivers) {
        const keys = stage.keys.get(driver) as string[]
        const limit = timeoutMs === undefined ? {} : { timeoutMs }
        await stage.#startChild({ driver, addresses, keys, pauseMs, mixed, names, ...limit })
      }
      await delay(700)
    } catch (error) {
      await stage.close()
      throw error
    }
    return stage
  }

  async #startChild(work: Work): Promise<void> {
    const path = fileURLToPath(new URL('./child.mjs', import.meta.url))
    const child = fork(path, [], {
      execArgv: ['--expose-gc', '--unhandled-rejections=strict'],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    this.#children.set(work.driver, child)
    await this.#tell(child, { do: 'start', work }, 'started')
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
  async tellAll(message: Extract<ToChild, { do: 'exhaust' | 'jump' | 'rename' }>): Promise<void> {
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
    const acted = Promise.resolve(act())
    const safeUntil = Math.min(...probes.map(probe => probe.safeUntil))
    await acted
    for (const probe of probes) void probe.end()
    const keys = new Set([...this.keys.values()].flat().filter(key => slots.has(slotOf(key))))
    this.notes.gone.push({ keys, safeUntil, goneAt: Infinity })
  }

  /** Whoever was lost cannot acknowledge anything any more: is dead, or knows that it was replaced. */
  gone(): void {
    const last = this.notes.gone.at(-1)
    if (last !== undefined) last.goneAt = now()
  }

  /** Waits until a primary that was replaced says so, or refuses to serve. */
  async deposed(primary: LocalServer, limitMs = 20_000): Promise<void> {
    const deadline = performance.now() + limitMs
    for (;;) {
      const [role] = (await primary.command('ROLE').catch(() => ['?'])) as string[]
      const info = String(await primary.command('CLUSTER', 'INFO').catch(() => ''))
      if (role === 'slave' || info.includes('cluster_state:fail')) break
      if (performance.now() > deadline) throw new Error(`${primary.address} was not deposed within ${limitMs} ms`)
      await delay(5)
    }
    this.gone()
  }

  /** From now on no packet comes through between a server and the others, its clients, or both. */
  async isolate(server: LocalServer, from: 'servers' | 'clients' | 'all'): Promise<void> {
    const others = this.cluster.nodes.filter(node => node !== server).map(({ host }) => host)
    const hosts = { servers: others, clients: [clientHost], all: [...others, clientHost] }[from]
    for (const host of hosts) await this.#network?.block(server.host, host)
  }

  /** Every packet comes through again. */
  async reconnect(): Promise<void> {
    await this.#network?.restore()
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
    const ask = async (key: string, name: string, ...args: number[]) =>
      (await this.cluster.primaryOf(slotOf(key))).command(name, key, ...args)
    const keys = [...this.keys.values()].flat()
    for (const key of keys) await ask(key, 'RPUSH', seal)
    await delay(sealedMs)
    const lists = new Map<string, number[]>()
    for (const key of keys) lists.set(key, ((await ask(key, 'LRANGE', 0, -1)) as string[]).map(Number))
    return { reports, lists }
  }

  async close(): Promise<void> {
    for (const child of this.#children.values()) if (child.connected) child.disconnect()
    await this.cluster.stop()
    await this.#network?.close()
  }
}
