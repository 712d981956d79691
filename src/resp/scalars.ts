// Scalars: replies that are one line, from the text of that line.

import type { Reply } from './decoder.js'
import { badLength, protocolError } from './failures.js'

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

/** The length of a chunk of a streamed string. */
export function parseChunkLength(text: string): number {
  if (!/^\d+$/.test(text)) throw badLength()
  return Number(text)
}

/** Where the text of a verbatim string begins, behind its format of three letters. */
export function verbatimStart(bytes: Buffer, start: number, end: number): number {
  if (end - start < 4 || bytes[start + 3] !== 0x3a) throw protocolError('malformed verbatim string')
  return start + 4
}
