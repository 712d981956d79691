// Errors: every way a call, a connection or a client can fail, and the one place where a server's error text is read.
//
// Users match on `code`; messages are prose and may change. docs/errors.md explains each code to an operator, and a test
// keeps that list equal to this one.

/** Every code this package raises, with the sentence docs/errors.md opens its entry with. */
export const errorCodes = {
  SLOTWISE_INVALID_OPTION: 'A client option is unknown, missing, of the wrong type or out of range.',
  SLOTWISE_INVALID_ARGUMENT: 'A call was made with something that is not a command name, an argument or a call option.',
  SLOTWISE_CROSS_SLOT: 'The keys of one command hash to different slots.',
  SLOTWISE_SESSION_ONLY: 'The command changes the state of its connection, which this client shares between all calls.',
  SLOTWISE_QUEUE_FULL: 'Waiting calls have reached the byte or count bound; this call was refused and never sent.',
  SLOTWISE_QUEUE_EXPIRED: 'The call waited for a usable connection longer than the age bound; it was never sent.',
  SLOTWISE_TIMEOUT: 'The call was not settled before its deadline.',
  SLOTWISE_ABORTED: 'The AbortSignal of the call was aborted.',
  SLOTWISE_CLOSED: 'The client was closed or destroyed before the call was settled.',
  SLOTWISE_CONNECT_FAILED: 'A connection could not be opened: name look-up, TCP or TLS failed.',
  SLOTWISE_CONNECT_TIMEOUT:
    'A connection was not usable within the connect deadline (look-up, TCP, TLS and handshake together).',
  SLOTWISE_HANDSHAKE_FAILED: 'The server refused a step of the handshake.',
  SLOTWISE_AUTH_FAILED: 'The server refused the credentials.',
  SLOTWISE_CREDENTIALS_FAILED: 'The function given for credentials, or for TLS options, has failed.',
  SLOTWISE_LOCAL_EXHAUSTION: 'This process or host has run out of file descriptors, ports or buffers; dialling pauses.',
  SLOTWISE_CONNECTION_LOST: 'The connection was lost while the call was waiting for its reply.',
  SLOTWISE_CONNECTION_SILENT:
    'No bytes arrived for the silence limit while a reply was due; the connection was destroyed.',
  SLOTWISE_PROTOCOL: 'The server sent bytes that are not a valid reply; the connection was destroyed.',
  SLOTWISE_LIMIT_DEPTH: 'A reply is nested deeper than the decoder allows; the connection was destroyed.',
  SLOTWISE_LIMIT_BULK: 'A string in a reply is longer than the decoder allows; the connection was destroyed.',
  SLOTWISE_LIMIT_AGGREGATE:
    'An aggregate in a reply has more elements than the decoder allows; the connection was destroyed.',
  SLOTWISE_TOO_MANY_REDIRECTS: 'The call was redirected more often than the limit allows.',
  SLOTWISE_PARTIAL_FAILURE:
    'A call that consists of several commands has failed in part: some of them were carried out, others were not.',
  SLOTWISE_REFRESH_FAILED: 'No node gave a usable view of the cluster; the cause lists each node asked.',
} as const

/** A code of {@link errorCodes}. */
export type ErrorCode = keyof typeof errorCodes

/** Where in the life of a call or a connection the failure happened. */
export type Phase = 'credentials' | 'dial' | 'handshake' | 'queue' | 'flight' | 'refresh' | 'close'

/** What an error carries besides code and message; every field is left out when it does not apply. */
export interface ErrorDetails {
  /** The failure underneath: a socket error, a server reply, or an AggregateError with one entry for each node tried. */
  cause?: unknown
  /** The server concerned, as `host:port` or a socket path. */
  endpoint?: string
  phase?: Phase
  /** How often the call was handed to a connection, or how many dials in a row failed. */
  attempts?: number
  /** Milliseconds from the start of the call, or of the dial, to the failure. */
  elapsedMs?: number
  /** True when the command was written and may have run; false when it certainly did not. */
  maybeExecuted?: boolean
  /** Name of the command; never its arguments. */
  command?: string
  /** What became of each part of a call that consists of several: by slot for a split command, else by `host:port`. */
  parts?: ReadonlyMap<number | string, 'ok' | Error>
}

/** A failure found by this client. `code` is one of {@link errorCodes}. */
export class SlotwiseError extends Error {
  readonly code: ErrorCode
  declare readonly endpoint?: string
  declare readonly phase?: Phase
  declare readonly attempts?: number
  declare readonly elapsedMs?: number
  declare readonly maybeExecuted?: boolean
  declare readonly command?: string
  declare readonly parts?: ReadonlyMap<number | string, 'ok' | Error>

  constructor(code: ErrorCode, message: string, details?: ErrorDetails) {
    super(message)
    this.code = code
    // Assigned rather than passed to super(): `cause` must be absent, not undefined, when there is none.
    if (details !== undefined) Object.assign(this, details)
  }
}
Object.defineProperty(SlotwiseError.prototype, 'name', { value: 'SlotwiseError', configurable: true, writable: true })

/** What every error has in common that speaks of a server, for programs that ask `instanceof`. */
export class RedisError extends Error {}
Object.defineProperty(RedisError.prototype, 'name', { value: 'RedisError', configurable: true, writable: true })

/** An error reply of the server. `code` is its first word (`WRONGTYPE`, `NOAUTH`, `ERR`, …), `message` the whole text. */
export class ReplyError extends RedisError {
  /** Name of the command that was answered, when known; never its arguments. */
  declare readonly command?: string
  /** Arguments of a step of the handshake, secrets shown as `?`; never those of a call. */
  declare readonly args?: readonly string[]

  get code(): string {
    const space = this.message.indexOf(' ')
    return space === -1 ? this.message : this.message.slice(0, space)
  }
}
Object.defineProperty(ReplyError.prototype, 'name', { value: 'ReplyError', configurable: true, writable: true })

/** Makes a {@link ReplyError} without a stack: it would only show the decoder, and costs more than the reply itself. */
export function replyError(message: string): ReplyError {
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = 0
  const error = new ReplyError(message)
  Error.stackTraceLimit = limit
  return error
}

/** Makes a {@link SlotwiseError} without a stack, for failures that are raised in bulk from the event loop. */
export function stacklessError(code: ErrorCode, message: string, details?: ErrorDetails): SlotwiseError {
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = 0
  const error = new SlotwiseError(code, message, details)
  Error.stackTraceLimit = limit
  return error
}

/** What a `MOVED` or `ASK` reply says. An empty host means the node that answered (cluster spec, "MOVED Redirection"). */
export interface Redirect {
  slot: number
  host: string
  port: number
}

/** Reads `MOVED 3999 127.0.0.1:6381` or `ASK …`; null when the text is not of that form. */
export function parseRedirect(error: ReplyError): Redirect | null {
  const parts = error.message.split(' ')
  if (parts.length < 3 || (parts[0] !== 'MOVED' && parts[0] !== 'ASK')) return null
  const slot = Number(parts[1])
  const address = parts[2] as string
  // The host may be an IPv6 address, so the port is what follows the last colon.
  const colon = address.lastIndexOf(':')
  if (colon === -1) return null
  const port = Number(address.slice(colon + 1))
  if (!Number.isInteger(slot) || slot < 0 || slot > 16383 || !Number.isInteger(port) || port < 1 || port > 65535)
    return null
  return { slot, host: address.slice(0, colon), port }
}

const localExhaustionCodes = new Set(['EMFILE', 'ENFILE', 'EADDRNOTAVAIL', 'ENOBUFS'])

/** True when the error says that this process or host, not the peer, has run out of something. */
export function isLocalExhaustion(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(isLocalExhaustion)
  return localExhaustionCodes.has((error as NodeJS.ErrnoException | undefined)?.code ?? '')
}
