import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { copyReply, keptReply, ownText, replyBytes } from '../../../src/cache/kept-reply.js'
import type { Asked } from '../../../src/cache/policy.js'
import { Region } from '../../../src/cache/region.js'
import { Store } from '../../../src/cache/store.js'
import { resolveCommand } from '../../../src/command/command.js'
import { replyError } from '../../../src/errors.js'
import type { Node } from '../../../src/node/node.js'
import type { Reply } from '../../../src/resp/decoder.js'

const { spec } = resolveCommand('HGET')
const asked = (key: string, tail = ''): Asked => ({ key, spec, argc: tail === '' ? 1 : 2, tail, buffers: false })
const region = () => new Region({} as Node)
const find = (store: Store, { key, argc, tail, buffers }: Asked) => store.get(key)?.find(spec, argc, tail, buffers)

describe('Store', () => {
  it('keeps many replies about one key, and forgets them together', () => {
    const store = new Store({ maxBytes: 1e6, maxEntries: 1000 })
    const [from, fields] = [region(), Array.from({ length: 50 }, (_, i) => `field ${i}`)]
    for (const field of fields) store.add(asked('k', field), field, from, 0, 0, 0)
    for (const field of fields) expect(find(store, asked('k', field))?.value).toBe(field)
    expect(find(store, asked('k', 'none'))).toBeUndefined()
    expect(store.entries).toBe(50)
    store.delete('k')
    expect([store.entries, store.bytes, from.keys.size]).toEqual([0, 0, 0])
  })

  it('lets go of what has not been used for longest', () => {
    const store = new Store({ maxBytes: 1e6, maxEntries: 3 })
    const from = region()
    for (const key of ['a', 'b', 'c']) store.add(asked(key), key, from, 0, 0, 0)
    store.get('a')
    store.add(asked('d'), 'd', from, 0, 0, 0)
    expect(['a', 'b', 'c', 'd'].filter(key => store.get(key) !== undefined)).toEqual(['a', 'c', 'd'])
    expect([store.evictions, [...from.keys].sort().join('')]).toEqual([1, 'acd'])
  })

  it('keeps nothing larger than itself, and no error', () => {
    const store = new Store({ maxBytes: 4096, maxEntries: 3 })
    store.add(asked('small'), 'x', region(), 0, 0, 0)
    store.add(asked('large'), 'x'.repeat(5000), region(), 0, 0, 0)
    store.add(asked('error'), ['x', replyError('ERR no')], region(), 0, 0, 0)
    expect([store.entries, store.evictions]).toEqual([1, 0])
  })

  it('takes a reply of another region or epoch as the first about its key', () => {
    const store = new Store({ maxBytes: 1e6, maxEntries: 10 })
    const [old, young] = [region(), region()]
    store.add(asked('k', 'f'), 'old', old, 0, 0, 0)
    store.add(asked('k', 'g'), 'young', young, 0, 1, 0)
    expect(find(store, asked('k', 'f'))).toBeUndefined()
    expect([store.entries, old.keys.size, young.keys.size]).toEqual([1, 0, 1])
  })

  it('is within its bounds and its books, whatever is done to it', () => {
    const step = fc.record({
      what: fc.constantFrom('add', 'add', 'add', 'get', 'delete', 'flush', 'sweep'),
      key: fc.integer({ min: 0, max: 20 }).map(String),
      tail: fc.integer({ min: 0, max: 12 }).map(n => (n === 0 ? '' : String(n))),
      size: fc.integer({ min: 0, max: 3000 }),
      region: fc.integer({ min: 0, max: 1 }),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), steps => {
        const [maxBytes, maxEntries] = [8192, 12]
        const store = new Store({ maxBytes, maxEntries })
        const regions = [region(), region()]
        for (const { what, key, tail, size, region } of steps) {
          if (what === 'add') store.add(asked(key, tail), 'x'.repeat(size), regions[region] as Region, region, 0, 0)
          else if (what === 'get') store.get(key)
          else if (what === 'delete') store.delete(key)
          else if (what === 'flush') store.flush(regions[region] as Region)
          else store.sweep(kept => kept.slot === region)
          expect(store.bytes).toBeLessThanOrEqual(maxBytes)
          expect(store.entries).toBeLessThanOrEqual(maxEntries)
          let [entries, bytes] = [0, 0]
          for (const each of regions) {
            for (const key of each.keys) {
              const kept = store.get(key)
              expect(kept?.region).toBe(each)
              entries += kept?.count ?? 0
              bytes += kept?.bytes ?? 0
            }
          }
          expect([store.entries, store.bytes]).toEqual([entries, bytes])
        }
        for (const each of regions) store.flush(each)
        expect([store.entries, store.bytes]).toEqual([0, 0])
      }),
      { numRuns: 200 },
    )
  })
})

describe('kept replies', () => {
  const reply: Reply = ['a', 1, null, Buffer.from('b'), new Map<Reply, Reply>([['k', ['v']]]), new Set<Reply>(['m'])]

  it('are equal to what was given, and nobody else’s', () => {
    const kept = keptReply(reply)
    const copy = copyReply(kept) as Reply[]
    expect(copy).toEqual(reply)
    ;(copy[3] as Buffer).fill(0)
    ;(copy[4] as Map<Reply, Reply[]>).get('k')?.push('more')
    ;(copy[5] as Set<Reply>).clear()
    copy.length = 1
    expect(kept).toEqual(reply)
  })

  it('hold on to no pool', () => {
    expect((keptReply(Buffer.from('b')) as Buffer).buffer.byteLength).toBe(1)
  })

  it('weigh at least what their text takes', () => {
    expect(replyBytes('x'.repeat(1000))).toBeGreaterThanOrEqual(1000)
    expect(replyBytes('я'.repeat(1000))).toBeGreaterThanOrEqual(2000)
    expect(replyBytes([['x'.repeat(1000)], 'y'.repeat(1000)])).toBeGreaterThanOrEqual(2000)
    expect(replyBytes([replyError('ERR no')])).toBeNaN()
  })

  it('ownText() is the same text', () => {
    fc.assert(fc.property(fc.string({ unit: 'grapheme', maxLength: 40 }), text => ownText(text) === text))
  })
})
