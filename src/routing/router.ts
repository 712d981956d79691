// Router: takes each call to the node that serves it, and acts on what comes back instead of a reply.
// Owns    calls nobody serves yet, and the pauses before calls are tried again.
// Born    with the client.
// Dies    by stop(), which fails what it holds.
// Holds   a call is in the queue of one node, parked, or in a pause.

import { type Call, CallFlag } from '../command/call.js'
import type { Issuer } from '../command/issuer.js'
import { CallQueue, type HandBack } from '../connection/call-queue.js'
import type { Endpoint } from '../connection/endpoint.js'
import { type ErrorDetails, parseRedirect, type Redirect, type ReplyError, type SlotwiseError } from '../errors.js'
import type { Node } from '../node/node.js'
import { redirectChannel } from '../observe.js'
import type { Evidence } from '../topology/refresher.js'
import type { Topology } from '../topology/topology.js'
import { LatencyProbe } from './latency-probe.js'
import { Pauses } from './pauses.js'
import { chooseReader, type ReadFacts, type ReadFrom } from './read-policy.js'
import { endedByReply, mayResend, type ResendMode, verdict } from './verdict.js'

export interface RouterOptions {
  /** False for a standalone server. */
  clustered: boolean
  /** MOVED and ASK replies one call may get. */
  maxRedirects: number
  /**
   * Pause before a call is tried again after TRYAGAIN, CLUSTERDOWN, LOADING, READONLY or MASTERDOWN, or when its connection has been
   * lost twice, in milliseconds.
   */
  retryDelayMs: number
  /** Other pauses for some of them, in milliseconds: 0 gives such a reply to the caller, and follows MOVED at once. */
  retryDelaysMs?: Readonly<Partial<Record<'TRYAGAIN' | 'CLUSTERDOWN' | 'MOVED' | 'LOST', number>>>
  /**
   * For clients whose calls have no deadline: how often one is tried again. So many times after TRYAGAIN or a lost connection, ten
   * times as many while the cluster is not in order, as a failover takes its time. By default only the deadline ends it.
   */
  maxRetries?: number
  resend: ResendMode
  /** Who answers reads. By default the primary. */
  readFrom?: ReadFrom
}

export interface RouterListener {
  /** The slot map may be out of date. */
  onEvidence(evidence: Evidence, hint: Node | null): void
  /** Why there is no slot map, for calls that wait for one. */
  situation(): ErrorDetails
}

/** Set: it only reads. Not set: it must be the primary that answers. */
const mayBeCopy = CallFlag.readOnly | CallFlag.fromPrimary | CallFlag.pinned

export class Router {
  readonly #options: RouterOptions
  readonly #topology: Topology
  readonly #issuer: Issuer
  readonly #listener: RouterListener
  /** Calls whose slot nobody serves, until the next view. */
  readonly #parked: CallQueue
  /** Calls before another try. */
  readonly #pauses: Pauses
  #onHold = false
  #stopReason: SlotwiseError | null = null
  /** MOVED replies followed. */
  moved = 0
  /** ASK replies followed. */
  asked = 0
  /** Calls tried again after a pause. */
  retries = 0
  /** Reads sent to a replica. */
  replicaReads = 0
  readonly #probe: LatencyProbe | null
  readonly #facts: ReadFacts

  constructor(options: RouterOptions, topology: Topology, issuer: Issuer, listener: RouterListener) {
    this.#options = options
    this.#topology = topology
    this.#issuer = issuer
    this.#listener = listener
    this.#parked = new CallQueue(() => listener.situation())
    const probed = () => topology.readyNodes()
    this.#probe = options.readFrom === 'lowest-latency' ? new LatencyProbe(issuer, probed) : null
    this.#facts = { latencyMs: node => this.#probe?.latencyMs(node) ?? null, random: Math.random }
    this.#pauses = new Pauses(issuer, calls => {
      for (const call of calls) this.dispatch(call)
    })
  }

  /** Sends the call to the node that serves its slot, or keeps it until there is one. */
  dispatch(call: Call): void {
    const slot = call.slot
    if (this.#onHold && !call.has(CallFlag.pinned)) {
      this.#park(call)
      return
    }
    if (this.#pauses.holds(slot)) {
      this.#pauses.add(call, this.#options.retryDelayMs)
      return
    }
    const node = slot < 0 ? this.#nodeWithoutSlot(call) : (this.#ownerFor(call) ?? this.#nodeForUncovered())
    if (node === null) this.#park(call)
    else if (node.state === 'retired') this.#failRetired(node, call)
    else node.send(call)
  }

  #nodeWithoutSlot(call: Call): Node | null {
    return call.has(CallFlag.pinned) ? ((call.extras?.pinnedTo as Node | undefined) ?? null) : this.#topology.anyNode()
  }

  /** The primary, or for a read whom the policy chooses. */
  #ownerFor(call: Call): Node | null {
    const { map } = this.#topology
    const { readFrom = 'primary' } = this.#options
    const readAt = call.extras?.readAt as Node | undefined
    if ((readFrom === 'primary' && readAt === undefined) || (call.flags & mayBeCopy) !== CallFlag.readOnly) {
      return map.primaryOf(call.slot)
    }
    const shard = map.shardOf(call.slot)
    if (shard === null) return null
    for (const replica of shard.replicas) replica.open()
    const chosen = readAt?.isReady === true ? readAt : chooseReader(shard, readFrom, this.#facts)
    if (chosen !== shard.primary) {
      call.flags |= CallFlag.fromReplica
      this.replicaReads++
    }
    return chosen
  }

  /** Where tries are counted, a call whose slot nobody serves is to be told so by a server. */
  #nodeForUncovered(): Node | null {
    return this.#options.maxRetries === undefined ? null : this.#topology.anyNode()
  }

  /** Only a call for this very node can find it retired: every other goes by the map, which names it no longer. */
  #failRetired(node: Node, call: Call): void {
    const endpoint = node.endpoint.key
    call.failWith('SLOTWISE_CONNECTION_LOST', `${endpoint} has left the cluster`, { endpoint, phase: 'queue' })
  }

  get onHold(): boolean {
    return this.#onHold
  }

  /** Keeps every call but those for one certain node, until release(). */
  hold(): void {
    this.#onHold = true
  }

  release(): void {
    if (!this.#onHold) return
    this.#onHold = false
    this.onMapChanged()
  }

  #park(call: Call): void {
    if (this.#stopReason !== null) {
      call.fail(this.#stopReason)
      return
    }
    if (!this.#issuer.admit(call, this.#listener.situation)) return
    this.#issuer.startAge(call)
    this.#parked.push(call)
    if (!this.#onHold) this.#listener.onEvidence('waiting', null)
  }

  // ---- what comes back

  /** An error reply came for the call: follows it, tries again later, or gives it to the caller. */
  onReplyError(node: Node, call: Call, error: ReplyError): void {
    const { clustered } = this.#options
    const itsOwn = call.has(CallFlag.pinned) || (call.slot < 0 && error.code === 'MOVED')
    const outcome = clustered && itsOwn ? ({ kind: 'fail' } as const) : verdict(error, clustered)
    const pauseMs = this.#pauseMs(error.code)
    if (clustered && itsOwn && error.code === 'MOVED') this.learn(node, error)
    if (outcome.kind === 'fail' || this.#stopReason !== null || (outcome.kind === 'retry' && pauseMs === 0)) {
      call.fail(call.has(CallFlag.translated) ? error : Object.assign(error, { command: call.spec.name }))
      return
    }
    const fromReplica = call.has(CallFlag.fromReplica)
    // The reply proves that the command has not run.
    call.markUnsent(false, error)
    if (fromReplica && (outcome.kind === 'retry' || outcome.kind === 'moved')) {
      // A replica that cannot answer is no reason to wait: the primary can.
      call.flags |= CallFlag.fromPrimary
      this.#listener.onEvidence('redirect', null)
      this.dispatch(call)
      return
    }
    if (outcome.kind === 'retry') {
      if (error.code === 'CLUSTERDOWN') node.saidDownAt = performance.now()
      if (outcome.evidence !== null) this.#listener.onEvidence(outcome.evidence, null)
      const { maxRetries = Infinity } = this.#options
      if ((call.extras?.retries ?? 0) > (outcome.evidence === null ? 1 : 10) * maxRetries) {
        this.#failTossed(node, call, error)
        return
      }
      this.retries++
      this.#pauses.add(call, pauseMs)
      return
    }
    if (!this.#countRedirect(node, call, error)) return
    const to = this.#topology.leadsTo(outcome.redirect, node)
    if (redirectChannel.hasSubscribers && to !== null) this.#report(outcome, node, to, call)
    if (outcome.kind === 'moved') this.#onMoved(node, call, outcome.redirect.slot, to)
    else this.#onAsk(node, call, to)
  }

  #pauseMs(reason: string): number {
    const { retryDelayMs, retryDelaysMs } = this.#options
    return retryDelaysMs?.[reason as 'MOVED'] ?? retryDelayMs
  }

  /** False when the call has been sent elsewhere too often; it has then failed. */
  #countRedirect(node: Node, call: Call, error: ReplyError): boolean {
    const extras = (call.extras ??= {})
    extras.redirects = (extras.redirects ?? 0) + 1
    if (extras.redirects <= this.#options.maxRedirects) return true
    this.#failTossed(node, call, error)
    return false
  }

  #failTossed(node: Node | null, call: Call, error: ReplyError | SlotwiseError): void {
    const { redirects = 0, retries = 0 } = call.extras ?? {}
    const message = `Redirected ${redirects} times, tried again ${retries - redirects} times, last: ${error.message}`
    const endpoint = node === null ? {} : { endpoint: node.endpoint.key }
    call.failWith('SLOTWISE_TOO_MANY_REDIRECTS', message, { cause: error, ...endpoint })
  }

  /** Takes note of a redirect that its caller is to see: the next call goes to the right place. */
  learn(node: Node, error: ReplyError): void {
    const redirect = parseRedirect(error)
    if (redirect === null || this.#stopReason !== null) return
    const to = this.#topology.leadsTo(redirect, node)
    if (to === null || to.key === node.endpoint.key) return
    this.#topology.assign(redirect.slot, to)
    this.#listener.onEvidence('redirect', node)
  }

  #report(
    { kind, redirect }: { kind: 'moved' | 'ask'; redirect: Redirect },
    from: Node,
    to: Endpoint,
    call: Call,
  ): void {
    const client = this.#issuer.origin
    const { slot } = redirect
    redirectChannel.publish({ client, kind, slot, from: from.endpoint.key, to: to.key, command: call.spec.name })
  }

  #onMoved(node: Node, call: Call, slot: number, endpoint: Endpoint | null): void {
    this.moved++
    const extras = (call.extras ??= {})
    if (endpoint === null || endpoint.key === node.endpoint.key || endpoint.key === extras.movedBy) {
      // Nodes that redirect to themselves, or to each other, are of two minds: following them would only turn in a circle. One that does not know
      // where to may say more when it is asked.
      delete extras.movedBy
      // Its address may lead somewhere else by now.
      node.renew()
      this.#listener.onEvidence('urgent', endpoint === null ? node : null)
      this.#pauses.add(call, this.#options.retryDelayMs)
      return
    }
    extras.movedBy = node.endpoint.key
    const target = this.#topology.assign(slot, endpoint)
    this.#listener.onEvidence('redirect', node)
    const pauseMs = this.#options.retryDelaysMs?.MOVED ?? 0
    if (pauseMs === 0) target.send(call)
    else this.#pauses.add(call, pauseMs)
  }

  #onAsk(node: Node, call: Call, endpoint: Endpoint | null): void {
    this.asked++
    if (endpoint === null) {
      this.#listener.onEvidence('urgent', node)
      this.#pauses.add(call, this.#options.retryDelayMs)
      return
    }
    if (!this.#topology.has(endpoint)) this.#listener.onEvidence('redirect', node)
    call.flags |= CallFlag.asking
    this.#topology.nodeFor(endpoint).send(call)
  }

  /** A node can no longer serve these calls: sends again what may be, fails the rest. */
  onHandBack({ unsent, unanswered, due }: HandBack, reason: SlotwiseError): void {
    const again: Call[] = []
    // The reply that could not be read would be as unreadable again, and take the connection of all the others with it again.
    const unreadable = endedByReply(reason) ? due : undefined
    for (const call of unanswered) {
      if (
        this.#stopReason === null &&
        call !== unreadable &&
        mayResend(this.#options.resend, call.has(CallFlag.repeatable))
      ) {
        call.markUnsent(true, reason)
        this.#sendAgain(call, reason, again)
      } else if (this.#stopReason !== null) call.fail(stopped(this.#issuer, call, this.#stopReason))
      else {
        const message = 'The connection was lost before the reply came'
        call.failWith('SLOTWISE_CONNECTION_LOST', message, { cause: reason, phase: 'flight', ...endpointOf(reason) })
      }
    }
    for (const call of unsent) {
      call.markUnsent(call.maybeExecuted, reason)
      again.push(call)
    }
    for (const call of again) {
      if (this.#stopReason === null) this.dispatch(call)
      else call.fail(stopped(this.#issuer, call, this.#stopReason))
    }
  }

  /** What has been lost before waits: it may be what brings the connections down. */
  #sendAgain(call: Call, reason: SlotwiseError, atOnce: Call[]): void {
    const extras = (call.extras ??= {})
    extras.losses = (extras.losses ?? 0) + 1
    if (extras.losses > (this.#options.maxRetries ?? Infinity)) this.#failTossed(null, call, reason)
    else if (extras.losses === 1) atOnce.push(call)
    else this.#pauses.add(call, this.#pauseMs('LOST'))
  }

  /** Another slot map is in use: whatever waits goes where it says. */
  onMapChanged(): void {
    const waiting: Call[] = this.#parked.drain().unsent
    for (const node of this.#topology.nodes) if (node.hasWaiting) waiting.push(...node.takeWaiting())
    // In the order in which they were made, whatever queue they come from.
    waiting.sort((a, b) => a.createdAt - b.createdAt)
    for (const call of waiting) {
      // What waited behind an ASK starts from its owner again.
      call.flags &= ~CallFlag.asking
      this.dispatch(call)
    }
  }

  /** Calls that nobody serves still wait: there is reason to ask again. */
  get hasParked(): boolean {
    return !this.#onHold && this.#parked.unsent !== 0
  }

  // ---- ending

  /** Fails what it holds, and from now on whatever is handed back to it. */
  stop(reason: SlotwiseError): void {
    this.#stopReason = reason
    this.#probe?.stop()
    for (const call of this.#parked.drain().unsent) call.fail(stopped(this.#issuer, call, reason))
    for (const call of this.#pauses.drain()) call.fail(stopped(this.#issuer, call, reason))
  }

  /** Users' calls it holds. */
  countQueued(): number {
    return this.#parked.count().queued + this.#pauses.countQueued()
  }
}

function stopped(issuer: Issuer, call: Call, reason: SlotwiseError): SlotwiseError {
  return issuer.explain(call, reason.code, reason.message, { phase: 'close' })
}

function endpointOf(error: SlotwiseError): ErrorDetails {
  return error.endpoint === undefined ? {} : { endpoint: error.endpoint }
}
