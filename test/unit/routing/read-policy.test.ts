import { describe, expect, it } from 'vitest'
import type { Node } from '../../../src/node/node.js'
import { chooseReader, type ReadFrom } from '../../../src/routing/read-policy.js'

const node = (key: string, isReady = true) => ({ endpoint: { key }, isReady }) as unknown as Node

/** Who is chosen of a primary `p` and replicas `a` and `b`, those in capitals not connected, as chance goes from 0 to 1. */
function chosen(shard: string, policy: ReadFrom, latencies: Record<string, number> = {}): string {
  const nodes = [...shard].map(name => node(name.toLowerCase(), name === name.toLowerCase()))
  const [primary, ...replicas] = nodes as [Node, ...Node[]]
  const choices = [0, 0.3, 0.6, 0.99].map(chance =>
    chooseReader({ primary, replicas }, policy, {
      random: () => chance,
      latencyMs: ({ endpoint }) => latencies[endpoint.key] ?? null,
    }),
  )
  return choices.map(({ endpoint }) => endpoint.key).join('')
}

const zone = (zones: Record<string, string>): ReadFrom => ({ zone: 'here', zoneOf: key => zones[key] })

describe('chooseReader()', () => {
  it.each<[string, string, ReadFrom, string, Record<string, number>?]>([
    ['the primary', 'pab', 'primary', 'pppp'],
    ['a replica', 'pab', 'replicas', 'aabb'],
    ['a replica that is connected', 'pAb', 'replicas', 'bbbb'],
    ['the primary where no replica is', 'pAB', 'replicas', 'pppp'],
    ['the primary where there is none', 'p', 'replicas', 'pppp'],
    ['anybody', 'pab', 'all', 'ppab'],
    ['anybody who is connected', 'pAb', 'all', 'ppbb'],
    ['a replica where the primary is away', 'Pab', 'all', 'aabb'],
    ['the primary, to be waited for, where nobody is there', 'PAB', 'all', 'pppp'],
    ['the fastest', 'pab', 'lowest-latency', 'bbbb', { p: 3, a: 2, b: 1 }],
    ['the fastest that is connected', 'paB', 'lowest-latency', 'aaaa', { p: 3, a: 2, b: 1 }],
    ['the primary while nothing is known', 'pab', 'lowest-latency', 'pppp'],
    ['whose speed is known', 'pab', 'lowest-latency', 'aaaa', { a: 9 }],
    ['one of its zone', 'pab', zone({ p: 'there', a: 'here', b: 'here' }), 'aabb'],
    ['the primary of its zone, too', 'pab', zone({ p: 'here', a: 'here', b: 'there' }), 'ppaa'],
    ['the primary where nobody is of its zone', 'pab', zone({ a: 'there' }), 'pppp'],
  ])('is %s', (_, shard, policy, expected, latencies) => {
    expect(chosen(shard, policy, latencies)).toBe(expected)
  })
})
