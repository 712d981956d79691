// Network: packets between the servers and clients of one run that are lost without a word to anybody.
// By nftables in a network namespace of the run's own; where that may not be had, by proxies in front of the servers that pass nothing on. A
// proxy is not the same: its kernel accepts what nobody answers.

import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { promisify } from 'node:util'
import type { Ports } from '../../scripts/local-server.mjs'
import { findOnPath, findProgram } from '../../scripts/programs.mjs'

const run = promisify(execFile)

/** Servers have addresses of their own, so that a packet tells between whom it goes. Everybody else is at this one. */
export const clientHost = '127.0.0.1'

export interface Network {
  readonly kind: 'nftables' | 'proxy'
  /** From now on nothing comes through between the two. */
  block(a: string, b: string): Promise<void>
  /** Everything does again. */
  restore(): Promise<void>
  /** What stands in front of a server on that host; undefined for nothing. */
  front?(host: string, own: Ports): Promise<Ports>
  close(): Promise<void>
}

/** Rules of the namespace in which this process is. */
export class PacketFilter implements Network {
  readonly kind = 'nftables'

  static async open(): Promise<PacketFilter> {
    const filter = new PacketFilter()
    await filter.#nft('add table inet faults')
    // On the way in, so that the sender hears nothing of it.
    await filter.#nft('add chain inet faults lost { type filter hook input priority 0; }')
    return filter
  }

  async #nft(command: string): Promise<void> {
    await run(findOnPath('nft') as string, [command])
  }

  async block(a: string, b: string): Promise<void> {
    await this.#nft(`add rule inet faults lost ip saddr ${a} ip daddr ${b} drop`)
    await this.#nft(`add rule inet faults lost ip saddr ${b} ip daddr ${a} drop`)
  }

  restore(): Promise<void> {
    return this.#nft('flush chain inet faults lost')
  }

  // The namespace goes with its last process.
  async close(): Promise<void> {}
}

interface Pipe {
  from: string
  to: string
  near: Socket
  far: Socket
  /** What has come meanwhile. */
  held: { into: Socket; data: Buffer }[]
}

/** Proxies in front of servers. */
export class BlackHoles implements Network {
  readonly kind = 'proxy'
  readonly #servers: Server[] = []
  readonly #pipes = new Set<Pipe>()
  /** Sides whose other side has gone while nothing came through: they do not know it yet. */
  readonly #orphans = new Set<Socket>()
  #blocked = new Set<string>()

  async front(host: string, own: Ports): Promise<Ports> {
    return { port: await this.#stand(host, own.port), busPort: await this.#stand(host, own.busPort) }
  }

  async #stand(host: string, port: number): Promise<number> {
    const server = createServer({ allowHalfOpen: true }, near => this.#join(near, host, port)).listen(0, host)
    await once(server, 'listening')
    this.#servers.push(server)
    return (server.address() as AddressInfo).port
  }

  #join(near: Socket, host: string, port: number): void {
    // Servers are told apart by where they connect from, on either side of it.
    const from = near.remoteAddress ?? clientHost
    const far = connect({ host, port, localAddress: from, allowHalfOpen: true })
    const pipe: Pipe = { from, to: host, near, far, held: [] }
    this.#pipes.add(pipe)
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.setNoDelay(true)
      one.on('data', data => {
        if (this.#isBlocked(pipe)) pipe.held.push({ into: other, data })
        else other.write(data)
      })
      one.on('end', () => {
        if (!this.#isBlocked(pipe)) other.end()
      })
      one.on('error', () => undefined)
      one.on('close', () => {
        this.#pipes.delete(pipe)
        // What the one has taken back is lost on its way to the other, who does not hear of that either.
        pipe.held = []
        if (!this.#isBlocked(pipe)) other.destroy()
        else this.#orphans.add(other)
      })
    }
  }

  #isBlocked({ from, to }: Pipe): boolean {
    return this.#blocked.has(`${from} ${to}`)
  }

  async block(a: string, b: string): Promise<void> {
    this.#blocked.add(`${a} ${b}`).add(`${b} ${a}`)
  }

  async restore(): Promise<void> {
    this.#blocked = new Set()
    for (const orphan of this.#orphans) orphan.resetAndDestroy()
    this.#orphans.clear()
    for (const pipe of this.#pipes) {
      for (const { into, data } of pipe.held.splice(0)) into.write(data)
      if (pipe.near.readableEnded) pipe.far.end()
      if (pipe.far.readableEnded) pipe.near.end()
    }
  }

  async close(): Promise<void> {
    for (const server of this.#servers) server.close()
    for (const { near, far } of this.#pipes) {
      near.destroy()
      far.destroy()
    }
    for (const orphan of this.#orphans) orphan.destroy()
  }
}

/** How to run a program in a network namespace of its own, or why that cannot be. */
export type Isolation = { command: readonly string[] } | { reason: string }

let isolation: Promise<Isolation> | null = null

/** Installs what is missing, if it may. With SLOTWISE_FAULTS_NETWORK=proxy there is none. */
export function findIsolation(): Promise<Isolation> {
  isolation ??= lookForIsolation()
  return isolation
}

async function lookForIsolation(): Promise<Isolation> {
  if (process.env.SLOTWISE_FAULTS_NETWORK === 'proxy') return { reason: 'SLOTWISE_FAULTS_NETWORK=proxy' }
  const options = { install: true, log: (line: string) => process.stderr.write(`${line}\n`) }
  try {
    const find = (name: string, debianPackage: string) =>
      findProgram({ names: [name], package: debianPackage, advice: `apt-get install ${debianPackage}` }, options)
    const ip = await find('ip', 'iproute2')
    const nft = await find('nft', 'nftables')
    const unshare = await find('unshare', 'util-linux')
    const own = process.getuid?.() === 0 ? ['--net'] : ['--net', '--map-root-user']
    const start = `"${ip}" link set lo up && exec "$@"`
    const command = [unshare, ...own, 'sh', '-c', start, 'sh']
    const [program, ...args] = [...command, nft, 'add', 'table', 'inet', 'faults']
    await run(program as string, args)
    return { command }
  } catch (error) {
    return { reason: (error as Error).message.trim().split('\n').at(-1) ?? 'no namespace' }
  }
}

/** Runs a program of Node in a namespace of its own, and takes the one message that it sends. */
export async function runIsolated(command: readonly string[], path: string, args: readonly string[]): Promise<unknown> {
  const [program, ...rest] = [...command, process.execPath, path, ...args]
  const child = spawn(program as string, rest, {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    serialization: 'advanced',
  })
  let message: unknown
  child.on('message', told => {
    message = told
    // It ends by itself then.
    if (child.connected) child.disconnect()
  })
  const [code] = await once(child, 'exit')
  if (message === undefined) throw new Error(`a run in a namespace of its own ended with ${code} and said nothing`)
  return message
}
