// StartupChild: from nothing to the first reply, once. Prints a line of JSON.

import { createRequire } from 'node:module'

// biome-ignore lint/suspicious/noExplicitAny: each package has types of its own
type Loose = any

export type StartupClient = 'slotwise' | 'slotwise-core' | 'ioredis'

export interface Job {
  client: StartupClient
  addresses: string[]
}

export interface Startup {
  requireMs: number
  /** From the constructor to the first reply. */
  replyMs: number
  /** Both. */
  totalMs: number
  cpuMs: number
}

const require = createRequire(import.meta.url)
const { client, addresses } = JSON.parse(process.argv[2] as string) as Job

const cpuBefore = process.cpuUsage()
const startedAt = performance.now()
const loaded: Loose = require(client === 'slotwise-core' ? 'slotwise/core' : client)
const loadedAt = performance.now()
if (client === 'slotwise-core') await loaded.createClient({ cluster: addresses }).execute('GET', ['key'])
else await new loaded.Cluster(addresses).get('key')
const repliedAt = performance.now()
const { user, system } = process.cpuUsage(cpuBefore)
const startup: Startup = {
  requireMs: loadedAt - startedAt,
  replyMs: repliedAt - loadedAt,
  totalMs: repliedAt - startedAt,
  cpuMs: (user + system) / 1000,
}
process.stdout.write(`${JSON.stringify(startup)}\n`, () => process.exit(0))
