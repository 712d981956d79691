// keyInSlot: keys for a slot that a test has chosen.

import { slotOf } from '../command/slot.js'

let tags: string[] | null = null

function allTags(): string[] {
  const found: string[] = new Array(16384)
  for (let i = 0, count = 0; count < 16384; i++) {
    const slot = slotOf(String(i))
    if (found[slot] !== undefined) continue
    found[slot] = `{${i}}`
    count++
  }
  return found
}

/**
 * A key of the slot; another one for each name.
 * @param slot 0 to 16383
 */
export function keyInSlot(slot: number, name = 'key'): string {
  tags ??= allTags()
  const tag = tags[slot]
  if (tag === undefined) throw new RangeError('a slot is an integer from 0 to 16383')
  return `${tag}:${name}`
}
