// Pushes: what a server sends without being asked, where the protocol does not set it apart from replies. Pure.
// Source: SUBSCRIBE and MONITOR command pages; RESP2 "Pub/Sub".

import type { Reply } from '../resp/decoder.js'
import { sameBytes } from '../resp/text.js'

const kinds = new Set(['message', 'subscribe', 'unsubscribe'].flatMap(kind => [kind, `p${kind}`, `s${kind}`]))

const message = Buffer.from('message')

/** What kind of push it is by its first element. Of most it is `message`, of which no other text is made. */
export function kindOf(first: Reply | undefined): string {
  return first instanceof Buffer && sameBytes(first, message) ? 'message' : String(first)
}

/** RESP2: what kind of push an array of Buffers is by its first element; null for any other reply. */
export function pushKind(value: Reply): string | null {
  if (!Array.isArray(value) || !(value[0] instanceof Buffer)) return null
  const kind = value[0].toString()
  return kinds.has(kind) ? kind : null
}

/** True for a line that a monitoring connection gets for a command of anybody's: `1700000000.123456 [0 127.0.0.1:5000] "GET" "k"`. */
export function isMonitorLine(value: Reply): boolean {
  return /^\d+\.\d+ \[/.test(String(value))
}

/** Buffers of a reply as text. */
export function asText(value: Reply): Reply {
  if (value instanceof Buffer) return value.toString()
  return Array.isArray(value) ? value.map(asText) : value
}
