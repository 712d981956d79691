// TLS: who is believed, who is let in, and a whole cluster behind it.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LocalCluster, LocalServer, liveServerPids } from '../../scripts/local-cluster.mjs'
import { makeTestCertificates, type TestCertificates } from '../../scripts/local-tls.mjs'
import { codesOf, failureOf, useClients } from '../support/clients.js'
import { eventually, keyIn, socketFdsTo } from '../support/settled.js'

const test = useClients()
const dir = mkdtempSync(join(tmpdir(), 'slotwise-tls-'))
let files: TestCertificates
/** Asks nobody for a certificate. */
let open: LocalServer
/** Lets in only who has a certificate of the authority. */
let strict: LocalServer
/** Has a certificate for `redis.test`. */
let named: LocalServer

const pem = (path: string) => readFileSync(path)
const url = (server: LocalServer, host = '127.0.0.1') => `rediss://${host}:${server.port}`

/** So that what cannot work is given up soon. */
const brief = { timeoutMs: 600, connectTimeoutMs: 500 }

beforeAll(async () => {
  files = makeTestCertificates(dir)
  const { ca } = files
  ;[open, strict, named] = await Promise.all([
    LocalServer.start({ tls: { ...files.server, ca }, config: { 'tls-auth-clients': 'no' } }),
    LocalServer.start({ tls: { ...files.server, ca }, config: { 'tls-auth-clients': 'yes' } }),
    LocalServer.start({ tls: { ...files.named, ca }, config: { 'tls-auth-clients': 'no' } }),
  ])
})

afterAll(async () => {
  await Promise.all([open, strict, named].map(server => server?.stop()))
  rmSync(dir, { recursive: true, force: true })
  expect(liveServerPids(), 'servers left running').toEqual([])
})

describe('the server', () => {
  it.each(['127.0.0.1', 'localhost'])('is believed as %s when the authority is known', async host => {
    // Of LocalServer's own connection.
    const before = socketFdsTo([open.port])
    const client = test.client({ server: { host, port: open.port }, tls: { ca: pem(files.ca) } })
    expect(await client.execute('SET', ['k', 'v'])).toBe('OK')
    expect(await client.execute('GET', ['k'])).toBe('v')
    expect(client.nodes()).toMatchObject([{ state: 'ready', protocol: 3 }])
    await eventually(() => expect(socketFdsTo([open.port]) - before).toBe(client.inspect().sockets.total))
    expect(client.inspect().sockets).toMatchObject({ shared: 1, total: 1 })
  })

  it('is reached by a rediss:// URL, without a word about tls', async () => {
    const client = test.client({ server: url(open), tls: { ca: pem(files.ca) } })
    expect(await client.execute('PING')).toBe('PONG')
    // Without the authority the URL is enough to dial with TLS, but not to be believed.
    const without = test.client({ server: url(open), ...brief })
    expect(codesOf(await failureOf(without.connect()))).toContain('SLOTWISE_CONNECT_FAILED')
  })

  it.each(['another authority', 'no authority'] as const)('is not believed with %s', async which => {
    const tls = which === 'no authority' ? true : { ca: pem(files.otherCa) }
    const client = test.client({ server: open.address, tls, ...brief })
    const error = await failureOf(client.execute('GET', ['k']))
    expect(error).toMatchObject({
      code: 'SLOTWISE_TIMEOUT',
      maybeExecuted: false,
      cause: { code: 'SLOTWISE_CONNECT_FAILED', phase: 'dial', endpoint: open.address },
    })
    expect(codesOf(error).at(-1)).toMatch(/SELF_SIGNED|UNABLE_TO/)
    expect(client.inspect().sockets.shared).toBe(0)
    expect(codesOf(await failureOf(client.connect())).slice(0, 2)).toEqual([
      'SLOTWISE_CONNECT_TIMEOUT',
      'SLOTWISE_CONNECT_FAILED',
    ])
  })

  it('is taken as it is when the user says so', async () => {
    const client = test.client({ server: open.address, tls: { rejectUnauthorized: false } })
    expect(await client.execute('PING')).toBe('PONG')
  })

  it('is not believed under another name, until servername says which', async () => {
    const tls = { ca: pem(files.ca) }
    const client = test.client({ server: url(named, 'localhost'), tls, ...brief })
    const error = await failureOf(client.connect())
    expect(codesOf(error)).toEqual([
      'SLOTWISE_CONNECT_TIMEOUT',
      'SLOTWISE_CONNECT_FAILED',
      'ERR_TLS_CERT_ALTNAME_INVALID',
    ])
    const fixed = test.client({ server: url(named, 'localhost'), tls: { ...tls, servername: 'redis.test' } })
    expect(await fixed.execute('PING')).toBe('PONG')
    const byAddress = test.client({ server: named.address, tls })
    expect(await byAddress.execute('PING')).toBe('PONG')
  })

  it('without TLS is not spoken to in plain text, and one with TLS does not understand it', async () => {
    const plain = await LocalServer.start()
    try {
      const client = test.client({ server: `rediss://${plain.address}`, ...brief })
      // It waits for the rest of what it takes for a command.
      expect((await failureOf(client.connect())).cause).toMatchObject({
        code: 'SLOTWISE_CONNECT_TIMEOUT',
        phase: 'dial',
        endpoint: plain.address,
      })
      expect(client.inspect().sockets.shared).toBe(0)
    } finally {
      await plain.stop()
    }
    const client = test.client({ server: open.address, ...brief })
    expect((await failureOf(client.connect())).cause).toBeInstanceOf(Error)
    expect(client.inspect()).toMatchObject({ state: 'starting', sockets: { shared: 0 } })
  })
})

describe('the client', () => {
  it('is let in with a certificate', async () => {
    const { cert, key } = files.client
    const client = test.client({ server: url(strict), tls: { ca: pem(files.ca), cert: pem(cert), key: pem(key) } })
    expect(await client.execute('SET', ['k', 'v'])).toBe('OK')
    await client.close()
    expect(client.inspect().sockets.total).toBe(0)
  })

  it('is not let in without one, and says that it was the server who closed', async () => {
    const client = test.client({ server: url(strict), tls: { ca: pem(files.ca) }, ...brief })
    const error = await failureOf(client.connect())
    expect(error.code).toBe('SLOTWISE_CONNECT_TIMEOUT')
    expect(error.cause).toBeInstanceOf(Error)
    expect(codesOf(error).join()).toMatch(/ALERT|CONNECTION_LOST|ECONNRESET|EPIPE/)
    expect(client.state).toBe('starting')
    await eventually(() => expect(client.inspect().dials).toBeGreaterThan(2))
    expect(client.inspect().sockets.total).toBeLessThanOrEqual(2)
  })

  it('moves 5 MB through TLS, and survives the loss of the connection', async () => {
    const client = test.client({ server: url(open), tls: { ca: pem(files.ca) } })
    const value = Buffer.alloc(5_000_000, 'slotwise ')
    expect(await client.execute('SET', ['big', value])).toBe('OK')
    expect(((await client.execute('GET', ['big'], { buffers: true })) as Buffer).equals(value)).toBe(true)
    await open.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    expect(await client.execute('STRLEN', ['big'])).toBe(value.length)
    expect(client.inspect().dials).toBe(2)
  })
})

describe('a cluster', () => {
  it('of three serves every slot over TLS, and is found from one seed', async () => {
    const { server, ca } = files
    const cluster = await LocalCluster.start({
      tls: { ...server, ca },
      config: { 'tls-auth-clients': 'no' },
      primaries: 3,
      replicasPerPrimary: 0,
    })
    try {
      for (const node of cluster.nodes) test.keep({ port: node.port, stop: async () => undefined })
      const client = test.client({ cluster: [`rediss://${cluster.addresses[0]}`], tls: { ca: pem(files.ca) } })
      const slots = Array.from({ length: 100 }, (_, i) => i * 160)
      expect(new Set(await client.batch(slots.map(slot => ['SET', [keyIn(slot), slot]])))).toEqual(new Set(['OK']))
      expect(await client.batch(slots.map(slot => ['GET', [keyIn(slot)]]))).toEqual(slots.map(String))
      expect(client.inspect()).toMatchObject({ nodes: 3, slotsCovered: 16384, redirects: { moved: 0 }, dials: 3 })
      await client.close()
    } finally {
      await cluster.stop()
    }
  })
})
