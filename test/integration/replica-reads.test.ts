// Reads from replicas: what a replica cannot answer the primary does, whatever is meant for a primary never comes from a copy.

import type { Client, ClientOptions } from 'slotwise/core'
import { array, bulk, type FakeServer, type Handler } from 'slotwise/testing'
import { describe, expect, it } from 'vitest'
import { failureOf, useClients } from '../support/clients.js'
import { startScripted } from '../support/scripted.js'
import { eventually, keyIn } from '../support/settled.js'

const test = useClients()

/** A primary and its replica, both scripted; the replica answers reads after READONLY as a server does. */
async function shard(onReplica: Handler = () => undefined): Promise<{ primary: FakeServer; replica: FakeServer }> {
  const readOnly = new Set<unknown>()
  const layout = () => {
    const entry = ({ port }: FakeServer) => array([bulk('127.0.0.1'), `:${port}\r\n`, bulk(`id-${port}`)])
    return array([array([':0\r\n', ':16383\r\n', entry(primary), entry(replica)])])
  }
  const slots = ([name, subcommand]: string[]) => (name === 'CLUSTER' && subcommand === 'SLOTS' ? layout() : undefined)
  const primary: FakeServer = await startScripted(
    command => slots(command) ?? { GET: bulk('from primary'), SET: '+OK\r\n' }[command[0] as string],
  )
  const replica: FakeServer = await startScripted((command, connection) => {
    const own = slots(command) ?? onReplica(command, connection)
    if (own !== undefined) return own
    const [name] = command
    if (name === 'READONLY') readOnly.add(connection)
    if (name === 'READWRITE') readOnly.delete(connection)
    if (name === 'READONLY' || name === 'READWRITE') return '+OK\r\n'
    if (name !== 'GET') return undefined
    return readOnly.has(connection) ? bulk('from replica') : `-MOVED 1 127.0.0.1:${primary.port}\r\n`
  })
  test.keep(primary)
  test.keep(replica)
  return { primary, replica }
}

const open = (primary: FakeServer, options: Partial<ClientOptions>) =>
  test.client({ cluster: [`127.0.0.1:${primary.port}`], refreshMinIntervalMs: 100, ...options } as ClientOptions)
const key = keyIn(1)

/** The replica is connected when it is first read from, and the read does not wait for that. */
async function connected(client: Client): Promise<void> {
  await eventually(async () => {
    await client.execute('GET', [key])
    expect(client.nodes().every(({ state }) => state === 'ready')).toBe(true)
  })
}

describe('a read', () => {
  it('comes from the replica after READONLY, said once, and a write goes to the primary', async () => {
    const { primary, replica } = await shard()
    const client = open(primary, { readFrom: 'replicas' })
    await connected(client)
    for (let i = 0; i < 5; i++) expect(await client.execute('GET', [key])).toBe('from replica')
    expect(await client.execute('SET', [key, 'v'])).toBe('OK')
    expect(replica.count('READONLY')).toBe(1)
    expect([primary.count('SET'), replica.count('SET')]).toEqual([1, 0])
    expect(client.inspect().replicaReads).toBeGreaterThanOrEqual(5)
    expect(client.inspect().redirects).toEqual({ moved: 0, ask: 0 })
  })

  it.each(['LOADING Redis is loading the dataset', 'MASTERDOWN Link with MASTER is down', 'MOVED 1 127.0.0.1:1'])(
    'is answered by the primary at once when the replica says %s',
    async refusal => {
      const { primary, replica } = await shard(([name]) => (name === 'GET' ? `-${refusal}\r\n` : undefined))
      const client = open(primary, { readFrom: 'replicas', retryDelayMs: 5000 })
      await connected(client)
      const before = replica.count('GET')
      for (let i = 0; i < 3; i++) expect(await client.execute('GET', [key])).toBe('from primary')
      expect(replica.count('GET')).toBe(before + 3)
      expect(client.inspect().redirects).toEqual({ moved: 0, ask: 0 })
    },
  )

  it('goes on at the primary while the replica is away, and at the replica when it is back', async () => {
    const { primary, replica } = await shard()
    const client = open(primary, { readFrom: 'replicas', backoffMaxMs: 100 })
    await connected(client)
    replica.cutAll()
    expect(['from primary', 'from replica']).toContain(await client.execute('GET', [key]))
    await eventually(async () => expect(await client.execute('GET', [key])).toBe('from replica'))
    expect(replica.count('READONLY')).toBe(2)
  })

  it('comes from whoever is fastest', async () => {
    const { primary } = await shard()
    const { handler } = primary
    primary.handler = (command, connection) => {
      if (command[0] !== 'PING') return handler(command, connection)
      setTimeout(() => connection.send('+PONG\r\n'), 60)
      return ''
    }
    const client = open(primary, { readFrom: 'lowest-latency' })
    await connected(client)
    await eventually(async () => expect(await client.execute('GET', [key])).toBe('from replica'), 5000)
  })

  it('comes from its zone', async () => {
    const { primary, replica } = await shard()
    const zoneOf = (endpoint: string) => (endpoint.endsWith(String(replica.port)) ? 'here' : 'there')
    const client = open(primary, { readFrom: { zone: 'here', zoneOf } })
    await connected(client)
    expect(await client.execute('GET', [key])).toBe('from replica')
  })

  it('that has an answer like any other gets it from the replica', async () => {
    const { primary } = await shard(([name]) => (name === 'GET' ? '-WRONGTYPE no string\r\n' : undefined))
    const client = open(primary, { readFrom: 'replicas' })
    await eventually(async () => {
      expect(await failureOf(client.execute('GET', [key]))).toMatchObject({ code: 'WRONGTYPE' })
    })
  })
})
