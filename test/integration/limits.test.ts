// What must stay within bounds, each in a process of its own so that only the client is measured.

import { afterEach, describe, expect, it } from 'vitest'
import { freePorts } from '../../scripts/local-server.mjs'
import type { Inspection } from '../../src/client/inspection.js'
import { runChild } from '../support/child.js'
import { bulk, greet, Peer } from '../support/peer.js'

let peer: Peer | null = null

afterEach(async () => {
  await peer?.close()
  peer = null
})

describe('memory while the cluster is down', () => {
  it('grows by no more than the bound for a million calls, each of which settles', { timeout: 120_000 }, async () => {
    const [port] = await freePorts(1)
    const calls = 1_000_000
    const maxQueuedBytes = 32 * 1024 * 1024
    const result = await runChild<{
      perCallBytes: number
      stringBytes: number
      grownBytes: number
      leftBytes: number
      waiting: Inspection
      after: Inspection
      outcomes: { fulfilled: number; rejected: number; codes: Record<string, number> }
    }>('waiting-heap.mjs', [port as number, calls, 100, maxQueuedBytes], { flags: ['--expose-gc'] })
    process.stdout.write(
      `heap per waiting SET of 100 bytes: ${result.perCallBytes.toFixed(0)} B over the payload; ` +
        `after ${calls} calls: ${(result.grownBytes / 2 ** 20).toFixed(1)} MiB of ${maxQueuedBytes / 2 ** 20} MiB\n`,
    )
    expect(result.perCallBytes).toBeLessThanOrEqual(400)
    expect(result.grownBytes).toBeLessThanOrEqual(maxQueuedBytes)
    expect(result.waiting.queuedBytes).toBeLessThanOrEqual(maxQueuedBytes)
    expect(result.waiting.issued).toBe(result.waiting.settled + result.waiting.queued + result.waiting.inFlight)
    expect(result.waiting.queued).toBeGreaterThan(10_000)
    expect(result.after).toMatchObject({ issued: calls, settled: calls, queued: 0, inFlight: 0, queuedBytes: 0 })
    expect(Object.keys(result.outcomes.codes).sort()).toEqual(['SLOTWISE_CLOSED', 'SLOTWISE_QUEUE_FULL'])
    expect(result.outcomes.rejected).toBe(calls)
  })
})

describe('descriptors', () => {
  it('are those of the ledger over 1,000 connections cut and closed, under a low limit', {
    timeout: 120_000,
  }, async () => {
    const cut = new Set<string>()
    peer = await Peer.listen((command, socket) => {
      const key = command[1] ?? ''
      if (command[0] === 'GET' && key.startsWith('cut') && !cut.has(key)) {
        cut.add(key)
        socket.write('$10\r\nhalf')
        socket.destroy()
        return undefined
      }
      return greet(command) ?? bulk('value')
    })
    const result = await runChild<{ count: number; highest: number; mismatches: unknown[]; left: number }>(
      'cycles.mjs',
      [peer.port, 1000],
      { maxFds: 64 },
    )
    expect(result).toMatchObject({ count: 1000, mismatches: [], left: 0 })
    expect(result.highest).toBeLessThanOrEqual(2)
    expect(peer.accepted).toBeGreaterThanOrEqual(1333)
  })

  it('when used up pause dialling, are named as the cause, and are not held against the server', async () => {
    peer = await Peer.listen((command, socket) => {
      if (command[0] === 'CUT') {
        socket.destroy()
        return undefined
      }
      return greet(command) ?? bulk('value')
    })
    const result = await runChild<{
      codes: string[]
      causes: string[]
      errnos: string[]
      dials: number
      exhausted: number
      failures: number
      recovered: string | null
      recoveredMs: number
      after: Inspection
    }>('exhaustion.mjs', [peer.port], { maxFds: 64 })
    expect(result.codes).toEqual(['SLOTWISE_QUEUE_EXPIRED'])
    expect(result.causes).toEqual(['SLOTWISE_LOCAL_EXHAUSTION'])
    expect(result.errnos).toEqual(['EMFILE'])
    expect(result.exhausted).toBeGreaterThan(0)
    // 200 calls waited 1.5 s; a dial every 300 ms or more, whatever their number.
    expect(result.dials).toBeLessThanOrEqual(6)
    expect(result.failures).toBeLessThanOrEqual(1)
    expect(result.recovered).toBe('value')
    expect(result.after).toMatchObject({ queued: 0, inFlight: 0, sockets: { total: 0 } })
  })
})
