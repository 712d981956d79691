import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeReply } from '../../../src/resp/decode-reply.js'
import { SlotsReader } from '../../../src/topology/slots-reader.js'
import { parseClusterSlots, sameView, type View } from '../../../src/topology/view.js'

type Range = [first: number, last: number, owner: number, replicas: number]

const bulk = (text: string) => `$${text.length}\r\n${text}\r\n`
const node = (id: number, host: string) => `*4\r\n${bulk(host)}:${7000 + id}\r\n${bulk(`id-${id}`)}*0\r\n`

/** A CLUSTER SLOTS reply; replicas of node n are n + 100, n + 200, …; node 9 hides its address, node 8 leaves it to be guessed. */
function answer(ranges: readonly Range[]): Buffer {
  const host = (id: number) => (id === 9 ? '?' : id === 8 ? '' : '10.0.0.1')
  const entries = ranges.map(([first, last, owner, replicas]) => {
    const nodes = [
      node(owner, host(owner)),
      ...Array.from({ length: replicas }, (_, i) => node(owner + 100 * (i + 1), '10.0.0.2')),
    ]
    return `*${2 + nodes.length}\r\n:${first}\r\n:${last}\r\n${nodes.join('')}`
  })
  return Buffer.from(`*${ranges.length}\r\n${entries.join('')}`)
}

/** Ranges that cover some slots in order; one shard has the same replicas everywhere. */
const ranges = fc
  .tuple(
    fc.uniqueArray(fc.nat(16383), { minLength: 2, maxLength: 20 }),
    fc.array(fc.nat(9), { minLength: 20, maxLength: 20 }),
    fc.array(fc.nat(2), { minLength: 10, maxLength: 10 }),
  )
  .map(([borders, owners, replicas]) => {
    const sorted = borders.sort((a, b) => a - b)
    return sorted.slice(1).map((end, i): Range => {
      const owner = owners[i] as number
      return [sorted[i] as number, end - 1, owner, replicas[owner] as number]
    })
  })

/** What a view says, whatever the order of its shards. */
function meaning({ ranges, shards, covered }: View) {
  const said: unknown[] = [covered]
  for (let i = 0; i < ranges.length; i += 3)
    said.push([ranges[i], ranges[i + 1], shards[ranges[i + 2] as number] ?? null])
  return said
}

describe('SlotsReader', () => {
  it('reads any sequence of answers as if each were the first', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(ranges, fc.constantFrom('a', 'b')), { minLength: 1, maxLength: 8 }), answers => {
        const reader = new SlotsReader()
        for (const [said, host] of answers) {
          const raw = answer(said)
          const view = reader.read(raw, 3, host)
          const fresh = parseClusterSlots(decodeReply(raw), host)
          expect(meaning(view)).toEqual(meaning(fresh))
          expect(new Set(view.shards).size).toBe(view.shards.length)
          expect(view.shards.length).toBe(fresh.shards.length)
          expect(reader.known?.bytes).toEqual(raw)
        }
      }),
    )
  })

  it('reads edits of one answer as if each were the first', () => {
    fc.assert(
      fc.property(ranges, fc.array(fc.tuple(fc.nat(), fc.nat(7), fc.boolean()), { maxLength: 10 }), (start, edits) => {
        const reader = new SlotsReader()
        const current = [...start]
        reader.read(answer(current), 3, 'h')
        for (const [at, owner, remove] of edits) {
          const i = current.length === 0 ? 0 : at % current.length
          const range = current[i]
          if (range === undefined) break
          if (remove) current.splice(i, 1)
          else current[i] = [range[0], range[1], owner, owner % 3]
          const raw = answer(current)
          expect(meaning(reader.read(raw, 3, 'h'))).toEqual(meaning(parseClusterSlots(decodeReply(raw), 'h')))
        }
      }),
    )
  })

  it('gives the same View whoever was asked, unless the answer leaves a host to be his', () => {
    const reader = new SlotsReader()
    const view = reader.read(answer([[0, 16383, 1, 2]]), 3, 'a')
    expect(reader.read(reader.known?.bytes as Buffer, 3, 'b')).toBe(view)
    const left = reader.read(answer([[0, 16383, 8, 0]]), 3, 'a')
    expect(left.shards[0]?.primary.endpoint.host).toBe('a')
    expect(reader.read(reader.known?.bytes as Buffer, 3, 'b').shards[0]?.primary.endpoint.host).toBe('b')
  })

  it('gives the same View for the same bytes, and equal ones for other orders of replicas', () => {
    const reader = new SlotsReader()
    const raw = answer([[0, 16383, 1, 2]])
    const view = reader.read(raw, 3, 'h')
    expect(reader.read(reader.known?.bytes as Buffer, 3, 'h')).toBe(view)
    const swapped = Buffer.from(
      `*1\r\n*5\r\n:0\r\n:16383\r\n${node(1, '10.0.0.1')}${node(201, '10.0.0.2')}${node(101, '10.0.0.2')}`,
    )
    expect(sameView(view, reader.read(swapped, 3, 'h'))).toBe(true)
  })

  it.each([
    ':1\r\n',
    '*1\r\n:1\r\n',
    '*1\r\n*3\r\n:0\r\n:99999\r\n*2\r\n$1\r\nh\r\n:1\r\n',
    '*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\nh\r\n:0\r\n',
  ])('refuses %j with SLOTWISE_PROTOCOL, and reads the next answer well', text => {
    const reader = new SlotsReader()
    const good = answer([[0, 16383, 1, 0]])
    reader.read(good, 3, 'h')
    expect(() => reader.read(Buffer.from(text), 3, 'h')).toThrow(expect.objectContaining({ code: 'SLOTWISE_PROTOCOL' }))
    expect(reader.read(answer([[0, 16383, 2, 0]]), 3, 'h').shards[0]?.primary.id).toBe('id-2')
  })
})
