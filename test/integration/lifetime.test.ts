// Lifetime: connections are replaced after a while, and nobody notices.

import type { Client, CommonOptions } from 'slotwise/core'
import { describe, expect, it } from 'vitest'
import { LocalServer } from '../../scripts/local-server.mjs'
import { useClients } from '../support/clients.js'
import { startScripted } from '../support/scripted.js'
import { eventually, expectSettled, keyIn, useCluster } from '../support/settled.js'

const test = useCluster({ primaries: 3, replicasPerPrimary: 0 })
const alone = useClients()
const lifetime: CommonOptions = { maxConnectionLifetimeMs: 300 }

/** Keeps callers at work until `over`; each appends numbers to a list of its own, several at a time. */
async function work(client: Client, callers: number, over: () => boolean): Promise<number> {
  let token = 0
  await Promise.all(
    Array.from({ length: callers }, async (_, i) => {
      const key = keyIn((i * 997) % 16384, `list:${i}`)
      while (!over()) await Promise.all([1, 2, 3].map(() => client.execute('RPUSH', [key, ++token])))
    }),
  )
  return token
}

describe.each([2, 3] as const)('connections of a cluster over RESP%i', protocol => {
  it('are replaced under load: no call fails, none is overtaken, no socket is left', async () => {
    await Promise.all(test.cluster.nodes.map(node => node.command('FLUSHALL')))
    const client = test.client({ ...lifetime, protocol })
    let mostSockets = 0
    const calls = await work(client, 200, () => {
      mostSockets = Math.max(mostSockets, client.inspect().sockets.total - client.inspect().sockets.closing)
      return client.inspect().dials >= 15
    })
    expectSettled(client)
    expect(client.inspect()).toMatchObject({ dialFailures: 0, redirects: { moved: 0 }, refreshes: 1 })
    expect(mostSockets).toBeLessThanOrEqual(6)
    let found = 0
    for (const node of test.cluster.nodes) {
      for (const key of (await node.command('KEYS', '*')) as string[]) {
        const tokens = ((await node.command('LRANGE', key, 0, -1)) as string[]).map(Number)
        found += tokens.length
        expect(tokens).toEqual([...new Set(tokens)].sort((a, b) => a - b))
      }
    }
    expect(found).toBe(calls)
    await eventually(() => expect(client.inspect().sockets.total).toBe(3))
    await test.expectSocketsCounted(client)
  })
})

it('a connection stays when no other can be opened', async () => {
  const server = await startScripted(([name]) => (name === 'GET' ? '+here\r\n' : undefined))
  alone.keep(server)
  const client = alone.client({ ...lifetime, server: server.address, backoffMaxMs: 50, connectTimeoutMs: 100 })
  expect(await client.execute('GET', ['k'])).toBe('here')
  const [connection] = server.connections
  server.handler = ([name]) => (name === 'HELLO' ? '-ERR not now\r\n' : name === 'GET' ? '+here\r\n' : undefined)
  await eventually(() => expect(client.inspect().dialFailures).toBeGreaterThanOrEqual(3))
  expect(await client.execute('GET', ['k'])).toBe('here')
  expect(client.inspect()).toMatchObject({ state: 'ready', sockets: { shared: 1 } })
  expect(server.connections[0]).toBe(connection)
})

it('subscriptions on it are joined again, and the gap is told', async () => {
  const server = alone.keep(await LocalServer.start())
  const client = alone.client({ ...lifetime, server: server.address })
  const heard: string[] = []
  const gaps: unknown[] = []
  const subscription = client.subscribe('news', {
    onMessage: ({ payload }) => heard.push(payload),
    onGap: gap => gaps.push(gap),
  })
  await subscription.ready
  await eventually(() => expect(gaps.length).toBeGreaterThanOrEqual(2))
  await eventually(async () => {
    await server.command('PUBLISH', 'news', 'still here')
    expect(heard).toContain('still here')
  })
  await subscription.close()
})

it('a lane is replaced when it comes back', async () => {
  const server = alone.keep(await LocalServer.start())
  const client = alone.client({ ...lifetime, server: server.address })
  const idOf = () => client.session(session => session.execute('CLIENT', ['ID']))
  const first = await idOf()
  await eventually(async () => expect(await idOf()).not.toBe(first), 5000, 50)
})

it('a client that is closed meanwhile leaves nothing behind', async () => {
  const client = test.client({ ...lifetime })
  await Promise.all([0, 6000, 12_000].map(slot => client.execute('GET', [keyIn(slot)])))
  await eventually(() => expect(client.inspect().sockets.dialing).toBeGreaterThan(0), 5000, 1)
  client.destroy()
  await eventually(() => expect(client.inspect().sockets.total).toBe(0))
})
