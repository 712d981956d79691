// Expiry: when a key's time is over, from what a command says.

import { Failure, notAnInteger } from '../answer.js'
import { fits, parseInteger } from '../integer.js'

export const invalidExpiry = (command: string) => new Failure(`ERR invalid expire time in '${command}' command`)

/**
 * For commands that set a value, too: only times after 0 are valid.
 * @param unit EX, PX, EXAT or PXAT
 */
export function expiryOf(amount: string, unit: string, now: number, command: string): number | Failure {
  const value = parseInteger(amount)
  if (value !== null && value <= 0n) return invalidExpiry(command)
  return expiryAt(amount, unit, now, command)
}

/** The same for commands of which EXPIRE is one: times may lie in the past. */
export function expiryAt(amount: string, unit: string, now: number, command: string): number | Failure {
  let value = parseInteger(amount)
  if (value === null) return notAnInteger
  if (unit.startsWith('E')) value *= 1000n
  if (!fits(value)) return invalidExpiry(command)
  if (!unit.endsWith('AT')) value += BigInt(now)
  return fits(value) ? Number(value) : invalidExpiry(command)
}
