import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Node } from '../../../src/node/node.js'
import { SlotMap } from '../../../src/topology/slot-map.js'
import { parseClusterSlots, sameView } from '../../../src/topology/view.js'

const nodes = Array.from({ length: 8 }, (_, i) => ({ id: `n${i}` }) as Node)
const everySlot = Array.from({ length: 16384 }, (_, slot) => slot)

/** Ranges in order, some slots left out, as triples. */
const ranges = fc
  .tuple(
    fc.uniqueArray(fc.nat(16384), { minLength: 2, maxLength: 12 }),
    fc.array(fc.integer({ min: -1, max: 7 }), { minLength: 12, maxLength: 12 }),
  )
  .map(([borders, owners]) => {
    const sorted = borders.sort((a, b) => a - b)
    return sorted.slice(1).flatMap((end, i) => [sorted[i] as number, end - 1, owners[i] as number])
  })

function mapOf(triples: readonly number[]): SlotMap {
  const map = new SlotMap()
  for (const primary of nodes) map.addShard({ primary, replicas: [] })
  for (let i = 0; i < triples.length; i += 3) {
    if ((triples[i + 2] as number) >= 0)
      map.assignRange(triples[i] as number, triples[i + 1] as number, triples[i + 2] as number)
  }
  return map
}

const owners = (map: SlotMap) => everySlot.map(slot => map.primaryOf(slot)?.id ?? null)

describe('SlotMap', () => {
  it('serves no slot when new', () => {
    expect(owners(new SlotMap()).every(owner => owner === null)).toBe(true)
  })

  it('changes one slot, and no other, when one is assigned', () => {
    fc.assert(
      fc.property(ranges, fc.nat(16383), fc.nat(7), (triples, slot, index) => {
        const map = mapOf(triples)
        const before = owners(map)
        map.assign(slot, nodes[index] as Node)
        const after = owners(map)
        expect(after[slot]).toBe(`n${index}`)
        expect(after.filter((owner, i) => owner !== before[i]).length).toBeLessThanOrEqual(1)
      }),
      { numRuns: 50 },
    )
  })

  it('is the same whether it is revised or built anew', () => {
    fc.assert(
      fc.property(fc.array(ranges, { minLength: 2, maxLength: 4 }), views => {
        const map = mapOf(views[0] as number[])
        for (let i = 1; i < views.length; i++) {
          map.revise(views[i - 1] as number[], views[i] as number[])
          expect(owners(map)).toEqual(owners(mapOf(views[i] as number[])))
        }
      }),
      { numRuns: 50 },
    )
  })
})

describe('parseClusterSlots()', () => {
  const row = (host: unknown, port: unknown = 7000, id: unknown = `id-${port}`) => [host, port, id, []] as never
  const parse = (...entries: unknown[]) => parseClusterSlots(entries as never, 'asked')

  it('reads shards once, however many ranges they own', () => {
    const view = parse([0, 10, row('a'), row('b', 7001)], [11, 20, row('c', 7002)], [21, 30, row('a'), row('b', 7001)])
    expect(view.shards.length).toBe(2)
    expect(view.ranges).toEqual([0, 10, 0, 11, 20, 1, 21, 30, 0])
    expect(view.covered).toBe(31)
    expect(view.shards[0]).toMatchObject({
      primary: { endpoint: { key: 'a:7000' }, id: 'id-7000' },
      replicas: [{ endpoint: { key: 'b:7001' } }],
    })
  })

  it.each([
    ['null', null, 'asked:7000'],
    ['an empty text', '', 'asked:7000'],
    ['a name', 'redis-1.example', 'redis-1.example:7000'],
    ['an IPv6 address', '::1', '[::1]:7000'],
  ])('takes %s for a host', (_, host, key) => {
    expect(parse([0, 1, row(host)]).shards[0]?.primary.endpoint.key).toBe(key)
  })

  it('covers no slot of a primary whose address is not known, and leaves out such replicas', () => {
    expect(parse([0, 9, row('?')], [10, 19, row('a', 7001), row('?')])).toMatchObject({
      covered: 10,
      shards: [{ replicas: [] }],
    })
  })

  it('takes servers before 4.0, which give no id', () => {
    expect(
      parse([0, 1, ['a', 1]], [2, 3, ['a', 1]], [4, 5, ['b', 1]]).shards.map(shard => shard.primary.endpoint.key),
    ).toEqual(['a:1', 'b:1'])
  })

  it.each([
    ['no array', 'OK'],
    ['an entry that is none', [1]],
    ['no primary', [[0, 1]]],
    ['a slot too high', [[0, 16384, row('a')]]],
    ['a range upside down', [[5, 4, row('a')]]],
    ['a slot that is no number', [['0', 1, row('a')]]],
    ['a node that is no array', [[0, 1, 'a:1']]],
    ['a port that is none', [[0, 1, row('a', 0)]]],
    ['a port that is a text', [[0, 1, row('a', '7000')]]],
  ])('refuses %s with SLOTWISE_PROTOCOL', (_, reply) => {
    expect(() => parseClusterSlots(reply as never, 'asked')).toThrow(
      expect.objectContaining({ code: 'SLOTWISE_PROTOCOL', phase: 'refresh' }),
    )
  })

  it('sees the same in views that differ in the order of replicas only', () => {
    const view = (...replicas: string[]) =>
      parse([0, 1, row('a'), ...replicas.map((host, i) => row(host, 7001, host + i * 0))])
    expect(sameView(view('b', 'c'), view('c', 'b'))).toBe(true)
    expect(sameView(view('b', 'c'), view('b'))).toBe(false)
    expect(sameView(view('b'), view('c'))).toBe(false)
  })
})
