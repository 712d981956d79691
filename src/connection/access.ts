// Access: what an attempt to connect needs and its user has to be asked for: credentials that change, TLS options that are renewed.
// Owns    the question that is open, and the timer before live connections are given new credentials.
// Born    with the client, where its user gives a function in place of values.
// Dies    by stop().
// Holds   one question at a time, whoever asks; nothing is kept for the next attempt; a user's failure is an attempt's failure, never more.

import type { ConnectionOptions as TlsOptions } from 'node:tls'
import { CallFlag } from '../command/call.js'
import type { Issuer } from '../command/issuer.js'
import { stacklessError } from '../errors.js'
import type { Connection } from './connection.js'
import type { Use } from './socket-ledger.js'

/** What a server is told who we are. */
export interface Credentials {
  /** ACL user. Default: the server's default user. */
  username?: string
  password: string
  /** When they end, on the clock of Date.now(); live connections are given new ones before. Default: never. */
  expiresAtMs?: number
}

export type CredentialsProvider = () => Credentials | Promise<Credentials>
export type TlsProvider = () => TlsOptions | Promise<TlsOptions>

/** What an attempt was given; null for what is not asked for. */
export interface Granted {
  credentials: Credentials | null
  tls: TlsOptions | null
}

/** Between two questions that are to renew what has not been renewed, in milliseconds. */
const retryMs = 1000
/** Longest time that a timer can measure. */
const maxTimerMs = 2 ** 31 - 1

/**
 * How long to wait before credentials are renewed: long enough before the end, and not all clients of one age at once.
 * @param leftMs until they end
 * @param random from 0 to 1
 * @returns milliseconds, 75 to 90 % of what is left; at least 1
 */
export function renewalDelayMs(leftMs: number, random: number): number {
  return Math.max(1, Math.min(leftMs * (0.75 + 0.15 * random), maxTimerMs))
}

export class Access {
  readonly #credentials: CredentialsProvider | null
  readonly #tls: TlsProvider | null
  readonly #issuer: Issuer
  readonly #timeoutMs: number
  #question: Promise<Granted> | null = null
  readonly #live = new Set<Connection>()
  #timer: NodeJS.Timeout | null = null
  #stopped = false
  /** Times that live connections have been given new credentials. */
  renewals = 0
  /** For each connection, how many of those it has seen. */
  readonly #seen = new WeakMap<Connection, number>()

  /** @param timeoutMs what a server has to answer AUTH, and the user a question that is to renew, in milliseconds */
  constructor(credentials: CredentialsProvider | null, tls: TlsProvider | null, issuer: Issuer, timeoutMs: number) {
    this.#credentials = credentials
    this.#tls = tls
    this.#issuer = issuer
    this.#timeoutMs = timeoutMs
  }

  /**
   * Asks the user, or joins the question that is open.
   * @throws SLOTWISE_CREDENTIALS_FAILED with what the user's function threw as its cause
   */
  ask(): Promise<Granted> {
    if (this.#question !== null) return this.#question
    const question = this.#ask()
    this.#question = question
    const over = () => this.abandon(question)
    question.then(over, over)
    return question
  }

  /** Whoever waited for this answer does so no longer: the next one asks anew. */
  abandon(question: Promise<Granted>): void {
    if (this.#question === question) this.#question = null
  }

  async #ask(): Promise<Granted> {
    const [credentials, tls] = await Promise.all([
      this.#credentials === null ? null : answerOf('credentials', this.#credentials, checkCredentials),
      this.#tls === null ? null : answerOf('tls', this.#tls, checkTls),
    ])
    if (credentials !== null) this.#renewBefore(credentials)
    return { credentials, tls }
  }

  // ---- live connections

  /** A connection is usable. */
  onOpened(connection: Connection, use: Use): void {
    if (this.#credentials === null) return
    this.#seen.set(connection, this.renewals)
    // A lane may be in the middle of a transaction, and a RESP2 connection that is subscribed takes no AUTH.
    if (use === 'shared' || (use === 'subscriber' && connection.protocol === 3)) this.#live.add(connection)
  }

  onClosed(connection: Connection): void {
    this.#live.delete(connection)
  }

  /** True when it was opened with credentials that have been renewed since, and has not been given the new ones. */
  isOutdated(connection: Connection): boolean {
    return (this.#seen.get(connection) ?? this.renewals) < this.renewals
  }

  #renewBefore({ expiresAtMs }: Credentials): void {
    if (expiresAtMs === undefined || this.#stopped) return
    this.#renewIn(renewalDelayMs(expiresAtMs - Date.now(), Math.random()))
  }

  #renewIn(delayMs: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#renew(), delayMs)
    // It keeps no process alive: without connections there is nothing to renew.
    this.#timer.unref()
  }

  async #renew(): Promise<void> {
    this.#timer = null
    // A user that does not answer is asked again.
    this.#renewIn(Math.max(retryMs, this.#timeoutMs))
    const question = this.ask()
    try {
      const { credentials } = await question
      if (this.#stopped || credentials === null) return
      if (credentials.expiresAtMs === undefined && this.#timer !== null) clearTimeout(this.#timer)
      this.renewals++
      for (const connection of this.#live) this.#authenticate(connection, credentials)
    } catch {
      // Live connections have what they had; the next attempt tells its own failure.
      if (!this.#stopped) this.#renewIn(retryMs)
    }
  }

  #authenticate(connection: Connection, { username, password }: Credentials): void {
    this.#seen.set(connection, this.renewals)
    const args = username === undefined ? [password] : [username, password]
    const flags = CallFlag.errorAsValue
    // A server that refuses leaves the connection as it was.
    connection.send(this.#issuer.issueInternal('AUTH', args, this.#timeoutMs, flags, () => undefined))
  }

  stop(): void {
    this.#stopped = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#live.clear()
  }
}

async function answerOf<T>(option: string, ask: () => unknown, check: (answer: unknown) => answer is T): Promise<T> {
  let cause: unknown
  try {
    const answer = await ask()
    if (check(answer)) return answer
    cause = new TypeError('it gave something else than what it is for')
  } catch (error) {
    cause = error
  }
  const reason = cause instanceof Error ? cause.message : 'it was rejected'
  throw stacklessError('SLOTWISE_CREDENTIALS_FAILED', `Option ${option}: ${reason}`, { phase: 'credentials', cause })
}

function checkCredentials(answer: unknown): answer is Credentials {
  if (typeof answer !== 'object' || answer === null) return false
  const { username, password, expiresAtMs } = answer as Record<string, unknown>
  return (
    typeof password === 'string' &&
    (username === undefined || typeof username === 'string') &&
    (expiresAtMs === undefined || Number.isFinite(expiresAtMs))
  )
}

function checkTls(answer: unknown): answer is TlsOptions {
  return typeof answer === 'object' && answer !== null && !Array.isArray(answer)
}
