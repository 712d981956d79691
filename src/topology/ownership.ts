// Ownership: what each primary of a cluster says of itself: its slots, those on their way to or from it, its configuration epoch. Pure.
// Source: CLUSTER NODES command page, "Serialization format" and "Special slot entries".

import { SlotwiseError } from '../errors.js'
import type { Reply } from '../resp/decoder.js'

/** One line of a CLUSTER NODES reply. */
export interface ClusterNode {
  readonly id: string
  readonly host: string
  readonly port: number
  readonly isMyself: boolean
  readonly isPrimary: boolean
  /** Others say that it has failed, or have no address of it. */
  readonly isAway: boolean
  readonly epoch: number
  /** Pairs of first and last slot, both included. */
  readonly ranges: readonly number[]
  /** Slots on their way from this node, and the id of the node that gets them. Told by the node itself only. */
  readonly migrating: ReadonlyMap<number, string>
  /** Slots on their way to this node, and the id of the node that had them. Told by the node itself only. */
  readonly importing: ReadonlyMap<number, string>
}

/** @throws SlotwiseError SLOTWISE_PROTOCOL when the reply is not of the documented form */
export function parseClusterNodes(reply: Reply): ClusterNode[] {
  if (typeof reply !== 'string') throw malformed()
  return reply
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '')
    .map(parseLine)
}

/** `id ip:port@bus[,hostname] flags primary ping pong epoch link slot …` */
function parseLine(line: string): ClusterNode {
  const [id, address, flagList, , , , epoch, , ...entries] = line.split(' ')
  const place = /^(.*):(\d+)(?:@|$)/.exec((address ?? '').replace(/,.*$/, ''))
  if (id === undefined || id === '' || flagList === undefined || epoch === undefined || place === null)
    throw malformed()
  const flags = flagList.split(',')
  const ranges: number[] = []
  const migrating = new Map<number, string>()
  const importing = new Map<number, string>()
  for (const entry of entries) {
    const open = /^\[(\d+)-([<>])-(.+)\]$/.exec(entry)
    if (open !== null) (open[2] === '>' ? migrating : importing).set(Number(open[1]), open[3] as string)
    else {
      const [first, last] = entry.split('-').map(Number)
      if (!isSlot(first) || (last !== undefined && !isSlot(last))) throw malformed()
      ranges.push(first, last ?? first)
    }
  }
  return {
    id,
    host: place[1] as string,
    port: Number(place[2]),
    isMyself: flags.includes('myself'),
    isPrimary: flags.includes('master'),
    isAway: ['fail', 'noaddr', 'handshake'].some(flag => flags.includes(flag)),
    epoch: Number(epoch),
    ranges,
    migrating,
    importing,
  }
}

function isSlot(slot: number | undefined): slot is number {
  return Number.isInteger(slot) && (slot as number) >= 0 && (slot as number) <= 16383
}

function malformed(): SlotwiseError {
  return new SlotwiseError('SLOTWISE_PROTOCOL', 'The CLUSTER NODES reply is not of the documented form', {
    phase: 'refresh',
  })
}

/** What every primary said of itself, by its id. */
export type Ownership = ReadonlyMap<string, ClusterNode>

/** A set of slots: 2 KiB. */
export class SlotSet {
  readonly #bits = new Uint32Array(512)

  has(slot: number): boolean {
    return ((this.#bits[slot >>> 5] as number) & (1 << (slot & 31))) !== 0
  }

  add(slot: number): void {
    this.#bits[slot >>> 5] = (this.#bits[slot >>> 5] as number) | (1 << (slot & 31))
  }

  addRanges(ranges: readonly number[]): this {
    for (let i = 0; i < ranges.length; i += 2)
      for (let slot = ranges[i] as number; slot <= (ranges[i + 1] as number); slot++) this.add(slot)
    return this
  }

  addAll(other: SlotSet): void {
    for (let i = 0; i < 512; i++) this.#bits[i] = (this.#bits[i] as number) | (other.#bits[i] as number)
  }

  /** Those of this set that the other has not. */
  without(other: SlotSet): SlotSet {
    const rest = new SlotSet()
    for (let i = 0; i < 512; i++) rest.#bits[i] = (this.#bits[i] as number) & ~(other.#bits[i] as number)
    return rest
  }

  get isEmpty(): boolean {
    return this.#bits.every(bits => bits === 0)
  }
}
