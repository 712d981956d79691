// Failures: the errors a decoder throws. None of them quotes the stream, which may be a user's data.

import { type SlotwiseError, stacklessError } from '../errors.js'
import type { DecoderLimits } from './limits.js'
import { isKnown, Type } from './types.js'

/** A line (a simple string, an error, a header) must end within this many bytes, or it is not a line. */
export const maxLineBytes = 64 * 1024

export function protocolError(what: string): SlotwiseError {
  return stacklessError('SLOTWISE_PROTOCOL', `Invalid reply: ${what}`)
}

export function badType(type: number): SlotwiseError {
  return protocolError(`0x${type.toString(16).padStart(2, '0')} is not a type that may stand here`)
}

export function badLength(): SlotwiseError {
  return protocolError('malformed length')
}

export function missingLineEnd(): SlotwiseError {
  return protocolError('CR LF expected')
}

export function longLine(): SlotwiseError {
  return protocolError(`a line is longer than ${maxLineBytes} bytes`)
}

export function tooDeep(limits: DecoderLimits): SlotwiseError {
  return stacklessError('SLOTWISE_LIMIT_DEPTH', `A reply is nested deeper than ${limits.maxDepth}`)
}

export function tooLong(limits: DecoderLimits): SlotwiseError {
  return stacklessError('SLOTWISE_LIMIT_BULK', `A string in a reply is longer than ${limits.maxBulkBytes} bytes`)
}

export function tooMany(limits: DecoderLimits): SlotwiseError {
  const message = `An aggregate in a reply has more than ${limits.maxAggregateLength} elements`
  return stacklessError('SLOTWISE_LIMIT_AGGREGATE', message)
}

/** What execute() throws for a failure inside it. A string may pass the limit and still be longer than V8 can hold. */
export function asFailure(error: unknown): unknown {
  if ((error as NodeJS.ErrnoException | undefined)?.code !== 'ERR_STRING_TOO_LONG') return error
  return stacklessError('SLOTWISE_LIMIT_BULK', 'A reply is longer than a JavaScript string can be', { cause: error })
}

/** A line that means nothing behind a marker that may be none. */
export function badLine(type: number): SlotwiseError {
  return isKnown(type) && type !== Type.chunk ? badLength() : badType(type)
}
