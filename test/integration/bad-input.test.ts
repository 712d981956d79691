// Bad input is told at once, where it was given: no promise, no call, no socket.

import { type Argument, type ClientOptions, createClient } from 'slotwise/core'
import { bulk, type FakeServer } from 'slotwise/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { failureOf, thrownBy, useClients } from '../support/clients.js'
import { startScripted } from '../support/scripted.js'
import { keyIn } from '../support/settled.js'

const test = useClients()
const server = '127.0.0.1:6379'
const cluster = [server]

describe('createClient() refuses', () => {
  const cases: [what: string, options: unknown, names: string][] = [
    ['no options', undefined, 'options'],
    ['null', null, 'options'],
    ['a string', 'redis://localhost', 'options'],
    ['nothing to connect to', {}, 'cluster'],
    ['a cluster and a server', { cluster, server }, 'cluster'],
    ['a cluster without nodes', { cluster: [] }, 'cluster'],
    ['a cluster that is no array', { cluster: server }, 'cluster'],
    ['a node that is no address', { cluster: [server, 6379] }, 'cluster[1]'],
    ['a node that is null', { cluster: [null] }, 'cluster[0]'],
    ['an unknown option', { server, timeoutMS: 5 }, 'timeoutMS'],
    ['an option of another client', { server, retryStrategy: () => 1 }, 'retryStrategy'],
    ['a URL of another protocol', { server: 'http://localhost' }, 'server'],
    ['a URL without a host', { server: 'redis://' }, 'server'],
    ['a URL with a query', { server: 'redis://localhost?db=1' }, 'server'],
    ['a URL whose path is no number', { server: 'redis://localhost/one' }, 'server'],
    ['a URL with a port out of range', { server: 'redis://localhost:70000' }, 'server'],
    ['a URL that is none', { server: 'redis://[::1' }, 'server'],
    ['an empty address', { server: '' }, 'server'],
    ['an address with a space', { server: 'local host:6379' }, 'server'],
    ['an address without a port', { server: 'localhost:' }, 'server'],
    ['port 0', { server: 'localhost:0' }, 'server'],
    ['an address with an unknown key', { server: { host: 'localhost', prot: 1 } }, 'server.prot'],
    ['an empty object', { server: {} }, 'server'],
    ['a port that is text', { server: { host: 'localhost', port: '6379' } }, 'server.port'],
    ['a host that is empty', { server: { host: '' } }, 'server.host'],
    ['a host and a path', { server: { host: 'localhost', path: '/s' } }, 'server'],
    ['a number that is text', { server, timeoutMs: '5' }, 'timeoutMs'],
    ['a negative number', { server, maxQueuedBytes: -1 }, 'maxQueuedBytes'],
    ['a number that is not whole', { server, pingIntervalMs: 99.5 }, 'pingIntervalMs'],
    ['NaN', { server, retryDelayMs: Number.NaN }, 'retryDelayMs'],
    ['Infinity', { server, timeoutMs: Number.POSITIVE_INFINITY }, 'timeoutMs'],
    ['a number out of range', { server, connectTimeoutMs: 0 }, 'connectTimeoutMs'],
    ['null for a number', { server, maxRedirects: null }, 'maxRedirects'],
    ['least above most', { server, backoffMinMs: 500, backoffMaxMs: 100 }, 'backoffMaxMs'],
    ['least above most, again', { cluster, refreshMinIntervalMs: 20_000 }, 'refreshMaxIntervalMs'],
    ['a database of a cluster', { cluster, database: 1 }, 'database'],
    ['a database in the URL of a cluster', { cluster: ['redis://localhost/1'] }, 'database'],
    ['a database out of range', { server, database: 16_384 }, 'database'],
    ['a protocol that is none', { server, protocol: 4 }, 'protocol'],
    ['a protocol that is text', { server, protocol: '3' }, 'protocol'],
    ['a way to send again that is none', { server, resend: 'maybe' }, 'resend'],
    ['a password that is no text', { server, password: 12 }, 'password'],
    ['a user that is no text', { server, username: {} }, 'username'],
    ['a name with a space', { server, name: 'a b' }, 'name'],
    ['an empty name', { server, name: '' }, 'name'],
    ['a flag that is none', { server, clientInfo: 1 }, 'clientInfo'],
    ['numbers as a word', { server, stringNumbers: 'yes' }, 'stringNumbers'],
    ['tls that is text', { server, tls: 'yes' }, 'tls'],
    ['tls that is a list', { server, tls: [] }, 'tls'],
    ['no tls with a rediss:// URL', { server: `rediss://${server}`, tls: false }, 'tls'],
  ]

  it.each(cases)('%s', (_, options, name) => {
    const error = thrownBy(() => createClient(options as ClientOptions))
    expect(error.code).toBe('SLOTWISE_INVALID_OPTION')
    expect(error.message.startsWith(`Option ${name} `), error.message).toBe(true)
  })

  it('nothing that is given as undefined', () => {
    const options = { server, cluster: undefined, timeoutMs: undefined, password: undefined, tls: undefined }
    expect(test.client(options as unknown as ClientOptions).state).toBe('idle')
  })
})

describe.each(['server', 'cluster'] as const)('a client of a %s', kind => {
  let peer: FakeServer

  beforeAll(async () => {
    peer = await startScripted(([name]) => (name === 'SET' ? '+OK\r\n' : name === 'GET' ? bulk('v') : undefined))
    peer.layout = [[0, 16_383, peer.port]]
  })
  afterAll(() => peer.close())

  const unused = () => test.client(kind === 'server' ? { server: peer.address } : { cluster: [peer.address] })
  const idle = { state: 'idle', issued: 0, settled: 0, dials: 0, sockets: { total: 0 } }

  const names: [string, unknown][] = [
    ['empty', ''],
    ['with a space', 'SET k'],
    ['with a line break', 'GET\r\nFLUSHALL'],
    ['with a NUL', 'GET\0'],
    ['not ASCII', 'G\u00cbT'],
    ['undefined', undefined],
    ['null', null],
    ['a number', 5],
    ['an array', ['GET', 'k']],
    ['an object that looks like text', { toString: () => 'GET', length: 3 }],
  ]
  it.each(names)('refuses a command name that is %s', (_, name) => {
    const client = unused()
    expect(thrownBy(() => client.execute(name as string, ['k'])).code).toBe('SLOTWISE_INVALID_ARGUMENT')
    expect(thrownBy(() => client.batch([['PING'], [name as string, ['k']]])).code).toBe('SLOTWISE_INVALID_ARGUMENT')
    expect(client.inspect()).toMatchObject(idle)
  })

  const values: [string, unknown][] = [
    ['undefined', undefined],
    ['null', null],
    ['a boolean', true],
    ['an object', { a: 1 }],
    ['an array', ['x']],
    ['NaN', Number.NaN],
    ['a function', () => 'x'],
    ['a symbol', Symbol('x')],
    ['a Date', new Date()],
    ['an ArrayBuffer', new ArrayBuffer(3)],
    ['a wider typed array', new Uint16Array(3)],
  ]
  it.each(values)('refuses an argument that is %s, naming its place', (_, value) => {
    const client = unused()
    const error = thrownBy(() => client.execute('SET', ['k', 'v', value as Argument]))
    expect(error).toMatchObject({ code: 'SLOTWISE_INVALID_ARGUMENT', command: 'SET' })
    expect(error.message).toContain('Argument 2 of SET')
    // As a key, too: it must not come as far as the hash.
    expect(thrownBy(() => client.execute('GET', [value as Argument])).message).toContain('Argument 0 of GET')
    expect(client.inspect()).toMatchObject(idle)
  })

  it('refuses a hole among the arguments', () => {
    const client = unused()
    // biome-ignore lint/suspicious/noSparseArray: that is what is tested
    expect(thrownBy(() => client.execute('SET', ['k', , 'v'] as Argument[])).message).toContain('Argument 1')
  })

  it.each([
    ['text', 'k'],
    ['null', null],
    ['an object', {}],
    ['a Buffer', Buffer.from('k')],
  ])('refuses arguments that are %s instead of an array', (_, args) => {
    const client = unused()
    expect(thrownBy(() => client.execute('GET', args as unknown as Argument[]))).toMatchObject({
      code: 'SLOTWISE_INVALID_ARGUMENT',
      command: 'GET',
    })
    expect(client.inspect()).toMatchObject(idle)
  })

  const options: [string, unknown, string][] = [
    ['unknown', { timeout: 5 }, 'timeout'],
    ['null', null, 'Call options'],
    ['a number', 500, 'Call options'],
    ['a list', [], 'Call options'],
    ['a deadline that is text', { timeoutMs: '5' }, 'timeoutMs'],
    ['a negative deadline', { timeoutMs: -1 }, 'timeoutMs'],
    ['a deadline that is not whole', { timeoutMs: 0.5 }, 'timeoutMs'],
    ['a deadline of NaN', { timeoutMs: Number.NaN }, 'timeoutMs'],
    ['a deadline beyond a day', { timeoutMs: 86_400_001 }, 'timeoutMs'],
    ['a signal that is none', { signal: {} }, 'signal'],
    ['a controller for a signal', { signal: new AbortController() }, 'signal'],
    ['a signal that is null', { signal: null }, 'signal'],
    ['buffers that is no flag', { buffers: 1 }, 'buffers'],
    ['idempotent that is no flag', { idempotent: 'yes' }, 'idempotent'],
  ]
  it.each(options)('refuses a call option that is %s', (_, given, name) => {
    const client = unused()
    for (const run of [
      () => client.execute('GET', ['k'], given as never),
      () => client.batch([['GET', ['k'], given as never]]),
    ]) {
      const error = thrownBy(run)
      expect(error.code).toBe('SLOTWISE_INVALID_ARGUMENT')
      expect(error.message).toContain(name)
    }
    expect(client.inspect()).toMatchObject(idle)
  })

  it.each([
    ['text', 'GET k'],
    ['undefined', undefined],
    ['an object', { 0: ['PING'] }],
    ['a list of text', ['PING']],
    ['a list with a hole', [['PING'], undefined]],
    ['an empty command', [[]]],
  ])('refuses a batch that is %s', (_, items) => {
    const client = unused()
    expect(thrownBy(() => client.batch(items as never)).code).toBe('SLOTWISE_INVALID_ARGUMENT')
    expect(client.inspect()).toMatchObject(idle)
  })

  it('sends nothing of a batch with one bad command', async () => {
    const client = unused()
    await client.connect()
    const before = client.inspect()
    const seen = peer.commands.length
    const good = Array.from({ length: 50 }, (_, i) => ['SET', [`k${i}`, i]] as const)
    expect(thrownBy(() => client.batch([...good, ['SET', ['k', null as never]]])).code).toBe(
      'SLOTWISE_INVALID_ARGUMENT',
    )
    expect(thrownBy(() => client.batch([...good, ['MULTI']])).code).toBe('SLOTWISE_SESSION_ONLY')
    if (kind === 'cluster') {
      expect(thrownBy(() => client.batch([...good, ['MGET', [keyIn(1), keyIn(2)]]])).code).toBe('SLOTWISE_CROSS_SLOT')
    }
    // The connection answers in order: what was sent before this has been seen by now.
    expect(await client.execute('GET', ['k'])).toBe('v')
    expect(peer.commands.slice(seen).map(([name]) => name)).toEqual(['GET'])
    expect(client.inspect()).toMatchObject({
      issued: before.issued + 1,
      settled: before.settled + 1,
      dials: before.dials,
    })
  })

  it('refuses a call after its signal has been aborted, without sending it', async () => {
    const client = unused()
    await client.connect()
    const seen = peer.count('SET')
    const error = await failureOf(client.execute('SET', ['k', 1], { signal: AbortSignal.abort(new Error('why')) }))
    expect(error).toMatchObject({ code: 'SLOTWISE_ABORTED', maybeExecuted: false, cause: { message: 'why' } })
    expect(await client.execute('GET', ['k'])).toBe('v')
    expect(peer.count('SET')).toBe(seen)
  })

  it('takes whatever is an argument', async () => {
    const client = unused()
    const args = ['', 0, -0, 1.5, -1, 1e21, Number.POSITIVE_INFINITY, 12345678901234567890n, Buffer.alloc(0), '\r\n']
    await client.execute('SET', ['k', ...args])
    expect(peer.seen('SET').at(-1)?.slice(2)).toEqual([
      '',
      '0',
      '0',
      '1.5',
      '-1',
      '1e+21',
      expect.stringMatching(/^\+?inf/i),
      '12345678901234567890',
      '',
      '\r\n',
    ])
  })
})
