// Value: replies as they are kept: compact, apart from what callers hold, and with an estimate of their bytes. Pure.

import type { Argument } from '../command/command.js'
import type { Reply } from '../resp/decoder.js'

/** A Buffer is kept as a string: an own ArrayBuffer costs 200 B, and a slice of a shared one keeps all of it alive. */
class PackedBytes {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

export type Packed =
  | string
  | number
  | bigint
  | boolean
  | null
  | PackedBytes
  | Packed[]
  | Map<Packed, Packed>
  | Set<Packed>

// Measured on V8 (Node 20, pointers of 8 B) and rounded up; test/integration/cache-memory.test.ts holds them against the heap.
const stringBytes = 24
const numberBytes = 16
const slotBytes = 8
const arrayBytes = 48
const hashBytes = 200
/** Of a Map or Set: a power of two of buckets and entries, half of them in use at worst. */
const hashSlotBytes = 32
const pairSlotBytes = 48

/** Replies nested deeper are not kept: packing and unpacking recurse. */
const maxDepth = 64

export function textBytes(text: string): number {
  const length = text.length
  // One byte a letter if it is all ASCII; else two is the most it can be.
  return stringBytes + (Buffer.byteLength(text) === length ? length : 2 * length)
}

/** Estimated bytes of a reply once it is packed; Infinity for what cannot be kept. */
export function packedBytes(value: Reply, depth = 0): number {
  if (typeof value === 'string') return textBytes(value)
  if (typeof value === 'bigint') return 32 + value.toString(16).length / 2
  if (typeof value !== 'object' || value === null) return numberBytes
  if (Buffer.isBuffer(value)) return 3 * stringBytes + value.length
  if (depth >= maxDepth || value instanceof Error) return Infinity
  let bytes = arrayBytes
  if (Array.isArray(value)) for (const item of value) bytes += slotBytes + packedBytes(item, depth + 1)
  else if (value instanceof Set) {
    bytes = hashBytes
    for (const item of value) bytes += hashSlotBytes + packedBytes(item, depth + 1)
  } else {
    bytes = hashBytes
    for (const [key, item] of value) {
      bytes += pairSlotBytes + packedBytes(key, depth + 1) + packedBytes(item, depth + 1)
    }
  }
  return bytes
}

/** A copy to keep. Only for what `packedBytes` has a size for. */
export function pack(value: Reply): Packed {
  if (typeof value !== 'object' || value === null) return value
  if (Buffer.isBuffer(value)) return new PackedBytes(value.toString('latin1'))
  if (Array.isArray(value)) return value.map(pack)
  if (value instanceof Set) return new Set([...value].map(pack))
  if (value instanceof Map) return new Map([...value].map(([key, item]) => [pack(key), pack(item)]))
  throw new Error('Value: an error cannot be packed')
}

/** A copy to give away. */
export function unpack(value: Packed): Reply {
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof PackedBytes) return Buffer.from(value.text, 'latin1')
  if (Array.isArray(value)) {
    const copy: Reply[] = new Array(value.length)
    for (let i = 0; i < value.length; i++) copy[i] = unpack(value[i] as Packed)
    return copy
  }
  if (value instanceof Set) {
    const copy = new Set<Reply>()
    for (const item of value) copy.add(unpack(item))
    return copy
  }
  const copy = new Map<Reply, Reply>()
  for (const [key, item] of value) copy.set(unpack(key), unpack(item))
  return copy
}

// ---- arguments

/** Arguments to keep: their owner may change his array and his Buffers. */
export function copyArguments(args: readonly Argument[]): readonly Argument[] {
  return args.map(arg => (arg instanceof Uint8Array ? Uint8Array.from(arg) : arg))
}

export function argumentsBytes(args: readonly Argument[]): number {
  let bytes = arrayBytes
  for (const arg of args) {
    bytes += slotBytes
    if (typeof arg === 'string') bytes += textBytes(arg)
    else bytes += arg instanceof Uint8Array ? 256 + arg.length : 2 * numberBytes
  }
  return bytes
}

export function sameArguments(a: readonly Argument[], b: readonly Argument[]): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) {
    const [one, other] = [a[i] as Argument, b[i] as Argument]
    if (one === other) continue
    if (!(one instanceof Uint8Array && other instanceof Uint8Array)) return false
    if (Buffer.compare(one, other) !== 0) return false
  }
  return true
}
