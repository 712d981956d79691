// LocalCluster: a Redis Cluster of real processes on 127.0.0.1, for tests, benchmarks and the demo.
// Owns    its servers.
// Born    by start(), when every node agrees that the cluster is ok.
// Dies    by stop(), with its servers.

import { setTimeout as delay } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { LocalServer, type LocalServerOptions } from './local-server.mjs'

export { freePorts, LocalServer, type LocalServerOptions, liveServerPids } from './local-server.mjs'

export interface LocalClusterOptions extends Omit<LocalServerOptions, 'cluster' | 'host'> {
  /** Default 3. */
  primaries?: number
  /** Default 1. */
  replicasPerPrimary?: number
  /** One for each server, primaries first. Default 127.0.0.1 for all. */
  hosts?: readonly string[]
  /** After this long without an answer a node counts as failed. Default 1,000. */
  nodeTimeoutMs?: number
  onProgress?: (line: string) => void
}

const slotCount = 16384
const pollMs = 25
/** A little over what a Redis server gives a failover by hand (CLUSTER_MF_TIMEOUT, 5 s). */
const manualFailoverLimitMs = 5500

export class LocalCluster {
  readonly nodes: LocalServer[]

  private constructor(nodes: LocalServer[]) {
    this.nodes = nodes
  }

  static async start(options: LocalClusterOptions = {}): Promise<LocalCluster> {
    const { primaries = 3, replicasPerPrimary = 1, nodeTimeoutMs = 1000, hosts, onProgress, ...server } = options
    const total = primaries * (1 + replicasPerPrimary)
    const started = await Promise.allSettled(
      Array.from({ length: total }, (_, i) => {
        const host = hosts?.[i]
        return LocalServer.start({ ...server, ...(host !== undefined && { host }), cluster: { nodeTimeoutMs } })
      }),
    )
    const nodes = started.filter(result => result.status === 'fulfilled').map(result => result.value)
    const cluster = new LocalCluster(nodes)
    try {
      const failure = started.find(result => result.status === 'rejected')
      if (failure !== undefined) throw failure.reason
      onProgress?.(`${total} servers listen on ports ${nodes.map(node => node.port).join(', ')}`)
      await cluster.#form(primaries)
      await cluster.waitUntilOk(20_000)
      onProgress?.(`the cluster is ok: ${primaries} primaries, ${total - primaries} replicas`)
      return cluster
    } catch (error) {
      await cluster.stop()
      throw error
    }
  }

  get addresses(): string[] {
    return this.nodes.map(node => node.address)
  }

  async #form(primaries: number): Promise<void> {
    const [first] = this.nodes as [LocalServer]
    for (const [i, node] of this.nodes.entries()) await node.command('CLUSTER', 'SET-CONFIG-EPOCH', i + 1)
    for (let i = 0; i < primaries; i++) {
      const from = Math.floor((i * slotCount) / primaries)
      const to = Math.floor(((i + 1) * slotCount) / primaries) - 1
      await (this.nodes[i] as LocalServer).command('CLUSTER', 'ADDSLOTSRANGE', from, to)
    }
    for (const node of this.nodes) {
      if (node !== first) await node.command('CLUSTER', 'MEET', first.host, first.port, first.busPort)
    }
    const known = async () => {
      for (const node of this.nodes) {
        const text = (await node.command('CLUSTER', 'NODES')) as string
        if (text.trim().split('\n').length !== this.nodes.length || text.includes('handshake')) return false
      }
      return true
    }
    await until(known, 15_000, 'the nodes to meet')
    for (const [i, node] of this.nodes.entries()) {
      if (i < primaries) continue
      const primary = this.nodes[i % primaries] as LocalServer
      await node.command('CLUSTER', 'REPLICATE', (await primary.command('CLUSTER', 'MYID')) as string)
    }
    const linked = async () => {
      for (const node of this.nodes.slice(primaries)) {
        if (!((await node.command('INFO', 'replication')) as string).includes('master_link_status:up')) return false
      }
      return true
    }
    await until(linked, 15_000, 'the replicas to follow')
  }

  /** True when every running node says that the cluster is ok, and all name the same owners. */
  async isOk(): Promise<boolean> {
    const views = new Set<string>()
    for (const node of this.nodes) {
      if (!node.running) continue
      try {
        const info = (await node.command('CLUSTER', 'INFO')) as string
        if (!info.includes('cluster_state:ok') || !info.includes(`cluster_slots_ok:${slotCount}`)) return false
        const slots = (await node.command('CLUSTER', 'SLOTS')) as [number, number, [string, number]][]
        const owners = slots.map(([from, to, [, port]]) => `${from}-${to}:${port}`)
        views.add(owners.sort().join())
      } catch {
        return false
      }
    }
    return views.size === 1
  }

  async waitUntilOk(limitMs: number): Promise<void> {
    try {
      await until(() => this.isOk(), limitMs, 'the cluster to be ok')
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${this.story()}`, { cause: error })
    }
  }

  /** What the servers have logged of failures and elections, each one's last lines. */
  story(lines = 12): string {
    return this.nodes
      .map(node => {
        const told = node
          .log()
          .split('\n')
          .filter(line => /fail|elect|vote|auth|cluster state|link|master lost/i.test(line))
        return [`${node.address}, ${node.running ? 'running' : 'down'}:`, ...told.slice(-lines)].join('\n  ')
      })
      .join('\n')
  }

  /** Running nodes that are primaries now. */
  async primaries(): Promise<LocalServer[]> {
    return this.#withRole('master')
  }

  async replicas(): Promise<LocalServer[]> {
    return this.#withRole('slave')
  }

  async #withRole(role: string): Promise<LocalServer[]> {
    const found: LocalServer[] = []
    for (const node of this.nodes) {
      if (node.running && ((await node.command('ROLE')) as string[])[0] === role) found.push(node)
    }
    return found
  }

  /** The running node that serves a slot now. */
  async primaryOf(slot: number): Promise<LocalServer> {
    const asked = this.nodes.find(node => node.running) as LocalServer
    const slots = (await asked.command('CLUSTER', 'SLOTS')) as [number, number, [string, number]][]
    const port = slots.find(([from, to]) => from <= slot && slot <= to)?.[2][1]
    const owner = this.nodes.find(node => node.port === port)
    if (owner === undefined) throw new Error(`nobody serves slot ${slot}`)
    return owner
  }

  /**
   * Waits until a replica has acknowledged all that its primary has written. That both call their link up is not enough: the primary sends
   * nothing before the replica's first acknowledgement, up to a second later, and killed until then takes along what clients were told is written.
   */
  async waitUntilReplicated(primary: LocalServer, limitMs = 15_000): Promise<void> {
    const acknowledged = async () => {
      const [, written, replicas] = (await primary.command('ROLE')) as [string, number, [string, string, string][]]
      return replicas.some(([, , offset]) => Number(offset) >= written)
    }
    await until(acknowledged, limitMs, 'the replica to have what its primary has')
  }

  async killAll(): Promise<void> {
    await Promise.all(this.nodes.map(node => node.kill()))
  }

  async restartAll(): Promise<void> {
    await Promise.all(this.nodes.map(node => node.restart()))
  }

  freezeAll(): void {
    for (const node of this.nodes) node.freeze()
  }

  thawAll(): void {
    for (const node of this.nodes) node.thaw()
  }

  /**
   * Makes a replica the primary, and waits until the cluster agrees. Asked again when the server gave up: it says OK before it asks for votes, voters
   * refuse one shard's second failover for two node timeouts, and a failover by hand is called off after five seconds.
   * Source: https://redis.io/docs/latest/commands/cluster-failover/
   */
  async failover(replica: LocalServer, mode?: 'FORCE' | 'TAKEOVER'): Promise<void> {
    const promoted = async () => ((await replica.command('ROLE')) as string[])[0] === 'master'
    let askedAt = Number.NEGATIVE_INFINITY
    const asked = async () => {
      if (await promoted()) return true
      if (performance.now() - askedAt < manualFailoverLimitMs) return false
      askedAt = performance.now()
      await replica.command('CLUSTER', 'FAILOVER', ...(mode === undefined ? [] : [mode]))
      return false
    }
    await until(asked, 3 * manualFailoverLimitMs, 'the replica to be promoted')
    await this.waitUntilOk(10_000)
  }

  /** First step of moving a slot: from now on the old owner answers ASK for keys it does not have. */
  async beginMigration(slot: number, from: LocalServer, to: LocalServer): Promise<void> {
    await to.command('CLUSTER', 'SETSLOT', slot, 'IMPORTING', (await from.command('CLUSTER', 'MYID')) as string)
    await from.command('CLUSTER', 'SETSLOT', slot, 'MIGRATING', (await to.command('CLUSTER', 'MYID')) as string)
  }

  /** Second step: moves keys, at most `count`. Returns how many. */
  async migrateKeys(slot: number, from: LocalServer, to: LocalServer, count = 1000): Promise<number> {
    const keys = (await from.command('CLUSTER', 'GETKEYSINSLOT', slot, count)) as string[]
    if (keys.length > 0) await from.command('MIGRATE', to.host, to.port, '', 0, 5000, 'KEYS', ...keys)
    return keys.length
  }

  /** Third step: the new owner is the owner. */
  async finishMigration(slot: number, from: LocalServer, to: LocalServer): Promise<void> {
    const id = (await to.command('CLUSTER', 'MYID')) as string
    await to.command('CLUSTER', 'SETSLOT', slot, 'NODE', id)
    await from.command('CLUSTER', 'SETSLOT', slot, 'NODE', id)
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map(node => node.stop()))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}

async function until(condition: () => Promise<boolean>, limitMs: number, what: string): Promise<void> {
  const deadline = performance.now() + limitMs
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited ${limitMs} ms in vain for ${what}`)
    await delay(pollMs)
  }
}

const help = `Starts a Redis Cluster on 127.0.0.1 and keeps it until Ctrl-C.

  npm run cluster -- [--primaries 3] [--replicas 1] [--node-timeout-ms 2000] [--help]
`

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      help: { type: 'boolean', short: 'h' },
      primaries: { type: 'string', default: '3' },
      replicas: { type: 'string', default: '1' },
      'node-timeout-ms': { type: 'string', default: '2000' },
    },
  })
  if (values.help === true) {
    process.stdout.write(help)
    return
  }
  const cluster = await LocalCluster.start({
    primaries: Number(values.primaries),
    replicasPerPrimary: Number(values.replicas),
    nodeTimeoutMs: Number(values['node-timeout-ms']),
    onProgress: line => process.stdout.write(`${line}\n`),
  })
  process.stdout.write(`${cluster.addresses.join(' ')}\nCtrl-C ends it.\n`)
  // The servers' connections for questions are idle; this keeps the process until a signal comes.
  setInterval(() => undefined, 60_000)
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) await main()
