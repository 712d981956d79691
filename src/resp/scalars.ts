// Scalars: replies that are one line, from the text of that line.

import type { Reply } from './decoder.js'
import { protocolError } from './failures.js'

const integerForm = /^[+-]?\d+$/
const doubleForm = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/
const specialDoubles = new Map([
  ['inf', Number.POSITIVE_INFINITY],
  ['+inf', Number.POSITIVE_INFINITY],
  ['-inf', Number.NEGATIVE_INFINITY],
  ['nan', Number.NaN],
  ['-nan', Number.NaN],
])

export function parseInteger(text: string, asString: boolean): number | string {
  if (!integerForm.test(text)) throw protocolError('malformed integer')
  return asString ? text : Number(text)
}

export function parseDouble(text: string): number {
  if (doubleForm.test(text)) return Number(text)
  const special = specialDoubles.get(text.toLowerCase())
  if (special === undefined) throw protocolError('malformed double')
  return special
}

export function parseBigNumber(text: string): bigint {
  if (!integerForm.test(text)) throw protocolError('malformed big number')
  return BigInt(text)
}

export function parseBoolean(text: string): boolean {
  if (text !== 't' && text !== 'f') throw protocolError('malformed boolean')
  return text === 't'
}

export function parseNull(text: string): Reply {
  if (text !== '') throw protocolError('malformed null')
  return null
}
