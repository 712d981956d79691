// Redirects and refreshes against scripted peers: what the client asks, whom, how often, and on how many sockets.

import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import type { Client } from '../../src/client/client.js'
import { createClient, slotOf } from '../../src/core.js'
import { array, bulk, greet, Peer, slots } from '../support/peer.js'

let peers: Peer[] = []
let client: Client

afterEach(async () => {
  await client.close()
  const { issued, settled, queued, inFlight, sockets } = client.inspect()
  expect({ open: issued - settled, queued, inFlight, sockets: sockets.total }).toEqual({
    open: 0,
    queued: 0,
    inFlight: 0,
    sockets: 0,
  })
  await Promise.all(peers.map(peer => peer.close()))
  peers = []
})

/** Peers that call themselves a cluster: each owns an equal part of the slots, unless `ranges` says otherwise. */
async function cluster(count: number): Promise<Peer[]> {
  for (let i = 0; i < count; i++) peers.push(await Peer.listen(command => greet(command)))
  const view = slots(
    peers.map((peer, i) => [Math.floor((i * 16384) / count), Math.floor(((i + 1) * 16384) / count) - 1, peer.port]),
  )
  for (const peer of peers) {
    peer.script = ([name, ...args]) => {
      if (name === 'CLUSTER') return view
      return greet([name as string, ...args]) ?? bulk(`from ${peer.port}`)
    }
  }
  return peers
}

/** The first key of the form `key:<n>` in a slot that passes. */
function keyWhere(passes: (slot: number) => boolean): string {
  for (let i = 0; ; i++) if (passes(slotOf(`key:${i}`))) return `key:${i}`
}

/** Replaces what a peer answers to GET. */
function onGet(peer: Peer, answer: (key: string) => string | undefined): void {
  const before = peer.script
  peer.script = (command, socket) => (command[0] === 'GET' ? answer(command[1] as string) : before(command, socket))
}

describe('MOVED', () => {
  it('300 times in a row leads to at most 2 refreshes and no new socket to a known node', async () => {
    const [a, b] = (await cluster(2)) as [Peer, Peer]
    onGet(a, key => `-MOVED ${slotOf(key)} ${b.address}\r\n`)
    client = createClient({ cluster: [a.address] })
    await client.connect()
    await client.execute('GET', [keyWhere(slot => slot >= 8192)])
    const before = client.inspect()
    const accepted = [a.accepted, b.accepted]
    const keys = new Map<number, string>()
    for (let i = 0; keys.size < 300; i++) {
      const slot = slotOf(`key:${i}`)
      if (slot < 8192 && !keys.has(slot)) keys.set(slot, `key:${i}`)
    }
    for (const key of keys.values()) expect(await client.execute('GET', [key])).toBe(`from ${b.port}`)
    const after = client.inspect()
    expect(after.redirects.moved - before.redirects.moved).toBeGreaterThan(0)
    expect(after.refreshes - before.refreshes).toBeLessThanOrEqual(2)
    expect([a.accepted, b.accepted]).toEqual(accepted)
    expect(after.dials).toBe(before.dials)
  })

  it('re-points exactly one slot', async () => {
    const [a, b] = (await cluster(2)) as [Peer, Peer]
    const moved = keyWhere(slot => slot < 8192)
    const others = Array.from({ length: 200 }, (_, i) => `other:${i}`).filter(
      key => slotOf(key) < 8192 && slotOf(key) !== slotOf(moved),
    )
    onGet(a, key =>
      slotOf(key) === slotOf(moved) ? `-MOVED ${slotOf(moved)} ${b.address}\r\n` : bulk(`from ${a.port}`),
    )
    // The refresh that follows must not be what keeps the others in place: it says the same as before, or nothing at all.
    client = createClient({
      cluster: [a.address],
      refreshMinIntervalMs: 60_000,
      refreshMaxIntervalMs: 60_000,
      refreshPeriodMs: 0,
    })
    await client.connect()
    expect(await client.execute('GET', [moved])).toBe(`from ${b.port}`)
    expect(client.inspect().redirects.moved).toBe(1)
    expect(await client.execute('GET', [moved])).toBe(`from ${b.port}`)
    for (const key of others) expect(await client.execute('GET', [key])).toBe(`from ${a.port}`)
    expect(client.inspect()).toMatchObject({ redirects: { moved: 1 }, refreshes: 1 })
  })

  it('to the node that said it is not followed in a circle', async () => {
    const [a] = (await cluster(1)) as [Peer]
    onGet(a, key => `-MOVED ${slotOf(key)} ${a.address}\r\n`)
    client = createClient({ cluster: [a.address] })
    await expect(client.execute('GET', ['k'], { timeoutMs: 1000 })).rejects.toMatchObject({
      code: expect.stringMatching(/TIMEOUT|REDIRECTS/),
    })
    expect(a.seen('GET').length).toBeLessThanOrEqual(16)
  })

  it('between two nodes that name each other ends with SLOTWISE_TOO_MANY_REDIRECTS', async () => {
    const [a, b] = (await cluster(2)) as [Peer, Peer]
    onGet(a, key => `-MOVED ${slotOf(key)} ${b.address}\r\n`)
    onGet(b, key => `-MOVED ${slotOf(key)} ${a.address}\r\n`)
    client = createClient({ cluster: [a.address], maxRedirects: 5 })
    await expect(client.execute('GET', ['k'])).rejects.toMatchObject({
      code: 'SLOTWISE_TOO_MANY_REDIRECTS',
      cause: { code: 'MOVED' },
      maybeExecuted: false,
    })
    expect(a.seen('GET').length + b.seen('GET').length).toBe(6)
  })
})

describe('a view', () => {
  it.each([
    ['empty', () => '*0\r\n'],
    ['of half the slots', (port: number) => slots([[0, 8191, port]])],
  ])('that is %s is not believed on one vote', async (_, view) => {
    const [a, b] = (await cluster(2)) as [Peer, Peer]
    client = createClient({ cluster: [a.address], refreshMinIntervalMs: 20, refreshMaxIntervalMs: 20 })
    await client.connect()
    const key = keyWhere(slot => slot >= 8192)
    const low = keyWhere(slot => slot < 8192)
    await client.execute('GET', [key])
    const lying = a.script
    a.script = (command, socket) => (command[0] === 'CLUSTER' ? view(a.port) : lying(command, socket))
    // A redirect by the liar makes the client ask it first.
    let redirected = false
    onGet(b, () => {
      if (redirected) return bulk(`from ${b.port}`)
      redirected = true
      return `-MOVED ${slotOf(key)} ${a.address}\r\n`
    })
    await client.execute('GET', [key])
    await waitUntil(() => a.seen('CLUSTER').length >= 2)
    await delay(50)
    expect(client.inspect().slotsCovered).toBe(16384)
    expect(await client.execute('GET', [low])).toBe(`from ${a.port}`)
  })

  it('comes from another node when the one that is asked says nothing', async () => {
    const [a, b] = (await cluster(2)) as [Peer, Peer]
    client = createClient({ cluster: [a.address, b.address], refreshMinIntervalMs: 20, refreshMaxIntervalMs: 20 })
    const silent = a.script
    a.script = (command, socket) => (command[0] === 'CLUSTER' ? undefined : silent(command, socket))
    expect(await client.execute('GET', [keyWhere(slot => slot >= 8192)])).toBe(`from ${b.port}`)
    expect(b.seen('CLUSTER').length).toBeGreaterThan(0)
  })
})

describe('replies that ask for patience', () => {
  it.each(['TRYAGAIN later', 'CLUSTERDOWN no quorum', 'LOADING data', 'READONLY replica', 'MASTERDOWN link'])(
    '%s: the call is tried again, and later calls of its slot do not overtake it',
    async text => {
      const [a] = (await cluster(1)) as [Peer]
      const before = a.script
      let refuse = true
      a.script = (command, socket) => (command[0] === 'SET' && refuse ? `-${text}\r\n` : before(command, socket))
      client = createClient({ cluster: [a.address], retryDelayMs: 50 })
      await client.connect()
      const first = client.execute('SET', ['k', 'first'])
      await waitUntil(() => client.inspect().retries > 0)
      refuse = false
      const second = client.execute('SET', ['k', 'second'])
      const other = client.execute('SET', ['another', 'x'])
      await Promise.all([first, second, other])
      const order = a
        .seen('SET')
        .filter(([, key]) => key === 'k')
        .map(([, , value]) => value)
      expect(order.indexOf('second')).toBe(order.length - 1)
      expect(order.at(-2)).toBe('first')
    },
  )
})

describe('500 callers at once', () => {
  it('lead to exactly one dial of each node', async () => {
    const [a, b, c] = (await cluster(3)) as [Peer, Peer, Peer]
    client = createClient({ cluster: [a.address, b.address, c.address] })
    const replies = await Promise.all(Array.from({ length: 500 }, (_, i) => client.execute('GET', [`key:${i}`])))
    expect(new Set(replies).size).toBe(3)
    expect([a.accepted, b.accepted, c.accepted]).toEqual([1, 1, 1])
    expect(client.inspect().dials).toBe(3)
  })
})

describe('a connection that is cut in the middle of a reply', () => {
  it('has reads sent again, and writes fail as maybe executed, once', async () => {
    const [a] = (await cluster(1)) as [Peer]
    const before = a.script
    let cut = true
    a.script = (command, socket) => {
      if (cut && (command[0] === 'GET' || command[0] === 'INCR')) {
        if (command[0] === 'INCR') {
          cut = false
          socket.write('$100\r\nhalf')
          socket.destroy()
        }
        return undefined
      }
      return before(command, socket)
    }
    client = createClient({ cluster: [a.address] })
    await client.connect()
    const read = client.execute('GET', ['k'])
    const write = client.execute('INCR', ['k'])
    await expect(write).rejects.toMatchObject({
      code: 'SLOTWISE_CONNECTION_LOST',
      maybeExecuted: true,
      attempts: 1,
      command: 'INCR',
    })
    expect(await read).toBe(`from ${a.port}`)
    expect(a.seen('INCR').length).toBe(1)
    expect(a.seen('GET').length).toBe(2)
  })

  it('has a write sent again when it is marked idempotent, or with resend: all', async () => {
    for (const [options, call] of [
      [{}, { idempotent: true }],
      [{ resend: 'all' as const }, {}],
    ] as const) {
      const [a] = (await cluster(1)) as [Peer]
      const before = a.script
      let cut = true
      a.script = (command, socket) => {
        if (command[0] !== 'INCR' || !cut) return before(command, socket)
        cut = false
        socket.destroy()
        return undefined
      }
      client = createClient({ cluster: [a.address], ...options })
      expect(await client.execute('INCR', ['k'], call)).toBe(`from ${a.port}`)
      expect(a.seen('INCR').length).toBe(2)
      await client.close()
      peers = []
      await a.close()
    }
  })
})

describe('bytes that are no reply', () => {
  it.each([
    ['garbage', 'HTTP/1.1 400 Bad Request\r\n\r\n', 'SLOTWISE_PROTOCOL'],
    ['nesting without end', '*1\r\n'.repeat(1000), 'SLOTWISE_LIMIT_DEPTH'],
    ['a string of a terabyte', '$1000000000000\r\n', 'SLOTWISE_LIMIT_BULK'],
    ['an array of a billion', '*1000000000\r\n', 'SLOTWISE_LIMIT_AGGREGATE'],
    ['a reply nobody asked for', '+one\r\n+two\r\n', 'SLOTWISE_PROTOCOL'],
  ])('%s: ends the connection, and the next one serves', async (_, bytes, code) => {
    const [a] = (await cluster(1)) as [Peer]
    const before = a.script
    let bad = true
    a.script = (command, socket) => {
      if (command[0] !== 'INCR' || !bad) return before(command, socket)
      bad = false
      return bytes
    }
    client = createClient({ cluster: [a.address] })
    await client.connect()
    const outcome = await client.execute('INCR', ['k']).catch((error: unknown) => error)
    if (bytes.startsWith('+one')) expect(outcome).toBe('one')
    else expect(outcome).toMatchObject({ code: 'SLOTWISE_CONNECTION_LOST', cause: { code, endpoint: a.address } })
    expect(await client.execute('INCR', ['k'])).toBe(`from ${a.port}`)
    expect(a.accepted).toBe(2)
  })

  it('in single-byte pieces are read all the same', async () => {
    const [a] = (await cluster(1)) as [Peer]
    const before = a.script
    a.script = (command, socket) => {
      if (command[0] !== 'GET') return before(command, socket)
      const reply = array([bulk('über'), ':42\r\n', '*0\r\n'])
      void (async () => {
        for (const byte of Buffer.from(reply)) {
          socket.write(Buffer.of(byte))
          await new Promise(resolve => setImmediate(resolve))
        }
      })()
      return undefined
    }
    client = createClient({ cluster: [a.address] })
    expect(await client.execute('GET', ['k'])).toEqual(['über', 42, []])
  })
})

async function waitUntil(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 5000
  while (!condition()) {
    if (performance.now() > deadline) throw new Error('waited 5 s in vain')
    await delay(5)
  }
}
