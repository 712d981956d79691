// Slot: which of the 16384 hash slots a key belongs to (cluster spec, "Key distribution model" and "Hash tags").

import type { Argument } from './argument.js'

// CRC16/XMODEM: polynomial 0x1021, initial value 0, nothing reflected.
const table = new Uint16Array(256)
for (let byte = 0; byte < 256; byte++) {
  let crc = byte << 8
  for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021
  table[byte] = crc
}

const openBrace = 0x7b
const closeBrace = 0x7d

/**
 * The hash slot of a key, 0 to 16383. Of a key with a non-empty `{tag}`, only the first such tag is hashed.
 *
 * @param key hashed as it is sent: a string as UTF-8, a number or bigint as its decimal string
 */
export function slotOf(key: Argument): number {
  if (typeof key === 'string') return slotOfString(key)
  if (key instanceof Uint8Array) return slotOfBytes(key)
  return slotOfString(String(key))
}

function slotOfString(key: string): number {
  let crc = 0
  for (let i = 0; i < key.length; i++) {
    const code = key.charCodeAt(i)
    // From '{' on come '|', '}', '~', DEL and all that UTF-8 spells with several bytes. Most keys have none of these, so
    // one comparison for each letter stands for both the search for a tag and the test for ASCII.
    if (code >= openBrace) return slotOfUncommonString(key)
    // Bits above the 16th are left in place: the index ignores them and the shift drops them in the end.
    crc = (crc << 8) ^ (table[((crc >> 8) ^ code) & 0xff] as number)
  }
  return crc & 0x3fff
}

function slotOfUncommonString(key: string): number {
  let start = 0
  let end = key.length
  // Braces are single code units in UTF-16 and single bytes in UTF-8, so the tag may be cut out before it is encoded.
  const open = key.indexOf('{')
  if (open !== -1) {
    const close = key.indexOf('}', open + 1)
    if (close > open + 1) {
      start = open + 1
      end = close
    }
  }
  let crc = 0
  for (let i = start; i < end; i++) {
    const code = key.charCodeAt(i)
    if (code > 0x7f) {
      const bytes = Buffer.from(key.slice(start, end))
      return crcOfBytes(bytes, 0, bytes.length)
    }
    crc = (crc << 8) ^ (table[((crc >> 8) ^ code) & 0xff] as number)
  }
  return crc & 0x3fff
}

function slotOfBytes(key: Uint8Array): number {
  const open = key.indexOf(openBrace)
  if (open !== -1) {
    const close = key.indexOf(closeBrace, open + 1)
    if (close > open + 1) return crcOfBytes(key, open + 1, close)
  }
  return crcOfBytes(key, 0, key.length)
}

function crcOfBytes(bytes: Uint8Array, start: number, end: number): number {
  let crc = 0
  for (let i = start; i < end; i++) crc = (crc << 8) ^ (table[((crc >> 8) ^ (bytes[i] as number)) & 0xff] as number)
  return crc & 0x3fff
}
