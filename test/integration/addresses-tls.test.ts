// TLS where servers announce addresses and certificates name hosts: whose name a server has to prove.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { LookupFunction } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Client, ClientOptions } from 'slotwise/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LocalCluster, liveServerPids } from '../../scripts/local-cluster.mjs'
import { makeCertificate, makeTestCertificates } from '../../scripts/local-tls.mjs'
import { codesOf, failureOf, useClients } from '../support/clients.js'
import { eventually, keyIn } from '../support/settled.js'

const { Cluster } = createRequire(import.meta.url)('../../dist/index.js') as typeof import('slotwise')

const test = useClients()
const dir = mkdtempSync(join(tmpdir(), 'slotwise-names-'))
let cluster: LocalCluster
let ca: Buffer

/** Every name ends here. */
const lookup: LookupFunction = (_, options, callback) => {
  if (options.all) process.nextTick(callback, null, [{ address: '127.0.0.1', family: 4 }])
  else process.nextTick(callback, null, '127.0.0.1', 4)
}
const brief = { timeoutMs: 600, connectTimeoutMs: 500 }

/** New connections of node `i` get this certificate. */
async function certify(i: number, name: string, subject: string): Promise<void> {
  const { cert, key } = makeCertificate(dir, name, subject)
  await cluster.nodes[i]?.command('CONFIG', 'SET', 'tls-cert-file', cert, 'tls-key-file', key)
}

const client = (seed: string, more: Partial<ClientOptions> = {}) =>
  test.client({
    lookup,
    tls: { ca },
    ...more,
    cluster: [`rediss://${seed}:${cluster.nodes[0]?.port}`],
  } as ClientOptions)

async function expectServed(client: Client): Promise<void> {
  for (const slot of [1000, 8000, 14_000]) expect(await client.execute('SET', [keyIn(slot), slot])).toBe('OK')
  expect(client.nodes().map(({ endpoint, state }) => `${endpoint} ${state}`)).toEqual(
    expect.arrayContaining(cluster.addresses.map(address => `${address} ready`)),
  )
}

beforeAll(async () => {
  const files = makeTestCertificates(dir)
  ca = readFileSync(files.ca)
  cluster = await LocalCluster.start({
    primaries: 3,
    replicasPerPrimary: 0,
    tls: { ...files.server, ca: files.ca },
    config: { 'tls-auth-clients': 'no' },
  })
})
afterAll(async () => {
  await cluster?.stop()
  rmSync(dir, { recursive: true, force: true })
  expect(liveServerPids(), 'servers left running').toEqual([])
})
describe('nodes that announce addresses, with certificates for the name of the seed only', () => {
  beforeAll(async () => {
    for (const i of cluster.nodes.keys()) await certify(i, 'seed', 'DNS:clustercfg.test')
  })

  it('are believed, whatever connection it is', async () => {
    const named = client('clustercfg.test', { sharedSubscriptions: false })
    await expectServed(named)
    for (const slot of [1000, 8000, 14_000]) {
      // A connection for one blocking call.
      await named.execute('RPUSH', [keyIn(slot, 'list'), 'item'])
      expect(await named.execute('BLPOP', [keyIn(slot, 'list'), 1])).toEqual([keyIn(slot, 'list'), 'item'])
    }
    const shard = named.subscribe(keyIn(8000, 'news'), { kind: 'shard' })
    await shard.ready
    await shard.close()
  })

  it('are believed on the connections after the first, too', async () => {
    const named = client('clustercfg.test')
    await expectServed(named)
    for (const node of cluster.nodes) await node.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    await eventually(() => expectServed(named))
  })

  it('are believed by the ioredis-shaped Cluster, which looks the name up itself', async () => {
    const dnsLookup = (_: string, callback: (error: null, address: string, family: number) => void) =>
      process.nextTick(callback, null, '127.0.0.1', 4)
    const { port } = cluster.nodes[0] as { port: number }
    const shaped = new Cluster([{ host: 'clustercfg.test', port }], { dnsLookup, redisOptions: { tls: { ca } } })
    for (const slot of [1000, 8000, 14_000]) expect(await shaped.set(keyIn(slot), slot)).toBe('OK')
    shaped.disconnect()
  })

  it('are not believed under another name, nor by address', async () => {
    for (const seed of ['other.test', '127.0.0.1']) {
      const error = await failureOf(client(seed, brief).connect())
      expect(codesOf(error)).toEqual(
        expect.arrayContaining(['SLOTWISE_CONNECT_FAILED', 'ERR_TLS_CERT_ALTNAME_INVALID']),
      )
    }
  })

  it('are believed by address where servername says which name, and it comes before any other', async () => {
    await expectServed(client('127.0.0.1', { tls: { ca, servername: 'clustercfg.test' } }))
    await expectServed(client('other.test', { tls: { ca, servername: 'clustercfg.test' } }))
    const error = await failureOf(
      client('clustercfg.test', { ...brief, tls: { ca, servername: 'other.test' } }).connect(),
    )
    expect(codesOf(error)).toContain('ERR_TLS_CERT_ALTNAME_INVALID')
  })

  it('prove what a check of the user wants them to', async () => {
    const checked: string[] = []
    const checkServerIdentity = (name: string) => void checked.push(name)
    await expectServed(client('other.test', { tls: { ca, checkServerIdentity } }))
    expect(new Set(checked)).toEqual(new Set(['other.test']))
  })
})

describe('nodes with certificates for their addresses', () => {
  it('are believed, whatever name led to them', async () => {
    for (const i of cluster.nodes.keys()) await certify(i, 'address', 'IP:127.0.0.1')
    await expectServed(client('clustercfg.test'))
    await expectServed(client('127.0.0.1'))
  })
})

describe('nodes with certificates for the names that they announce', () => {
  beforeAll(async () => {
    for (const [i, node] of cluster.nodes.entries()) {
      await certify(i, `node-${i}`, `DNS:redis-${i}.test`)
      await node.command('CONFIG', 'SET', 'cluster-announce-hostname', `redis-${i}.test`)
    }
    await eventually(async () => {
      for (const node of cluster.nodes) {
        const text = (await node.command('CLUSTER', 'NODES')) as string
        for (const i of cluster.nodes.keys()) expect(text).toContain(`redis-${i}.test`)
      }
    })
  })

  it('are believed while they announce addresses besides', async () => {
    await expectServed(client('redis-0.test'))
  })

  it('are believed while names are all they announce', async () => {
    for (const node of cluster.nodes) await node.command('CONFIG', 'SET', 'cluster-preferred-endpoint-type', 'hostname')
    const named = client('redis-0.test')
    for (const slot of [1000, 8000, 14_000]) expect(await named.execute('SET', [keyIn(slot), slot])).toBe('OK')
    expect(
      named
        .nodes()
        .map(({ endpoint }) => endpoint)
        .sort(),
    ).toEqual(cluster.nodes.map(({ port }, i) => `redis-${i}.test:${port}`))
  })
})
