// Dial: one attempt to reach a server, up to an open socket (and, with TLS, a verified peer).
// Owns    the socket until it hands it over.
// Born    in a Node's connect attempt.
// Dies    once: by handing the socket over, by failing, or by cancel().
// Holds   exactly one of onOpen and onFailed is called, and neither after cancel().

import { connect, isIP, type LookupFunction, type NetConnectOpts, type Socket } from 'node:net'
import { checkServerIdentity, TLSSocket, type ConnectionOptions as TlsOptions, connect as tlsConnect } from 'node:tls'
import { isLocalExhaustion, type SlotwiseError, stacklessError } from '../errors.js'
import type { Endpoint } from './endpoint.js'
import { Intake } from './intake.js'
import { failureOfLookup } from './lookup.js'
import type { SocketEntry, SocketLedger } from './socket-ledger.js'

export interface DialOptions {
  /** TLS options of Node (`ca`, `cert`, `key`, `servername`, …); null for plain TCP. */
  tls: TlsOptions | null
  /** Idle time before TCP probes the peer, in milliseconds. */
  keepAliveMs: number
  /** Sends small writes at once. Default true. */
  noDelay?: boolean
  /** IP version of looked-up addresses: 4, 6, or 0 for either. Default 0. */
  family?: number
  /** Looks names up in place of Node's `dns.lookup`. */
  lookup?: LookupFunction
}

export interface DialListener {
  onOpen(socket: Socket, entry: SocketEntry): void
  onFailed(error: SlotwiseError): void
}

/** Closes the attempt; nothing is reported after it. */
export interface Dial {
  cancel(): void
}

/** Starts an attempt. Every socket it makes is entered in the ledger. */
export function dial(endpoint: Endpoint, options: DialOptions, ledger: SocketLedger, listener: DialListener): Dial {
  const socket = options.tls === null ? openPlain(endpoint, options) : openSocket(endpoint, options)
  return watch(socket, options.tls !== null, endpoint, ledger, listener)
}

/** An attempt by somebody else's means: `open` gives the socket, open or opening. */
export function dialBy(
  open: () => Promise<Socket>,
  endpoint: Endpoint,
  ledger: SocketLedger,
  listener: DialListener,
): Dial {
  let cancelled = false
  let watched: Dial | null = null
  const onSocket = (socket: Socket) => {
    if (cancelled) socket.destroy()
    else if (socket.destroyed) listener.onFailed(dialError(endpoint, socket.errored ?? undefined))
    else if (socket.connecting) watched = watch(socket, socket instanceof TLSSocket, endpoint, ledger, listener)
    else listener.onOpen(socket, ledger.enter(socket, 'dialing', endpoint.key))
  }
  const onFailed = (cause: unknown) => {
    if (!cancelled) listener.onFailed(dialError(endpoint, cause))
  }
  // Asked for at once; what comes of it is told in a turn of its own.
  new Promise<Socket>(resolve => resolve(open())).then(onSocket, onFailed)
  return {
    cancel() {
      cancelled = true
      watched?.cancel()
    },
  }
}

/** Watches a socket until it is open. */
function watch(
  socket: Socket,
  secure: boolean,
  endpoint: Endpoint,
  ledger: SocketLedger,
  listener: DialListener,
): Dial {
  const entry = ledger.enter(socket, 'dialing', endpoint.key)
  const opened = secure ? 'secureConnect' : 'connect'

  const release = () => {
    socket.off(opened, onOpen)
    socket.off('error', onError)
    socket.off('close', onClose)
  }
  const fail = (cause: unknown) => {
    release()
    abandon(socket, entry)
    listener.onFailed(dialError(endpoint, cause))
  }
  const onOpen = () => {
    release()
    listener.onOpen(socket, entry)
  }
  const onError = (error: Error) => fail(error)
  const onClose = () => fail(undefined)

  socket.on(opened, onOpen)
  socket.on('error', onError)
  socket.on('close', onClose)
  return {
    cancel() {
      release()
      abandon(socket, entry)
    },
  }
}

/** The sockets on which TLS sockets of ours run. */
const carriers = new WeakMap<Socket, Socket>()

/** A socket that is opening; whoever asks for it owns it. */
export function openSocket(endpoint: Endpoint, options: DialOptions): Socket {
  const target = targetOf(endpoint, options)
  const plain = connect(target)
  if (options.tls === null) return plain
  const secured = tlsConnect({
    ...target,
    ...options.tls,
    ...identity(endpoint, options.tls),
    socket: plain,
  } as TlsOptions)
  carriers.set(secured, plain)
  return secured
}

/** A plain socket for a Connection and nobody else: what it reads is taken with takeFrom(), and is told by no event. */
export function openPlain(endpoint: Endpoint, options: DialOptions): Socket {
  const intake = new Intake()
  const socket = connect({ ...targetOf(endpoint, options), onread: intake.onread })
  intake.of(socket)
  return socket
}

function targetOf(endpoint: Endpoint, options: DialOptions): NetConnectOpts {
  if (endpoint.path !== undefined) return { path: endpoint.path }
  return {
    host: endpoint.host,
    port: endpoint.port,
    noDelay: options.noDelay ?? true,
    keepAlive: true,
    keepAliveInitialDelay: options.keepAliveMs,
    ...(options.family !== undefined && { family: options.family }),
    ...(options.lookup !== undefined && { lookup: options.lookup }),
  }
}

/** Who the peer is to prove to be. Certificates name hosts, as a rule, and SNI forbids addresses (RFC 6066, section 3). */
function identity({ host, servername }: Endpoint, said: TlsOptions): TlsOptions {
  if (said.servername !== undefined) return {}
  if (isIP(host) === 0) return host === '' ? {} : { servername: host }
  if (servername === undefined) return {}
  if (said.checkServerIdentity !== undefined) return { servername }
  return {
    servername,
    // The server is known by its address as well as by that name: a certificate for either is its own.
    checkServerIdentity: (name, certificate) => {
      const mismatch = checkServerIdentity(name, certificate)
      return mismatch !== undefined && checkServerIdentity(host, certificate) === undefined ? undefined : mismatch
    },
  }
}

/**
 * Ends a socket from this side; destroys it when the peer has not closed it in time.
 * @param limitMs what the peer is given, in milliseconds
 */
export function endSocket(socket: Socket, limitMs: number): void {
  if (socket.closed) return
  const timer = setTimeout(() => socket.destroy(), limitMs)
  socket.once('close', () => clearTimeout(timer))
  socket.end()
}

/** Destroys a socket nobody waits for any more; a late error of it concerns nobody. */
export function abandon(socket: Socket, entry: SocketEntry): void {
  socket.on('error', ignore)
  if (!socket.closed) entry.move('closing')
  socket.destroy()
}

/**
 * The same for a peer that has been silent: resets the connection, so that the kernel does not go on to deliver what was written. Calls that have
 * failed would be carried out when the network is back, after later ones. Unix sockets are closed as ever.
 */
export function abandonUndelivered(socket: Socket, entry: SocketEntry): void {
  const carrier = carriers.get(socket) ?? socket
  // Node resets plain TCP sockets only, and throws for others.
  if (carrier.remoteAddress !== undefined && !(carrier instanceof TLSSocket)) carrier.resetAndDestroy()
  abandon(socket, entry)
}

function ignore(): void {}

function dialError(endpoint: Endpoint, error: unknown): SlotwiseError {
  const cause = failureOfLookup(error)
  const details = { endpoint: endpoint.key, phase: 'dial' as const, cause }
  if (isLocalExhaustion(cause)) {
    const code = (cause as NodeJS.ErrnoException).code
    return stacklessError('SLOTWISE_LOCAL_EXHAUSTION', `This host cannot open another socket (${code})`, details)
  }
  const reason = cause instanceof Error ? cause.message : 'closed by the peer'
  const name = endpoint.servername === undefined ? '' : ` (${endpoint.servername})`
  return stacklessError('SLOTWISE_CONNECT_FAILED', `Cannot connect to ${endpoint.key}${name}: ${reason}`, details)
}
