// Scalars: replies that are one line, from the text of that line.

import type { Reply } from './decoder.js'
import { badLength, protocolError } from './failures.js'
import { Type } from './types.js'

const integerForm = /^[+-]?\d+$/
const doubleForm = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/
const specialDoubles = new Map([
  ['inf', Number.POSITIVE_INFINITY],
  ['+inf', Number.POSITIVE_INFINITY],
  ['-inf', Number.NEGATIVE_INFINITY],
  ['nan', Number.NaN],
  ['-nan', Number.NaN],
])

function parseInteger(text: string, asString: boolean): number | string {
  if (!integerForm.test(text)) throw protocolError('malformed integer')
  return asString ? text : Number(text)
}

/**
 * The value of a line that is no string.
 * @param asString numbers as strings
 * @param legacy in the shapes of RESP2
 * @param buffers strings, which a double is in RESP2, as Buffers
 */
export function parse(type: number, text: string, asString: boolean, legacy: boolean, buffers: boolean): Reply {
  switch (type) {
    case Type.integer:
      return parseInteger(text, asString)
    case Type.boolean:
      return legacy ? Number(parseBoolean(text)) : parseBoolean(text)
    case Type.double: {
      const value = parseDouble(text)
      if (asString || !legacy) return asString ? text : value
      return buffers ? Buffer.from(text) : text
    }
    case Type.bigNumber: {
      const value = parseBigNumber(text)
      return asString || legacy ? text : value
    }
    default:
      return parseNull(text)
  }
}

function parseDouble(text: string): number {
  if (doubleForm.test(text)) return Number(text)
  const special = specialDoubles.get(text.toLowerCase())
  if (special === undefined) throw protocolError('malformed double')
  return special
}

function parseBigNumber(text: string): bigint {
  if (!integerForm.test(text)) throw protocolError('malformed big number')
  return BigInt(text)
}

function parseBoolean(text: string): boolean {
  if (text !== 't' && text !== 'f') throw protocolError('malformed boolean')
  return text === 't'
}

function parseNull(text: string): null {
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
