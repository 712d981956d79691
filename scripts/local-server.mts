// LocalServer: one redis-server process on 127.0.0.1, for tests, benchmarks and the demo.
// Owns    the process (across restarts), its folder, and one connection for questions.
// Born    by start(), on ports the kernel has just given out.
// Dies    by stop(); also when this process ends, however it ends.
// Holds   it is ended by its process id, and its folder goes with it.

import { type ChildProcess, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { accessSync, constants, mkdtempSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { findOnPath } from './programs.mjs'
import { findRedisServer } from './redis-server.mjs'

export interface ServerTls {
  /** Paths of PEM files. */
  cert: string
  key: string
  ca: string
  /** For the questions asked of it: the name its certificate is made out to, and the certificate to show. Default: its own. */
  servername?: string
  client?: { cert: string; key: string }
}

export interface LocalServerOptions {
  /** Lines of redis.conf: name to value or values. */
  config?: Record<string, string | string[]>
  requirepass?: string
  /** ACL users: name to the rules after it. */
  users?: Record<string, string>
  tls?: ServerTls
  /** Listens on a Unix socket in its folder, too. */
  unixSocket?: boolean
  /** Default `none`. */
  persistence?: 'none' | 'aof'
  /** Where it listens, and where it connects from if given. Default 127.0.0.1. */
  host?: string
  /** Addresses to listen on. Default its host. */
  bind?: string[]
  /** Something in front of it that passes on what comes in: the ports that everybody is told, for those that it listens on. */
  front?: (host: string, own: Ports) => Promise<Ports>
  /** Core to run on. */
  cpu?: number
  cluster?: { nodeTimeoutMs: number }
}

export interface Ports {
  port: number
  busPort: number
}

const startLimitMs = 10_000
const commandLimitMs = 5_000
const running = new Set<number>()
/** Folders of servers, running or not. */
const folders = new Set<string>()

/** Process ids of the servers that this process has started and not ended. */
export function liveServerPids(): number[] {
  return [...running]
}

function endAll(): void {
  for (const pid of running) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It is gone already.
    }
  }
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
  running.clear()
  folders.clear()
}

process.on('exit', endAll)
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    endAll()
    process.exit(128 + { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 }[signal])
  })
}

/** Outside of what kernels give to outgoing connections: nobody takes the port of a server that is down for a while. */
const [firstPort, lastPort] = [10_000, 32_000]

/** Ports that nobody listens on. All are held until every one is known, so no two are the same. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, listenSomewhere))
  const ports = servers.map(server => (server.address() as AddressInfo).port)
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
  return ports
}

async function listenSomewhere(): Promise<Server> {
  for (;;) {
    const server = createServer().listen(randomInt(firstPort, lastPort), '127.0.0.1')
    try {
      await once(server, 'listening')
      return server
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    }
  }
}

/** What a server must find room for in memory. */
const memoryFolderBytes = 1024 ** 3

/**
 * Where servers' folders go: where TMPDIR says, else in memory where there is plenty, else among temporary files. A server waits for the disk before it votes, and while
 * others are busy with the disk elections fail.
 */
function parentFolder(): string {
  if (process.env.TMPDIR !== undefined) return tmpdir()
  try {
    const { bavail, bsize } = statfsSync('/dev/shm')
    accessSync('/dev/shm', constants.W_OK)
    if (bavail * bsize >= memoryFolderBytes) return '/dev/shm'
  } catch {
    // Not everybody has it.
  }
  return tmpdir()
}

export class LocalServer {
  readonly host: string
  /** Ports under which it is known. */
  readonly port: number
  readonly busPort: number
  readonly #own: Ports
  readonly dir: string
  readonly #program: string
  readonly #options: LocalServerOptions
  #child: ChildProcess | null = null
  #admin: Redis | null = null

  private constructor(own: Ports, known: Ports, program: string, options: LocalServerOptions) {
    this.host = options.host ?? '127.0.0.1'
    this.#own = own
    this.port = known.port
    this.busPort = known.busPort
    this.#program = program
    this.#options = options
    this.dir = mkdtempSync(join(parentFolder(), 'slotwise-redis-'))
    folders.add(this.dir)
  }

  static async start(options: LocalServerOptions = {}): Promise<LocalServer> {
    const program = await findRedisServer({ install: true, log: line => process.stderr.write(`${line}\n`) })
    for (let attempt = 0; ; attempt++) {
      const [port, busPort] = (await freePorts(2)) as [number, number]
      const own = { port, busPort }
      const server = new LocalServer(
        own,
        (await options.front?.(options.host ?? '127.0.0.1', own)) ?? own,
        program,
        options,
      )
      try {
        await server.#launch()
        return server
      } catch (error) {
        const taken = server.log().includes('Address already in use')
        await server.stop()
        // Somebody else was given the port between our asking and our binding.
        if (!taken || attempt >= 4) throw error
      }
    }
  }

  get address(): string {
    return `${this.host}:${this.port}`
  }

  get pid(): number {
    return this.#child?.pid ?? -1
  }

  get unixSocketPath(): string {
    return join(this.dir, 'redis.sock')
  }

  get running(): boolean {
    return this.#child !== null
  }

  /** What the server has written to its log. */
  log(): string {
    try {
      return readFileSync(join(this.dir, 'redis.log'), 'utf8')
    } catch {
      return ''
    }
  }

  #configText(): string {
    const { config, requirepass, users, tls, unixSocket, persistence, bind, cluster } = this.#options
    const lines: string[] = [
      `bind ${(bind ?? [this.host]).join(' ')}`,
      tls === undefined ? `port ${this.#own.port}` : `port 0\ntls-port ${this.#own.port}`,
      `dir ${this.dir}`,
      'logfile redis.log',
      'daemonize no',
      'save ""',
      `appendonly ${persistence === 'aof' ? 'yes' : 'no'}`,
      'enable-debug-command local',
      'repl-diskless-sync-delay 0',
    ]
    if (tls !== undefined) {
      lines.push(
        `tls-cert-file ${tls.cert}`,
        `tls-key-file ${tls.key}`,
        `tls-ca-cert-file ${tls.ca}`,
        'tls-replication yes',
      )
      if (cluster !== undefined) lines.push('tls-cluster yes')
    }
    if (requirepass !== undefined) lines.push(`requirepass ${requirepass}`, `masterauth ${requirepass}`)
    for (const [name, rules] of Object.entries(users ?? {})) lines.push(`user ${name} ${rules}`)
    // Protected mode takes 127.0.0.1 alone for this machine.
    if (this.#options.host !== undefined) lines.push(`bind-source-addr ${this.host}`, 'protected-mode no')
    if (unixSocket === true) lines.push(`unixsocket ${this.unixSocketPath}`)
    if (cluster !== undefined) {
      lines.push(
        'cluster-enabled yes',
        'cluster-config-file nodes.conf',
        `cluster-port ${this.#own.busPort}`,
        `cluster-node-timeout ${cluster.nodeTimeoutMs}`,
        'cluster-allow-replica-migration no',
        // By default a replica gives up for good when its elections have failed for ten node timeouts and ten seconds, as on a starved machine.
        'cluster-replica-validity-factor 0',
        `cluster-announce-ip ${this.host}`,
      )
    }
    if (this.#options.front !== undefined) {
      lines.push(`cluster-announce-port ${this.port}`, `cluster-announce-bus-port ${this.busPort}`)
    }
    for (const [name, value] of Object.entries(config ?? {}))
      for (const one of [value].flat()) lines.push(`${name} ${one}`)
    return `${lines.join('\n')}\n`
  }

  async #launch(): Promise<void> {
    writeFileSync(join(this.dir, 'redis.conf'), this.#configText())
    const pinned = this.#options.cpu === undefined ? [] : ['taskset', '-c', String(this.#options.cpu)]
    // setpriv (Linux) has the kernel end the server should this process be killed outright.
    const bound = findOnPath('setpriv') === null ? [] : ['setpriv', '--pdeathsig', 'KILL']
    const [command, ...args] = [...bound, ...pinned, this.#program, join(this.dir, 'redis.conf')]
    const child = spawn(command as string, args, { stdio: 'ignore' })
    this.#child = child
    if (child.pid !== undefined) running.add(child.pid)
    child.once('error', () => undefined)
    child.once('exit', () => {
      running.delete(child.pid as number)
      if (this.#child === child) this.#child = null
    })
    const deadline = performance.now() + startLimitMs
    while (performance.now() < deadline) {
      if (this.#child === null) throw new Error(`redis-server did not start: ${this.log().trim().split('\n').at(-1)}`)
      try {
        await this.command('PING')
        return
      } catch (error) {
        if (/LOADING|NOAUTH|WRONGPASS|NOPERM/.test((error as Error).message)) return
        await delay(20)
      }
    }
    throw new Error(`redis-server did not answer within ${startLimitMs} ms`)
  }

  /** Asks the server something, on a connection of another client library. Rejects while it is not running. */
  async command(name: string, ...args: (string | number | Buffer)[]): Promise<unknown> {
    const { tls, requirepass } = this.#options
    this.#admin ??= new Redis({
      host: this.host,
      port: this.#own.port,
      lazyConnect: true,
      retryStrategy: null as never,
      maxRetriesPerRequest: 0,
      enableReadyCheck: false,
      commandTimeout: commandLimitMs,
      connectTimeout: commandLimitMs,
      protocol: 2,
      ...(requirepass === undefined ? {} : { password: requirepass }),
      ...(tls === undefined
        ? {}
        : {
            tls: {
              ca: readFileSync(tls.ca),
              cert: tls.client?.cert ?? readFileSync(tls.cert),
              key: tls.client?.key ?? readFileSync(tls.key),
              ...(tls.servername === undefined ? {} : { servername: tls.servername }),
            },
          }),
    }).on('error', () => undefined)
    const admin = this.#admin
    try {
      return await admin.call(name, ...args)
    } catch (error) {
      // A connection that was lost does not come back by itself; the next question opens another.
      if (admin.status !== 'ready' && this.#admin === admin) this.#closeAdmin()
      throw error
    }
  }

  #closeAdmin(): void {
    this.#admin?.disconnect()
    this.#admin = null
  }

  /** Sends a signal that ends the process, and waits until it is gone. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.#closeAdmin()
    const child = this.#child
    if (child === null) return
    const gone = once(child, 'exit')
    child.kill(signal)
    await gone
  }

  /** Starts it again with the same port, folder and configuration. */
  async restart(): Promise<void> {
    await this.kill()
    await this.#launch()
  }

  /** While it is down: it knows nothing of its data or its cluster any more. */
  forget(): void {
    for (const file of ['nodes.conf', 'dump.rdb', 'appendonlydir'])
      rmSync(join(this.dir, file), { recursive: true, force: true })
  }

  /** Stops it in the middle of whatever it does; its sockets stay open. */
  freeze(): void {
    this.#child?.kill('SIGSTOP')
  }

  thaw(): void {
    this.#child?.kill('SIGCONT')
  }

  async stop(): Promise<void> {
    await this.kill()
    rmSync(this.dir, { recursive: true, force: true })
    folders.delete(this.dir)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}
