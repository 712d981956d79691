// Frame: an aggregate that is being received; its parent is the aggregate it stands in.

import type { Reply } from './decoder.js'
import { protocolError } from './failures.js'
import { owned } from './text.js'
import { Aggregate, isPairs } from './types.js'

export class Frame {
  readonly type: number
  parent: Frame | null = null
  /** Aggregates that are open with this one. */
  readonly depth: number
  /** Elements it has when complete; of a streamed one, whose length is not known, one more than it may have. */
  readonly length: number
  readonly streamed: boolean
  /** Maps and sets as the arrays that RESP2 has for them. */
  readonly legacy: boolean
  /** Keys and values of a map alternate. There may be room for more than have come. */
  readonly items: Reply[]
  /** How many have come. */
  filled: number

  constructor(
    type: number,
    depth: number,
    length: number,
    streamed: boolean,
    legacy: boolean,
    items: Reply[],
    filled: number,
  ) {
    this.type = type
    this.depth = depth
    this.length = length
    this.streamed = streamed
    this.legacy = legacy
    this.items = items
    this.filled = filled
  }

  /** Its value, once the elements are there. */
  value(): Reply {
    return withElements(this.type, this.items, this.legacy)
  }

  /** Gives the Buffers that have come so far of the push it is, or is part of, memory of their own. */
  ownPush(): void {
    for (let i = 0; i < this.filled; i++) this.items[i] = owned(this.items[i] as Reply)
    if (this.type !== Aggregate.push) this.parent?.ownPush()
  }

  /** Checks that a streamed aggregate may end here. */
  end(): void {
    if (!this.streamed) throw protocolError('end of an aggregate of known length')
    if (isPairs(this.type) && this.filled % 2 !== 0) throw protocolError('a key without a value')
  }
}

/** An aggregate of these elements; `legacy`: as RESP2 has it, which is an array. */
export function withElements(type: number, items: Reply[], legacy: boolean): Reply {
  if (legacy) return items
  if (type === Aggregate.set) return new Set(items)
  if (type !== Aggregate.map) return items
  const map = new Map<Reply, Reply>()
  for (let i = 0; i < items.length; i += 2) map.set(items[i] as Reply, items[i + 1] as Reply)
  return map
}
