// What the programs need of servers: one of its own for each scenario, or a cluster for a whole file.

import { afterAll, beforeAll, beforeEach } from 'vitest'
import { LocalCluster, LocalServer, type LocalServerOptions } from '../../../scripts/local-cluster.mjs'
import type { Requests } from './program.js'

/** `kill` and `restart`, of a server. A server that is started again has forgotten everything, scripts too. */
export function requestsOf(server: LocalServer): Requests {
  return { kill: () => server.kill(), restart: () => server.restart() }
}

/** Runs it with servers that are nobody else's. */
export async function withServers<Result>(
  count: number,
  body: (servers: LocalServer[], addresses: string[]) => Promise<Result>,
  options: LocalServerOptions = {},
): Promise<Result> {
  const servers: LocalServer[] = []
  try {
    for (let i = 0; i < count; i++) servers.push(await LocalServer.start(options))
    return await body(
      servers,
      servers.map(server => server.address),
    )
  } finally {
    await Promise.all(servers.map(server => server.stop()))
  }
}

/** A cluster of three primaries for the tests of a describe; each of them finds it empty. */
export function useCluster(): () => LocalCluster {
  let cluster: LocalCluster | undefined
  beforeAll(async () => {
    cluster = await LocalCluster.start({ replicasPerPrimary: 0 })
  })
  beforeEach(async () => {
    for (const node of cluster?.nodes ?? []) await node.command('FLUSHALL')
  })
  afterAll(() => cluster?.stop())
  return () => {
    if (cluster === undefined) throw new Error('there is no cluster outside of a test')
    return cluster
  }
}
