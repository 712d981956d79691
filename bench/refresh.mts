// bench:refresh: what one look at the cluster's topology costs, ours beside others.
//
// Rivals are given the decoded reply, which favours them; ours starts from the bytes as received. Times are benchmark.js's medians;
// bytes are what one refresh allocates, and what a client's knowledge of the cluster holds after many and a garbage collection.

import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import Benchmark from 'benchmark'
import { allocatedBytes, keptBytes } from './lib/memory.mjs'
import { OurRefresh } from './lib/refresh-ours.mjs'
import { hedisModel, ioredisRefresh, nodeRedisRefresh, type Rival } from './lib/refresh-rivals.mjs'
import { figure, machine, table } from './lib/report.mjs'
import { decodeSlots, encodeSlots, nodesReply, type SlotsShape, slotsReply } from './lib/slots-replies.mjs'

const help = `npm run bench:refresh [-- options]

Microbenchmarks of a topology refresh: CLUSTER SLOTS replies of 3, 100 and 500 primaries (one replica each), of 1,000 primaries
with 1,000 and with 5,000 ranges, and of 100 primaries in the middle of resharding (6,000 ranges), through a model of hedis, ioredis' own
code, node-redis' own code, and ours: when every range has another owner, when a hundredth of them has, when one slot has moved, and when nothing
has changed. Beside them what comparing that many bytes costs by itself, when they are in the processor's caches and when they are not.

  --only 3,100        clusters: 3, 100, 500, 1000, split, reshard; default all
  --quick             shorter measurements (half a minute in all)
  --json FILE         writes the figures
`

const clusters: Record<string, { title: string; primaries: number; ranges: number }> = {
  '3': { title: '3 primaries', primaries: 3, ranges: 3 },
  '100': { title: '100 primaries', primaries: 100, ranges: 100 },
  '500': { title: '500 primaries', primaries: 500, ranges: 500 },
  '1000': { title: '1,000 primaries', primaries: 1000, ranges: 1000 },
  split: { title: '1,000 primaries, 5,000 ranges', primaries: 1000, ranges: 5000 },
  reshard: { title: '100 primaries, 6,000 ranges', primaries: 100, ranges: 6000 },
}

/** More than a processor's caches hold. */
const uncachedBytes = 256 * 2 ** 20

const way = {
  decoding: 'decoding alone, by redis-parser',
  hedis: 'hedis (model)',
  ioredis: 'ioredis',
  nodeRedis: 'node-redis',
  renewed: 'ours, all ranges changed',
  changed: 'ours, one slot moved',
  judged: 'ours, one slot moved, epochs compared',
  some: 'ours, a hundredth of the ranges changed',
  unchanged: 'ours, unchanged',
  warm: 'comparing the bytes alone, cached',
  cold: 'comparing the bytes alone, not cached',
} as const

interface Result {
  us: number
  perSec: number
  allocatedBytes: number
  keptBytes: number
}

interface Subject {
  name: string
  asynchronous: boolean
  /** Makes a client's knowledge of the cluster, and returns its refresh with the next of the replies. */
  create(): () => unknown
}

function expect(ok: boolean): void {
  if (!ok) throw new Error('bench:refresh: the code under test did not do its work')
}

/** Rivals do the same work whatever has changed: they are given replies that differ by one slot. */
function rivalSubject(name: string, shape: SlotsShape, nodeCount: number, make: () => Rival): Subject {
  const replies = [shape, { ...shape, shift: 1 }].map(each => decodeSlots(encodeSlots(slotsReply(each), 2)))
  const create = () => {
    const rival = make()
    let turn = 0
    let checked = false
    return () => {
      const pending = rival.refresh(replies[turn++ & 1] as (typeof replies)[0])
      if (!checked && turn > 2) {
        checked = true
        expect(rival.nodeCount() === nodeCount)
      }
      return pending
    }
  }
  return { name, asynchronous: name === way.nodeRedis, create }
}

/** What the rivals are spared: for comparison with ours, which is not. */
function decodingSubject(shape: SlotsShape): Subject {
  const bytes = encodeSlots(slotsReply(shape), 2)
  return { name: way.decoding, asynchronous: false, create: () => () => decodeSlots(bytes) }
}

function ourSubject(name: string, shape: SlotsShape, change: Partial<SlotsShape> | null, byEpochs = false): Subject {
  const nodes = byEpochs ? nodesReply(shape) : null
  const first = encodeSlots(slotsReply(shape), 3)
  const other = encodeSlots(slotsReply({ ...shape, ...change }), 3)
  const create = () => {
    const ours = new OurRefresh()
    ours.refresh(first, nodes)
    expect(ours.nodeCount === 2 * shape.primaries)
    let turn = 0
    return () => expect(ours.refresh((turn++ & 1) === 0 ? other : first, nodes) === (change !== null))
  }
  return { name, asynchronous: false, create }
}

/** The least that telling an unchanged answer can cost. */
function comparingSubject(name: string, shape: SlotsShape, isCached: boolean): Subject {
  const bytes = encodeSlots(slotsReply(shape), 3)
  const create = () => {
    const copies = Array.from({ length: isCached ? 1 : Math.ceil(uncachedBytes / bytes.length) }, () =>
      Buffer.from(bytes),
    )
    let turn = 0
    return () => expect(bytes.compare(copies[turn++ % copies.length] as Buffer) === 0)
  }
  return { name, asynchronous: false, create }
}

function subjects(shape: SlotsShape): Subject[] {
  const { primaries } = shape
  return [
    decodingSubject(shape),
    rivalSubject(way.hedis, shape, 2 * primaries, hedisModel),
    rivalSubject(way.ioredis, shape, 2 * primaries, ioredisRefresh),
    rivalSubject(way.nodeRedis, shape, primaries, nodeRedisRefresh),
    ourSubject(way.renewed, shape, { rotation: 1 }),
    ourSubject(way.some, shape, { moved: Math.ceil(shape.ranges / 100) }),
    ourSubject(way.changed, shape, { shift: 1 }),
    ourSubject(way.judged, shape, { shift: 1 }, true),
    ourSubject(way.unchanged, shape, null),
    comparingSubject(way.warm, shape, true),
    comparingSubject(way.cold, shape, false),
  ]
}

/** Median seconds of one run, by benchmark.js. */
function time({ name, asynchronous }: Subject, run: () => unknown, quick: boolean): Promise<number> {
  const options: Benchmark.Options = { maxTime: quick ? 0.15 : 1.5, minSamples: quick ? 3 : 5 }
  const benchmark = asynchronous
    ? new Benchmark(
        name,
        (deferred: { resolve(): void }) => void (run() as Promise<void>).then(() => deferred.resolve()),
        { ...options, defer: true },
      )
    : new Benchmark(name, () => run(), options)
  return new Promise((resolve, reject) => {
    benchmark.on('error', () => reject(benchmark.error as unknown as Error))
    benchmark.on('complete', () => {
      const sorted = [...benchmark.stats.sample].sort((a, b) => a - b)
      resolve(sorted[sorted.length >> 1] as number)
    })
    benchmark.run({ async: true })
  })
}

async function measure(subject: Subject, quick: boolean): Promise<Result> {
  const seconds = await time(subject, subject.create(), quick)
  const work = subject.create()
  for (let i = 0; i < 4; i++) await work()
  const many = Math.max(4, Math.min(1000, Math.round((quick ? 0.05 : 0.5) / seconds)))
  return {
    us: seconds * 1e6,
    perSec: 1 / seconds,
    allocatedBytes: await allocatedBytes(work),
    keptBytes: await keptBytes(subject.create, many),
  }
}

function rows(title: string, results: Map<string, Result>): string[][] {
  const ours = [way.renewed, way.changed, way.unchanged].map(name => (results.get(name) as Result).us)
  return [...results].map(([name, { us, perSec, allocatedBytes, keptBytes }]) => [
    `${title}: ${name}`,
    figure(us),
    figure(perSec),
    (allocatedBytes / 1024).toFixed(1),
    (keptBytes / 1024).toFixed(0),
    ...ours.map(each => figure(us / each)),
  ])
}

const columns = [
  'one refresh',
  'µs',
  'per second',
  'KiB allocated',
  'KiB kept',
  '÷ all changed',
  '÷ one moved',
  '÷ unchanged',
]

function verdict(measured: Map<string, Map<string, Result>>): string {
  const [all, names] = [[...measured.values()], [...measured.keys()].join(' / ')]
  const us = (results: Map<string, Result>, name: string) => (results.get(name) as Result).us
  const times = (rival: string, ours: string) =>
    all.map(results => figure(us(results, rival) / us(results, ours))).join(' / ')
  const unchanged = all.map(results => figure(us(results, way.unchanged))).join(' / ')
  return (
    `bench:refresh: ours at ${names}: one slot moved ${times(way.ioredis, way.changed)} × as fast as ioredis, ` +
    `${times(way.hedis, way.changed)} × the hedis model; all ranges changed ${times(way.ioredis, way.renewed)} × and ` +
    `${times(way.hedis, way.renewed)} ×; unchanged view ${unchanged} µs`
  )
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      help: { type: 'boolean', short: 'h' },
      only: { type: 'string' },
      quick: { type: 'boolean' },
      json: { type: 'string' },
    },
  })
  const chosen = values.only?.split(',') ?? Object.keys(clusters)
  const unknown = chosen.filter(name => !(name in clusters))
  if (values.help === true || unknown.length > 0) {
    process.stdout.write((unknown.length > 0 ? `No such cluster: ${unknown.join(', ')}\n\n` : '') + help)
    process.exitCode = unknown.length > 0 ? 2 : 0
    return
  }
  process.stdout.write(`${machine()}\n`)
  const measured = new Map<string, Map<string, Result>>()
  const lines = [columns]
  for (const name of chosen) {
    const { title, ...shape } = clusters[name] as (typeof clusters)[string]
    const results = new Map<string, Result>()
    for (const subject of subjects(shape)) {
      process.stdout.write(`  ${title}: ${subject.name} …`)
      const result = await measure(subject, values.quick === true)
      results.set(subject.name, result)
      process.stdout.write(` ${figure(result.us)} µs\n`)
    }
    measured.set(name, results)
    lines.push(...rows(title, results))
  }
  process.stdout.write(
    `\n${table(lines)}\n(rivals start from the decoded reply, which favours them; ours from the bytes. ÷ is a row's time over ours)\n\n${verdict(measured)}\n`,
  )
  if (values.json !== undefined) {
    const all = Object.fromEntries([...measured].map(([name, results]) => [name, Object.fromEntries(results)]))
    writeFileSync(values.json, `${JSON.stringify({ machine: machine(), all }, null, 2)}\n`)
  }
}

await main()
