// Settled: what must hold of a client at any time and after its end, checked from outside; and a cluster for a file of tests.

import diagnostics from 'node:diagnostics_channel'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { type Client, type CommonOptions, createClient, type Inspection, slotOf } from 'slotwise/core'
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest'
import { LocalCluster, type LocalClusterOptions, liveServerPids } from '../../scripts/local-cluster.mjs'

// ---- waiting

/** Waits until `check` no longer throws; after `limitMs` fails with what it threw last. */
export async function eventually(check: () => unknown, limitMs = 5_000, stepMs = 10): Promise<void> {
  const deadline = performance.now() + limitMs
  for (;;) {
    try {
      await check()
      return
    } catch (error) {
      if (performance.now() > deadline) throw error
    }
    await delay(stepMs)
  }
}

// ---- sockets

/** Sockets that ioredis has opened in this process: LocalServer's own, for questions. */
const adminSockets = new Set<Socket>()
diagnostics.subscribe('net.client.socket', message => {
  const { socket } = message as { socket: Socket }
  if (!(new Error().stack ?? '').includes('/ioredis/')) return
  adminSockets.add(socket)
  socket.once('close', () => adminSockets.delete(socket))
})

function adminFds(): Set<number> {
  const fds = [...adminSockets].map(socket => (socket as unknown as { _handle: { fd: number } | null })._handle?.fd)
  return new Set(fds.filter(fd => fd !== undefined))
}

/** Inode to remote port of the TCP sockets in this process's network namespace. */
function tcpRemotePorts(): Map<string, number> {
  const ports = new Map<string, number>()
  for (const family of ['tcp', 'tcp6']) {
    for (const line of readFileSync(`/proc/self/net/${family}`, 'latin1').split('\n').slice(1)) {
      const fields = line.trim().split(/\s+/)
      const [remote, inode] = [fields[2], fields[9]]
      if (remote !== undefined && inode !== undefined) ports.set(inode, Number.parseInt(remote.split(':')[1] ?? '', 16))
    }
  }
  return ports
}

function otherInodes(): Set<string> {
  const unix = readFileSync('/proc/self/net/unix', 'latin1').split('\n').slice(1)
  const inodes = new Set(unix.map(line => line.trim().split(/\s+/)[6] ?? ''))
  for (const family of ['udp', 'udp6', 'netlink']) {
    for (const line of readFileSync(`/proc/self/net/${family}`, 'latin1').split('\n').slice(1)) {
      for (const field of line.trim().split(/\s+/).slice(9)) inodes.add(field)
    }
  }
  return inodes
}

/**
 * File descriptors of this process that are TCP sockets to one of the ports, ioredis's left out. Sockets that the kernel has
 * taken off its tables while nobody has closed them (refused, reset) are counted, too: they belong to no port any more.
 */
export function socketFdsTo(ports: readonly number[]): number {
  const skipped = adminFds()
  const open: string[] = []
  for (const fd of readdirSync('/proc/self/fd')) {
    if (skipped.has(Number(fd))) continue
    try {
      const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1]
      if (inode !== undefined) open.push(inode)
    } catch {
      // The descriptor that read the directory is closed by now.
    }
  }
  const remotes = tcpRemotePorts()
  const others = otherInodes()
  return open.filter(inode => {
    const port = remotes.get(inode)
    return port === undefined ? !others.has(inode) : ports.includes(port)
  }).length
}

// ---- a client's ledger

/** Every call made has settled, waits, or is in flight. */
export function expectSettled(client: Client): Inspection {
  const seen = client.inspect()
  expect(seen.settled + seen.queued + seen.inFlight, 'settled + queued + inFlight').toBe(seen.issued)
  return seen
}

/** A client that has been closed holds no call, no byte and no socket. */
export function expectClean(client: Client): void {
  const { state, issued, settled, queued, inFlight, queuedBytes, sockets } = client.inspect()
  expect({ state, settled, queued, inFlight, queuedBytes, sockets: sockets.total }).toEqual({
    state: 'closed',
    settled: issued,
    queued: 0,
    inFlight: 0,
    queuedBytes: 0,
    sockets: 0,
  })
}

export interface Watched {
  samples: number
  /** Longest time between two samples: what this process's event loop stood still. */
  longestGapMs: number
  peakQueued: number
  peakQueuedBytes: number
  peakSockets: number
}

/** Checks the ledger every 5 ms until stopped; stop() fails with the first violation. */
export function watchSettlement(client: Client, maxQueuedBytes = Number.POSITIVE_INFINITY): { stop(): Watched } {
  const watched: Watched = { samples: 0, longestGapMs: 0, peakQueued: 0, peakQueuedBytes: 0, peakSockets: 0 }
  let violation: unknown = null
  let sampledAt = performance.now()
  const timer = setInterval(() => {
    const now = performance.now()
    watched.longestGapMs = Math.max(watched.longestGapMs, now - sampledAt)
    sampledAt = now
    try {
      const seen = expectSettled(client)
      expect(seen.queuedBytes).toBeLessThanOrEqual(maxQueuedBytes)
      watched.samples++
      watched.peakQueued = Math.max(watched.peakQueued, seen.queued)
      watched.peakQueuedBytes = Math.max(watched.peakQueuedBytes, seen.queuedBytes)
      watched.peakSockets = Math.max(watched.peakSockets, seen.sockets.total)
    } catch (error) {
      violation ??= error
    }
  }, 5)
  return {
    stop() {
      clearInterval(timer)
      if (violation !== null) throw violation
      expect(watched.samples).toBeGreaterThan(0)
      return watched
    },
  }
}

// ---- load

/**
 * Callers that each make one call after the other, `pauseMs` apart. A caller handles the failures it expects; what it throws
 * stops it, and stop() fails with it.
 */
export function startLoad(
  callers: readonly ((turn: number) => Promise<unknown>)[],
  pauseMs: number,
): { stop(): Promise<void> } {
  let stopped = false
  const failures: unknown[] = []
  const loops = callers.map(async caller => {
    try {
      for (let turn = 0; !stopped; turn++) {
        await caller(turn)
        await delay(pauseMs)
      }
    } catch (error) {
      failures.push(error)
    }
  })
  return {
    async stop() {
      stopped = true
      await Promise.all(loops)
      if (failures.length !== 0) throw failures[0]
    },
  }
}

// ---- keys

const tags: string[] = new Array(16384)
for (let i = 0, found = 0; found < 16384; i++) {
  const slot = slotOf(String(i))
  if (tags[slot] === undefined) {
    tags[slot] = `{${i}}`
    found++
  }
}

/** A key of the slot; another one for each name. */
export function keyIn(slot: number, name = 'key'): string {
  return `${tags[slot]}:${name}`
}

// ---- a cluster and its clients

export interface ClusterUnderTest {
  readonly cluster: LocalCluster
  readonly ports: number[]
  /** A client of the cluster, closed and examined after the test. */
  client(options?: CommonOptions, seeds?: readonly string[]): Client
  /** Every socket of the client is a descriptor of this process, and the other way round. */
  expectSocketsCounted(client: Client): Promise<void>
}

/** Timers that keep this process alive. */
function liveTimers(): number {
  return process.getActiveResourcesInfo().filter(name => name === 'Timeout').length
}

/** A cluster for all tests of a file. After each test its clients are closed, and nothing of them may be left. */
export function useCluster(options: LocalClusterOptions): ClusterUnderTest {
  let cluster: LocalCluster
  let clients: Client[] = []
  let timersBefore = 0

  const underTest: ClusterUnderTest = {
    get cluster() {
      return cluster
    },
    get ports() {
      return cluster.nodes.map(node => node.port)
    },
    client(more = {}, seeds = cluster.addresses) {
      const client = createClient({ ...more, cluster: seeds })
      clients.push(client)
      return client
    },
    async expectSocketsCounted(client) {
      // A descriptor is closed one turn of the event loop before its `close` event, so they may differ for a moment.
      await eventually(() => expect(socketFdsTo(underTest.ports)).toBe(client.inspect().sockets.total))
    },
  }

  beforeAll(async () => {
    cluster = await LocalCluster.start(options)
  })

  afterAll(async () => {
    await cluster?.stop()
    expect(liveServerPids(), 'servers left running').toEqual([])
  })

  beforeEach(() => {
    timersBefore = liveTimers()
  })

  afterEach(async ({ task }) => {
    const ended = clients
    clients = []
    for (const client of ended) {
      await client.close()
      expectClean(client)
    }
    await eventually(() => expect(socketFdsTo(underTest.ports), 'sockets left open').toBe(0))
    // A test that has failed may have left its own load behind.
    if (task.result?.state === 'fail') return
    await eventually(() => expect(liveTimers(), 'timers left running').toBeLessThanOrEqual(timersBefore))
  })

  return underTest
}
