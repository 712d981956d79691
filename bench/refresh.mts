// bench:refresh: what one look at the cluster's topology costs, ours beside others.
//
// Rivals are given the decoded reply, which favours them; ours starts from the bytes as received. Times by benchmark.js; bytes
// are what one refresh allocates on the heap, and what a thousand leave behind after garbage collection.

import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import Benchmark from 'benchmark'
import { OurRefresh } from './lib/refresh-ours.mjs'
import { hedisModel, ioredisRefresh, nodeRedisRefresh } from './lib/refresh-rivals.mjs'
import { figure, machine, table } from './lib/report.mjs'
import { encodeSlots, type SlotsEntry, slotsReply } from './lib/slots-replies.mjs'

const help = `npm run bench:refresh [-- options]

Microbenchmarks of a topology refresh: CLUSTER SLOTS replies of 3, 100 and 500 primaries, and of 100 primaries in the middle of resharding
(6,000 ranges), through a model of hedis, ioredis' own code, node-redis' own code, and ours (changed view, unchanged view).

  --only 3,100        clusters: 3, 100, 500, reshard; default all
  --quick             shorter measurements (half a minute in all)
  --json FILE         writes the figures
`

const clusters: Record<string, { title: string; primaries: number; ranges: number }> = {
  '3': { title: '3 primaries', primaries: 3, ranges: 3 },
  '100': { title: '100 primaries', primaries: 100, ranges: 100 },
  '500': { title: '500 primaries', primaries: 500, ranges: 500 },
  reshard: { title: '100 primaries, 6,000 ranges', primaries: 100, ranges: 6000 },
}

const way = {
  hedis: 'hedis (model)',
  ioredis: 'ioredis',
  nodeRedis: 'node-redis',
  changed: 'ours, changed view',
  unchanged: 'ours, unchanged view',
} as const

interface Result {
  us: number
  allocatedBytes: number
  retainedBytes: number
}

interface Subject {
  name: string
  /** One refresh, with a reply that differs from the last; a promise only where the code under test is asynchronous. */
  run(): unknown
  asynchronous: boolean
}

const collectGarbage = (globalThis as { gc?: () => void }).gc

function subjects(primaries: number, ranges: number): Subject[] {
  const replies = [slotsReply(primaries, ranges, 0), slotsReply(primaries, ranges, 1)] as const
  const bytes = replies.map(encodeSlots) as [Buffer, Buffer]
  let turn = 0
  const next = (): SlotsEntry[] => replies[turn++ & 1] as SlotsEntry[]
  const nextBytes = (): Buffer => bytes[turn++ & 1] as Buffer
  const ioredis = ioredisRefresh()
  const nodeRedis = nodeRedisRefresh()
  const changing = new OurRefresh()
  const resting = new OurRefresh()
  resting.refresh(bytes[0])
  const expect = (ok: boolean) => {
    if (!ok) throw new Error('bench:refresh: the code under test did not do its work')
  }
  return [
    { name: way.hedis, asynchronous: false, run: () => expect(hedisModel(next()) === 2 * primaries) },
    { name: way.ioredis, asynchronous: false, run: () => ioredis(next()) },
    { name: way.nodeRedis, asynchronous: true, run: () => nodeRedis(next()) },
    { name: way.changed, asynchronous: false, run: () => expect(changing.refresh(nextBytes())) },
    { name: way.unchanged, asynchronous: false, run: () => expect(!resting.refresh(bytes[0])) },
  ]
}

function time(subject: Subject, quick: boolean): Promise<number> {
  const options: Benchmark.Options = { maxTime: quick ? 0.4 : 2, minSamples: quick ? 3 : 5 }
  const benchmark = subject.asynchronous
    ? new Benchmark(
        subject.name,
        (deferred: { resolve(): void }) => void (subject.run() as Promise<void>).then(() => deferred.resolve()),
        { ...options, defer: true },
      )
    : new Benchmark(subject.name, () => subject.run(), options)
  return new Promise((resolve, reject) => {
    benchmark.on('error', () => reject(benchmark.error as unknown as Error))
    benchmark.on('complete', () => {
      const sorted = [...benchmark.stats.sample].sort((a, b) => a - b)
      resolve((sorted[sorted.length >> 1] as number) * 1e6)
    })
    benchmark.run({ async: true })
  })
}

/** Heap and array buffers together: a slot map may be either. */
function heldBytes(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

async function memory(subject: Subject, us: number): Promise<{ allocatedBytes: number; retainedBytes: number }> {
  if (collectGarbage === undefined) throw new Error('run with --expose-gc, as npm run bench:refresh does')
  // So few that the young generation, which the npm script makes large, is not collected meanwhile.
  const few = 4
  await subject.run()
  collectGarbage()
  const before = heldBytes()
  for (let i = 0; i < few; i++) await subject.run()
  const allocatedBytes = (heldBytes() - before) / few
  const many = Math.max(10, Math.min(1000, Math.round(500_000 / us)))
  collectGarbage()
  const baseline = heldBytes()
  for (let i = 0; i < many; i++) await subject.run()
  collectGarbage()
  return { allocatedBytes, retainedBytes: heldBytes() - baseline }
}

async function measure(name: string, quick: boolean): Promise<Map<string, Result>> {
  const { title, primaries, ranges } = clusters[name] as (typeof clusters)[string]
  const results = new Map<string, Result>()
  for (const subject of subjects(primaries, ranges)) {
    process.stdout.write(`  ${title}: ${subject.name} …`)
    const us = await time(subject, quick)
    const result = { us, ...(await memory(subject, us)) }
    results.set(subject.name, result)
    process.stdout.write(` ${figure(us)} µs\n`)
  }
  return results
}

function rows(title: string, results: Map<string, Result>): string[][] {
  const changed = (results.get(way.changed) as Result).us
  const unchanged = (results.get(way.unchanged) as Result).us
  return [...results].map(([name, { us, allocatedBytes, retainedBytes }]) => [
    `${title}: ${name}`,
    figure(us),
    (allocatedBytes / 1024).toFixed(1),
    (retainedBytes / 1024).toFixed(1),
    figure(us / changed),
    figure(us / unchanged),
  ])
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
  const all: Record<string, Record<string, Result>> = {}
  const lines = [['one refresh', 'µs', 'kB allocated', 'kB retained', '× ours changed', '× ours unchanged']]
  const verdict: string[] = []
  for (const name of chosen) {
    const results = await measure(name, values.quick === true)
    const { title } = clusters[name] as (typeof clusters)[string]
    lines.push(...rows(title, results))
    all[name] = Object.fromEntries(results)
    const us = (which: string) => (results.get(which) as Result).us
    verdict.push(
      `${title}: changed view ${figure(us(way.ioredis) / us(way.changed))} × faster than ioredis, ` +
        `${figure(us(way.hedis) / us(way.changed))} × than the hedis model; unchanged view ${figure(us(way.unchanged))} µs`,
    )
  }
  process.stdout.write(`\n${table(lines)}\n\nbench:refresh:\n${verdict.map(line => `  ${line}\n`).join('')}`)
  if (values.json !== undefined) writeFileSync(values.json, JSON.stringify({ machine: machine(), all }, null, 2))
}

await main()
