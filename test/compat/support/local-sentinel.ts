// LocalSentinel: one `redis-server --sentinel` process on 127.0.0.1 that watches one primary.
// Owns    the process (across restarts) and its folder.
// Born    by start(), on a port the kernel has just given out.
// Dies    by stop(); also when this process ends.
// Holds   it is ended by its process id, and its folder goes with it.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { freePorts, LocalServer } from '../../../scripts/local-server.mjs'
import { findOnPath } from '../../../scripts/programs.mjs'
import { findRedisServer } from '../../../scripts/redis-server.mjs'
import { eventually } from '../../support/settled.js'

export interface LocalSentinelOptions {
  /** What the primary is called. */
  name: string
  primary: { host: string; port: number }
  quorum?: number
  downAfterMs?: number
  failoverTimeoutMs?: number
  requirepass?: string
  /** Listens with TLS only. Paths of PEM files. */
  tls?: { cert: string; key: string; ca: string }
  /** More lines of its configuration. */
  lines?: string[]
}

const startLimitMs = 10_000
const running = new Map<number, string>()

process.on('exit', () => {
  for (const [pid, dir] of running) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It is gone already.
    }
    rmSync(dir, { recursive: true, force: true })
  }
})

export class LocalSentinel {
  readonly host = '127.0.0.1'
  readonly port: number
  readonly #program: string
  readonly #dir: string
  readonly #options: LocalSentinelOptions
  #child: ChildProcess | null = null

  private constructor(port: number, program: string, options: LocalSentinelOptions) {
    this.port = port
    this.#program = program
    this.#options = options
    this.#dir = mkdtempSync(join(tmpdir(), 'slotwise-sentinel-'))
    writeFileSync(join(this.#dir, 'sentinel.conf'), this.#configText())
  }

  static async start(options: LocalSentinelOptions): Promise<LocalSentinel> {
    const program = await findRedisServer({ install: true, log: line => process.stderr.write(`${line}\n`) })
    const [port] = (await freePorts(1)) as [number]
    const sentinel = new LocalSentinel(port, program, options)
    try {
      await sentinel.#launch()
    } catch (error) {
      await sentinel.stop()
      throw error
    }
    return sentinel
  }

  get address(): { host: string; port: number } {
    return { host: this.host, port: this.port }
  }

  /** What it has written to its log. */
  log(): string {
    return readFileSync(join(this.#dir, 'sentinel.log'), 'utf8')
  }

  #configText(): string {
    const { name, primary, quorum = 2, downAfterMs = 1_000, failoverTimeoutMs = 3_000 } = this.#options
    const { requirepass, tls, lines = [] } = this.#options
    return [
      `bind ${this.host}`,
      ...(tls === undefined ? [`port ${this.port}`] : ['port 0', `tls-port ${this.port}`, 'tls-auth-clients no']),
      ...(tls === undefined
        ? []
        : [`tls-cert-file ${tls.cert}`, `tls-key-file ${tls.key}`, `tls-ca-cert-file ${tls.ca}`]),
      `dir ${this.#dir}`,
      'logfile sentinel.log',
      'daemonize no',
      ...(requirepass === undefined ? [] : [`requirepass ${requirepass}`]),
      `sentinel monitor ${name} ${primary.host} ${primary.port} ${quorum}`,
      `sentinel down-after-milliseconds ${name} ${downAfterMs}`,
      `sentinel failover-timeout ${name} ${failoverTimeoutMs}`,
      ...lines,
      '',
    ].join('\n')
  }

  async #launch(): Promise<void> {
    // setpriv (Linux) has the kernel end it should this process be killed outright.
    const bound = findOnPath('setpriv') === null ? [] : ['setpriv', '--pdeathsig', 'KILL']
    const [command, ...args] = [...bound, this.#program, join(this.#dir, 'sentinel.conf'), '--sentinel']
    const child = spawn(command as string, args, { stdio: 'ignore' })
    this.#child = child
    const pid = child.pid
    if (pid !== undefined) running.set(pid, this.#dir)
    child.once('error', () => undefined)
    child.once('exit', () => {
      if (pid !== undefined) running.delete(pid)
      if (this.#child === child) this.#child = null
    })
    const deadline = performance.now() + startLimitMs
    while (performance.now() < deadline) {
      if (this.#child === null) throw new Error(`The sentinel did not start: ${this.log().trim().split('\n').at(-1)}`)
      try {
        await this.command('PING')
        return
      } catch {
        await delay(20)
      }
    }
    throw new Error(`The sentinel did not answer within ${startLimitMs} ms`)
  }

  /** Asks it something, on a connection of the moment. */
  async command(name: string, ...args: (string | number)[]): Promise<unknown> {
    const { requirepass, tls } = this.#options
    const asking = new Redis({
      ...this.address,
      lazyConnect: true,
      retryStrategy: null as never,
      enableReadyCheck: false,
      commandTimeout: 5_000,
      protocol: 2,
      ...(requirepass === undefined ? {} : { password: requirepass }),
      ...(tls === undefined ? {} : { tls: { ca: readFileSync(tls.ca) } }),
    }).on('error', () => undefined)
    try {
      return await asking.call(name, ...args)
    } finally {
      asking.disconnect()
    }
  }

  /** The port of the primary it believes in. */
  async primaryPort(): Promise<number> {
    const [, port] = (await this.command('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', this.#options.name)) as string[]
    return Number(port)
  }

  /** Ends the process, and waits until it is gone. */
  async kill(): Promise<void> {
    const child = this.#child
    if (child === null) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }

  /** Starts it again with the same port and all it has learned. */
  async restart(): Promise<void> {
    await this.kill()
    await this.#launch()
  }

  async stop(): Promise<void> {
    await this.kill()
    rmSync(this.#dir, { recursive: true, force: true })
  }
}

/** A primary, its replicas and its sentinels, which know of each other. */
export class SentinelGroup {
  readonly name = 'compat'
  readonly servers: LocalServer[] = []
  readonly sentinels: LocalSentinel[] = []

  static async start(counts: { replicas: number; sentinels: number; quorum: number }): Promise<SentinelGroup> {
    const group = new SentinelGroup()
    try {
      const primary = await LocalServer.start()
      group.servers.push(primary)
      const config = { replicaof: `${primary.host} ${primary.port}` }
      const replicas = Array.from({ length: counts.replicas }, () => LocalServer.start({ config }))
      group.servers.push(...(await Promise.all(replicas)))
      const options = { name: group.name, primary: { host: primary.host, port: primary.port }, quorum: counts.quorum }
      const sentinels = Array.from({ length: counts.sentinels }, () => LocalSentinel.start(options))
      group.sentinels.push(...(await Promise.all(sentinels)))
      await group.agreed()
    } catch (error) {
      await group.stop()
      throw error
    }
    return group
  }

  get addresses(): { host: string; port: number }[] {
    return this.sentinels.map(sentinel => sentinel.address)
  }

  async #primaryPort(): Promise<number> {
    const ports = await Promise.all(this.sentinels.map(sentinel => sentinel.primaryPort()))
    if (new Set(ports).size !== 1) throw new Error(`The sentinels believe in ${ports.join(', ')}`)
    return ports[0] as number
  }

  async primary(): Promise<LocalServer> {
    const port = await this.#primaryPort()
    return this.servers.find(server => server.port === port) as LocalServer
  }

  async replicas(): Promise<LocalServer[]> {
    const port = await this.#primaryPort()
    return this.servers.filter(server => server.port !== port)
  }

  /** Waits until every server has its role and every sentinel knows all of them and all of its kind. */
  agreed(): Promise<void> {
    return eventually(
      async () => {
        const port = await this.#primaryPort()
        for (const server of this.servers) {
          const [role, , , link] = (await server.command('ROLE')) as string[]
          if (role !== (server.port === port ? 'master' : 'slave')) throw new Error(`${server.port} is a ${role}`)
          if (role === 'slave' && link !== 'connected') throw new Error(`${server.port} is not connected`)
        }
        for (const sentinel of this.sentinels) {
          const replicas = (await sentinel.command('SENTINEL', 'REPLICAS', this.name)) as string[][]
          const others = (await sentinel.command('SENTINEL', 'SENTINELS', this.name)) as string[][]
          const flagged = (words: string[]) => words[words.indexOf('flags') + 1]
          const ready = replicas.filter(words => flagged(words) === 'slave').length
          const known = others.filter(words => flagged(words) === 'sentinel').length
          if (ready !== this.servers.length - 1) throw new Error(`${sentinel.port} knows ${ready} replicas`)
          if (known !== this.sentinels.length - 1) throw new Error(`${sentinel.port} knows ${known} sentinels`)
        }
      },
      60_000,
      100,
    )
  }

  /** Has another server become the primary, and waits until all agree on it. */
  async failover(): Promise<LocalServer> {
    const before = await this.#primaryPort()
    await eventually(() => this.sentinels[0]?.command('SENTINEL', 'FAILOVER', this.name), 30_000, 200)
    await eventually(
      async () => {
        if ((await this.#primaryPort()) === before) throw new Error(`${before} is still the primary`)
      },
      30_000,
      50,
    )
    return this.primary()
  }

  async stop(): Promise<void> {
    await Promise.all(this.sentinels.map(sentinel => sentinel.stop()))
    await Promise.all(this.servers.map(server => server.stop()))
  }
}
