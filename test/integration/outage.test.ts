// Outage: every node of the cluster killed and started again, under load.

import { setTimeout as delay } from 'node:timers/promises'
import type { Client, SlotwiseError } from 'slotwise/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { eventually, expectSettled, keyIn, useCluster, watchSettlement } from '../support/settled.js'

const test = useCluster({ nodeTimeoutMs: 1000 })
const shardSlots = [1000, 8000, 14_000]

beforeEach(() => test.cluster.waitUntilOk(20_000))
afterEach(async () => {
  if (test.cluster.nodes.some(node => !node.running)) await test.cluster.restartAll()
})

async function failureOf(call: Promise<unknown>): Promise<SlotwiseError> {
  const outcome = await call.then(
    value => value,
    (error: SlotwiseError) => error,
  )
  expect(outcome).toBeInstanceOf(Error)
  return outcome as SlotwiseError
}

function standStill(forMs: number): void {
  const until = performance.now() + forMs
  while (performance.now() < until);
}

/** Calls made at a steady rate, whatever becomes of them; every failure is kept. */
class Flood {
  readonly failures: SlotwiseError[] = []
  succeeded = 0
  made = 0
  readonly #timer: NodeJS.Timeout
  #open = 0
  #onEmpty: (() => void) | null = null

  constructor(client: Client, callsEach5Ms: number) {
    const payload = 'x'.repeat(1000)
    this.#timer = setInterval(() => {
      for (let i = 0; i < callsEach5Ms; i++) {
        const slot = shardSlots[this.made % 3] as number
        // Half of the calls end by their own deadline, half by the age limit of the queue.
        const options = this.made % 2 === 0 ? { timeoutMs: 400 } : {}
        this.made++
        this.#open++
        client.execute('SET', [keyIn(slot, String(this.made % 100)), payload], options).then(
          () => this.#settled(null),
          (error: SlotwiseError) => this.#settled(error),
        )
      }
    }, 5)
  }

  #settled(error: SlotwiseError | null): void {
    if (error === null) this.succeeded++
    else this.failures.push(error)
    if (--this.#open === 0) this.#onEmpty?.()
  }

  count(code: string): number {
    return this.failures.filter(error => error.code === code).length
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    if (this.#open !== 0) await new Promise<void>(resolve => (this.#onEmpty = resolve))
  }
}

describe('all nodes gone, and back, twice', () => {
  const maxQueuedBytes = 1024 * 1024
  const limits = { maxQueuedBytes, maxQueueAgeMs: 700, backoffMinMs: 50, backoffMaxMs: 200, timeoutMs: 5000 }

  it('stays small, says why, and is there at once', { timeout: 60_000 }, async () => {
    const client = test.client(limits)
    await client.connect()
    const watch = watchSettlement(client, maxQueuedBytes)
    const flood = new Flood(client, 10)
    for (let outage = 1; outage <= 2; outage++) {
      await eventually(() => expect(flood.succeeded).toBeGreaterThan(500 * outage))
      const before = { failed: flood.failures.length, full: flood.count('SLOTWISE_QUEUE_FULL') }
      await test.cluster.killAll()
      await eventually(() => expect(client.state).toBe('degraded'))
      await eventually(() => expect(client.nodes().every(node => node.failures >= 4)).toBe(true))

      // Dials at the rate that the backoff sets, whatever the number of callers.
      const [dials, since, made] = [client.inspect().dials, performance.now(), flood.made]
      await eventually(() => expect(performance.now() - since).toBeGreaterThan(1500))
      const seconds = (performance.now() - since) / 1000
      const perNode = seconds / (limits.backoffMaxMs / 2 / 1000) + 1
      expect(flood.made - made).toBeGreaterThan(500)
      expect(client.inspect().dials - dials).toBeLessThanOrEqual(test.ports.length * perNode)
      expect(client.inspect().dials).toBeGreaterThan(dials)
      expect(client.inspect().sockets.total).toBeLessThanOrEqual(test.ports.length)
      await test.expectSocketsCounted(client)
      expect(client.inspect().queuedBytes).toBeGreaterThan(maxQueuedBytes / 2)
      expect(flood.count('SLOTWISE_QUEUE_FULL')).toBeGreaterThan(before.full)

      await test.cluster.restartAll()
      await test.cluster.waitUntilOk(20_000)
      const okAt = performance.now()
      await eventually(() =>
        Promise.all(shardSlots.map(slot => client.execute('SET', [keyIn(slot, 'back'), outage], { timeoutMs: 500 }))),
      )
      expect(performance.now() - okAt).toBeLessThan(500)
      const failed = flood.failures.length
      const succeeded = flood.succeeded
      await eventually(() => expect(flood.succeeded).toBeGreaterThan(succeeded + 500))
      // Those that were overdue the moment the cluster came back are the last.
      const late = flood.failures.slice(failed).filter(error => (error.elapsedMs as number) < 300)
      expect(late).toEqual([])
      expect(failed).toBeGreaterThan(before.failed)
    }
    await flood.stop()

    const seen = watch.stop()
    // Two ticks of the deadline wheel; and starting servers holds up the event loop, when a call is made and when it ends.
    const lateMs = 40 + 2 * seen.longestGapMs
    const codes = new Set(flood.failures.map(error => error.code))
    // Whether anything was on the wire at the moment of the kill is chance.
    codes.delete('SLOTWISE_CONNECTION_LOST')
    expect(codes).toEqual(new Set(['SLOTWISE_QUEUE_EXPIRED', 'SLOTWISE_QUEUE_FULL', 'SLOTWISE_TIMEOUT']))
    const sent: string[] = ['SLOTWISE_CONNECTION_LOST', 'SLOTWISE_TIMEOUT']
    const unexplained: SlotwiseError[] = []
    for (const error of flood.failures) {
      const { code, phase, elapsedMs = Number.NaN } = error
      expect(error.command).toBe('SET')
      if (phase === 'flight') expect(sent).toContain(code)
      else if (error.cause === undefined) unexplained.push(error)
      else expect(error.cause).toBeInstanceOf(Error)
      expect(error.maybeExecuted).toBe(phase === 'flight')
      if (code === 'SLOTWISE_QUEUE_EXPIRED') expect(elapsedMs).toBeLessThan(700 + lateMs)
      if (code === 'SLOTWISE_TIMEOUT') expect(elapsedMs).toBeLessThan(400 + lateMs)
    }
    // A call whose time ran out while its node was getting its first or next connection: nothing has failed, the node is named.
    expect(unexplained.filter(error => error.endpoint === undefined).map(error => error.message)).toEqual([])
    expect(unexplained.length).toBeLessThan(flood.failures.length / 20)
    expect(seen.samples).toBeGreaterThan(200)
    expect(seen.peakQueuedBytes).toBeLessThanOrEqual(maxQueuedBytes)
    expect(seen.peakSockets).toBeLessThanOrEqual(test.ports.length)
    expect(client.inspect()).toMatchObject({ queued: 0, inFlight: 0, queuedBytes: 0, slotsCovered: 16384 })
    await eventually(() => expect(client.inspect().sockets.shared).toBe(client.inspect().sockets.total))
    await test.expectSocketsCounted(client)
  })
})

describe('a call made while all nodes are away', () => {
  it('has a limit of its own, is never sent after it, and is served after the outage when it has time', async () => {
    const client = test.client({ maxQueueAgeMs: 30_000, backoffMaxMs: 200 })
    const slot = shardSlots[0] as number
    await client.execute('SET', [keyIn(slot), 'before'])
    await test.cluster.killAll()
    await eventually(() => expect(client.nodes().every(node => node.failures >= 1)).toBe(true))

    const patient = client.execute('INCR', [keyIn(slot, 'patient')], { timeoutMs: 30_000 })
    const [expired, aborted, alreadyAborted] = ['expired', 'aborted', 'already'].map(name => keyIn(slot, name))
    for (const timeoutMs of [50, 300, 700]) {
      const calledAt = performance.now()
      const error = await failureOf(client.execute('INCR', [expired as string], { timeoutMs }))
      const elapsedMs = performance.now() - calledAt
      expect(error).toMatchObject({ code: 'SLOTWISE_TIMEOUT', phase: 'queue', maybeExecuted: false, command: 'INCR' })
      expect(error.cause).toBeInstanceOf(Error)
      expect(elapsedMs).toBeGreaterThanOrEqual(timeoutMs - 2)
      expect(elapsedMs).toBeLessThan(timeoutMs + 100)
    }

    const controller = new AbortController()
    const call = client.execute('INCR', [aborted as string], { signal: controller.signal, timeoutMs: 30_000 })
    await delay(20)
    expectSettled(client)
    controller.abort(new Error('no longer needed'))
    const error = await failureOf(call)
    expect(error).toMatchObject({ code: 'SLOTWISE_ABORTED', maybeExecuted: false, phase: 'queue' })
    expect((error.cause as Error).message).toBe('no longer needed')
    const never = client.execute('INCR', [alreadyAborted as string], { signal: AbortSignal.abort() })
    expect(await failureOf(never)).toMatchObject({ code: 'SLOTWISE_ABORTED', maybeExecuted: false })
    expect(expectSettled(client)).toMatchObject({ queued: 1, inFlight: 0 })

    await test.cluster.restartAll()
    expect(await patient).toBe(1)
    await test.cluster.waitUntilOk(20_000)
    // The same connection has answered a call made after them, so none of them can still be on its way.
    expect(await client.execute('INCR', [keyIn(slot, 'patient')])).toBe(2)
    const owner = await test.cluster.primaryOf(slot)
    for (const key of [expired, aborted, alreadyAborted]) expect(await owner.command('EXISTS', key as string)).toBe(0)
    expect(client.inspect()).toMatchObject({ queued: 0, inFlight: 0, queuedBytes: 0 })
  })

  it('times out by its own limit, and says so, in an event loop that stands still', async () => {
    await test.cluster.killAll()
    const client = test.client({ maxQueueAgeMs: 60_000 })
    const calls: Promise<SlotwiseError>[] = []
    for (let round = 0; round < 15; round++) {
      await new Promise<void>(resolve =>
        setImmediate(() => {
          // This call has the clock read, which is old when, behind this callback, deadlines are looked at.
          calls.push(failureOf(client.execute('GET', [keyIn(round)], { timeoutMs: 200 + 7 * round })))
          standStill(60)
          resolve()
        }),
      )
    }
    for (const [round, error] of (await Promise.all(calls)).entries()) {
      expect(error).toMatchObject({ code: 'SLOTWISE_TIMEOUT', phase: 'queue', maybeExecuted: false })
      expect(error.elapsedMs).toBeGreaterThanOrEqual(200 + 7 * round)
    }
  })

  it('is settled by close() and by destroy()', async () => {
    await test.cluster.killAll()
    const [closed, destroyed] = [test.client({ closeTimeoutMs: 200 }), test.client()]
    const calls = [closed, destroyed].map(client => failureOf(client.execute('GET', [keyIn(1)])))
    await eventually(() => {
      for (const client of [closed, destroyed]) expect(client.inspect().dialFailures).toBeGreaterThan(0)
    })
    const closing = closed.close()
    destroyed.destroy()
    for (const error of await Promise.all(calls)) {
      expect(error).toMatchObject({ code: 'SLOTWISE_CLOSED', maybeExecuted: false })
    }
    await closing
    for (const client of [closed, destroyed]) {
      expect(await failureOf(client.execute('GET', [keyIn(1)]))).toMatchObject({ code: 'SLOTWISE_CLOSED' })
    }
  })

  it('makes connect() say why it cannot', async () => {
    await test.cluster.killAll()
    const client = test.client({ timeoutMs: 400 })
    const error = await failureOf(client.connect())
    expect(error).toMatchObject({ code: 'SLOTWISE_CONNECT_TIMEOUT' })
    expect(error.cause).toBeInstanceOf(Error)
    await test.cluster.restartAll()
    await eventually(() => client.connect(), 10_000)
  })
})
