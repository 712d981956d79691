// ScaleChild: a process with many clients of one cluster, each of which makes a call now and then. Reports when it is told to end.

import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import type { ScaleClient } from './scale-clients.mjs'

const require = createRequire(import.meta.url)

export interface ScaleWork {
  client: ScaleClient
  addresses: string[]
  clients: number
  /** Calls of one client that are open at a time. */
  concurrency: number
  /** Between a reply and the next call, in milliseconds. */
  pauseMs: number
  /** How many keys one client uses. */
  keys: number
}

export interface ScaleMeasured {
  calls: number
  failed: number
  delayP50Ms: number
  delayP99Ms: number
  delayMaxMs: number
  heapMiB: number
  fds: number
  cpuMs: number
  elapsedMs: number
}

export type ToChild = { do: 'start'; work: ScaleWork } | { do: 'measure' } | { do: 'report' }
export type FromChild = { said: 'started' } | { said: 'measuring' } | ({ said: 'measured' } & ScaleMeasured)

/** As much of any client as is needed. */
interface Getter {
  get(key: string): Promise<unknown>
}

const loops = monitorEventLoopDelay({ resolution: 1 })
let [calls, failed, startedAt, cpuBefore] = [0, 0, 0, process.cpuUsage()]

async function make(kind: ScaleClient, addresses: readonly string[]): Promise<Getter> {
  if (kind === 'none') return { get: async () => null }
  const nodes = addresses.map(address => {
    const [host = '', port] = address.split(':')
    return { host, port: Number(port) }
  })
  if (kind === 'slotwise') {
    const { createClient } = require('slotwise/core') as typeof import('slotwise/core')
    const client = createClient({ cluster: addresses })
    return { get: key => client.execute('GET', [key]) }
  }
  if (kind === 'slotwise-api' || kind === 'ioredis') {
    const { Cluster } = require(kind === 'ioredis' ? 'ioredis' : 'slotwise') as typeof import('ioredis')
    const client = new Cluster(nodes)
    client.on('error', () => undefined)
    return client
  }
  const { createCluster } = require('redis') as typeof import('redis')
  const client = createCluster({
    rootNodes: addresses.map(address => ({ url: `redis://${address}` })),
    minimizeConnections: true,
  })
  client.on('error', () => undefined)
  await client.connect()
  return client
}

async function loop(client: Getter, keys: readonly string[], pauseMs: number): Promise<void> {
  for (;;) {
    const key = keys[Math.floor(Math.random() * keys.length)] as string
    await client.get(key).then(
      () => calls++,
      () => failed++,
    )
    await delay(pauseMs * (0.5 + Math.random()))
  }
}

async function start({ client: kind, addresses, clients, concurrency, pauseMs, keys }: ScaleWork): Promise<void> {
  // A few seeds are what a user would name.
  for (let i = 0; i < clients; i++) {
    const seeds = Array.from({ length: 3 }, () => addresses[Math.floor(Math.random() * addresses.length)] as string)
    const client = await make(kind, seeds)
    const own = Array.from({ length: keys }, () => `key:${Math.floor(Math.random() * 1e9)}`)
    for (let j = 0; j < concurrency; j++) void loop(client, own, pauseMs)
    // Not all in one moment: programs of a fleet start one after the other.
    await delay(10)
  }
  process.send?.({ said: 'started' })
}

function report(): ScaleMeasured {
  const cpu = process.cpuUsage(cpuBefore)
  const elapsedMs = performance.now() - startedAt
  loops.disable()
  globalThis.gc?.()
  return {
    calls,
    failed,
    delayP50Ms: loops.percentile(50) / 1e6,
    delayP99Ms: loops.percentile(99) / 1e6,
    delayMaxMs: loops.max / 1e6,
    heapMiB: process.memoryUsage().heapUsed / 2 ** 20,
    fds: readdirSync('/proc/self/fd').length,
    cpuMs: (cpu.user + cpu.system) / 1000,
    elapsedMs,
  }
}

process.on('message', (message: ToChild) => {
  if (message.do === 'start') void start(message.work)
  else if (message.do === 'measure') {
    ;[calls, failed, startedAt, cpuBefore] = [0, 0, performance.now(), process.cpuUsage()]
    loops.enable()
    loops.reset()
    process.send?.({ said: 'measuring' })
  } else {
    process.send?.({ said: 'measured', ...report() })
  }
})
process.on('disconnect', () => process.exit(0))
