import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { tcpEndpoint } from '../../../src/connection/endpoint.js'
import { addressesOf, listing } from '../../../src/connection/lookup.js'
import { locator } from '../../../src/topology/nat-map.js'
import { majorVersion, toldByInfo } from '../../../src/topology/server-version.js'
import { parseClusterShards } from '../../../src/topology/shards.js'
import { orderSrv } from '../../../src/topology/srv.js'
import { parseClusterSlots, sameView } from '../../../src/topology/view.js'

const record = (name: string, priority: number, weight: number, port = 6379) => ({ name, priority, weight, port })

describe('orderSrv()', () => {
  const records = fc.array(
    fc.record({ name: fc.constantFrom('a', 'b', 'c', '.'), port: fc.nat(9), priority: fc.nat(3), weight: fc.nat(3) }),
  )

  it('names each target once, lower priorities first, whatever falls', () => {
    fc.assert(
      fc.property(
        records,
        fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })),
        (given, lots) => {
          const ordered = orderSrv(given, () => lots.next().value as number)
          const sorted = (list: readonly unknown[]) => list.map(one => JSON.stringify(one)).sort()
          expect(sorted(ordered)).toEqual(sorted(given.filter(({ name }) => name !== '.')))
          for (let i = 1; i < ordered.length; i++)
            expect(ordered[i]?.priority).toBeGreaterThanOrEqual(ordered[i - 1]?.priority as number)
        },
      ),
    )
  })

  it('puts first in proportion to weight', () => {
    const given = [record('heavy', 1, 3), record('light', 1, 1), record('none', 1, 0)]
    const first = { heavy: 0, light: 0, none: 0 }
    const tries = 5000
    for (let i = 0; i < tries; i++) {
      // Every lot there is, evenly.
      const [winner] = orderSrv(given, () => i / tries)
      first[winner?.name as keyof typeof first]++
    }
    // RFC 2782: a number from 0 to the sum of the weights, both included; 0 falls on the one without.
    expect(first).toEqual({ none: tries / 5, light: tries / 5, heavy: (tries * 3) / 5 })
  })

  it('finds nobody where the only target is the root', () => {
    expect(orderSrv([record('.', 0, 0)], Math.random)).toEqual([])
  })
})

describe('locator()', () => {
  const at = (key: unknown, natMap: Parameters<typeof locator>[0]) => locator(natMap)(key as never).key
  const announced = tcpEndpoint('10.0.0.1', 7000)

  it.each([
    ['an entry', { '10.0.0.1:7000': { host: 'h', port: 1 } }, 'h:1'],
    ['no entry', { '10.0.0.2:7000': { host: 'h', port: 1 } }, '10.0.0.1:7000'],
    ['what every object has', {}, '10.0.0.1:7000'],
    ['a function', (key: string) => ({ host: key.replace(/:.*/, ''), port: 2 }), '10.0.0.1:2'],
    ['a function without an answer', () => null, '10.0.0.1:7000'],
    ['a function with a wrong answer', () => ({ host: 'h', port: 0 }), '10.0.0.1:7000'],
    [
      'a function that throws',
      () => {
        throw new Error('no')
      },
      '10.0.0.1:7000',
    ],
  ])('goes by %s', (_, natMap, key) => {
    expect(at(announced, natMap)).toBe(key)
  })

  it('names IPv6 addresses without brackets', () => {
    expect(at(tcpEndpoint('::1', 7000), { '::1:7000': { host: 'h', port: 1 } })).toBe('h:1')
  })
})

describe('addressesOf()', () => {
  const lookup =
    (error: Error | null, found: unknown) => (_: string, __: unknown, callback: (...args: never[]) => void) =>
      callback(error as never, found as never, 4 as never)

  it('takes lists and single addresses, each address once', async () => {
    const list = lookup(null, [{ address: '10.0.0.1', family: 4 }, { address: '::1' }, { address: '10.0.0.1' }])
    expect(await addressesOf('n', list as never)).toEqual(['10.0.0.1', '::1'])
    expect(await addressesOf('n', lookup(null, '10.0.0.1') as never)).toEqual(['10.0.0.1'])
  })

  it.each([
    ['an error', lookup(new Error('ENOTFOUND'), undefined)],
    ['nothing', lookup(null, undefined)],
    ['an empty list', lookup(null, [])],
    ['no address', lookup(null, 'name')],
    [
      'an exception',
      () => {
        throw new Error('no')
      },
    ],
  ])('fails with %s', async (_, given) => {
    await expect(addressesOf('n', given as never)).rejects.toBeInstanceOf(Error)
  })

  it('gives Node a list of the one address that is known', () => {
    const told: unknown[] = []
    const callback = (...args: unknown[]) => told.push(args)
    listing(lookup(null, '::1') as never)('n', { all: true }, callback as never)
    listing(lookup(null, '::1') as never)('n', {}, callback as never)
    expect(told).toEqual([
      [null, [{ address: '::1', family: 6 }]],
      [null, '::1', 4],
    ])
  })
})

describe('versions', () => {
  it.each([
    ['8.0.1', 8],
    ['7.0.15', 7],
    ['255.255.255', 255],
    ['', 0],
    ['v8', 0],
  ])('%j is %i', (version, major) => {
    expect(majorVersion(version)).toBe(major)
  })

  it('are told by INFO, by Valkey twice', () => {
    expect(toldByInfo('# Server\r\nredis_version:7.0.15\r\nredis_mode:cluster\r\n')).toBe('7.0.15')
    expect(toldByInfo('# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.1.0\r\n')).toBe(
      '8.1.0',
    )
    expect(toldByInfo('')).toBe('')
  })
})

describe('what a node says besides its address', () => {
  const forms = [
    ['an array (RESP2)', (said: Record<string, string>) => Object.entries(said).flat()],
    ['a map (RESP3)', (said: Record<string, string>) => new Map(Object.entries(said))],
  ] as const

  describe.each(forms)('as %s', (_, form) => {
    const primaryOf = (host: unknown, said: Record<string, string>, seedName: string | null = null) =>
      parseClusterSlots([[0, 1, [host, 7000, 'id', form(said)]]] as never, 'asked', new Map(), seedName).shards[0]
        ?.primary

    it.each([
      ['an unknown host, ip', '?', { ip: '10.0.0.1' }, '10.0.0.1:7000', undefined],
      ['an unknown host, hostname', '?', { hostname: 'a.test' }, 'a.test:7000', undefined],
      ['an unknown host, both', '?', { ip: '10.0.0.1', hostname: 'a.test' }, '10.0.0.1:7000', 'a.test'],
      ['an unknown endpoint', null, { ip: '10.0.0.1' }, 'asked:7000', undefined],
      ['an unknown endpoint with a name', null, { ip: '10.0.0.1', hostname: 'a.test' }, 'asked:7000', 'a.test'],
      ['an address with a name', '10.0.0.1', { hostname: 'a.test' }, '10.0.0.1:7000', 'a.test'],
      ['an address with an empty name', '10.0.0.1', { hostname: '' }, '10.0.0.1:7000', undefined],
      ['a name with an address', 'a.test', { ip: '10.0.0.1' }, 'a.test:7000', undefined],
    ])('reads %s', (_, host, said, key, hostname) => {
      const primary = primaryOf(host, said)
      expect([primary?.endpoint.key, primary?.hostname]).toEqual([key, hostname])
    })

    it.each([[{}], [{ ip: '' }], [{ ip: '?' }]])('skips an unknown host with %o', said => {
      expect(primaryOf('?', said as never)).toBeUndefined()
    })

    it('notices another name', () => {
      const shards = new Map()
      const read = (hostname: string) =>
        parseClusterSlots([[0, 1, ['10.0.0.1', 7000, 'id', form({ hostname })]]] as never, 'asked', shards)
      expect(read('a.test').shards[0]).toBe(read('a.test').shards[0])
      expect(sameView(read('a.test'), read('b.test'))).toBe(false)
    })

    it('keeps the name of the seed through which it was found', () => {
      expect(primaryOf('10.0.0.1', {}, 'seed.test')?.endpoint).toMatchObject({ servername: 'seed.test' })
      expect(primaryOf('10.0.0.1', {})?.endpoint).not.toHaveProperty('servername')
    })
  })
})

describe('parseClusterShards()', () => {
  type Fields = Record<string, unknown>
  const node = (id: string, more: Fields = {}): Fields => ({
    id,
    port: 7000,
    ip: `ip-${id}`,
    endpoint: `ip-${id}`,
    role: 'master',
    'replication-offset': 1,
    health: 'online',
    ...more,
  })
  const replica = (id: string, more: Fields = {}) => node(id, { role: 'replica', ...more })
  const flat = (fields: Fields) => Object.entries(fields).flat()
  const map = (fields: Fields) => new Map(Object.entries(fields))
  const reply = (form: (fields: Fields) => unknown, shards: readonly (readonly [number[], Fields[]])[]) =>
    shards.map(([slots, nodes]) => form({ slots, nodes: nodes.map(one => form(one)) })) as never
  const read = (shards: readonly (readonly [number[], Fields[]])[], secure = false) =>
    parseClusterShards(reply(map, shards), 'asked', secure)

  it('says the same as CLUSTER SLOTS, in the order of slots, in both protocols', () => {
    const shards = [
      [
        [20, 29, 5, 9],
        [node('b', { hostname: 'b.test' }), replica('c')],
      ],
      [[10, 19, 0, 4], [node('a', { endpoint: null })]],
    ] as const
    const row = (host: string | null, id: string, said: unknown = []) => [host, 7000, id, said]
    const b = [row('ip-b', 'b', ['hostname', 'b.test']), row('ip-c', 'c')]
    const a = [row(null, 'a', ['ip', 'ip-a'])]
    const slots = [
      [0, 4, ...a],
      [5, 9, ...b],
      [10, 19, ...a],
      [20, 29, ...b],
    ]
    const expected = parseClusterSlots(slots as never, 'asked')
    for (const form of [flat, map]) {
      const view = parseClusterShards(reply(form, shards as never), 'asked', false)
      expect(sameView(view, expected)).toBe(true)
      expect(view.covered).toBe(30)
    }
  })

  it.each(['loading', 'fail', 'failed'])('leaves out replicas that are %s', health => {
    const view = read([
      [
        [0, 1],
        [node('a'), replica('b', { health }), replica('c')],
      ],
    ])
    expect(view.shards[0]?.replicas.map(({ id }) => id)).toEqual(['c'])
  })

  it('keeps a primary that has failed as the owner, until there is another', () => {
    const failed = node('a', { health: 'fail' })
    expect(
      read([
        [
          [0, 1],
          [failed, replica('b')],
        ],
      ]).shards[0]?.primary.id,
    ).toBe('a')
    expect(
      read([
        [
          [0, 1],
          [failed, node('b')],
        ],
      ]).shards[0]?.primary.id,
    ).toBe('b')
  })

  it('knows no owner of slots without a primary, and no slots of a shard without any', () => {
    expect(
      read([
        [[0, 1], [replica('a')]],
        [[], [node('b')]],
      ]),
    ).toEqual({ shards: [], ranges: [0, 1, -1], covered: 0 })
  })

  it('takes the port of the protocol that is spoken', () => {
    const both = [[[0, 1], [node('a', { 'tls-port': 7001 })]]] as const
    const { port: _, ...only } = node('a', { 'tls-port': 7001 })
    expect(read(both as never, true).shards[0]?.primary.endpoint.port).toBe(7001)
    expect(read(both as never, false).shards[0]?.primary.endpoint.port).toBe(7000)
    expect(read([[[0, 1], [only]]], true).shards[0]?.primary.endpoint.port).toBe(7001)
  })

  it('gives the same object for a shard that has not changed, whatever its offset', () => {
    const known = new Map()
    const at = (offset: number) =>
      parseClusterShards(reply(map, [[[0, 1], [node('a', { 'replication-offset': offset })]]]), 'asked', false, known)
    expect(at(1).shards[0]).toBe(at(2).shards[0])
  })

  it.each([
    ['no array', 'OK'],
    ['an entry that is none', [1]],
    ['no slots', [map({ nodes: [] })]],
    ['no nodes', [map({ slots: [0, 1] })]],
    ['half a range', [map({ slots: [0], nodes: [] })]],
    ['a slot too high', [map({ slots: [0, 16384], nodes: [] })]],
    ['a range upside down', [map({ slots: [5, 4], nodes: [map(node('a'))] })]],
    ['a node that is none', [map({ slots: [0, 1], nodes: [7] })]],
    ['a port that is none', [map({ slots: [0, 1], nodes: [map(node('a', { port: 0 }))] })]],
  ])('refuses %s with SLOTWISE_PROTOCOL', (_, given) => {
    expect(() => parseClusterShards(given as never, 'asked', false)).toThrow(
      expect.objectContaining({ code: 'SLOTWISE_PROTOCOL', phase: 'refresh' }),
    )
  })
})
