// Frame: an aggregate that is being received; its parent is the aggregate it stands in.

import type { Reply } from './decoder.js'
import { protocolError } from './failures.js'
import { owned } from './text.js'
import { Aggregate, isPairs } from './types.js'

export class Frame {
  readonly type: number
  readonly parent: Frame | null
  /** Elements it has when complete; of a streamed one, whose length is not known, one more than it may have. */
  readonly length: number
  readonly streamed: boolean
  /** Maps and sets as the arrays that RESP2 has for them. */
  readonly legacy: boolean
  /** Keys and values of a map alternate. Grows with what arrives, never by what was announced. */
  readonly items: Reply[] = []

  constructor(type: number, parent: Frame | null, length: number, streamed: boolean, legacy = false) {
    this.type = type
    this.parent = parent
    this.length = length
    this.streamed = streamed
    this.legacy = legacy
  }

  /** Its value, once the elements are there. */
  value(): Reply {
    if (this.legacy) return this.items
    if (this.type === Aggregate.set) return new Set(this.items)
    if (this.type !== Aggregate.map) return this.items
    const items = this.items
    const map = new Map<Reply, Reply>()
    for (let i = 0; i < items.length; i += 2) map.set(items[i] as Reply, items[i + 1] as Reply)
    return map
  }

  /** Gives the Buffers that have come so far of the push it is, or is part of, memory of their own. */
  ownPush(): void {
    this.items.forEach((item, i) => {
      this.items[i] = owned(item)
    })
    if (this.type !== Aggregate.push) this.parent?.ownPush()
  }

  /** Checks that a streamed aggregate may end here. */
  end(): void {
    if (!this.streamed) throw protocolError('end of an aggregate of known length')
    if (isPairs(this.type) && this.items.length % 2 !== 0) throw protocolError('a key without a value')
  }
}
