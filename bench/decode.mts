// What it costs to decode replies, against redis-parser: CPU time of this process, nothing of a network.
//
//   node .build/bench/decode.mjs [rounds]
//
// Prints replies per second (the median of the rounds) and the ratio to redis-parser; above 1 is faster.

/// <reference path="../src/resp/redis-parser.d.ts" />

import { fileURLToPath } from 'node:url'
import Benchmark from 'benchmark'
import Parser from 'redis-parser'
import { createDecoder } from '../src/resp/create-decoder.js'
import { type Reply, ReplyFormat, type ReplySink } from '../src/resp/decoder.js'

interface Case {
  name: string
  chunks: Buffer[]
  replies: number
  /** Reads the last reply, where decoding alone may put work off. */
  read: boolean
}

function bulk(text: string): string {
  return `$${Buffer.byteLength(text)}\r\n${text}\r\n`
}

function array(items: string[]): string {
  return `*${items.length}\r\n${items.join('')}`
}

function split(bytes: Buffer, chunkBytes: number): Buffer[] {
  const chunks: Buffer[] = []
  for (let pos = 0; pos < bytes.length; pos += chunkBytes) chunks.push(bytes.subarray(pos, pos + chunkBytes))
  return chunks.map(chunk => Buffer.from(chunk))
}

function many(count: number, reply: (i: number) => string): string {
  return Array.from({ length: count }, (_, i) => reply(i)).join('')
}

function caseOf(name: string, text: string, replies: number, chunkBytes = text.length * 2, read = false): Case {
  return { name, chunks: split(Buffer.from(text), chunkBytes), replies, read }
}

const hash = array(Array.from({ length: 20 }, (_, i) => [bulk(`field${i}`), bulk(`value-${i}-abcdefgh`)]).flat())
const list = array(Array.from({ length: 100 }, (_, i) => bulk(`item-${i}`)))
const long = bulk('x'.repeat(256 * 1024))

export const cases: Case[] = [
  caseOf(
    'GET, 32 bytes, 200 a chunk',
    many(200, i => bulk(`v${i}`.padEnd(32, 'x'))),
    200,
  ),
  caseOf('GET, 32 bytes, 1 a chunk', bulk('x'.repeat(32)), 1),
  caseOf(
    'GET, 32 bytes not ASCII, 200 a chunk',
    many(200, i => bulk(`é${i}`.padEnd(31, 'x'))),
    200,
  ),
  caseOf('SET (+OK), 200 a chunk', '+OK\r\n'.repeat(200), 200),
  caseOf(
    'INCR, 200 a chunk',
    many(200, i => `:${i * 997}\r\n`),
    200,
  ),
  caseOf('HGETALL, 20 fields, 10 a chunk', hash.repeat(10), 10),
  caseOf('LRANGE, 100 items, 10 a chunk', list.repeat(10), 10),
  caseOf('LRANGE, 100 items, chunks of 1400 bytes', list.repeat(10), 10, 1400),
  caseOf('GET, 256 KiB, chunks of 64 KiB', long, 1, 64 * 1024),
  caseOf('GET, 256 KiB, chunks of 64 KiB, read', long, 1, 64 * 1024, true),
]

let last: unknown
const sink: ReplySink = {
  nextFormat: () => ReplyFormat.plain,
  expectedRaw: () => null,
  onReply(value: Reply) {
    last = value
  },
  onError(error) {
    throw error
  },
  onPush() {},
}

const decoders: [string, () => { execute(chunk: Buffer): void }][] = [
  [
    'redis-parser',
    () =>
      new Parser({
        returnReply(value) {
          last = value
        },
        returnError(error) {
          throw error
        },
        returnFatalError(error) {
          throw error
        },
      }),
  ],
  ['RESP3', () => createDecoder(3, sink)],
  ['RESP2', () => createDecoder(2, sink)],
]

/** Every case with every decoder; the decoders of one case follow each other. */
export const suite = new Benchmark.Suite('decode')
for (const { name, chunks, read } of cases) {
  for (const [decoderName, create] of decoders) {
    const decoder = create()
    const run = () => {
      for (const chunk of chunks) decoder.execute(chunk)
      if (read && (last as string).charCodeAt(100_000) !== 0x78) throw new Error('decoded wrongly')
    }
    suite.add(`${name}: ${decoderName}`, run, { maxTime: 0.3 })
  }
}

function median(numbers: number[]): number {
  return numbers.sort((a, b) => a - b)[numbers.length >> 1] as number
}

function main(rounds: number): void {
  const rates = new Map<string, number[]>()
  suite.on('cycle', (event: Benchmark.Event) => {
    const { name, hz, error } = event.target as unknown as { name: string; hz: number; error?: Error }
    if (error) throw error
    rates.set(name, [...(rates.get(name) ?? []), hz])
  })
  for (let round = 0; round < rounds; round++) suite.run({ async: false })
  for (const { name, replies } of cases) {
    const rate = (decoder: string) => median(rates.get(`${name}: ${decoder}`) ?? []) * replies
    const base = rate('redis-parser')
    const columns = decoders.map(([decoder]) => {
      const ratio = (rate(decoder) / base).toFixed(2)
      return `${decoder} ${Math.round(rate(decoder)).toLocaleString('en').padStart(11)} (${ratio})`
    })
    console.log(`${name.padEnd(42)} ${columns.join('   ')}`)
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main(Number(process.argv[2] ?? 3))
