// Freeze: a primary that is stopped in the middle of whatever it does, its sockets open.

import type { Client, SlotwiseError } from 'slotwise/core'
import { afterEach, describe, expect, it } from 'vitest'
import type { LocalServer } from '../../scripts/local-cluster.mjs'
import { eventually, expectSettled, keyIn, startLoad, useCluster, watchSettlement } from '../support/settled.js'

// The nodes themselves do not notice within a test: what is seen is the client's doing.
const test = useCluster({
  replicasPerPrimary: 0,
  nodeTimeoutMs: 15_000,
  config: { 'cluster-require-full-coverage': 'no' },
})
const limits = { pingIntervalMs: 400, silenceTimeoutMs: 600, connectTimeoutMs: 500, backoffMaxMs: 200 }
const frozenSlot = 1000
const otherSlots = [8000, 14_000]

afterEach(() => test.cluster.thawAll())

function frozen(): LocalServer {
  return test.cluster.nodes[0] as LocalServer
}

async function failureOf(call: Promise<unknown>): Promise<SlotwiseError> {
  const outcome = await call.then(
    value => value,
    (error: SlotwiseError) => error,
  )
  expect(outcome).toBeInstanceOf(Error)
  return outcome as SlotwiseError
}

/** A client with a usable connection to every node. */
async function connected(options = {}): Promise<Client> {
  const client = test.client({ ...limits, ...options })
  for (const slot of [frozenSlot, ...otherSlots]) {
    await client.execute('SET', [keyIn(slot), `value in ${slot}`])
    await client.execute('DEL', [keyIn(slot, 'count')])
  }
  return client
}

function stateOf(client: Client): string | undefined {
  return client.nodes().find(({ endpoint }) => endpoint === frozen().address)?.state
}

describe('a frozen primary', () => {
  it('does not concern the other shards, is given up when silent, and serves again afterwards', async () => {
    const client = await connected()
    const watch = watchSettlement(client)
    let slowest = 0
    const others = startLoad(
      otherSlots.map(slot => async () => {
        const calledAt = performance.now()
        expect(await client.execute('GET', [keyIn(slot)])).toBe(`value in ${slot}`)
        slowest = Math.max(slowest, performance.now() - calledAt)
      }),
      1,
    )
    frozen().freeze()
    const frozenAt = performance.now()
    const inFlight = failureOf(client.execute('INCR', [keyIn(frozenSlot, 'count')], { timeoutMs: 300 }))
    const write = failureOf(client.execute('INCR', [keyIn(frozenSlot, 'count')]))
    const read = client.execute('GET', [keyIn(frozenSlot)])

    const timeout = await inFlight
    const timedOutAfterMs = performance.now() - frozenAt
    expect(timeout).toMatchObject({ code: 'SLOTWISE_TIMEOUT', phase: 'flight', maybeExecuted: true, command: 'INCR' })
    expect(timeout.endpoint).toBe(frozen().address)
    expect(timedOutAfterMs).toBeGreaterThanOrEqual(298)
    expect(timedOutAfterMs).toBeLessThan(400)
    expect(stateOf(client)).toBe('ready')

    const lost = await write
    const lostAfterMs = performance.now() - frozenAt
    expect(lost).toMatchObject({ code: 'SLOTWISE_CONNECTION_LOST', maybeExecuted: true })
    expect(lost.cause).toMatchObject({ code: 'SLOTWISE_CONNECTION_SILENT', endpoint: frozen().address })
    expect(lostAfterMs).toBeGreaterThanOrEqual(limits.silenceTimeoutMs - 10)
    expect(lostAfterMs).toBeLessThan(limits.silenceTimeoutMs + limits.pingIntervalMs + 200)
    expect(client.state).toBe('degraded')
    expect(stateOf(client)).not.toBe('ready')
    // The kernel of a frozen server still accepts connections; one that says nothing is not a usable one.
    await eventually(() => {
      const node = client.nodes().find(({ endpoint }) => endpoint === frozen().address)
      expect(node?.failures).toBeGreaterThan(1)
    })
    const waiting = await failureOf(client.execute('INCR', [keyIn(frozenSlot, 'count')], { timeoutMs: 200 }))
    expect(waiting).toMatchObject({ code: 'SLOTWISE_TIMEOUT', phase: 'queue', maybeExecuted: false })
    expect(waiting.cause).toMatchObject({ code: expect.stringMatching(/CONNECT_TIMEOUT|CONNECTION_SILENT/) })
    await test.expectSocketsCounted(client)

    frozen().thaw()
    const thawedAt = performance.now()
    expect(await read).toBe(`value in ${frozenSlot}`)
    expect(performance.now() - thawedAt).toBeLessThan(1000)
    await others.stop()
    expect(slowest).toBeLessThan(300)
    // The two that were on the wire have run when the server went on; the one that waited has not.
    await eventually(async () => expect(await client.execute('GET', [keyIn(frozenSlot, 'count')])).toBe('2'))
    await eventually(() => expect(client.state).toBe('ready'))
    watch.stop()
    await test.expectSocketsCounted(client)
  })

  it('is found out without any traffic', async () => {
    const client = await connected()
    frozen().freeze()
    const frozenAt = performance.now()
    await eventually(() => expect(stateOf(client)).not.toBe('ready'))
    const foundAfterMs = performance.now() - frozenAt
    expect(foundAfterMs).toBeLessThan(limits.pingIntervalMs + limits.silenceTimeoutMs + 200)
    expect(foundAfterMs).toBeGreaterThan(limits.silenceTimeoutMs - 50)
    frozen().thaw()
    await eventually(() => expect(stateOf(client)).toBe('ready'))
    expect(await client.execute('GET', [keyIn(frozenSlot)])).toBe(`value in ${frozenSlot}`)
    // Nobody else was given up: their idle connections have answered their PINGs.
    expect(client.nodes().filter(node => node.failures !== 0 && node.endpoint !== frozen().address)).toEqual([])
  })

  it('takes no more than the byte bound once it is stalled', async () => {
    const maxQueuedBytes = 1024 * 1024
    const client = await connected({ maxQueuedBytes, silenceTimeoutMs: 2000, pingIntervalMs: 1000 })
    const watch = watchSettlement(client, maxQueuedBytes)
    frozen().freeze()
    const frozenAt = performance.now()
    const payload = 'x'.repeat(20_000)
    const outcomes: Promise<SlotwiseError>[] = []
    const refused: SlotwiseError[] = []
    const flood = startLoad(
      [
        async () => {
          const call = failureOf(client.execute('SET', [keyIn(frozenSlot, 'big'), payload], { timeoutMs: 1500 }))
          outcomes.push(call)
          void call.then(error => error.code === 'SLOTWISE_QUEUE_FULL' && refused.push(error))
        },
      ],
      1,
    )
    await eventually(() => expect(refused.length).toBeGreaterThan(50))
    expect(performance.now() - frozenAt).toBeLessThan(1500)
    await flood.stop()
    expect(client.inspect().queuedBytes).toBeGreaterThan(maxQueuedBytes - 25_000)
    for (const error of refused) {
      expect(error).toMatchObject({ maybeExecuted: false, command: 'SET', endpoint: frozen().address })
      expect(error.elapsedMs).toBeLessThan(50)
    }
    // The others have room of their own: a healthy connection is not refused anything.
    for (const slot of otherSlots) expect(await client.execute('GET', [keyIn(slot)])).toBe(`value in ${slot}`)
    expectSettled(client)

    const ended = await Promise.all(outcomes)
    expect(new Set(ended.map(error => error.code))).toEqual(new Set(['SLOTWISE_QUEUE_FULL', 'SLOTWISE_TIMEOUT']))
    expect(client.inspect()).toMatchObject({ queuedBytes: 0, queued: 0, inFlight: 0 })
    frozen().thaw()
    expect(await client.execute('GET', [keyIn(frozenSlot)], { timeoutMs: 5000 })).toBe(`value in ${frozenSlot}`)
    expect(watch.stop().peakQueuedBytes).toBeLessThanOrEqual(maxQueuedBytes)
  })

  it('that goes on in time keeps its connection, and late replies meet nobody else', async () => {
    const client = await connected({ silenceTimeoutMs: 3000 })
    const { dials } = client.inspect()
    frozen().freeze()
    const late = Array.from({ length: 5 }, () =>
      failureOf(client.execute('INCR', [keyIn(frozenSlot, 'count')], { timeoutMs: 100 })),
    )
    for (const error of await Promise.all(late)) expect(error).toMatchObject({ code: 'SLOTWISE_TIMEOUT' })
    const next = client.execute('GET', [keyIn(frozenSlot)])
    frozen().thaw()
    expect(await next).toBe(`value in ${frozenSlot}`)
    expect(await client.execute('GET', [keyIn(frozenSlot, 'count')])).toBe('5')
    expect(client.inspect()).toMatchObject({ dials, queued: 0, inFlight: 0 })
  })
})

describe('a server that rightly takes its time', () => {
  it('is not given up while a BLPOP is in flight', async () => {
    const client = await connected()
    const { dials } = client.inspect()
    const calledAt = performance.now()
    expect(await client.execute('BLPOP', [keyIn(frozenSlot, 'list'), 2])).toBeNull()
    expect(performance.now() - calledAt).toBeGreaterThan(1900)
    expect(await client.execute('GET', [keyIn(frozenSlot)])).toBe(`value in ${frozenSlot}`)

    const blocked = client.execute('BLPOP', [keyIn(frozenSlot, 'list'), 0])
    await eventually(() => expect(client.inspect().inFlight).toBe(1))
    await frozen().command('RPUSH', keyIn(frozenSlot, 'list'), 'item')
    expect(await blocked).toEqual([keyIn(frozenSlot, 'list'), 'item'])
    // One lane was enough for both.
    expect(client.inspect()).toMatchObject({ dials: dials + 1, dialFailures: 0 })
  })

  it('holds up nobody when the caller of a blocking command has given up', async () => {
    const client = await connected()
    const { dials } = client.inspect()
    const stream = keyIn(frozenSlot, 'stream')
    const calledAt = performance.now()
    const error = await failureOf(client.execute('XREAD', ['BLOCK', 2000, 'STREAMS', stream, '$'], { timeoutMs: 100 }))
    expect(error).toMatchObject({ code: 'SLOTWISE_TIMEOUT', maybeExecuted: true })
    expect(await client.execute('INCR', [keyIn(frozenSlot, 'count')])).toBe(1)
    expect(performance.now() - calledAt).toBeLessThan(1900)
    // Its lane is gone, and with it the wait at the server.
    expect(client.inspect()).toMatchObject({ dials: dials + 1, dialFailures: 0, sockets: { lane: 0 } })
  })

  it('is given up once a blocking command is overdue', async () => {
    const client = await connected()
    const blocked = failureOf(client.execute('BLPOP', [keyIn(frozenSlot, 'list'), 1]))
    await eventually(() => expect(client.inspect().inFlight).toBe(1))
    frozen().freeze()
    const lost = await blocked
    frozen().thaw()
    expect(lost).toMatchObject({ code: 'SLOTWISE_CONNECTION_LOST', maybeExecuted: true })
    expect(lost.cause).toMatchObject({ code: 'SLOTWISE_CONNECTION_SILENT' })
    expect(lost.elapsedMs).toBeGreaterThanOrEqual(1000 + limits.silenceTimeoutMs - 50)
    expect(lost.elapsedMs).toBeLessThan(1000 + limits.silenceTimeoutMs + limits.pingIntervalMs + 300)
  })

  it('is watched as before once a blocking command is answered early', async () => {
    const client = await connected()
    const blocked = client.execute('BLPOP', [keyIn(frozenSlot, 'list'), 3600])
    await eventually(() => expect(client.inspect().inFlight).toBe(1))
    // Long enough for the connection to be looked at while the command is in flight.
    const until = performance.now() + limits.pingIntervalMs + limits.silenceTimeoutMs
    await eventually(() => expect(performance.now()).toBeGreaterThan(until))
    await frozen().command('RPUSH', keyIn(frozenSlot, 'list'), 'item')
    expect(await blocked).toEqual([keyIn(frozenSlot, 'list'), 'item'])
    frozen().freeze()
    const frozenAt = performance.now()
    await eventually(() => expect(stateOf(client)).not.toBe('ready'))
    expect(performance.now() - frozenAt).toBeLessThan(2 * limits.pingIntervalMs + limits.silenceTimeoutMs + 200)
  })
})
