// What the tests of the decoders share: a sink that writes down what it is told, and ways to feed a decoder.

import { ReplyError, SlotwiseError } from '../../../src/errors.js'
import { createDecoder } from '../../../src/resp/create-decoder.js'
import {
  type DecoderLimits,
  type DecoderOptions,
  defaultLimits,
  type Reply,
  type ReplyDecoder,
  type ReplySink,
} from '../../../src/resp/decoder.js'
import { type KnownArray, knowArray } from '../../../src/resp/known-array.js'
import { owned } from '../../../src/resp/text.js'

export type Event = ['reply', Reply] | ['error', ReplyError] | ['push', Reply[]]

export class Recorder implements ReplySink {
  readonly events: Event[] = []
  /** How often nextFormat() was called. */
  asked = 0
  expected: KnownArray | null = null
  readonly #formats: readonly number[]

  /** @param formats of the replies to come; plain when used up */
  constructor(formats: readonly number[] = []) {
    this.#formats = formats
  }

  nextFormat(): number {
    return this.#formats[this.asked++] ?? 0
  }

  expectedRaw(): KnownArray | null {
    return this.expected
  }

  onReply(value: Reply): void {
    this.events.push(['reply', value])
  }

  onError(error: ReplyError): void {
    this.events.push(['error', error])
  }

  /** Keeps what whoever takes a push may keep: copies. */
  onPush(items: Reply[]): void {
    this.events.push(['push', items.map(owned)])
  }
}

/** What every chunk is read into, as sockets do it: larger only for the test that gives more at once. */
let readBuffer = Buffer.alloc(64 * 1024)

/** Gives the decoder a copy of the chunk in memory that is overwritten when execute() has returned, which nothing may show. */
export function feed(decoder: ReplyDecoder, chunk: Uint8Array): void {
  if (chunk.length > readBuffer.length) readBuffer = Buffer.alloc(chunk.length)
  readBuffer.set(chunk)
  const read = readBuffer.subarray(0, chunk.length)
  try {
    decoder.execute(read)
  } finally {
    read.fill(0x58)
  }
}

/** Cuts the bytes into chunks of the given sizes, in turn and over again. */
export function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = []
  for (let pos = 0, i = 0; pos < bytes.length; i++) {
    const size = sizes[i % sizes.length] as number
    chunks.push(bytes.subarray(pos, pos + size))
    pos += size
  }
  return chunks
}

export interface Run {
  events: Event[]
  asked: number
  /** What execute() threw. */
  error: unknown
}

export interface RunOptions extends DecoderOptions {
  formats?: readonly number[]
  expected?: Buffer
  limits?: DecoderLimits
  /** Sizes of the chunks; all at once when left out. */
  sizes?: readonly number[]
}

/** Feeds a new decoder. */
export function run(protocol: 2 | 3, bytes: Buffer | string, options: RunOptions = {}): Run {
  const sink = new Recorder(options.formats)
  sink.expected = options.expected === undefined ? null : knowArray(options.expected, protocol, defaultLimits)
  const decoder = createDecoder(protocol, sink, options.limits, options)
  const input = Buffer.from(bytes)
  const chunks = cut(input, options.sizes ?? [Math.max(1, input.length)])
  let error: unknown
  try {
    for (const chunk of chunks) feed(decoder, chunk)
  } catch (thrown) {
    error = thrown
  }
  return { events: sink.events, asked: sink.asked, error }
}

/** Values in a form that compares by order, kind and content, maps and errors included. */
export function canonical(value: unknown): unknown {
  if (value instanceof ReplyError) return { error: value.message, code: value.code }
  if (value instanceof SlotwiseError) return { failure: value.code }
  if (Buffer.isBuffer(value)) return { buffer: value.toString('hex') }
  if (value instanceof Map) return { map: [...value].map(canonical) }
  if (value instanceof Set) return { set: [...value].map(canonical) }
  if (Array.isArray(value)) return value.map(canonical)
  return value
}

/** The only value decoded of the bytes, which must be one reply that is no error. */
export function only(protocol: 2 | 3, bytes: Buffer | string, options: RunOptions = {}): Reply {
  const { events, error } = run(protocol, bytes, options)
  if (error !== undefined) throw error
  if (events.length !== 1 || events[0]?.[0] !== 'reply') throw new Error(`not one reply: ${JSON.stringify(events)}`)
  return events[0][1]
}

export function codeOf(error: unknown): string {
  if (!(error instanceof SlotwiseError)) throw new Error(`not a SlotwiseError: ${String(error)}`)
  return error.code
}
