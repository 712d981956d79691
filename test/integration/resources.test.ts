// Resources: descriptors and memory, each in a process of its own so that only the client is measured.

import type { Inspection, NodeInspection } from 'slotwise/core'
import { bulk, type FakeServer, type Layout, silence } from 'slotwise/testing'
import { afterEach, describe, expect, it } from 'vitest'
import { freePorts } from '../../scripts/local-server.mjs'
import { runChild } from '../support/child.js'
import { startScripted } from '../support/scripted.js'
import { eventually } from '../support/settled.js'

const mebibyte = 2 ** 20
let servers: FakeServer[] = []

afterEach(async () => {
  for (const server of servers) await server.close()
  servers = []
})

async function startServer(): Promise<FakeServer> {
  const server = await startScripted(([name]) => (name === 'GET' ? bulk('value') : undefined))
  servers.push(server)
  return server
}

describe('descriptors', () => {
  it('are those of the ledger through 1,000 connections that are cut off or destroyed', async () => {
    const server = await startServer()
    const cut = new Set<string>()
    const doomed = new Set<object>()
    server.handler = (command, connection) => {
      // The first connection of each client with a name is closed behind the last step of its handshake.
      const name = command[0] === 'HELLO' ? command[3] : undefined
      if (name !== undefined && !cut.has(name)) {
        cut.add(name)
        doomed.add(connection)
      }
      if (command[2] !== 'LIB-VER' || !doomed.delete(connection)) return undefined
      connection.cut('+OK\r\n')
      return silence
    }
    const result = await runChild<{ samples: { fds: number; ledger: number }[]; end: unknown }>(
      'kills.mjs',
      [server.port, 1000],
      { maxFds: 128 },
    )
    expect(result.samples).toHaveLength(20)
    for (const { fds, ledger } of result.samples) expect(fds).toBe(ledger)
    expect(Math.max(...result.samples.map(({ fds }) => fds))).toBeLessThanOrEqual(21)
    expect(result.end).toEqual({ fds: 0, ledger: 0 })
    expect([cut.size, doomed.size, server.accepted]).toEqual([500, 0, 1500])
    await eventually(() => expect(server.open).toBe(0))
  })

  it('when there are none stop the dialling, not the servers, and the client comes back by itself', async () => {
    const [a, b] = [await startServer(), await startServer()]
    const layout: Layout = [
      [0, 8191, a.port],
      [8192, 16383, b.port],
    ]
    a.layout = b.layout = layout
    const result = await runChild<{
      filled: string
      codes: string[]
      causes: string[]
      errnos: string[]
      watchMs: number
      during: Inspection
      nodes: NodeInspection[]
      recoveredMs: number
      values: string[]
      after: Inspection
    }>('no-descriptors.mjs', [a.address, b.address], { maxFds: 40 })
    expect(result).toMatchObject({
      filled: 'EMFILE',
      codes: ['SLOTWISE_QUEUE_EXPIRED'],
      causes: ['SLOTWISE_LOCAL_EXHAUSTION'],
      errnos: ['EMFILE'],
      values: ['value', 'value', 'value'],
    })
    const { during, nodes, watchMs } = result
    expect(during.dialsExhausted).toBeGreaterThan(0)
    expect(during.dialsExhausted).toBe(during.dials)
    expect(during.dials).toBeLessThanOrEqual((2 * 2 * watchMs) / 1000)
    expect(during.sockets.total).toBe(0)
    expect(nodes.length).toBeGreaterThan(0)
    for (const node of nodes) {
      expect(node.failures).toBe(0)
      expect(node.lastError).toContain('EMFILE')
    }
    process.stdout.write(
      `without descriptors: ${during.dials} dials in ${watchMs} ms; ready ${result.recoveredMs.toFixed(0)} ms after they were freed\n`,
    )
    expect(result.recoveredMs).toBeLessThan(2000)
    expect(result.after).toMatchObject({ state: 'closed', queued: 0, inFlight: 0, sockets: { total: 0 } })
  })
})

describe('a process without descriptors, with names for seeds', () => {
  it('is not told that they do not exist, and looks them up once it has some again', async () => {
    const [a, b] = [await startServer(), await startServer()]
    a.layout = b.layout = [
      [0, 8191, a.port],
      [8192, 16383, b.port],
    ]
    const names = [a, b].map(({ port }) => `localhost:${port}`)
    const result = await runChild<{
      filled: string
      codes: string[]
      causes: (string | null)[]
      during: Inspection
      recoveredMs: number
      values: string[]
      after: Inspection
    }>('no-descriptors.mjs', names, { maxFds: 40 })
    expect(result).toMatchObject({
      filled: 'EMFILE',
      codes: ['SLOTWISE_QUEUE_EXPIRED'],
      values: ['value', 'value', 'value'],
    })
    // Of the two names each tells its failure.
    expect(result.causes.every(code => code === 'SLOTWISE_LOCAL_EXHAUSTION' || code === null)).toBe(true)
    expect(result.during).toMatchObject({ dials: 0, nodes: 0, sockets: { total: 0 } })
    expect(result.during.dialsExhausted).toBeGreaterThan(0)
    expect(result.recoveredMs).toBeLessThan(2000)
    expect(result.after).toMatchObject({ state: 'closed', queued: 0, inFlight: 0, sockets: { total: 0 } })
  })
})

describe('memory while the cluster is down', () => {
  it('stays within the bound for a million calls, and every call settles', async () => {
    const ports = await freePorts(3)
    const [calls, valueBytes, maxQueuedBytes] = [1_000_000, 100, 32 * mebibyte]
    const result = await runChild<{
      alone: number
      caught: number
      makingMs: number
      grownBytes: number
      leftBytes: number
      waiting: Inspection
      after: Inspection
      end: Inspection
      outcomes: { fulfilled: number; rejected: number; codes: Record<string, number> }
    }>('waiting.mjs', [calls, valueBytes, maxQueuedBytes, ...ports], { flags: ['--expose-gc'] })
    const { waiting, after, end, outcomes } = result
    process.stdout.write(
      `heap per waiting SET of 100 bytes: ${result.alone.toFixed(0)} B over its strings, ${result.caught.toFixed(0)} B with a .catch(); ` +
        `${calls} calls: ${(result.grownBytes / mebibyte).toFixed(1)} MiB of ${maxQueuedBytes / mebibyte} MiB at the most (${waiting.queued} waiting), ` +
        `${(result.leftBytes / mebibyte).toFixed(2)} MiB afterwards; ${(result.makingMs / 1000).toFixed(1)} s to make\n`,
    )
    expect(result.alone).toBeLessThanOrEqual(400)
    expect(result.grownBytes).toBeLessThanOrEqual(maxQueuedBytes + 4 * mebibyte)
    expect(result.leftBytes).toBeLessThanOrEqual(2 * mebibyte)
    expect(waiting.queuedBytes).toBeLessThanOrEqual(maxQueuedBytes)
    expect(waiting.queued).toBeGreaterThan(10_000)
    expect(waiting.settled + waiting.queued + waiting.inFlight).toBe(waiting.issued)
    expect(after).toMatchObject({ issued: calls, settled: calls, queued: 0, inFlight: 0, queuedBytes: 0 })
    expect(end).toMatchObject({ state: 'closed', sockets: { total: 0 } })
    expect(outcomes).toMatchObject({ fulfilled: 0, rejected: calls })
    expect(Object.keys(outcomes.codes).filter(code => !/QUEUE_FULL|QUEUE_EXPIRED|TIMEOUT/.test(code))).toEqual([])
  })
})
