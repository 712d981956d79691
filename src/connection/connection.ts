// Connection: one socket, one life.
// Owns    the socket, its decoder, the outbox, the queue of unanswered calls and the liveness watch.
// Born    in Node, from a socket that a Dial has opened.
// Dies    once: by close(), destroy(), the loss of the socket or its silence. It never reconnects; a new Connection does.
// Holds   replies arrive in send order, so queue.sent === frames written - replies seen.

import type { Socket } from 'node:net'
import { type Call, CallFlag, formatFlags, formatShift, noTimeoutMs, type ReplyCollector } from '../command/call.js'
import type { Issuer } from '../command/issuer.js'
import { ReplyError, type SlotwiseError, stacklessError } from '../errors.js'
import { createDecoder } from '../resp/create-decoder.js'
import { type DecoderLimits, type Reply, type ReplyDecoder, ReplyFormat, type ReplySink } from '../resp/decoder.js'
import type { KnownArray } from '../resp/known-array.js'
import type { AtTurnEnd, Turn } from '../turn.js'
import { CallQueue, type HandBack } from './call-queue.js'
import { abandon, abandonUndelivered } from './dial.js'
import type { Endpoint } from './endpoint.js'
import { type Greeter, greet } from './greeting.js'
import type { HandshakeOptions } from './handshake.js'
import { takeFrom } from './intake.js'
import type { LivenessLimits, Silence } from './liveness.js'
import { LivenessWatch, type Watched } from './liveness-watch.js'
import { Outbox } from './outbox.js'
import { Prelude } from './prelude.js'
import { asText, isMonitorLine, kindOf, pushKind } from './pushes.js'
import { closing, lost, unreadable } from './reasons.js'
import type { SocketEntry, Use } from './socket-ledger.js'
import { type ConnectionState, connectionTransitions } from './states.js'

export interface ConnectionOptions extends LivenessLimits {
  handshake: HandshakeOptions
  limits: DecoderLimits
  /** Integers as strings. */
  stringNumbers: boolean
  /** Whether pushes are wanted, and come as Buffers. */
  pushes: boolean
}

/** News for the owner. */
export interface ConnectionListener {
  onReady(): void
  /** An error reply has come for the call, which is in nobody's hands but the listener's. */
  onReplyError(call: Call, error: ReplyError): void
  /** News that nobody asked for: `message`, `subscribe`, `monitor`, … With option `pushes`, strings as Buffers. */
  onPush?(kind: string, items: readonly Reply[]): void
  /** Everything that was called has been answered. */
  onIdle?(): void
  /** Nobody waits any more for a reply that is still to come. */
  onForsaken?(): void
  /** Called once. The calls handed back are the listener's. */
  onClosed(reason: SlotwiseError, handBack: HandBack): void
}

/** A reply due for this long, with no bytes since, means that the connection makes no progress. */
export const stallMs = 250

export class Connection implements ReplySink, AtTurnEnd, Watched {
  #state: ConnectionState = 'handshaking'
  readonly endpoint: Endpoint
  readonly #socket: Socket
  readonly #entry: SocketEntry
  readonly #options: ConnectionOptions
  readonly #issuer: Issuer
  readonly #turn: Turn
  readonly #use: Use
  readonly #listener: ConnectionListener
  readonly #queue: CallQueue
  readonly #outbox: Outbox
  readonly #prelude = new Prelude()
  /** As the server has told it in the handshake; null where it has not. */
  serverVersion: string | null = null
  #decoder: ReplyDecoder
  #scheduled = false
  #lastReadAt: number
  /** Since when a reply has been due, had nothing been read since. */
  #dueSince = 0
  #watch: LivenessWatch | null = null
  /** RESP2 only: channels and patterns subscribed to, by the server's count. */
  #subscribed = 0
  /** The server sends what others do, since MONITOR. */
  #monitoring = false

  constructor(
    socket: Socket,
    entry: SocketEntry,
    endpoint: Endpoint,
    options: ConnectionOptions,
    issuer: Issuer,
    turn: Turn,
    use: Use,
    listener: ConnectionListener,
  ) {
    this.endpoint = endpoint
    this.#socket = socket
    this.#entry = entry
    this.#options = options
    this.#issuer = issuer
    this.#turn = turn
    this.#use = use
    this.#listener = listener
    this.#lastReadAt = turn.now()
    this.#queue = new CallQueue(
      () => ({ endpoint: this.endpoint.key }),
      () => this.#listener.onForsaken?.(),
    )
    this.#outbox = new Outbox(socket, this.#queue)
    const protocol = options.handshake.protocol === 2 ? 2 : 3
    this.#decoder = this.#newDecoder(protocol)
    takeFrom(socket, chunk => this.#onData(chunk))
    socket.on('drain', () => this.#outbox.onDrain())
    socket.on('error', (error: Error) => this.#onLost(error))
    socket.on('end', () => this.#onLost(undefined))
    socket.on('close', () => this.#onLost(undefined))
    greet(this.#greeter(), options.handshake, protocol)
  }

  get state(): ConnectionState {
    return this.#state
  }

  /** 2 or 3, as agreed with the server. */
  get protocol(): 2 | 3 {
    return this.#decoder.protocol
  }

  #to(next: ConnectionState): void {
    if (!connectionTransitions[this.#state].includes(next)) throw new Error(`Connection: ${this.#state} -> ${next}`)
    this.#state = next
  }

  #newDecoder(protocol: 2 | 3): ReplyDecoder {
    const { limits, stringNumbers, pushes } = this.#options
    return createDecoder(protocol, this, limits, { stringNumbers, pushBuffers: pushes })
  }

  /** When something was read last, on the clock of the turn. */
  get lastReadAt(): number {
    return this.#lastReadAt
  }

  /** Everything that was called has been answered. */
  get isIdle(): boolean {
    return this.#queue.length === 0
  }

  /** For those who look at it; it is not theirs. */
  get socket(): Socket {
    return this.#socket
  }

  // ---- handshake

  #greeter(): Greeter {
    return {
      endpoint: this.endpoint,
      isGreeting: () => this.#state === 'handshaking',
      say: (name, args, onReply) => this.#push(this.#issuer.issueInternal(name, args, noTimeoutMs, 0, onReply)),
      fallBack: () => {
        this.#decoder = this.#newDecoder(2)
      },
      onGreeted: version => this.#onHandshaken(version),
      onRefused: error => this.destroy(error),
    }
  }

  #onHandshaken(version: string | null): void {
    this.serverVersion = version
    this.#to('ready')
    this.#entry.move(this.#use)
    this.#watch = new LivenessWatch(this.#options, this)
    this.#listener.onReady()
  }

  // ---- sending

  /** Queues the call; it is written at the end of this turn of the event loop. The connection must be ready. */
  send(call: Call): void {
    for (const { name, args } of this.#prelude.before(call)) {
      this.#push(this.#issuer.issueInternal(name, args, noTimeoutMs, 0, ignore))
    }
    if ((call.flags & CallFlag.stamped) !== 0) (call.extras ??= {}).carrier = this
    this.#push(call)
  }

  #push(call: Call): void {
    if (this.#queue.length === 0) this.#dueSince = this.#turn.now()
    this.#queue.push(call)
    if (this.#scheduled) return
    this.#scheduled = true
    this.#turn.schedule(this)
  }

  onTurnEnd(): void {
    this.#scheduled = false
    if (this.#state !== 'closed') this.#outbox.flush()
  }

  /** True when a reply has been due for a while and nothing has come. What is sent now waits, and is bounded as such. */
  isStalled(now: number): boolean {
    return this.#queue.sent !== 0 && now - Math.max(this.#lastReadAt, this.#dueSince) > stallMs
  }

  // ---- receiving

  #onData(chunk: Buffer): void {
    this.#lastReadAt = this.#turn.now()
    try {
      this.#decoder.execute(chunk)
    } catch (error) {
      this.destroy(unreadable(this.endpoint.key, error))
    }
  }

  nextFormat(): number {
    const head = this.#queue.peekSent()
    const flags = head?.flags ?? 0
    if (this.#subscribed !== 0 || (flags & CallFlag.several) !== 0) {
      // RESP2 has pushes come as replies, and their strings are wanted as Buffers.
      const mayBePush = this.#subscribed !== 0 || head?.extras?.collector?.parts === null
      if (mayBePush && this.protocol === 2 && this.#options.pushes) return ReplyFormat.buffers
    }
    // The bits of a call in flight, not branches: this runs once a reply.
    return (flags & formatFlags) >> formatShift
  }

  expectedRaw(): KnownArray | null {
    return this.#queue.peekSent()?.extras?.expectedRaw ?? null
  }

  onReply(value: Reply): void {
    if (this.#monitoring && isMonitorLine(value)) {
      this.#listener.onPush?.('monitor', [value])
      return
    }
    const head = this.#queue.peekSent()
    if (this.#subscribed !== 0 || (head !== undefined && (head.flags & CallFlag.several) !== 0)) {
      this.#onReplyAmongOthers(head, value)
    } else this.#answer(value)
    if (this.#state === 'draining') this.#closeIfDrained()
  }

  #answer(value: Reply): void {
    const call = this.#answered()
    if (call === undefined) return
    if (call.spec.name === 'MONITOR') this.#monitoring = true
    call.fulfil(value)
  }

  onError(error: ReplyError): void {
    const head = this.#queue.peekSent()
    const collector = head?.extras?.collector
    if (collector !== undefined && collector.parts !== null) {
      if (collector.take(error)) this.#conclude(collector)
    } else this.#answerError(error)
    if (this.#state === 'draining') this.#closeIfDrained()
  }

  #answerError(error: ReplyError): void {
    const call = this.#answered()
    if (call === undefined) return
    if (call.settled || call.has(CallFlag.internal)) call.fail(error)
    else this.#listener.onReplyError(call, error)
  }

  // ---- replies that are not one for each call

  /** A reply of a call that gets several, or (RESP2) a push in the guise of a reply. */
  #onReplyAmongOthers(head: Call | undefined, value: Reply): void {
    if (this.protocol === 2 && this.#options.pushes) {
      const kind = pushKind(value)
      if (kind !== null) {
        this.#onPushed(kind, value as Reply[])
        return
      }
    }
    const collector = head?.extras?.collector
    if (collector === undefined || collector.parts === null) {
      const forced = this.#subscribed !== 0 && head !== undefined && !head.has(CallFlag.buffers)
      this.#answer(forced ? asText(value) : value)
    } else if (collector.take(value)) this.#conclude(collector)
  }

  #conclude(collector: ReplyCollector): void {
    const outcome = collector.outcome()
    if (outcome instanceof ReplyError) this.#answerError(outcome)
    else this.#answer(outcome)
  }

  onPush(items: Reply[]): void {
    if (!this.#options.pushes || this.#state === 'closed') return
    this.#onPushed(kindOf(items[0]), items)
    if ((this.#state as ConnectionState) === 'draining') this.#closeIfDrained()
  }

  #onPushed(kind: string, items: readonly Reply[]): void {
    // The count is the server's, over channels and patterns; it is not sent with messages.
    if (this.protocol === 2 && kind.endsWith('subscribe')) this.#subscribed = Number(items[2])
    const collector = this.#queue.peekSent()?.extras?.collector
    const last = collector?.takePush(kind, items) ?? null
    this.#listener.onPush?.(kind, items)
    if (last === true) this.#conclude(collector as ReplyCollector)
  }

  #answered(): Call | undefined {
    if (this.#state === 'closed') return undefined
    const call = this.#queue.shiftSent()
    if (call === undefined) {
      const message = `${this.endpoint.key} sent a reply that no command asked for`
      this.destroy(stacklessError('SLOTWISE_PROTOCOL', message, { endpoint: this.endpoint.key }))
    } else if (this.#queue.length === 0) this.#listener.onIdle?.()
    return call
  }

  // ---- liveness

  /** For its watch; null when it has ended. */
  silence(): Silence | null {
    if (this.#state === 'closed') return null
    const head = this.#queue.peekSent()
    const replyDue = head !== undefined
    const since = replyDue ? Math.max(this.#lastReadAt, this.#dueSince) : this.#lastReadAt
    return { silentMs: this.#turn.now() - since, replyDue, blockingMs: head?.extras?.blockingMs ?? 0 }
  }

  onSilent(): void {
    // Calls that wait for the socket to drain are as good a question as a PING.
    if (this.#queue.length === 0) this.#push(this.#issuer.issueInternal('PING', [], noTimeoutMs, 0, ignore))
  }

  onDead(silentMs: number): void {
    const message = `${this.endpoint.key} sent nothing for ${silentMs} ms while a reply was due`
    const details = { endpoint: this.endpoint.key, elapsedMs: silentMs }
    this.destroy(stacklessError('SLOTWISE_CONNECTION_SILENT', message, details))
  }

  // ---- ending

  /** Takes no more calls, lets those it has be answered, then closes. */
  close(): void {
    if (this.#state === 'handshaking') this.destroy(closing(this.endpoint.key))
    if (this.#state !== 'ready') return
    this.#to('draining')
    this.#closeIfDrained()
  }

  #closeIfDrained(): void {
    if (this.#state === 'draining' && this.#queue.length === 0) this.destroy(closing(this.endpoint.key))
  }

  /**
   * Writes what has been called, then ends this side of the socket; the peer answers what it has got, if it cares to, and closes.
   * Its owner sees to it that this comes to an end.
   */
  finish(): void {
    if (this.#state === 'handshaking') this.destroy(closing(this.endpoint.key))
    if (this.#state !== 'ready') return
    this.#outbox.flush()
    this.#socket.end()
  }

  /** Closes now. Calls without a reply go back to the listener; the client's own fail. */
  destroy(reason: SlotwiseError): void {
    if (this.#state === 'closed') return
    this.#to('closed')
    this.#watch?.stop()
    const stalled = this.isStalled(this.#turn.now())
    const { unsent, unanswered, due } = this.#queue.drain()
    if (stalled) abandonUndelivered(this.#socket, this.#entry)
    else abandon(this.#socket, this.#entry)
    for (const call of unsent) if (call.has(CallFlag.internal)) call.fail(reason)
    for (const call of unanswered) if (call.has(CallFlag.internal)) call.fail(reason)
    this.#listener.onClosed(reason, { unsent: unsent.filter(isUsers), unanswered: unanswered.filter(isUsers), due })
  }

  #onLost(cause: Error | undefined): void {
    if (this.#state === 'closed') return
    this.destroy(lost(this.endpoint.key, this.#state === 'handshaking' ? 'handshake' : 'flight', cause))
  }

  /** Users' calls it holds. */
  count(): { queued: number; inFlight: number } {
    return this.#queue.count()
  }
}

function ignore(): void {}

function isUsers(call: Call): boolean {
  return !call.has(CallFlag.internal)
}
