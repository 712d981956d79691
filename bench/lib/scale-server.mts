// ScaleServer: a process with a fake cluster in it, whose slots move all the time. Told what to do, and asked for figures, by messages.

import { FakeCluster } from 'slotwise/testing'

export interface ScaleShape {
  primaries: number
  replicas: number
  ranges: number
  /** Slots that move each second. */
  movesPerSecond: number
}

export type ToServer = { do: 'start'; shape: ScaleShape } | { do: 'count' }
export interface Counted {
  /** Questions about the topology: CLUSTER SLOTS, SHARDS and NODES. */
  asked: number
  slotsAsked: number
  accepted: number
  open: number
  moves: number
}
export type FromServer = { said: 'started'; addresses: string[]; startMs: number } | ({ said: 'counted' } & Counted)

let cluster: FakeCluster | null = null
let moves = 0

function moveOne(shape: ScaleShape, current: FakeCluster): void {
  const { primaries } = current
  const slot = Math.floor(Math.random() * 16384)
  const to = primaries[Math.floor(Math.random() * shape.primaries)]
  if (to === undefined || current.ownerOf(slot) === to) return
  current.moveSlots(slot, slot, to)
  moves++
}

async function start(shape: ScaleShape): Promise<void> {
  const startedAt = performance.now()
  const { primaries, replicas, ranges } = shape
  const started = await FakeCluster.start({ primaries, replicas, ranges, keptCommands: 0 })
  cluster = started
  if (shape.movesPerSecond > 0) setInterval(() => moveOne(shape, started), 1000 / shape.movesPerSecond)
  process.send?.({ said: 'started', addresses: started.addresses, startMs: performance.now() - startedAt })
}

function count({ nodes }: FakeCluster): Counted {
  const sum = (of: (node: (typeof nodes)[number]) => number) => nodes.reduce((total, node) => total + of(node), 0)
  const slotsAsked = sum(node => node.count('CLUSTER SLOTS'))
  const others = sum(node => node.count('CLUSTER SHARDS') + node.count('CLUSTER NODES'))
  return {
    asked: slotsAsked + others,
    slotsAsked,
    accepted: sum(node => node.accepted),
    open: sum(node => node.open),
    moves,
  }
}

process.on('message', (message: ToServer) => {
  if (message.do === 'start') void start(message.shape)
  else if (cluster !== null) process.send?.({ said: 'counted', ...count(cluster) })
})
process.on('disconnect', () => process.exit(0))
