import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseAddress } from '../../../src/client/address.js'
import { checkArguments, resolveCallOptions } from '../../../src/client/call-options.js'
import { type ClientOptions, optionDefaults, resolveOptions } from '../../../src/client/options.js'

const cluster = ['h:1']
const resolve = (options: object) => resolveOptions({ cluster, ...options } as ClientOptions)
const invalid = (option: string) =>
  expect.objectContaining({ code: 'SLOTWISE_INVALID_OPTION', message: expect.stringContaining(option) })

describe('resolveOptions()', () => {
  it('fills in every default', () => {
    // What a user says in his own way has no default of ours.
    const { lookup, resolveSrv, natMap, ...defaults } = optionDefaults
    expect([lookup, resolveSrv, natMap]).toEqual([null, null, null])
    expect(resolve({})).toMatchObject({ ...defaults, clustered: true, seeds: [{ key: 'h:1' }] })
    expect(resolveOptions({ server: 'h' })).toMatchObject({ clustered: false, seeds: [{ key: 'h:6379' }] })
  })

  it.each(Object.entries(optionDefaults).filter(([, value]) => typeof value === 'number'))(
    'refuses a %s that is no number in its range',
    name => {
      for (const value of [null, '1', -1, 1.5, Number.NaN, Infinity, {}, 2 ** 53])
        expect(() => resolve({ [name]: value })).toThrow(invalid(name))
    },
  )

  it.each([
    ['retries', { retries: 3 }],
    ['cluster', { cluster: [] }],
    ['cluster', { cluster: 'h:1' }],
    ['cluster', { cluster: undefined }],
    ['cluster', { server: 'h' }],
    ['cluster[1]', { cluster: ['h:1', 7] }],
    ['database', { database: 1 }],
    ['backoffMaxMs', { backoffMinMs: 100, backoffMaxMs: 50 }],
    ['refreshMaxIntervalMs', { refreshMinIntervalMs: 100, refreshMaxIntervalMs: 50 }],
    ['protocol', { protocol: 4 }],
    ['resend', { resend: 'maybe' }],
    ['tls', { tls: 'yes' }],
    ['tls', { cluster: ['rediss://h'], tls: false }],
    ['name', { name: 'two words' }],
    ['password', { password: 7 }],
    ['clientInfo', { clientInfo: 1 }],
    ['splitMultiKey', { splitMultiKey: 'yes' }],
    ['topologyCommand', { topologyCommand: 'nodes' }],
    ['lookup', { lookup: {} }],
    ['resolveSrv', { resolveSrv: 'dns' }],
    ['cluster[0].srv', { cluster: [{ srv: '' }] }],
    ['cluster[0].srv', { cluster: [{ srv: 'redis://h' }] }],
    ['cluster[1].port', { cluster: ['h', { srv: '_redis._tcp.h', port: 1 }] }],
    ['server.srv', { cluster: undefined, server: { srv: '_redis._tcp.h' } }],
    ['natMap', { natMap: 'h:1' }],
    ['natMap', { natMap: [] }],
    ['natMap', { cluster: undefined, server: 'h', natMap: {} }],
    ["natMap['h']", { natMap: { h: { host: 'h', port: 1 } } }],
    ["natMap['h:1'].host", { natMap: { 'h:1': { port: 1 } } }],
    ["natMap['h:1'].port", { natMap: { 'h:1': { host: 'h', port: '1' } } }],
    ["natMap['h:1'].host", { natMap: { 'h:1': null } }],
  ])('refuses a wrong %s: %o', (option, options) => {
    expect(() => resolve(options)).toThrow(invalid(option))
  })

  it('takes names of SRV records among the nodes of a cluster', () => {
    const { seeds } = resolveOptions({ cluster: [{ srv: '_redis._tcp.h' }, 'redis://ada:one@h:1'] })
    expect(seeds).toMatchObject([{ srv: '_redis._tcp.h' }, { key: 'h:1' }])
  })

  it('fills in the defaults of the cache', () => {
    const defaults = {
      maxBytes: 32 * 1024 * 1024,
      maxEntries: 100_000,
      ttlMs: 0,
      commands: null,
      prefixes: [],
      mode: 'tracking',
    }
    expect(resolve({ cache: {} }).cache).toEqual(defaults)
    expect(resolve({ cache: { commands: ['get', 'mget'] } }).cache?.commands).toEqual(['GET', 'MGET'])
  })

  it('prefers what is said to what a URL says', () => {
    expect(resolveOptions({ server: 'redis://ada:one@h/3', password: 'two' })).toMatchObject({
      username: 'ada',
      password: 'two',
      database: 3,
    })
    expect(resolveOptions({ server: 'rediss://h' }).tls).toEqual({})
  })
})

describe('parseAddress()', () => {
  it.each([
    ['h', 'h:6379'],
    ['h:7000', 'h:7000'],
    ['[::1]:7000', '[::1]:7000'],
    ['redis://h', 'h:6379'],
    ['redis://[::1]:7000', '[::1]:7000'],
    ['unix:///tmp/s', '/tmp/s'],
    ['/tmp/s', '/tmp/s'],
    [{ host: 'h' }, 'h:6379'],
    [{ port: 7000 }, '127.0.0.1:7000'],
    [{ path: '/tmp/s' }, '/tmp/s'],
  ])('takes %o', (address, key) => {
    expect(parseAddress(address, 'server').endpoint.key).toBe(key)
  })

  it.each([
    '',
    'h:0',
    'h:65536',
    'h:x',
    'a b',
    'http://h',
    'redis://',
    'redis://h/x',
    'redis://h?db=1',
    'redis://h:99999',
    'redis://%zz@h',
    {},
    { host: '' },
    { host: 'h', path: '/s' },
    { hosts: 'h' },
    null,
    7,
  ])('refuses %o', address => {
    expect(() => parseAddress(address, 'server')).toThrow(invalid('server'))
  })

  it('decodes credentials, and never shows them', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 5, unit: 'grapheme' }), secret => {
        const encoded = encodeURIComponent(secret)
        expect(parseAddress(`redis://u:${encoded}@h`, 'server').password).toBe(secret)
        for (const bad of [`redis://u:${encoded}@h/x`, `http://u:${encoded}@h`, `redis://u:${encoded}@`]) {
          try {
            parseAddress(bad, 'server')
            expect.unreachable()
          } catch (error) {
            expect((error as Error).message).not.toContain(encoded)
          }
        }
      }),
    )
  })
})

describe('call options and arguments', () => {
  const wrong = (word: string) =>
    expect.objectContaining({ code: 'SLOTWISE_INVALID_ARGUMENT', message: expect.stringContaining(word) })

  it.each([
    ['timeoutMs', { timeoutMs: -1 }],
    ['timeoutMs', { timeoutMs: 1.5 }],
    ['timeoutMs', { timeoutMs: '1' }],
    ['signal', { signal: {} }],
    ['buffers', { buffers: 1 }],
    ['idempotent', { idempotent: 'yes' }],
    ['split', { split: 1 }],
    ['fanOut', { fanOut: null }],
    ['timeout', { timeout: 1 }],
    ['object', 5],
    ['object', []],
  ])('refuses a wrong %s: %o', (word, options) => {
    expect(() => resolveCallOptions(options as never)).toThrow(wrong(word))
  })

  it.each([[null], [undefined], [true], [{}], [['a']], [Symbol('s')], [Number.NaN], [() => 1]])(
    'refuses %s as an argument, naming its place',
    arg => {
      expect(() => checkArguments(['k', arg as never], 'SET')).toThrow(wrong('Argument 1 of SET'))
    },
  )

  it('takes texts, bytes, numbers and bigints', () => {
    expect(() => checkArguments(['', 'a', Buffer.of(1), new Uint8Array(2), 0, -1.5, Infinity, 7n], 'SET')).not.toThrow()
  })
})
