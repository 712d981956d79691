// Split: a command with keys of several slots as one command for each slot, and their replies as one. Pure.
// Source: cluster spec, "Multiple keys operations"; the command pages of MGET, MSET, DEL, UNLINK, EXISTS and TOUCH.

import type { Argument, CommandSpec } from '../command/command.js'
import { slotOf } from '../command/slot.js'
import type { Reply } from '../resp/decoder.js'

interface Splitting {
  /** Arguments from one key to the next. */
  readonly step: number
  /** How the replies of the parts become one: by the place of their keys, as a sum, or `OK`. */
  readonly merge: 'places' | 'sum' | 'ok'
}

/**
 * Those whose meaning survives being split, but for atomicity. MSETNX is not among them: all its keys or none is what it is for.
 */
const splittings: Readonly<Record<string, Splitting>> = {
  MGET: { step: 1, merge: 'places' },
  MSET: { step: 2, merge: 'ok' },
  DEL: { step: 1, merge: 'sum' },
  UNLINK: { step: 1, merge: 'sum' },
  EXISTS: { step: 1, merge: 'sum' },
  TOUCH: { step: 1, merge: 'sum' },
}

/** True for the commands that can be sent as one command for each slot. */
export function mayBeSplit(spec: CommandSpec): boolean {
  return Object.hasOwn(splittings, spec.name)
}

/** False when the last key lacks the value that belongs to it. */
export function hasAllValues(spec: CommandSpec, args: readonly Argument[]): boolean {
  return args.length % (splittings[spec.name] as Splitting).step === 0
}

/** What goes to one slot. */
export interface SplitPart {
  readonly slot: number
  readonly args: Argument[]
  /** Which keys of the whole these are, counted from 0. */
  readonly places: number[]
}

/**
 * Groups the arguments by slot. Within a part they keep their order, and equal keys are in one part, so whatever a server does about a
 * key that is named twice it does here, too.
 *
 * @param spec of a command that may be split
 * @param args with all values
 * @returns the parts in the order of their first keys
 */
export function splitBySlot(spec: CommandSpec, args: readonly Argument[]): SplitPart[] {
  const { step } = splittings[spec.name] as Splitting
  const parts = new Map<number, SplitPart>()
  for (let i = 0; i < args.length; i += step) {
    const slot = slotOf(args[i] as Argument)
    let part = parts.get(slot)
    if (part === undefined) parts.set(slot, (part = { slot, args: [], places: [] }))
    part.places.push(i / step)
    for (let j = i; j < i + step; j++) part.args.push(args[j] as Argument)
  }
  return [...parts.values()]
}

/**
 * One reply out of those of the parts: values in the order of their keys, the sum of counts (a string where the counts are strings), or
 * `OK`.
 *
 * @param replies those of the parts, in their order; none of them an error
 */
export function mergeSplit(spec: CommandSpec, parts: readonly SplitPart[], replies: readonly Reply[]): Reply {
  const { merge } = splittings[spec.name] as Splitting
  if (merge === 'ok') return replies[0] as Reply
  if (merge === 'sum') return sumOf(replies)
  const values: Reply[] = []
  for (const [i, { places }] of parts.entries()) {
    const found = replies[i] as Reply[]
    for (const [j, place] of places.entries()) values[place] = found[j] as Reply
  }
  return values
}

/** The sum of integer replies; exact, and a string, where integers come as strings. */
export function sumOf(replies: readonly Reply[]): Reply {
  if (replies.every(reply => typeof reply === 'number')) return replies.reduce((sum, reply) => sum + reply, 0)
  return String(replies.reduce((sum: bigint, reply) => sum + BigInt(String(reply)), 0n))
}
