// Lanes in a cluster: blocking commands and sessions are with the server of their keys, and go where these go.

import type { Client, CommonOptions } from 'slotwise/core'
import { expect, it } from 'vitest'
import { failureOf, thrownBy } from '../support/clients.js'
import { eventually, keyIn, useCluster } from '../support/settled.js'

const test = useCluster({ primaries: 3, replicasPerPrimary: 1, nodeTimeoutMs: 1000 })
const open = (options: CommonOptions = {}) => test.client(options)
const lanesOf = (client: Client) => client.inspect().sockets.lane

it('a blocking command blocks at the owner of its slot', async () => {
  const client = open()
  const keys = [1, 8000, 16_000].map(slot => keyIn(slot))
  const pops = keys.map(key => client.execute('BLPOP', [key, 0]))
  await eventually(() => expect(lanesOf(client)).toBe(3))
  expect(await client.execute('SET', [keyIn(2), 'v'])).toBe('OK')
  for (const key of keys) await client.execute('RPUSH', [key, 'v'])
  expect(await Promise.all(pops)).toEqual(keys.map(key => [key, 'v']))
})

it('a session is with the server of its first key, and no other', async () => {
  const client = open()
  await client.session(async session => {
    await session.execute('SET', [keyIn(1), 'a'])
    expect(await session.execute('GET', [keyIn(2, 'none')])).toBeNull()
    expect(thrownBy(() => session.execute('GET', [keyIn(16_000)]))).toMatchObject({ code: 'SLOTWISE_CROSS_SLOT' })
    expect(await session.execute('GET', [keyIn(1)])).toBe('a')
  })
})

it('a session that waits for a server that is gone gets the one that takes its place', async () => {
  const client = open({ timeoutMs: 30_000 })
  const key = keyIn(8000, 'session')
  await client.execute('SET', [key, 'before'])
  const primary = await test.cluster.primaryOf(8000)
  await primary.kill()
  // Made while nobody serves the slot; the dead server leaves the topology while they wait for it.
  const sessions = Array.from({ length: 5 }, () => client.session(session => session.execute('SET', [key, 'after'])))
  expect(await Promise.all(sessions)).toEqual(['OK', 'OK', 'OK', 'OK', 'OK'])
  expect(await test.cluster.primaryOf(8000)).not.toBe(primary)
  await primary.restart()
  await test.cluster.waitUntilOk(30_000)
})

it('a session whose server leaves the cluster has lost its connection; the client is not closed', async () => {
  const client = open()
  const key = keyIn(16_000, 'leaving')
  const primary = await test.cluster.primaryOf(16_000)
  const ended = client.session(async session => {
    await session.execute('SET', [key, 'a'])
    await primary.kill()
    await test.cluster.waitUntilOk(30_000)
    await client.execute('GET', [key])
    return session.execute('GET', [key])
  })
  expect(await failureOf(ended)).toMatchObject({ code: 'SLOTWISE_CONNECTION_LOST' })
  await primary.restart()
  await test.cluster.waitUntilOk(30_000)
})

it('a blocking command follows its key through a failover', async () => {
  const client = open({ resend: 'all', timeoutMs: 30_000, maxQueueAgeMs: 30_000 })
  const key = keyIn(1, 'queue')
  const pop = client.execute('BLPOP', [key, 0])
  await eventually(() => expect(lanesOf(client)).toBe(1))
  const primary = await test.cluster.primaryOf(1)
  await primary.kill()
  await test.cluster.waitUntilOk(30_000)
  await client.execute('RPUSH', [key, 'after'])
  expect(await pop).toEqual([key, 'after'])
  await primary.restart()
  await test.cluster.waitUntilOk(30_000)
})
