// Answer: what a command of the fake server replies, before it is known which protocol the connection speaks.
//
// Texts are byte strings: one character for each byte (latin1), so that any key or value survives.

/** A string is a bulk string, a number or bigint an integer, null the null bulk string, an array an array. */
export type Answer =
  | string
  | number
  | bigint
  | null
  | readonly Answer[]
  | Simple
  | Failure
  | Pairs
  | Members
  | Push
  | Verbatim
  | NullArray
  | Several
  | Rendered

export class Simple {
  constructor(readonly text: string) {}
}

/** An error reply; the text begins with its code. */
export class Failure {
  constructor(readonly text: string) {}
}

/** A map of RESP3; with RESP2 its keys and values in one array. */
export class Pairs {
  constructor(readonly items: readonly (readonly [Answer, Answer])[]) {}
}

/** A set of RESP3; an array with RESP2. */
export class Members {
  constructor(readonly items: readonly Answer[]) {}
}

/** What is pushed with RESP3; an array with RESP2. */
export class Push {
  constructor(readonly items: readonly Answer[]) {}
}

/** Text that is meant for people: verbatim with RESP3, a bulk string with RESP2. */
export class Verbatim {
  constructor(readonly text: string) {}
}

/** The null array of RESP2, which is the null of RESP3. */
export class NullArray {
  static readonly only = new NullArray()
  private constructor() {}
  readonly isNullArray = true
}

/** Several replies to one command, as SUBSCRIBE gives; none at all where there is no element. */
export class Several {
  constructor(readonly replies: readonly Answer[]) {}
}

/** An answer that has been rendered already, shared by everybody who asks. */
export class Rendered {
  constructor(readonly bytes: Buffer) {}
}

export const ok = new Simple('OK')
export const wrongType = new Failure('WRONGTYPE Operation against a key holding the wrong kind of value')
export const notAnInteger = new Failure('ERR value is not an integer or out of range')
export const syntaxError = new Failure('ERR syntax error')

const bulkOf = (text: string) => `$${text.length}\r\n${text}\r\n`

const listOf = (mark: string, items: readonly Answer[], protocol: 2 | 3) => {
  let text = `${mark}${items.length}\r\n`
  for (const item of items) text += encodeAnswer(item, protocol)
  return text
}

/** The bytes of an answer, one character each. */
export function encodeAnswer(answer: Answer, protocol: 2 | 3): string {
  if (typeof answer === 'string') return bulkOf(answer)
  if (typeof answer === 'number' || typeof answer === 'bigint') return `:${answer}\r\n`
  if (answer === null) return protocol === 3 ? '_\r\n' : '$-1\r\n'
  if (answer instanceof Simple) return `+${answer.text}\r\n`
  if (answer instanceof Failure) return `-${answer.text}\r\n`
  if (answer instanceof NullArray) return protocol === 3 ? '_\r\n' : '*-1\r\n'
  if (answer instanceof Members) return listOf(protocol === 3 ? '~' : '*', answer.items, protocol)
  if (answer instanceof Push) return listOf(protocol === 3 ? '>' : '*', answer.items, protocol)
  if (answer instanceof Several) return answer.replies.map(reply => encodeAnswer(reply, protocol)).join('')
  if (answer instanceof Rendered) return answer.bytes.toString('latin1')
  if (answer instanceof Verbatim) {
    return protocol === 3 ? `=${answer.text.length + 4}\r\ntxt:${answer.text}\r\n` : bulkOf(answer.text)
  }
  if (answer instanceof Pairs) {
    let text = protocol === 3 ? `%${answer.items.length}\r\n` : `*${answer.items.length * 2}\r\n`
    for (const [key, value] of answer.items) text += encodeAnswer(key, protocol) + encodeAnswer(value, protocol)
    return text
  }
  return listOf('*', answer, protocol)
}
