// Scripted peers: redirects, topologies and refusals as real servers give them rarely, or should never.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Client, CommonOptions } from 'slotwise/core'
import { bulk, type FakeServer, type Layout, moved, silence } from 'slotwise/testing'
import { describe, expect, it } from 'vitest'
import { failureOf, useClients } from '../support/clients.js'
import { startPair, startScripted } from '../support/scripted.js'
import { eventually, expectSettled, keyIn } from '../support/settled.js'

const test = useClients()

interface Pair {
  a: FakeServer
  b: FakeServer
  layout: Layout
  client: Client
}

/** Slots of the two: a slot of `a`, a slot of `b`. */
const [slotOfA, slotOfB] = [100, 10_000]

/** A client with a connection to both; each answers GET with its own letter unless a script says otherwise. */
async function connectedPair(options: CommonOptions = {}): Promise<Pair> {
  const pair = await startPair()
  test.keep(pair.a).handler = serveAs('a')
  test.keep(pair.b).handler = serveAs('b')
  const client = test.client({ cluster: [pair.a.address, pair.b.address], ...options })
  await Promise.all([slotOfA, slotOfB].map(slot => client.execute('GET', [keyIn(slot)])))
  expect([pair.a.accepted, pair.b.accepted]).toEqual([1, 1])
  return { ...pair, client }
}

function serveAs(letter: string): (command: string[]) => string | undefined {
  return ([name]) => (name === 'GET' ? bulk(letter) : name === 'SET' ? '+OK\r\n' : undefined)
}

/** Makes the client look at the topology: a call of the slot of `node` is refused once. */
async function forceRefresh(client: Client, node: FakeServer, slot: number): Promise<void> {
  const handler = node.handler
  let refused = false
  node.handler = (command, connection) => {
    if (command[0] !== 'GET' || refused) return handler(command, connection)
    refused = true
    return '-CLUSTERDOWN The cluster is down\r\n'
  }
  const before = client.inspect().refreshes
  await client.execute('GET', [keyIn(slot)])
  node.handler = handler
  await eventually(() => expect(client.inspect().refreshes).toBeGreaterThan(before))
}

describe('MOVED', () => {
  it('300 times in a row costs two looks at the topology at the most, and no socket', async () => {
    const { a, b, client } = await connectedPair()
    const served = new Map<string, number>()
    a.handler = ([name, key]) => (name === 'GET' ? moved(Number(served.get(key as string)), b) : undefined)
    const before = client.inspect()
    const connections = [a.accepted, b.accepted]
    for (let i = 0; i < 300; i++) {
      const slot = i * 27
      served.set(keyIn(slot), slot)
      expect(await client.execute('GET', [keyIn(slot)])).toBe('b')
    }
    const after = client.inspect()
    expect(after.redirects.moved - before.redirects.moved).toBe(300)
    expect(after.refreshes - before.refreshes).toBeLessThanOrEqual(2)
    expect([a.accepted, b.accepted]).toEqual(connections)
    expect(after.dials).toBe(before.dials)
  })

  it('re-points that one slot, and no other of its range', async () => {
    const { a, b, client } = await connectedPair({ refreshMinIntervalMs: 60_000, refreshMaxIntervalMs: 60_000 })
    a.handler = ([name, key]) => {
      if (name !== 'GET') return undefined
      return key === keyIn(slotOfA) ? moved(slotOfA, b) : bulk('a')
    }
    expect(await client.execute('GET', [keyIn(slotOfA)])).toBe('b')
    const seenByA = a.count('GET')
    expect(await client.execute('GET', [keyIn(slotOfA)])).toBe('b')
    expect(a.count('GET')).toBe(seenByA)
    for (const slot of [0, slotOfA - 1, slotOfA + 1, 8191]) expect(await client.execute('GET', [keyIn(slot)])).toBe('a')
    expect(client.inspect()).toMatchObject({ redirects: { moved: 1 }, slotsCovered: 16384 })
  })

  it('with no host means the host that answered', async () => {
    const { a, b, client } = await connectedPair()
    a.handler = ([name]) => (name === 'GET' ? `-MOVED ${slotOfA} :${b.port}\r\n` : undefined)
    expect(await client.execute('GET', [keyIn(slotOfA)])).toBe('b')
    expect(client.inspect()).toMatchObject({ nodes: 2, dials: 2 })
  })

  it("that is not to be understood is the caller's", async () => {
    const { a, client } = await connectedPair()
    for (const text of ['MOVED', 'MOVED 1', 'MOVED x 127.0.0.1:1', 'MOVED 16384 127.0.0.1:1', 'MOVED 1 127.0.0.1:0']) {
      a.handler = ([name]) => (name === 'GET' ? `-${text}\r\n` : undefined)
      expect(await failureOf(client.execute('GET', [keyIn(slotOfA)]))).toMatchObject({ code: 'MOVED', message: text })
    }
    expect(client.inspect()).toMatchObject({ nodes: 2, dials: 2 })
  })

  it('of a node to itself ends, at the pace of the retries', async () => {
    const { a, client } = await connectedPair({ maxRedirects: 8, retryDelayMs: 50 })
    a.handler = ([name]) => (name === 'GET' ? moved(slotOfA, a) : undefined)
    const before = a.count('GET')
    const startedAt = performance.now()
    const errors = await Promise.all(
      Array.from({ length: 20 }, () => failureOf(client.execute('GET', [keyIn(slotOfA)]))),
    )
    const elapsedMs = performance.now() - startedAt
    for (const error of errors) {
      expect(error).toMatchObject({ code: 'SLOTWISE_TOO_MANY_REDIRECTS', cause: { code: 'MOVED' } })
    }
    // One try and eight more a call, each behind a pause of at least three quarters of the delay.
    expect(a.count('GET') - before).toBe(20 * 9)
    expect(elapsedMs).toBeGreaterThan(8 * 0.75 * 50 - 20)
    // Redialled, for its address may lead elsewhere by now, and at most once a second.
    expect(a.accepted).toBeLessThanOrEqual(2 + elapsedMs / 1000)
  })

  it('in a circle of two nodes ends', async () => {
    const { a, b, client } = await connectedPair()
    a.handler = ([name]) => (name === 'GET' ? moved(slotOfA, b) : undefined)
    b.handler = ([name]) => (name === 'GET' ? moved(slotOfA, a) : undefined)
    const before = a.count('GET') + b.count('GET')
    const asked = a.count('CLUSTER SLOTS') + b.count('CLUSTER SLOTS')
    const until = performance.now() + 1000
    let calls = 0
    for (; performance.now() < until; calls++) {
      const error = await failureOf(client.execute('GET', [keyIn(slotOfA)], { timeoutMs: 5000 }))
      expect(error.code).toBe('SLOTWISE_TOO_MANY_REDIRECTS')
      await delay(20)
    }
    expect(a.count('GET') + b.count('GET') - before).toBeLessThanOrEqual(17 * calls)
    const elapsedMs = performance.now() - until + 1000
    // However many redirects there were: about one look a second.
    expect(a.count('CLUSTER SLOTS') + b.count('CLUSTER SLOTS') - asked).toBeLessThanOrEqual(2 + elapsedMs / 1000)
    expect(Math.max(a.accepted, b.accepted)).toBeLessThanOrEqual(2 + elapsedMs / 1000)
  })

  it('ends with TIMEOUT when the deadline comes before the last redirect', async () => {
    const { a, client } = await connectedPair({ retryDelayMs: 1000 })
    // The pause is longer than the deadline, so that the deadline cannot fall into one of the tries, where the call may have run.
    a.handler = ([name]) => (name === 'SET' ? moved(slotOfA, a) : undefined)
    const error = await failureOf(client.execute('SET', [keyIn(slotOfA), 1], { timeoutMs: 300 }))
    expect(error).toMatchObject({ code: 'SLOTWISE_TIMEOUT', maybeExecuted: false, cause: { code: 'MOVED' } })
    expect(a.count('SET')).toBe(1)
  })
})

describe('a look at the topology', () => {
  const soon = { refreshMinIntervalMs: 10, refreshMaxIntervalMs: 10, retryDelayMs: 20 }

  it.each(['nothing', 'half of it'] as const)('does not believe one node that knows %s', async what => {
    const { a, b, layout, client } = await connectedPair(soon)
    a.layout = what === 'nothing' ? [] : layout.slice(0, 1)
    const asked = a.count('CLUSTER SLOTS')
    while (a.count('CLUSTER SLOTS') < asked + 3) {
      await forceRefresh(client, b, slotOfB)
      expect(client.inspect()).toMatchObject({ slotsCovered: 16384, nodes: 2 })
    }
    expect(await client.execute('GET', [keyIn(slotOfA)])).toBe('a')
    expect(await client.execute('GET', [keyIn(slotOfB)])).toBe('b')
    expect([a.accepted, b.accepted]).toEqual([1, 1])
  })

  it('believes two nodes that know half of it', async () => {
    const { a, b, layout, client } = await connectedPair(soon)
    a.layout = b.layout = [[0, 8191, a.port] as const, [16_000, 16_383, b.port] as const]
    await forceRefresh(client, a, slotOfA)
    await eventually(() => expect(client.inspect().slotsCovered).toBe(8192 + 384))
    const waiting = client.execute('GET', [keyIn(slotOfB)])
    await delay(50)
    expect(client.inspect().queued).toBe(1)
    a.layout = b.layout = layout
    expect(await waiting).toBe('b')
    expect(client.inspect().slotsCovered).toBe(16384)
  })

  it('never believes that there are no slots, whoever says so', async () => {
    const { a, b, client } = await connectedPair(soon)
    a.layout = b.layout = []
    await forceRefresh(client, a, slotOfA)
    await eventually(() => expect(a.count('CLUSTER SLOTS')).toBeGreaterThan(3))
    expect(client.inspect()).toMatchObject({ slotsCovered: 16384, nodes: 2 })
    expect(await client.execute('GET', [keyIn(slotOfB)])).toBe('b')
  })

  it('goes to another node when one says nothing', async () => {
    const { a, b, client } = await connectedPair({ ...soon, drainTimeoutMs: 50 })
    a.mute = true
    // Only b knows that a has left.
    b.layout = [[0, 16_383, b.port]]
    const asked = a.count('CLUSTER SLOTS')
    const startedAt = performance.now()
    while (a.count('CLUSTER SLOTS') === asked && client.inspect().nodes === 2) await forceRefresh(client, b, slotOfB)
    await eventually(() => expect(client.inspect().nodes).toBe(1))
    expect(performance.now() - startedAt).toBeLessThan(1500)
    expect(await client.execute('GET', [keyIn(slotOfA)])).toBe('b')
  })

  it.each([
    ['says nothing', silence],
    ['knows no slots', '*0\r\n'],
    ['is no cluster', '-ERR This instance has cluster support disabled\r\n'],
  ] as const)('goes to the next seed at the start when the first %s', async (_, answer) => {
    const { a, b } = await startPair()
    test.keep(a).handler = ([name]) => (name === 'CLUSTER' ? answer : name === 'GET' ? bulk('a') : undefined)
    test.keep(b).handler = serveAs('b')
    const client = test.client({ cluster: [a.address, b.address] })
    const startedAt = performance.now()
    expect(await client.execute('GET', [keyIn(slotOfB)], { timeoutMs: 4500 })).toBe('b')
    expect(performance.now() - startedAt).toBeLessThan(4000)
  })
})

describe('a node that does not know of a failover', () => {
  /** What a node says to CLUSTER NODES: ports and configuration epochs of primaries. */
  const nodesReply = (epochs: readonly (readonly [port: number, epoch: number])[]) =>
    bulk(epochs.map(([port, epoch]) => `id-${port} 127.0.0.1:${port}@1 master - 0 0 ${epoch} connected\n`).join(''))

  it.each([
    ['is not believed, whoever else is silent', 2],
    ['is believed where its claim is the newer one', 30],
  ])('%s', async (_, epochOfB) => {
    const { a, b, layout, client } = await connectedPair({ refreshMinIntervalMs: 100 })
    const c = test.keep(await startScripted(serveAs('c')))
    const serve = (letter: string, epochs: readonly (readonly [number, number])[]) => (command: string[]) =>
      command[0] === 'CLUSTER' && command[1] === 'NODES' ? nodesReply(epochs) : serveAs(letter)(command)
    const known = [
      [a.port, 1],
      [b.port, 2],
      [c.port, 9],
    ] as const
    a.handler = serve('a', known)
    b.handler = serve('b', known)
    c.handler = serve('c', known)
    // c takes over from b, and all of them say so.
    a.layout = b.layout = c.layout = [layout[0] as Layout[number], [8192, 16_383, c.port], [8192, 8192, b.port]]
    await forceRefresh(client, a, slotOfA)
    await eventually(async () => expect(await client.execute('GET', [keyIn(slotOfB)])).toBe('c'))
    await eventually(() => expect(a.count('CLUSTER NODES') + b.count('CLUSTER NODES')).toBeGreaterThan(0))

    // Of b's epochs, those of what it knows: c is still its replica.
    b.handler = serve('b', [
      [a.port, 1],
      [b.port, epochOfB],
      [c.port, epochOfB],
    ])
    b.layout = layout
    const silent: typeof a.handler = ([name]) => (name === 'CLUSTER' ? '-ERR no\r\n' : undefined)
    const serveA = a.handler
    a.handler = (command, connection) => silent(command, connection) ?? serveA(command, connection)
    const serveC = c.handler
    c.handler = (command, connection) => silent(command, connection) ?? serveC(command, connection)
    const told = b.count('CLUSTER SLOTS')
    await forceRefresh(client, a, slotOfA)
    await eventually(() => expect(b.count('CLUSTER SLOTS')).toBeGreaterThan(told))
    // When another round begins, that one has come to its end.
    await forceRefresh(client, a, slotOfA)
    expect(await client.execute('GET', [keyIn(slotOfB)])).toBe(epochOfB === 2 ? 'c' : 'b')
  })
})

describe('evidence from many callers', () => {
  /** Looks a second apart, also while calls wait: what many callers add to them would show. */
  const slowly = { refreshUrgentIntervalMs: 1000 }

  it('on a slot that nobody serves costs two looks at the topology at the most, and no socket', async () => {
    const { a, b, layout, client } = await connectedPair(slowly)
    a.layout = b.layout = [layout[0] as Layout[number], [9000, 16_383, b.port]]
    await forceRefresh(client, a, slotOfA)
    await eventually(() => expect(client.inspect().slotsCovered).toBe(8192 + 7384))
    const before = client.inspect()
    const connections = [a.accepted, b.accepted]
    const calls: Promise<unknown>[] = []
    // One after the other, so that each is evidence of its own, while nobody knows better.
    for (let i = 0; i < 1000; i++) {
      calls.push(client.execute('GET', [keyIn(8500)]))
      if (i % 10 === 0) await delay(1)
    }
    await eventually(() => expect(client.inspect().queued).toBe(1000))
    a.layout = b.layout = layout
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['b']))
    expect(client.inspect().refreshes - before.refreshes).toBeLessThanOrEqual(2)
    expect([a.accepted, b.accepted]).toEqual(connections)
  })

  it('on ten nodes that go at once costs two looks at the most, and no socket to those that stay', async () => {
    const servers = await Promise.all(Array.from({ length: 12 }, () => startScripted(serveAs('x'))))
    const share = Math.ceil(16384 / 12)
    const from = (i: number) => i * share
    const to = (i: number) => Math.min(16_383, (i + 1) * share - 1)
    const layout: Layout = servers.map(({ port }, i) => [from(i), to(i), port] as const)
    for (const server of servers) test.keep(server).layout = layout
    const client = test.client({ cluster: servers.map(({ address }) => address), ...slowly })
    await Promise.all(servers.map((_, i) => client.execute('GET', [keyIn(from(i))])))
    const [stays, alsoStays] = servers as [FakeServer, FakeServer]
    const before = client.inspect()
    const connections = [stays.accepted, alsoStays.accepted]

    // The two that stay have what the others had.
    const half = layout.map(([first, last], i) => [first, last, (i % 2 === 0 ? stays : alsoStays).port] as const)
    await Promise.all(servers.slice(2).map(server => server.close()))
    const calls: Promise<unknown>[] = []
    for (let i = 0; i < 100; i++) {
      calls.push(...layout.map(([first]) => client.execute('GET', [keyIn(first)])))
      await delay(1)
    }
    stays.layout = alsoStays.layout = half
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['x']))
    const after = client.inspect()
    expect(after.refreshes - before.refreshes).toBeLessThanOrEqual(2)
    expect([stays.accepted, alsoStays.accepted]).toEqual(connections)
    await eventually(() => expect(client.inspect()).toMatchObject({ nodes: 2, sockets: { total: 2 } }))
  })
})

describe('a refusal that goes away', () => {
  it.each([
    "READONLY You can't write against a read only replica.",
    'LOADING Redis is loading the dataset in memory',
    'CLUSTERDOWN The cluster is down',
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    'TRYAGAIN Multiple keys request during rehashing of slot',
  ])('%s', async text => {
    const { a, client } = await connectedPair({ retryDelayMs: 20 })
    const serve = a.handler
    let refusals = 0
    a.handler = (command, connection) => {
      if (command[0] !== 'SET' || refusals === 4) return serve(command, connection)
      refusals++
      return `-${text}\r\n`
    }
    expect(await client.execute('SET', [keyIn(slotOfA), 1])).toBe('OK')
    expect([a.count('SET'), client.inspect().retries]).toEqual([5, 4])
    expect(client.inspect().queuedBytes).toBe(0)
  })

  it('keeps the order of its slot, even when the slot moves meanwhile', async () => {
    const { a, b, client } = await connectedPair({ retryDelayMs: 200, refreshMinIntervalMs: 10 })
    const serve = a.handler
    const looks = () => a.count('CLUSTER SLOTS') + b.count('CLUSTER SLOTS')
    let looksBefore = 0
    a.handler = (command, connection) => {
      if (command[0] !== 'SET') return serve(command, connection)
      // From now on whoever is asked says that the slot is b's.
      a.layout = b.layout = [[0, 0, a.port] as const, [1, 16_383, b.port] as const]
      looksBefore = looks()
      return '-CLUSTERDOWN The cluster is down\r\n'
    }
    const key = keyIn(slotOfA)
    const first = client.execute('SET', [key, 1])
    await eventually(() => expect(client.inspect().retries).toBe(1), 1000, 1)
    const second = client.execute('SET', [key, 2])
    // Another slot is not held up.
    expect(await client.execute('SET', [keyIn(slotOfB), 'other'])).toBe('OK')
    await eventually(() => expect(looks()).toBeGreaterThan(looksBefore), 1000, 1)
    const third = client.execute('SET', [key, 3])
    expect(await Promise.all([first, second, third])).toEqual(['OK', 'OK', 'OK'])
    expect(b.seen('SET').filter(([, name]) => name === key)).toEqual(
      [1, 2, 3].map(value => ['SET', key, String(value)]),
    )
    expect(a.seen('SET')).toEqual([['SET', key, '1']])
  })
})

describe('connections', () => {
  it('are dialled once a node for 500 callers at the start', async () => {
    const { a, b } = await startPair()
    test.keep(a).handler = serveAs('a')
    test.keep(b).handler = serveAs('b')
    const client = test.client({ cluster: [a.address, b.address] })
    const calls = Array.from({ length: 500 }, (_, i) => client.execute('GET', [keyIn((i * 31) % 16_384)]))
    expect(expectSettled(client)).toMatchObject({ issued: 500, queued: 500 })
    const values = await Promise.all(calls)
    expect(new Set(values)).toEqual(new Set(['a', 'b']))
    expect([a.accepted, b.accepted, client.inspect().dials]).toEqual([1, 1, 2])
    expect(client.inspect()).toMatchObject({ refreshes: 1, redirects: { moved: 0, ask: 0 } })
  })

  it('are dialled once a node for 500 callers after a loss', async () => {
    const { a, b, client } = await connectedPair()
    for (const node of [a, b]) node.cutAll()
    await eventually(() => expect(client.nodes().some(node => node.state !== 'ready')).toBe(true), 1000, 0)
    const calls = Array.from({ length: 500 }, (_, i) => client.execute('GET', [keyIn((i * 31) % 16_384)]))
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['a', 'b']))
    expect([a.accepted, b.accepted]).toEqual([2, 2])
  })

  it('do not mind failures elsewhere in the process', async () => {
    const { a, b, client } = await connectedPair()
    const before = client.inspect()
    const codes: (string | undefined)[] = []

    // EIO: page 0 of this process's memory is not mapped.
    const memory = openSync('/proc/self/mem', 'r')
    try {
      readSync(memory, Buffer.alloc(8), 0, 8, 0)
    } catch (error) {
      codes.push((error as NodeJS.ErrnoException).code)
    } finally {
      closeSync(memory)
    }
    // EPIPE: the reader of the pipe has gone.
    const child = spawn('sh', ['-c', 'exec 0<&-; echo closed; exec sleep 10'], { stdio: ['pipe', 'pipe', 'ignore'] })
    await once(child.stdout, 'data')
    const broken = once(child.stdin, 'error')
    child.stdin.write('x')
    codes.push(((await broken)[0] as NodeJS.ErrnoException).code)
    child.kill('SIGKILL')
    await once(child, 'close')
    // ECONNRESET: another socket of this process, even to the same server.
    const server = test.keep(await startScripted())
    server.handler = (_, connection) => {
      connection.reset()
      return silence
    }
    const socket = connect(server.port, '127.0.0.1').on('connect', () => socket.write('*1\r\n$4\r\nPING\r\n'))
    const [reset] = (await new Promise(resolve => socket.once('error', error => resolve([error])))) as [
      NodeJS.ErrnoException,
    ]
    codes.push(reset.code)
    const stranger = connect(a.port, '127.0.0.1')
    await once(stranger, 'connect')
    const failed = once(stranger, 'error')
    stranger.destroy(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }))
    await failed

    expect(codes).toEqual(['EIO', 'EPIPE', 'ECONNRESET'])
    expect(await client.execute('GET', [keyIn(slotOfA)])).toBe('a')
    expect(await client.execute('GET', [keyIn(slotOfB)])).toBe('b')
    const after = client.inspect()
    expect([after.dials, after.dialFailures, after.refreshes]).toEqual([
      before.dials,
      before.dialFailures,
      before.refreshes,
    ])
    expect([a.accepted, b.accepted]).toEqual([2, 1])
  })
})
