// KeptReply: replies in the form in which they are kept, what they weigh, and copies for callers. Pure.
//
// Strings, numbers, bigints, booleans and null cannot be changed and are handed out as they are. Arrays, maps, sets and Buffers are
// copied when they are kept, and again for each caller.

import { ReplyError } from '../errors.js'
import type { Reply } from '../resp/decoder.js'

// What V8 takes on a 64-bit machine, rounded up; tables count with the room they have right after doubling.
const stringBytes = 24
const arrayBytes = 56
const mapBytes = 240
const mapEntryBytes = 56
const setBytes = 200
const setEntryBytes = 40
const bufferBytes = 280

/** Bytes of a string: one a character, or two once any of them needs it. */
export function textBytes(text: string): number {
  return stringBytes + (isOneByte(text) ? text.length : 2 * text.length)
}

function isOneByte(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0xff) return false
  return true
}

/** Bytes of heap, and beside the heap, that a kept reply takes; NaN for one with an error in it, which is not kept. */
export function replyBytes(reply: Reply): number {
  if (typeof reply === 'string') return textBytes(reply)
  if (typeof reply === 'number') return 16
  if (typeof reply === 'bigint') return 32
  if (typeof reply !== 'object' || reply === null) return 0
  if (reply instanceof ReplyError) return Number.NaN
  if (Buffer.isBuffer(reply)) return bufferBytes + reply.length
  let bytes = 0
  if (Array.isArray(reply)) {
    for (const item of reply) bytes += 8 + replyBytes(item)
    return bytes + arrayBytes
  }
  if (reply instanceof Map) {
    for (const [key, value] of reply) bytes += mapEntryBytes + replyBytes(key) + replyBytes(value)
    return bytes + mapBytes
  }
  for (const item of reply) bytes += setEntryBytes + replyBytes(item)
  return bytes + setBytes
}

/** True for replies that nobody can change. */
export function isPlain(reply: Reply): boolean {
  return typeof reply !== 'object' || reply === null
}

/** A reply of its own for a caller. */
export function copyReply(reply: Reply): Reply {
  if (typeof reply !== 'object' || reply === null) return reply
  return copy(reply, size => Buffer.allocUnsafe(size))
}

/** A reply of its own to keep: its Buffers hold on to no pool. */
export function keptReply(reply: Reply): Reply {
  if (typeof reply !== 'object' || reply === null) return reply
  return copy(reply, size => Buffer.allocUnsafeSlow(size))
}

function copy(reply: Reply, allocate: (size: number) => Buffer): Reply {
  if (typeof reply !== 'object' || reply === null || reply instanceof ReplyError) return reply
  if (Buffer.isBuffer(reply)) {
    const bytes = allocate(reply.length)
    reply.copy(bytes)
    return bytes
  }
  if (Array.isArray(reply)) return reply.map(item => copy(item, allocate))
  if (reply instanceof Map) {
    const map = new Map<Reply, Reply>()
    for (const [key, value] of reply) map.set(copy(key, allocate), copy(value, allocate))
    return map
  }
  const set = new Set<Reply>()
  for (const item of reply) set.add(copy(item, allocate))
  return set
}

/** A short slice of a string is copied by V8; from this length on it keeps the whole string alive. */
const sliceLength = 13

/** The same text in a string of its own, which holds on to no longer one. */
export function ownText(text: string): string {
  if (text.length < sliceLength) return text
  const encoding = isOneByte(text) ? 'latin1' : 'utf16le'
  return Buffer.from(text, encoding).toString(encoding)
}
