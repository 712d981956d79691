// Credentials and TLS options that are asked for: at each attempt to connect, and for live connections before they end.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Client, ClientOptions, Credentials } from 'slotwise/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LocalCluster, LocalServer } from '../../scripts/local-cluster.mjs'
import { makeTestCertificates, type TestCertificates } from '../../scripts/local-tls.mjs'
import { codesOf, failureOf, thrownBy, useClients } from '../support/clients.js'
import { eventually, expectSettled } from '../support/settled.js'

const test = useClients()
const folder = mkdtempSync(join(tmpdir(), 'slotwise-credentials-'))
let server: LocalServer
beforeAll(async () => {
  server = await LocalServer.start({ users: { app: 'on >first ~* &* +@all' } })
})
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true })
  await server?.stop()
})

const open = (options: Partial<ClientOptions>) => test.client({ server: server.address, ...options } as ClientOptions)
const setPasswords = (...rules: string[]) => server.command('ACL', 'SETUSER', 'app', ...rules)
const whoAmI = (client: Client) => client.execute('ACL', ['WHOAMI'])

/** A user's function, what it gives, and how often it was asked. */
class Provider {
  asked = 0
  answer: () => Credentials | Promise<Credentials>

  constructor(answer: Credentials | (() => Credentials | Promise<Credentials>)) {
    this.answer = typeof answer === 'function' ? answer : () => answer
  }

  readonly ask = () => {
    this.asked++
    return this.answer()
  }
}

describe.each([2, 3] as const)('credentials over RESP%i', protocol => {
  it('are asked for at each attempt to connect, once for those at the same time', async () => {
    const provider = new Provider({ username: 'app', password: 'first' })
    const client = open({ protocol, credentials: provider.ask })
    expect(await whoAmI(client)).toBe('app')
    expect(provider.asked).toBe(1)
    const pops = [1, 2, 3].map(i => client.execute('BLPOP', [`none:${i}`, 0.2]))
    expect(await Promise.all(pops)).toEqual([null, null, null])
    expect(provider.asked).toBe(2)
    await server.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    await eventually(async () => expect(await whoAmI(client)).toBe('app'))
    expect(provider.asked).toBeGreaterThanOrEqual(3)
  })

  it('are given to live connections before they end, and no call fails', async () => {
    const [endsInMs, rounds] = [600, 4]
    let round = 0
    const provider = new Provider(async () => {
      const password = `round-${round++}`
      // The server knows the old one for a while, as services that give tokens do.
      await setPasswords(`>${password}`)
      return { username: 'app', password, expiresAtMs: Date.now() + endsInMs }
    })
    const client = open({ protocol, credentials: provider.ask })
    const auths = async () =>
      Number(/cmdstat_auth:calls=(\d+)/.exec(String(await server.command('INFO', 'commandstats')))?.[1] ?? 0)
    const before = await auths()
    await client.connect()
    const greeted = await auths()
    const failures: unknown[] = []
    while (round < rounds) {
      await Promise.all(
        Array.from({ length: 20 }, (_, i) =>
          client.execute('INCR', [`counter:${i}`]).catch(error => failures.push(error)),
        ),
      )
    }
    await eventually(async () => expect((await auths()) - greeted).toBeGreaterThanOrEqual(rounds - 1))
    expect(failures).toEqual([])
    expect(client.inspect()).toMatchObject({ dials: 1, dialFailures: 0 })
    expect(greeted - before).toBe(protocol === 2 ? 1 : 0)
    await setPasswords('resetpass', '>first')
  })

  it('that cannot be had delay connecting, and leave alone what is connected', async () => {
    const provider = new Provider({ username: 'app', password: 'first' })
    const client = open({
      protocol,
      credentials: provider.ask,
      timeoutMs: 10_000,
      maxQueueAgeMs: 10_000,
      backoffMaxMs: 200,
    })
    expect(await whoAmI(client)).toBe('app')
    provider.answer = () => Promise.reject(new Error('the token service is down'))
    expect(await whoAmI(client)).toBe('app')
    await server.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    await eventually(() =>
      expect(client.nodes()[0]?.lastError).toMatch('Option credentials: the token service is down'),
    )
    const waiting = whoAmI(client)
    await eventually(() => expect(client.inspect().dialFailures).toBeGreaterThanOrEqual(3))
    provider.answer = () => ({ username: 'app', password: 'first' })
    expect(await waiting).toBe('app')
    expectSettled(client)
  })
})

describe('a function for credentials', () => {
  it.each([
    [
      'throws',
      (): unknown => {
        throw new Error('no')
      },
      'Option credentials: no',
    ],
    ['rejects with nothing', () => Promise.reject(), 'Option credentials: it was rejected'],
    ['gives nothing', (): unknown => undefined, 'Option credentials: it gave something else than what it is for'],
    [
      'gives no password',
      () => ({ username: 'app' }),
      'Option credentials: it gave something else than what it is for',
    ],
  ] as const)('that %s fails the attempt, and says so', async (_, credentials, message) => {
    const client = open({ credentials: credentials as never, timeoutMs: 300 })
    const error = await failureOf(client.connect())
    expect(codesOf(error)).toContain('SLOTWISE_CREDENTIALS_FAILED')
    expect((error.cause as Error).message).toBe(message)
  })

  it('that never answers is asked anew by the next attempt', async () => {
    const provider = new Provider(() => new Promise(() => undefined))
    const client: Client = open({
      credentials: provider.ask,
      connectTimeoutMs: 150,
      backoffMaxMs: 50,
      timeoutMs: 10_000,
      maxQueueAgeMs: 10_000,
    })
    const call = whoAmI(client)
    await eventually(() => expect(provider.asked).toBeGreaterThanOrEqual(3))
    expect(client.nodes()[0]?.lastError).toMatch(/was not usable within 150 ms \(credentials\)/)
    expect(client.inspect().sockets.total).toBe(0)
    provider.answer = () => ({ username: 'app', password: 'first' })
    expect(await call).toBe('app')
  })

  it('that is no function, or stands beside a password, is refused at once', () => {
    const refused = { code: 'SLOTWISE_INVALID_OPTION' }
    expect(thrownBy(() => void open({ credentials: { password: 'x' } as never }))).toMatchObject(refused)
    expect(thrownBy(() => open({ credentials: () => ({ password: 'x' }), password: 'y' }))).toMatchObject(refused)
  })

  it('gives wrong ones: AUTH_FAILED, and its secret is not shown', async () => {
    const client = open({ credentials: () => ({ username: 'app', password: 'very-secret' }), timeoutMs: 300 })
    const error = await failureOf(client.connect())
    expect(codesOf(error)).toContain('SLOTWISE_AUTH_FAILED')
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain('very-secret')
  })
})

describe('lanes', () => {
  it('that were opened with credentials that have been renewed since are not lent again', async () => {
    let asked = 0
    const credentials = () => ({
      username: 'app',
      password: 'first',
      expiresAtMs: Date.now() + (asked++ === 0 ? 200 : 100_000),
    })
    const client = open({ credentials })
    expect(await client.execute('BLPOP', ['none', 0.01])).toBeNull()
    const laneId = () => client.session(session => session.execute('CLIENT', ['ID']))
    const first = await laneId()
    await eventually(async () => expect(await laneId()).not.toBe(first), 5000, 50)
  })
})

it('TLS options are asked for at each attempt: a certificate that was renewed is taken up', async () => {
  const [old, renewed] = [1, 2].map(i => makeTestCertificates(mkdtempSync(join(folder, `tls-${i}-`)))) as [
    TestCertificates,
    TestCertificates,
  ]
  const filesOf = ({ server, ca }: TestCertificates) => ({ ...server, ca })
  const served = filesOf(old)
  const secure = test.keep(await LocalServer.start({ tls: served }))
  let current = old
  const options = () => ({
    ca: readFileSync(current.ca),
    cert: readFileSync(current.client.cert),
    key: readFileSync(current.client.key),
  })
  const client = test.client({
    server: secure.address,
    tls: options,
    timeoutMs: 10_000,
    maxQueueAgeMs: 10_000,
    backoffMaxMs: 200,
  })
  expect(await client.execute('PING')).toBe('PONG')
  await secure.kill()
  Object.assign(served, filesOf(renewed))
  const restarted = secure.restart()
  const call = client.execute('PING')
  await eventually(() => expect(client.nodes()[0]?.lastError).toMatch(/certificate|refused/i))
  current = renewed
  expect(await call).toBe('PONG')
  await restarted.catch(() => undefined)
})

describe('the ioredis-shaped API', () => {
  // The root is CommonJS by hand, so that it can be a constructor: it is tested as built.
  const { Redis, Cluster } = createRequire(import.meta.url)('../../dist/index.js') as typeof import('slotwise')

  it('takes them for a Cluster', async () => {
    const local = test.keep(await LocalCluster.start({ primaries: 3, replicasPerPrimary: 0, requirepass: 'secret' }))
    const cluster = new Cluster(
      local.nodes.map(({ host, port }) => ({ host, port })),
      { slotwise: { credentials: async () => ({ password: 'secret' }) } },
    )
    expect(await Promise.all(['a', 'b', 'c'].map(key => cluster.set(key, 'x')))).toEqual(['OK', 'OK', 'OK'])
    await cluster.quit()
  })

  it('refuses functions for a Redis at once', () => {
    const refused = expect.objectContaining({ code: 'SLOTWISE_INVALID_OPTION' })
    expect(() => new Redis({ lazyConnect: true, slotwise: { credentials: () => ({ password: 'x' }) } })).toThrow(
      refused,
    )
    expect(() => new Redis({ lazyConnect: true, slotwise: { tls: () => ({}) } })).toThrow(refused)
  })
})
