// Loopback: the fake servers that are running in this process, for whoever wants to know whether anything is still on its way.

import type { FakeConnection } from './fake-connection.js'

/** What has to be known of a server. */
export interface LoopbackServer {
  readonly port: number
  readonly isFrozen: boolean
  readonly connections: readonly FakeConnection[]
}

const running = new Set<LoopbackServer>()

export function addServer(server: LoopbackServer): void {
  running.add(server)
}

export function removeServer(server: LoopbackServer): void {
  running.delete(server)
}

export function runningServers(): Iterable<LoopbackServer> {
  return running
}
