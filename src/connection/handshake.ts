// Handshake: what a new connection says before it serves calls. Pure: plans steps and reads their outcomes.
// Sources: HELLO, AUTH, SELECT, CLIENT SETNAME and CLIENT SETINFO command pages.

import { ReplyError, replyError, type SlotwiseError, stacklessError } from '../errors.js'

export interface HandshakeOptions {
  /** `auto` asks for RESP3 and falls back to RESP2 where the server does not know HELLO. */
  protocol: 'auto' | 2 | 3
  username: string | null
  password: string | null
  /** Number of the database to select; 0 needs no step. */
  database: number
  /** Name for CLIENT LIST; null for none. */
  name: string | null
  /** Sends the library's name and version, for CLIENT LIST. */
  clientInfo: boolean
  /** Stands behind the library's name in CLIENT LIST, in brackets; none by default. */
  clientInfoTag?: string
  /** Sends READONLY: a replica of a cluster then answers reads. Default false. */
  readOnly?: boolean
  /** Plans the steps in place of `handshakeSteps`. */
  plan?: (options: HandshakeOptions, protocol: 2 | 3) => HandshakeStep[]
  /** Is told of steps that failed and do no harm, where they are to be reported. */
  onReport?: (error: ReplyError) => void
  /** A server that wants no password is given none, and this is called; by default the handshake fails. */
  onUnneededPassword?: (message: string) => void
}

export interface HandshakeStep {
  name: string
  args: string[]
  /** What an error reply means. */
  onError: 'auth' | 'fallback' | 'fail' | 'report' | 'ignore'
}

/** Name and version as CLIENT LIST shows them. */
export const library = { name: 'slotwise', version: '6.0.0' }

/** The steps for one protocol version, in the order in which they are written, all at once. */
export function handshakeSteps(options: HandshakeOptions, protocol: 2 | 3): HandshakeStep[] {
  if (options.plan !== undefined) return options.plan(options, protocol)
  const steps: HandshakeStep[] = []
  const { username, password, name } = options
  if (protocol === 3) {
    const args = ['3']
    if (password !== null) args.push('AUTH', username ?? 'default', password)
    if (name !== null) args.push('SETNAME', name)
    steps.push({ name: 'HELLO', args, onError: options.protocol === 'auto' ? 'fallback' : 'fail' })
  } else {
    if (password !== null) {
      steps.push({ name: 'AUTH', args: username === null ? [password] : [username, password], onError: 'auth' })
    }
    if (name !== null) steps.push({ name: 'CLIENT', args: ['SETNAME', name], onError: 'fail' })
  }
  if (options.clientInfo) {
    // Servers before 7.2 do not know it; nothing depends on it.
    const tagged = options.clientInfoTag === undefined ? library.name : `${library.name}(${options.clientInfoTag})`
    steps.push({ name: 'CLIENT', args: ['SETINFO', 'LIB-NAME', tagged], onError: 'ignore' })
    steps.push({ name: 'CLIENT', args: ['SETINFO', 'LIB-VER', library.version], onError: 'ignore' })
  }
  if (options.database !== 0) steps.push({ name: 'SELECT', args: [String(options.database)], onError: 'fail' })
  if (options.readOnly === true) steps.push({ name: 'READONLY', args: [], onError: 'ignore' })
  // RESP2 without a password has no step that a server must answer well: this one tells a server that says nothing, or wants a
  // password, from one that is ready.
  if (protocol === 2 && password === null) steps.push({ name: 'PING', args: [], onError: 'ignore' })
  return steps
}

export type HandshakeOutcome =
  | { kind: 'ready' }
  | { kind: 'fallback' }
  /** The server has no password; see `onUnneededPassword`. */
  | { kind: 'unneeded-password'; message: string }
  | { kind: 'failed'; error: SlotwiseError }

/** Reads the outcome of all steps; `replies[i]` answers `steps[i]`. The first decisive error counts. */
export function handshakeOutcome(
  steps: readonly HandshakeStep[],
  replies: readonly unknown[],
  endpoint: string,
  lenient = false,
): HandshakeOutcome {
  for (let i = 0; i < steps.length; i++) {
    const step = steps[i] as HandshakeStep
    const reply = replies[i]
    if (!(reply instanceof ReplyError)) continue
    if (lenient && isUnneeded(reply)) return { kind: 'unneeded-password', message: reply.message }
    if (isAuthError(reply) || step.onError === 'auth') {
      return { kind: 'failed', error: stepError('SLOTWISE_AUTH_FAILED', step, reply, endpoint) }
    }
    if (step.onError === 'ignore' || step.onError === 'report') continue
    if (step.onError === 'fallback' && isHelloUnknown(reply)) return { kind: 'fallback' }
    return { kind: 'failed', error: stepError('SLOTWISE_HANDSHAKE_FAILED', step, reply, endpoint) }
  }
  return { kind: 'ready' }
}

/** Error replies of the steps that are to be reported. */
export function handshakeReports(steps: readonly HandshakeStep[], replies: readonly unknown[]): ReplyError[] {
  return replies.filter(
    (reply, i): reply is ReplyError => steps[i]?.onError === 'report' && reply instanceof ReplyError,
  )
}

function isAuthError(error: ReplyError): boolean {
  return error.code === 'WRONGPASS' || error.code === 'NOAUTH' || isUnneeded(error)
}

function isUnneeded(error: ReplyError): boolean {
  return /without any password configured|no password is set/i.test(error.message)
}

/** Redis before 6 and most proxies answer `ERR unknown command`, a server with only RESP2 answers NOPROTO. */
function isHelloUnknown(error: ReplyError): boolean {
  return (
    error.code === 'NOPROTO' ||
    (error.code === 'ERR' && /unknown command|unsupported|not supported|syntax error/i.test(error.message))
  )
}

function stepError(
  code: SlotwiseError['code'],
  step: HandshakeStep,
  reply: ReplyError,
  endpoint: string,
): SlotwiseError {
  const cause = withoutSecrets(reply, step)
  return stacklessError(code, `${endpoint} refused ${step.name}: ${cause.message}`, {
    endpoint,
    phase: 'handshake',
    cause,
  })
}

/**
 * What the server said, without what we said to it: servers repeat the first bytes of the arguments of a command they do not
 * know, and ours hold the password.
 */
function withoutSecrets(reply: ReplyError, { name, args }: HandshakeStep): ReplyError {
  const [text = ''] = reply.message.split(/,? with args beginning with/)
  const password = name.toUpperCase() === 'AUTH' ? args.at(-1) : args[1] === 'AUTH' ? args[3] : undefined
  const repeated = password !== undefined && password !== '' && text.includes(password)
  const shown = replyError(repeated ? `${reply.code} (not shown: it repeats the password)` : text)
  return Object.assign(shown, {
    command: name,
    args: args.map(arg => (password !== undefined && arg === password ? '?' : arg)),
  })
}
