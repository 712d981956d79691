// Blocking: whether a command may hold its connection, and for how long the server will let it.

import { type Argument, isKeyword, numberOf } from './argument.js'
import { CommandFlag } from './flags.js'
import type { CommandSpec } from './table.js'

/** Where a blocking command has its timeout: argument index (negative counts from the end) and milliseconds per unit. */
const timeouts: Record<string, { readonly at: number; readonly unitMs: number }> = {
  BLPOP: { at: -1, unitMs: 1000 },
  BRPOP: { at: -1, unitMs: 1000 },
  BRPOPLPUSH: { at: -1, unitMs: 1000 },
  BLMOVE: { at: -1, unitMs: 1000 },
  BZPOPMIN: { at: -1, unitMs: 1000 },
  BZPOPMAX: { at: -1, unitMs: 1000 },
  BLMPOP: { at: 0, unitMs: 1000 },
  BZMPOP: { at: 0, unitMs: 1000 },
  WAIT: { at: 1, unitMs: 1 },
  WAITAOF: { at: 2, unitMs: 1 },
}

/** Options before STREAMS, and how many values each takes. BLOCK is the one looked for. */
const streamOptions: readonly (readonly [string, number])[] = [
  ['COUNT', 1],
  ['GROUP', 2],
  ['NOACK', 0],
  ['CLAIM', 1],
]

/** True when the command may wait at the server: always for BLPOP and its kind, with BLOCK only for XREAD(GROUP). */
export function isBlocking(spec: CommandSpec, args: readonly Argument[]): boolean {
  if ((spec.flags & CommandFlag.blocking) === 0) return false
  return spec.name in timeouts || blockIndex(args) !== -1
}

/** False for commands that wait for what was written before them on the same connection. */
export function hasOwnLane(spec: CommandSpec): boolean {
  return spec.name !== 'WAIT' && spec.name !== 'WAITAOF'
}

/**
 * How long the server itself may make the command wait, in milliseconds, rounded up as the server does; 0 is for ever.
 * Null when the command does not block, and when its timeout is one the server refuses at once.
 */
export function blockingTimeoutMs(spec: CommandSpec, args: readonly Argument[]): number | null {
  if ((spec.flags & CommandFlag.blocking) === 0) return null
  const place = timeouts[spec.name]
  let timeoutMs: number
  if (place !== undefined) timeoutMs = numberOf(args[place.at < 0 ? args.length + place.at : place.at]) * place.unitMs
  else {
    const block = blockIndex(args)
    if (block === -1) return null
    timeoutMs = numberOf(args[block + 1])
  }
  return timeoutMs >= 0 && timeoutMs < Number.POSITIVE_INFINITY ? Math.ceil(timeoutMs) : null
}

/** The index of BLOCK among the options of XREAD or XREADGROUP; -1 when there is none. */
function blockIndex(args: readonly Argument[]): number {
  for (let i = 0; i < args.length; i++) {
    if (isKeyword(args[i], 'BLOCK')) return i
    const option = streamOptions.find(([name]) => isKeyword(args[i], name))
    // STREAMS, after which any word is a key or an id; or a word the server refuses.
    if (option === undefined) return -1
    i += option[1]
  }
  return -1
}
