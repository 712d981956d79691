// What it costs to ask the slot map, and to change it.

import Benchmark from 'benchmark'
import type { Node } from '../../src/node/node.js'
import { SlotMap, slotCount } from '../../src/topology/slot-map.js'
import { add, runAsMain } from '../lib/micro.mjs'

export const suite = new Benchmark.Suite('slot-map')

/** The map only hands nodes out. */
const nodeOf = (i: number) => ({ id: `node ${i}` }) as unknown as Node

function build(shards: number): SlotMap {
  const map = new SlotMap()
  for (let i = 0; i < shards; i++) {
    const index = map.addShard({ primary: nodeOf(i), replicas: [] })
    map.assignRange(Math.floor((i * slotCount) / shards), Math.floor(((i + 1) * slotCount) / shards) - 1, index)
  }
  return map
}

for (const shards of [3, 500]) {
  const map = build(shards)
  let slot = 0
  add(suite, `primaryOf, ${shards} shards`, 1024, () => {
    for (let i = 0; i < 1024; i++) {
      slot = (slot + 7919) & (slotCount - 1)
      if (map.primaryOf(slot) === null) throw new Error('nobody serves the slot')
    }
  })
  add(suite, `built, ${shards} shards`, 1, () => {
    if (build(shards).shards.length !== shards) throw new Error('built wrongly')
  })
  const nodes = map.shards.slice(0, 2).map(({ primary }) => primary)
  let turn = 0
  add(suite, `assign one slot, ${shards} shards`, 1024, () => {
    for (let i = 0; i < 1024; i++) map.assign(i, nodes[turn++ & 1] as Node)
  })
}

const before = [0, 5460, 0, 5461, 10922, 1, 10923, 16383, 2]
const after = [0, 5461, 0, 5462, 10922, 1, 10923, 16383, 2]
const map = build(3)
add(suite, 'revise, one slot moved there and back', 2, () => {
  map.revise(before, after)
  map.revise(after, before)
})

runAsMain(import.meta.url, suite)
