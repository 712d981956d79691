// Handshakes: what can go wrong between a dial and a usable connection, and how it is told.

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { inspect } from 'node:util'
import { type Client, createClient } from 'slotwise/core'
import { bulk, type Handler } from 'slotwise/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePorts, LocalServer, liveServerPids } from '../../scripts/local-server.mjs'
import { codesOf, failureOf, thrownBy, useClients } from '../support/clients.js'
import { startScripted } from '../support/scripted.js'
import { eventually } from '../support/settled.js'

const test = useClients()

const serve: Handler = ([name]) => (name === 'GET' ? bulk('value') : name === 'SET' ? '+OK\r\n' : undefined)
const unknown = (command: string[]) =>
  `-ERR unknown command \`${command[0]}\`, with args beginning with: ${command
    .slice(1)
    .map(word => `\`${word}\`, `)
    .join('')}\r\n`

/** A server from before HELLO, which repeats the arguments of what it does not know, as Redis 5 does. */
const beforeHello: Handler = (command, connection) =>
  command[0] === 'HELLO' ? unknown(command) : serve(command, connection)

describe('a server that says nothing', () => {
  it.each([
    ['accepts connections', async () => ({ server: await silentServer(), phase: 'handshake' as const })],
    ['does not even accept them', async () => ({ server: await blackHole(), phase: 'dial' as const })],
  ] as const)('and %s is given up at the connect deadline', async (_, start) => {
    const { server, phase } = await start()
    const limits = { connectTimeoutMs: 400, timeoutMs: 1200, maxQueueAgeMs: 700, backoffMinMs: 100 }
    const client = test.client({ server: server.address, ...limits })
    const startedAt = performance.now()
    const connecting = failureOf(client.connect()).then(error => ({ error, afterMs: performance.now() - startedAt }))
    const call = failureOf(client.execute('SET', ['k', 'v'])).then(error => ({
      error,
      afterMs: performance.now() - startedAt,
    }))
    const hasty = failureOf(client.execute('GET', ['k'], { timeoutMs: 550 }))

    await eventually(() => expect(client.inspect().dialFailures).toBe(1), 1000, 1)
    const failedAfterMs = performance.now() - startedAt
    expect(failedAfterMs).toBeGreaterThanOrEqual(limits.connectTimeoutMs - 5)
    expect(failedAfterMs).toBeLessThan(limits.connectTimeoutMs + 150)
    expect(client.nodes()).toMatchObject([{ failures: 1, state: 'waiting', protocol: null }])

    const cause = { code: 'SLOTWISE_CONNECT_TIMEOUT', phase, endpoint: server.address }
    expect(await hasty).toMatchObject({ code: 'SLOTWISE_TIMEOUT', phase: 'queue', maybeExecuted: false, cause })
    const expired = await call
    expect(expired.error).toMatchObject({ code: 'SLOTWISE_QUEUE_EXPIRED', maybeExecuted: false, cause })
    expect(expired.afterMs).toBeGreaterThan(limits.maxQueueAgeMs - 5)
    expect(expired.afterMs).toBeLessThan(limits.maxQueueAgeMs + 150)
    const refused = await connecting
    expect(refused.error).toMatchObject({ code: 'SLOTWISE_CONNECT_TIMEOUT', cause })
    expect(refused.afterMs).toBeLessThan(limits.timeoutMs + 150)
    // One dial at a time: 400 ms, a pause, 400 ms, a pause, 400 ms.
    expect(client.inspect().dials).toBeLessThanOrEqual(3)
    expect(client.inspect().sockets.total).toBeLessThanOrEqual(1)
  })

  async function silentServer(): Promise<{ address: string }> {
    const server = test.keep(await startScripted())
    server.mute = true
    return server
  }

  /** A stopped server whose queue of connections is full: the kernel drops whatever knocks. */
  async function blackHole(): Promise<{ address: string }> {
    const server = test.keep(await LocalServer.start({ config: { 'tcp-backlog': '1' } }))
    server.freeze()
    const fillers: Socket[] = []
    test.keep({
      close: async () => {
        for (const socket of fillers) socket.destroy()
      },
    })
    for (let refused = false; !refused; ) {
      const socket = connect(server.port, '127.0.0.1').on('error', () => undefined)
      fillers.push(socket)
      refused = await Promise.race([
        once(socket, 'connect').then(() => false),
        new Promise<boolean>(resolve => setTimeout(resolve, 300, true)),
      ])
    }
    return server
  }

  it('is usable as soon as it speaks', async () => {
    const server = test.keep(await startScripted(serve))
    server.mute = true
    const client = test.client({ server: server.address, connectTimeoutMs: 200, backoffMaxMs: 50 })
    const call = client.execute('GET', ['k'])
    await eventually(() => expect(client.inspect().dialFailures).toBeGreaterThan(1))
    server.mute = false
    expect(await call).toBe('value')
    await eventually(() => expect(server.open).toBe(1))
  })

  it('and closes at once is redialled ever more slowly', async () => {
    const server = test.keep(await startScripted())
    server.handler = (_, connection) => {
      connection.cut()
      return undefined
    }
    const client = test.client({ server: server.address, backoffMinMs: 50, backoffMaxMs: 400, timeoutMs: 1500 })
    const error = await failureOf(client.execute('GET', ['k']))
    expect(error.cause).toMatchObject({ code: 'SLOTWISE_CONNECTION_LOST', phase: 'handshake' })
    // 25 + 50 + 100 + 200 ms at the least, then 200 ms each.
    expect(server.accepted).toBeLessThanOrEqual(11)
    expect(server.accepted).toBeGreaterThanOrEqual(4)
  })
})

describe('a server that cannot be reached', () => {
  const brief = { timeoutMs: 400, maxQueueAgeMs: 300, backoffMaxMs: 50 }

  it('refuses: CONNECT_FAILED, ECONNREFUSED', async () => {
    const [port] = await freePorts(1)
    const client = test.client({ server: `127.0.0.1:${port}`, ...brief })
    const error = await failureOf(client.execute('GET', ['k']))
    expect(codesOf(error)).toEqual(['SLOTWISE_QUEUE_EXPIRED', 'SLOTWISE_CONNECT_FAILED', 'ECONNREFUSED'])
    expect(error.cause).toMatchObject({ endpoint: `127.0.0.1:${port}`, phase: 'dial' })
    expect(codesOf(await failureOf(client.connect()))).toEqual([
      'SLOTWISE_CONNECT_TIMEOUT',
      'SLOTWISE_CONNECT_FAILED',
      'ECONNREFUSED',
    ])
  })

  it('has a name that nobody knows: CONNECT_FAILED, ENOTFOUND', async () => {
    const client = test.client({ server: 'no-such-host.invalid:6379', ...brief, timeoutMs: 3000, maxQueueAgeMs: 3000 })
    const connecting = failureOf(client.connect())
    await eventually(() => expect(client.inspect().dialFailures).toBeGreaterThan(0))
    const error = await failureOf(client.execute('GET', ['k'], { timeoutMs: 100 }))
    // EAI_AGAIN where there is no name server at all.
    expect(codesOf(error)).toEqual([
      'SLOTWISE_TIMEOUT',
      'SLOTWISE_CONNECT_FAILED',
      expect.stringMatching(/^(ENOTFOUND|EAI_AGAIN)$/),
    ])
    client.destroy()
    expect(await connecting).toMatchObject({ code: 'SLOTWISE_CLOSED' })
  })

  it('is one of several seeds: the cause lists each of them', async () => {
    const ports = await freePorts(3)
    const client = test.client({ cluster: ports.map(port => `127.0.0.1:${port}`), ...brief, timeoutMs: 800 })
    const error = await failureOf(client.connect())
    expect(error.code).toBe('SLOTWISE_CONNECT_TIMEOUT')
    for (const port of ports) expect(inspect(error, { depth: 9 })).toContain(`127.0.0.1:${port}`)
  })
})

describe('a server without HELLO', () => {
  it('is spoken to in RESP2, on the same connection', async () => {
    const server = test.keep(await startScripted(beforeHello))
    const client = test.client({
      server: `redis://user:secret@${server.address}/3`,
      name: 'worker',
    })
    expect(await client.execute('GET', ['k'])).toBe('value')
    expect(client.nodes()).toMatchObject([{ protocol: 2, state: 'ready' }])
    expect(server.accepted).toBe(1)
    expect(server.seen('AUTH')).toEqual([['AUTH', 'user', 'secret']])
    expect(server.seen('SELECT').at(-1)).toEqual(['SELECT', '3'])
    expect(server.seen('CLIENT')).toContainEqual(['CLIENT', 'SETNAME', 'worker'])
  })

  it.each(['NOPROTO unsupported protocol version', "ERR unknown command 'HELLO'"])(
    '(%s) fails protocol 3',
    async text => {
      const server = test.keep(await startScripted(serve))
      server.handler = (command, connection) => (command[0] === 'HELLO' ? `-${text}\r\n` : serve(command, connection))
      const client = test.client({ server: server.address, protocol: 3, timeoutMs: 300 })
      const error = await failureOf(client.execute('GET', ['k']))
      expect(error.cause).toMatchObject({
        code: 'SLOTWISE_HANDSHAKE_FAILED',
        phase: 'handshake',
        endpoint: server.address,
      })
      expect((error.cause as Error).cause).toMatchObject({ name: 'ReplyError', message: text })
      expect(server.count('GET')).toBe(0)
    },
  )

  it('is never asked for HELLO with protocol 2', async () => {
    const server = test.keep(await startScripted(beforeHello))
    const client = test.client({ server: server.address, protocol: 2, password: 'secret', clientInfo: false })
    await client.connect()
    expect(server.commands).toEqual([['AUTH', 'secret']])
    expect(client.nodes()).toMatchObject([{ protocol: 2 }])
  })
})

describe('what a connection says first', () => {
  it('is HELLO with name and credentials, CLIENT SETINFO and SELECT', async () => {
    const server = test.keep(await startScripted(serve))
    const client = test.client({ server: server.address, password: 'p w', username: 'u', name: 'n', database: 7 })
    await client.connect()
    expect(server.commands).toEqual([
      ['HELLO', '3', 'AUTH', 'u', 'p w', 'SETNAME', 'n'],
      ['CLIENT', 'SETINFO', 'LIB-NAME', 'slotwise'],
      ['CLIENT', 'SETINFO', 'LIB-VER', expect.stringMatching(/^\d+\.\d+\.\d+/)],
      ['SELECT', '7'],
    ])
  })

  it('may be refused as to CLIENT SETINFO, and not as to SELECT', async () => {
    const server = test.keep(await startScripted())
    const refuse = (word: string): Handler => {
      return (command, connection) => (command.includes(word) ? '-ERR no such thing\r\n' : serve(command, connection))
    }
    server.handler = refuse('SETINFO')
    const client = test.client({ server: server.address, database: 1 })
    expect(await client.execute('GET', ['k'])).toBe('value')
    server.handler = refuse('SELECT')
    const other = test.client({ server: server.address, database: 1, timeoutMs: 200 })
    const error = await failureOf(other.connect())
    expect(codesOf(error)).toEqual(['SLOTWISE_CONNECT_TIMEOUT', 'SLOTWISE_HANDSHAKE_FAILED', 'ERR'])
  })
})

describe('credentials', () => {
  const secrets = ['s3cret-of-alice', 'wr0ng-secret', 's3cret-of-all']
  const [right, wrong, ofAll] = secrets as [string, string, string]
  let open: LocalServer
  let locked: LocalServer

  beforeAll(async () => {
    ;[open, locked] = await Promise.all([
      LocalServer.start({ users: { alice: `on >${right} ~* +@all`, reader: `on >${right} ~* +get` } }),
      LocalServer.start({ requirepass: ofAll }),
    ])
  })

  afterAll(async () => {
    await Promise.all([open, locked].map(server => server?.stop()))
    expect(liveServerPids(), 'servers left running').toEqual([])
  })

  /** Everything an operator may print or log of a client and its failures. */
  function expectNoSecret(client: Client, ...errors: Error[]): void {
    const shown = [client, client.inspect(), client.nodes(), ...errors].flatMap(thing => [
      String(thing),
      inspect(thing, { depth: 12, showHidden: true, getters: true }),
      JSON.stringify(thing),
      (thing as Error).stack ?? '',
    ])
    for (const error of errors) {
      for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
        shown.push(JSON.stringify(cause, Object.getOwnPropertyNames(cause)), cause.message)
      }
    }
    const telling = shown.filter(text => secrets.some(secret => text.includes(secret)))
    expect(telling[0]?.slice(0, 300), `${telling.length} texts show a secret`).toBeUndefined()
  }

  it.each([
    ['of an ACL user', () => `redis://alice:${right}@${open.address}`],
    ['of the default user', () => `redis://:${ofAll}@${locked.address}`],
  ] as const)('%s open the connection', async (_, url) => {
    for (const protocol of ['auto', 2, 3] as const) {
      const client = test.client({ server: url(), protocol, name: `test-${protocol}` })
      expect(await client.execute('SET', ['k', 'v'])).toBe('OK')
      expectNoSecret(client)
    }
  })

  it('of a user who may do nothing but GET are enough for GET', async () => {
    const client = test.client({ server: `redis://reader:${right}@${open.address}`, pingIntervalMs: 50 })
    expect(await client.execute('GET', ['nothing'])).toBeNull()
    expect(await failureOf(client.execute('SET', ['k', 'v']))).toMatchObject({ code: 'NOPERM', command: 'SET' })
    // PING is refused, too: an answer all the same.
    await new Promise(resolve => setTimeout(resolve, 200))
    expect(client.inspect()).toMatchObject({ dials: 1, state: 'ready' })
  })

  it.each([
    ['wrong', () => ({ server: open.address, username: 'alice', password: wrong }), 'WRONGPASS'],
    ['of nobody', () => ({ server: open.address, username: 'bob', password: wrong }), 'WRONGPASS'],
    ['wrong in the URL', () => ({ server: `redis://alice:${wrong}@${open.address}` }), 'WRONGPASS'],
    ['wrong, in a cluster', () => ({ cluster: [`redis://alice:${wrong}@${open.address}`] }), 'WRONGPASS'],
    ['missing', () => ({ server: locked.address }), 'NOAUTH'],
  ] as const)('that are %s are told as AUTH_FAILED', async (_, options, reply) => {
    for (const protocol of ['auto', 2, 3] as const) {
      const limits = { protocol, timeoutMs: 300, maxQueueAgeMs: 200, backoffMaxMs: 100 }
      const client = test.client({ ...options(), ...limits })
      const [called, connected] = await Promise.all([
        failureOf(client.execute('SET', ['k', 'v'])),
        failureOf(client.connect()),
      ])
      expect(codesOf(called)).toEqual(['SLOTWISE_QUEUE_EXPIRED', 'SLOTWISE_AUTH_FAILED', reply])
      expect(codesOf(connected)).toEqual(['SLOTWISE_CONNECT_TIMEOUT', 'SLOTWISE_AUTH_FAILED', reply])
      expectNoSecret(client, called, connected)
    }
  })

  it('that are right by now open the connection without a restart', async () => {
    await open.command('ACL', 'SETUSER', 'carol', 'on', `>${right}`, '~*', '+@all')
    const client = test.client({ server: open.address, username: 'carol', password: wrong, backoffMaxMs: 50 })
    const call = client.execute('PING')
    await eventually(() => expect(client.nodes()[0]?.lastError).toContain('WRONGPASS'))
    await open.command('ACL', 'SETUSER', 'carol', `>${wrong}`)
    expect(await call).toBe('PONG')
  })

  it.each(['auto', 2, 3] as const)('are not shown when the server repeats them (protocol %s)', async protocol => {
    const server = test.keep(await startScripted())
    server.handler = command => unknown(command)
    const client = test.client({ server: server.address, password: wrong, protocol, timeoutMs: 200 })
    const [called, connected] = await Promise.all([
      failureOf(client.execute('SET', ['k', 'v'])),
      failureOf(client.connect()),
    ])
    expectNoSecret(client, called, connected)
  })

  it('are not shown by an error about options', () => {
    for (const server of [
      `redis://alice:${right}@host:99999`,
      `redis://alice:${right}@host/x`,
      `redis://alice:${right}@`,
      `http://alice:${right}@host`,
      `redis://alice:${right}%ZZ@host`,
    ]) {
      const error = thrownBy(() => createClient({ server }))
      expect(error.code).toBe('SLOTWISE_INVALID_OPTION')
      expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(right)
    }
  })

  it('and name are those of the connection', async () => {
    const client = test.client({ server: `redis://alice:${right}@${open.address}`, name: 'night-shift' })
    expect(await client.execute('ACL', ['WHOAMI'])).toBe('alice')
    expect(await open.command('CLIENT', 'LIST')).toMatch(/name=night-shift .*user=alice /)
  })
})
