// What it costs to decode replies, against redis-parser: CPU time of this process, nothing of a network.
//
// With --heap: whether strings that are kept hold on to the chunks they came in.

/// <reference path="../../src/resp/redis-parser.d.ts" />

import { fileURLToPath } from 'node:url'
import Benchmark from 'benchmark'
import Parser from 'redis-parser'
import { createDecoder } from '../../src/resp/create-decoder.js'
import { type Reply, ReplyFormat, type ReplySink } from '../../src/resp/decoder.js'
import { add, runAsMain } from '../lib/micro.mjs'
import { figure, table } from '../lib/report.mjs'

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

const pairs = Array.from({ length: 20 }, (_, i) => [bulk(`field${i}`), bulk(`value-${i}-abcdefgh`)])
const hash = array(pairs.flat())
const list = array(Array.from({ length: 100 }, (_, i) => bulk(`item-${i}`)))
const entries = Array.from({ length: 10 }, (_, i) =>
  array([bulk(`17000000000${i}-0`), array([bulk('field'), bulk(`value-${i}-abcdefgh`)])]),
)
const stream = array([array([bulk('stream:1'), array(entries)])])
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
  caseOf('XREAD, 10 entries, 10 a chunk', stream.repeat(10), 10),
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

function redisParser(onReply: (value: unknown) => void): { execute(chunk: Buffer): void } {
  const raise = (error: Error) => {
    throw error
  }
  return new Parser({ returnReply: onReply, returnError: raise, returnFatalError: raise })
}

const decoders: [string, (onReply: (value: unknown) => void) => { execute(chunk: Buffer): void }][] = [
  ['redis-parser', redisParser],
  ['RESP3', onReply => createDecoder(3, { ...sink, onReply })],
  ['RESP2', onReply => createDecoder(2, { ...sink, onReply })],
]

/** Every case with every decoder; the decoders of one case follow each other. */
export const suite = new Benchmark.Suite('decode')
for (const { name, chunks, replies, read } of cases) {
  for (const [decoderName, create] of decoders) {
    const decoder = create(value => {
      last = value
    })
    add(suite, `${name}: ${decoderName}`, replies, () => {
      for (const chunk of chunks) decoder.execute(chunk)
      if (read && (last as string).charCodeAt(100_000) !== 0x78) throw new Error('decoded wrongly')
    })
  }
}

/** A chunk as a socket reads it. */
const chunkBytes = 64 * 1024
const keptCount = 4000
const warmUpCount = 500

/** A chunk that is one reply: a string to keep, and the rest one long string, or as many as there is room for of its own length. */
function chunkOf(text: string, many: boolean): Buffer {
  const one = bulk(text)
  if (many) {
    const room = Math.floor((chunkBytes - 16) / Buffer.byteLength(one))
    return Buffer.from(array(Array.from({ length: room }, () => one)))
  }
  const head = `*2\r\n${one}`
  const rest = chunkBytes - Buffer.byteLength(head)
  return Buffer.from(head + bulk('x'.repeat(rest - 16)))
}

/** Bytes held for each value of which one of a chunk was kept: the second, where there are many, because first ones are made differently. */
function heldPerValue(create: (typeof decoders)[number][1], text: string, many: boolean): number {
  const collect = (globalThis as { gc?: () => void }).gc
  if (collect === undefined) throw new Error('run with --expose-gc')
  const held = () => {
    collect()
    collect()
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  }
  const kept: unknown[] = new Array(keptCount).fill(null)
  let index = 0
  const decoder = create(value => {
    kept[index % keptCount] = (value as unknown[])[many ? 1 : 0]
  })
  const decode = () => decoder.execute(chunkOf(String(index).padEnd(text.length, text), many))
  // Compiles; what it keeps is let go of.
  for (; index < warmUpCount; index++) decode()
  kept.fill(null)
  const before = held()
  for (index = 0; index < keptCount; index++) decode()
  const bytes = (held() - before) / keptCount
  if (kept.includes(null)) throw new Error('a value is missing')
  return bytes
}

/** Prints what a kept string holds; false when it is more than the string can need. */
export function checkHeap(log: (line: string) => void): boolean {
  const texts: [string, string][] = [
    ['5 characters', 'abcde'],
    ['16 characters', 'x'.repeat(16)],
    ['32 characters', 'x'.repeat(32)],
    ['32 characters, not ASCII', 'é'.repeat(32)],
    ['1,000 characters', 'x'.repeat(1000)],
  ]
  let fine = true
  const rows = texts.flatMap(([name, text]) =>
    [false, true].map(many => {
      const bytes = decoders.map(([, create]) => heldPerValue(create, text, many))
      // Two bytes a character, a header, and a share of the last chunk, which a decoder may hold until the next one.
      const mayHold = 2 * text.length + 100
      if (bytes.some((each, i) => i > 0 && each > mayHold)) fine = false
      return [`${name}, ${many ? 'one of many' : 'beside a long one'}`, ...bytes.map(figure), String(mayHold)]
    }),
  )
  const head = ['held for a kept string, bytes', ...decoders.map(([name]) => name), 'may be']
  log(table([head, ...rows]))
  log(
    `decode --heap: ${fine ? 'strings of ours hold no more than themselves' : 'a string of ours holds more than itself'}`,
  )
  return fine
}

if (process.argv.includes('--heap') && process.argv[1] === fileURLToPath(import.meta.url)) {
  process.exitCode = checkHeap(line => process.stdout.write(`${line}\n`)) ? 0 : 1
} else runAsMain(import.meta.url, suite)
