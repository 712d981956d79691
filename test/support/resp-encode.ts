// A small RESP encoder for tests: replies as a server would send them, in every form the protocol has for a value.

import { ReplyError } from '../../src/errors.js'
import type { Reply } from '../../src/resp/decoder.js'

/** A reply and the form it takes on the wire. */
export type WireReply =
  | { type: 'simple' | 'bulk' | 'verbatim' | 'error' | 'blobError'; text: string }
  | { type: 'integer'; value: number }
  | { type: 'double'; value: number }
  | { type: 'bigNumber'; value: bigint }
  | { type: 'boolean'; value: boolean }
  | { type: 'null'; form: '_' | '$-1' | '*-1' }
  | { type: 'streamedString'; parts: string[] }
  | { type: 'array' | 'set' | 'push'; items: WireReply[]; streamed: boolean }
  | { type: 'map'; pairs: [WireReply, WireReply][]; streamed: boolean }
  | { type: 'attributed'; pairs: [WireReply, WireReply][]; streamed: boolean; of: WireReply }

const marks = { array: '*', set: '~', push: '>', map: '%', attributed: '|' } as const

function line(text: string): Buffer {
  return Buffer.from(`${text}\r\n`)
}

function body(mark: string, text: string): Buffer {
  const bytes = Buffer.from(text)
  return Buffer.concat([line(`${mark}${bytes.length}`), bytes, line('')])
}

function aggregate(mark: string, count: number, items: WireReply[], streamed: boolean): Buffer {
  return Buffer.concat([
    line(mark + (streamed ? '?' : count)),
    ...items.map(encode),
    streamed ? line('.') : line('').subarray(2),
  ])
}

function encodeDouble(value: number): string {
  if (Number.isNaN(value)) return 'nan'
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf'
  return Object.is(value, -0) ? '-0' : String(value)
}

/** The bytes of the reply. */
export function encode(reply: WireReply): Buffer {
  switch (reply.type) {
    case 'simple':
      return line(`+${reply.text}`)
    case 'error':
      return line(`-${reply.text}`)
    case 'bulk':
      return body('$', reply.text)
    case 'blobError':
      return body('!', reply.text)
    case 'verbatim':
      return body('=', `txt:${reply.text}`)
    case 'integer':
      return line(`:${reply.value}`)
    case 'double':
      return line(`,${encodeDouble(reply.value)}`)
    case 'bigNumber':
      return line(`(${reply.value}`)
    case 'boolean':
      return line(reply.value ? '#t' : '#f')
    case 'null':
      return line(reply.form)
    case 'streamedString':
      return Buffer.concat([
        line('$?'),
        ...reply.parts.filter(part => part !== '').map(part => body(';', part)),
        line(';0'),
      ])
    case 'array':
    case 'set':
    case 'push':
      return aggregate(marks[reply.type], reply.items.length, reply.items, reply.streamed)
    case 'map':
      return aggregate('%', reply.pairs.length, reply.pairs.flat(), reply.streamed)
    case 'attributed':
      return Buffer.concat([aggregate('|', reply.pairs.length, reply.pairs.flat(), reply.streamed), encode(reply.of)])
  }
}

/** The value that decoding the reply must give. Strings become Buffers when `buffers` is set. */
export function decoded(reply: WireReply, buffers = false): Reply {
  const value = (item: WireReply) => decoded(item, buffers)
  const string = (text: string) => (buffers ? Buffer.from(text) : text)
  switch (reply.type) {
    case 'simple':
    case 'bulk':
    case 'verbatim':
      return string(reply.text)
    case 'error':
    case 'blobError':
      return new ReplyError(reply.text)
    case 'null':
      return null
    case 'streamedString':
      return string(reply.parts.join(''))
    case 'array':
    case 'push':
      return reply.items.map(value)
    case 'set':
      return new Set(reply.items.map(value))
    case 'map':
      return new Map(reply.pairs.map(([key, item]) => [value(key), value(item)]))
    case 'attributed':
      return value(reply.of)
    default:
      return reply.value
  }
}
