// BlackHoles: one proxy before each server, which the servers announce as theirs. While it swallows, connections stand and new ones are accepted,
// and nothing passes: what a network that drops packets looks like to a client, where the lab may not make a network of its own.
// Owns    the proxies and every connection through them.
// Dies    by close().

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { LocalCluster } from '../../../scripts/local-cluster.mjs'

const announcedWithinMs = 10_000

export class BlackHoles {
  readonly ports: readonly number[]
  readonly #servers: Server[]
  readonly #sockets: Set<Socket>
  readonly #state: { swallows: boolean }

  private constructor(servers: Server[], sockets: Set<Socket>, state: { swallows: boolean }) {
    this.#servers = servers
    this.#sockets = sockets
    this.#state = state
    this.ports = servers.map(server => (server.address() as AddressInfo).port)
  }

  /** From now on the cluster tells clients of these ports, in the order of its nodes. */
  static async before(cluster: LocalCluster): Promise<BlackHoles> {
    const sockets = new Set<Socket>()
    const state = { swallows: false }
    const servers = cluster.nodes.map(node => createServer(client => join(client, node.port, sockets, state)))
    for (const server of servers) await once(server.listen(0, '127.0.0.1'), 'listening')
    const holes = new BlackHoles(servers, sockets, state)
    for (const [i, node] of cluster.nodes.entries())
      await node.command('CONFIG', 'SET', 'cluster-announce-port', holes.ports[i] as number)
    const deadline = performance.now() + announcedWithinMs
    while (!(await isAnnounced(cluster, holes.ports))) {
      if (performance.now() > deadline) throw new Error('the servers do not announce their proxies')
      await delay(50)
    }
    return holes
  }

  swallow(): void {
    this.#state.swallows = true
    for (const socket of this.#sockets) socket.pause()
  }

  pass(): void {
    this.#state.swallows = false
    for (const socket of this.#sockets) socket.resume()
  }

  close(): void {
    for (const server of this.#servers) server.close()
    for (const socket of this.#sockets) socket.destroy()
  }
}

function join(client: Socket, port: number, sockets: Set<Socket>, state: { swallows: boolean }): void {
  const server = connect(port, '127.0.0.1')
  for (const [from, to] of [
    [client, server],
    [server, client],
  ] as const) {
    sockets.add(from)
    from.setNoDelay(true)
    from.on('data', chunk => to.write(chunk))
    from.on('error', () => undefined)
    from.once('close', () => {
      sockets.delete(from)
      to.destroy()
    })
    if (state.swallows) from.pause()
  }
}

async function isAnnounced(cluster: LocalCluster, ports: readonly number[]): Promise<boolean> {
  for (const node of cluster.nodes) {
    const nodes = (await node.command('CLUSTER', 'NODES')) as string
    if (!ports.every(port => nodes.includes(`127.0.0.1:${port}@`))) return false
  }
  return true
}
