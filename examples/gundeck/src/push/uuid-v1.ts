// UuidV1: ids of notifications, which sort by time. Source: RFC 9562, "UUID Version 1".
// Owns    the node id, the clock sequence and the last time given out.
// Holds   no two ids of one generator are equal.

import { randomBytes } from 'node:crypto'

/** 100 ns intervals between 1582-10-15 and 1970-01-01. */
const gregorianOffset = 0x01b21dd213814000n

export class UuidV1 {
  readonly #tail: string
  #last = 0n

  constructor() {
    const bytes = randomBytes(8)
    // The variant in the clock sequence; the multicast bit says that the node id is random.
    bytes[0] = (bytes[0]! & 0x3f) | 0x80
    bytes[2] = bytes[2]! | 0x01
    const hex = bytes.toString('hex')
    this.#tail = `${hex.slice(0, 4)}-${hex.slice(4)}`
  }

  next(nowMs = Date.now()): string {
    const time = BigInt(nowMs) * 10_000n + gregorianOffset
    this.#last = time > this.#last ? time : this.#last + 1n
    const hex = this.#last.toString(16).padStart(15, '0')
    return `${hex.slice(7)}-${hex.slice(3, 7)}-1${hex.slice(0, 3)}-${this.#tail}`
  }
}

/** The time an id was made at; null for what is no id of version 1. */
export function timeOfUuidV1(uuid: string): number | null {
  const parts = /^([0-9a-f]{8})-([0-9a-f]{4})-1([0-9a-f]{3})-/i.exec(uuid)
  if (parts === null) return null
  return Number((BigInt(`0x${parts[3]}${parts[2]}${parts[1]}`) - gregorianOffset) / 10_000n)
}
