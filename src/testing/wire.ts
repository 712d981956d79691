// Wire: raw RESP for the handlers of a fake server, and the text of byte strings.

/** Answers nothing at all, not even what there is a standard answer for. */
export const silence: unique symbol = Symbol('silence')

/** A bulk string. */
export const bulk = (text: string): string => `$${Buffer.byteLength(text)}\r\n${text}\r\n`

/** An array of replies that are raw RESP themselves. */
export const array = (items: readonly string[]): string => `*${items.length}\r\n${items.join('')}`

/** The redirect to a server of 127.0.0.1 that owns the slot. */
export const moved = (slot: number, to: { readonly port: number }): string => `-MOVED ${slot} 127.0.0.1:${to.port}\r\n`

/** The redirect to a server of 127.0.0.1 that the slot is moving to. */
export const ask = (slot: number, to: { readonly port: number }): string => `-ASK ${slot} 127.0.0.1:${to.port}\r\n`

// biome-ignore lint/suspicious/noControlCharactersInRegex: the very question is whether a text is ASCII.
const beyondAscii = /[^\x00-\x7f]/

/** The text that a byte string spells in UTF-8. */
export function textOfBytes(bytes: string): string {
  return beyondAscii.test(bytes) ? Buffer.from(bytes, 'latin1').toString('utf8') : bytes
}

/** The byte string of a text in UTF-8. */
export function bytesOfText(text: string): string {
  return beyondAscii.test(text) ? Buffer.from(text, 'utf8').toString('latin1') : text
}
