// SlotsReplies: CLUSTER SLOTS replies of made-up clusters, as bytes and as a client library decodes them.

import { createHash } from 'node:crypto'
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)
const Parser = require('redis-parser') as new (handlers: {
  returnReply(reply: SlotsEntry[]): void
  returnError(error: Error): void
}) => { execute(chunk: Buffer): void }

export type SlotsNode = [host: string, port: number, id: string, metadata: unknown[]]
export type SlotsEntry = [first: number, last: number, ...nodes: SlotsNode[]]

export interface SlotsShape {
  primaries: number
  ranges: number
  /** Slots by which the border between the first two ranges is moved. Default 0. */
  shift?: number
  /** How many ranges, evenly spread, have the owner of the next one. Default 0. */
  moved?: number
  /** How many places on the ranges are dealt: 1 gives every range another owner. Default 0. */
  rotation?: number
}

const slotCount = 16384

function node(number: number, replica: boolean): SlotsNode {
  const host = `10.${replica ? 1 : 0}.${number >> 8}.${number & 255}`
  return [host, 6379, createHash('sha1').update(host).digest('hex'), []]
}

/** A reply whose ranges are dealt to the primaries in turn, each with one replica. */
export function slotsReply({ primaries, ranges, shift = 0, moved = 0, rotation = 0 }: SlotsShape): SlotsEntry[] {
  const every = moved === 0 ? 0 : Math.floor(ranges / moved)
  const border = (n: number) => Math.floor((n * slotCount) / ranges) + (n === 1 ? shift : 0)
  return Array.from({ length: ranges }, (_, i) => {
    const owner = (i + rotation + (every !== 0 && i % every === 1 ? 1 : 0)) % primaries
    return [border(i), border(i + 1) - 1, node(owner, false), node(owner, true)]
  })
}

/** What a node of that cluster says to CLUSTER NODES. */
export function nodesReply(shape: SlotsShape): string {
  const ranges = new Map<string, string[]>()
  const lines: string[] = []
  for (const [first, last, owner] of slotsReply(shape)) {
    const [, , id] = owner as SlotsNode
    const own = ranges.get(id) ?? []
    own.push(`${first}-${last}`)
    ranges.set(id, own)
  }
  for (let i = 0; i < shape.primaries; i++) {
    const [host, port, id] = node(i, false)
    const [replicaHost, , replicaId] = node(i, true)
    // Of equal epochs the answer's counts, so slots may go there and back.
    const common = '0 1700000000000 1 connected'
    lines.push(`${id} ${host}:${port}@16379, master - ${common} ${(ranges.get(id) ?? []).join(' ')}`)
    lines.push(`${replicaId} ${replicaHost}:${port}@16379, slave ${id} ${common}`)
  }
  return `${lines.join('\n')}\n`
}

/** The reply's bytes, as a server sends them to a client of that protocol version. */
export function encodeSlots(reply: readonly SlotsEntry[], protocol: 2 | 3): Buffer {
  const noMetadata = protocol === 3 ? '%0\r\n' : '*0\r\n'
  const parts: string[] = [`*${reply.length}\r\n`]
  for (const [first, last, ...nodes] of reply) {
    parts.push(`*${2 + nodes.length}\r\n:${first}\r\n:${last}\r\n`)
    for (const [host, port, id] of nodes) {
      parts.push(`*4\r\n$${host.length}\r\n${host}\r\n:${port}\r\n$${id.length}\r\n${id}\r\n${noMetadata}`)
    }
  }
  return Buffer.from(parts.join(''))
}

/** The reply as a client has it after decoding: every text an object of its own, as off the wire, none shared between ranges. */
export function decodeSlots(bytes: Buffer): SlotsEntry[] {
  let decoded: SlotsEntry[] | null = null
  const parser = new Parser({
    returnReply: value => {
      decoded = value
    },
    returnError: error => {
      throw error
    },
  })
  parser.execute(bytes)
  if (decoded === null) throw new Error('SlotsReplies: the reply was not whole')
  return decoded
}
