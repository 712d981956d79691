// Integer: numbers as the server reads them, 64 bits wide and strict.

const least = -(2n ** 63n)
const greatest = 2n ** 63n - 1n

/** The integer that a text spells in the one way the server accepts; null for anything else. */
export function parseInteger(text: string): bigint | null {
  if (!/^(?:0|-?[1-9]\d{0,18})$/.test(text)) return null
  const value = BigInt(text)
  return fits(value) ? value : null
}

/** The same, where a few million are enough. */
export function parseSmallInteger(text: string): number | null {
  const value = parseInteger(text)
  return value === null ? null : Number(value)
}

export function fits(value: bigint): boolean {
  return value >= least && value <= greatest
}
