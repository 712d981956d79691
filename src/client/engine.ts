// Engine: the composition root: everything between a call and the servers.
// Owns    the turn, issuer, ledger, dial gate, topology, refresher and router.
// Born    with the client that it drives; dials nothing before the first call or connect().
// Dies    by close() or destroy(), in reverse order of building.
// Holds   issued = settled + queued + in flight; after close() or destroy() everything is settled.

import { type Call, type CallExtras, CallFlag, type Outcome } from '../command/call.js'
import { type Argument, blockingTimeoutMs, CommandFlag, type CommandName } from '../command/command.js'
import { closedError, Issuer } from '../command/issuer.js'
import type { Access } from '../connection/access.js'
import type { Endpoint } from '../connection/endpoint.js'
import { SocketLedger } from '../connection/socket-ledger.js'
import { type ErrorDetails, SlotwiseError } from '../errors.js'
import { DialGate } from '../node/dial-gate.js'
import type { Node } from '../node/node.js'
import { newOrigin } from '../observe.js'
import type { Subscriptions } from '../pubsub/subscriptions.js'
import { Router } from '../routing/router.js'
import { TopologyRefresher } from '../topology/refresher.js'
import { ClusterSource } from '../topology/source.js'
import { Topology } from '../topology/topology.js'
import { Turn } from '../turn.js'
import { accessOf } from './access-of.js'
import { type Cache, cacheOf } from './cache-of.js'
import { ConnectWaiters } from './connect-waiters.js'
import { type Inspection, inspect, inspectNode, type NodeInspection } from './inspection.js'
import { nodeNews, type Told } from './node-news.js'
import { nodeOptions } from './node-options.js'
import type { ClientObserver } from './observer.js'
import type { ClientConfig } from './options.js'
import { OutageWatch } from './outage-watch.js'
import { markBlocking, type Prepared, timeoutOf } from './prepare.js'
import type { SessionHost } from './session.js'
import { sessionHost } from './session-host.js'
import { situationOf } from './situation.js'
import { type ClientState, clientTransitions } from './states.js'
import { subscriptionsOf } from './subscribe.js'
import { topologyNews } from './topology-news.js'

export class Engine {
  #state: ClientState = 'idle'
  readonly #config: ClientConfig
  readonly #turn = new Turn()
  readonly #ledger: SocketLedger
  readonly #gate: DialGate
  readonly #access: Access | null
  readonly #issuer: Issuer
  readonly #topology: Topology
  readonly #router: Router
  readonly #refresher: TopologyRefresher | null
  readonly #connectWaiters = new ConnectWaiters()
  readonly #observer: ClientObserver
  readonly #outage: OutageWatch
  #subscriptions: Subscriptions | null = null
  /** Whether there are slots. */
  readonly clustered: boolean
  /** Answers reads before anything is sent; null when nothing is cached. */
  readonly cache: Cache | null
  #closing: Promise<void> | null = null

  constructor(config: ClientConfig, observer: ClientObserver = {}) {
    this.#config = config
    this.clustered = config.clustered
    this.#observer = observer
    this.#gate = new DialGate(config.exhaustionPauseMs)
    const origin = newOrigin(config.name)
    this.#ledger = new SocketLedger(origin)
    this.#issuer = new Issuer(config, this.#turn, (call, error) => observer.translate?.(call, error) ?? error, origin)
    this.#access = accessOf(config, this.#issuer)
    const context = {
      access: this.#access,
      options: nodeOptions(config),
      issuer: this.#issuer,
      turn: this.#turn,
      ledger: this.#ledger,
      gate: this.#gate,
      listener: nodeNews(this.#told()),
    }
    this.#topology = new Topology(config.seeds, context, topologyNews(observer, origin), config)
    this.#outage = new OutageWatch(this.#topology, this.#gate, this.#turn, observer, () => this.destroy())
    this.#router = new Router(config, this.#topology, this.#issuer, {
      onEvidence: (evidence, hint) => this.#refresher?.ring(evidence, hint),
      situation: () => situationOf(this.#topology, this.#refresher),
    })
    this.cache = cacheOf(config, this, this.#issuer, this.#turn, this.#topology, this.#router)
    const source = new ClusterSource(this.#issuer, config)
    const listener = {
      onRefreshed: (changed: boolean) => this.#onRefreshed(changed),
      onAskFailed: (node: Node, error: Error) => this.#onAskFailed(node, error),
      onRefreshFailed: () => this.#onRefreshed(false),
    }
    const refresher = () => new TopologyRefresher(this.#topology, source, { ...config, origin }, listener)
    this.#refresher = config.clustered ? refresher() : null
  }

  /** Where the client is in its life; `degraded` means that a node in use has no connection. */
  get state(): ClientState {
    return this.#state
  }

  // ---- calls

  /**
   * Makes a call for an API built on top of this one: nothing is checked, and no promise is made.
   *
   * @param slot where it goes; -1 for any node
   * @param flags CallFlag bits
   * @param timeoutMs from now to settlement, in milliseconds; `noTimeoutMs` for none
   * @param resolve gets the outcome: a reply, or a failure as a rejected promise (or as it is, with CallFlag.errorAsValue)
   * @param extras what few calls have
   */
  submit(
    name: CommandName,
    args: readonly Argument[],
    slot: number,
    flags: number,
    timeoutMs: number,
    resolve: (outcome: Outcome) => void,
    extras: CallExtras | null = null,
  ): void {
    // What is called on hold waits for whoever holds it, even for the first attempt.
    if (this.#state === 'idle' && !this.#router.onHold) this.#open((name.spec.flags & CommandFlag.blocking) === 0)
    const call = this.#issuer.issue(name, args, slot, flags | CallFlag.translated, timeoutMs, resolve)
    if (extras !== null) call.extras = extras
    if ((name.spec.flags & CommandFlag.blocking) !== 0) {
      const blockingMs = blockingTimeoutMs(name.spec, args)
      if (blockingMs !== null) markBlocking(call, blockingMs)
    }
    this.#dispatch(call)
  }

  #dispatch(call: Call): void {
    if (this.#state === 'closing' || this.#state === 'closed')
      call.failWith('SLOTWISE_CLOSED', 'The client is closed', { phase: 'close' })
    else this.#router.dispatch(call)
  }

  /** Keeps what is called (true), until it is let go (false), for an API that knows better when the cluster is of use. */
  set onHold(holds: boolean) {
    if (holds) this.#router.hold()
    else this.#router.release()
  }

  /** Who serves what, for an API built on top of this one. */
  get topology(): Pick<Topology, 'map' | 'view' | 'nodes' | 'primaries' | 'nodeFor' | 'locate'> {
    return this.#topology
  }

  /**
   * Asks for the topology; several who ask meanwhile ask once.
   * @returns when it has been told
   * @throws SLOTWISE_REFRESH_FAILED when nobody who was asked could tell it
   */
  async refresh(): Promise<void> {
    if (this.#state === 'idle') this.#open()
    await this.#refresher?.nextRound()
  }

  /** Makes a call that has been prepared, and sends it. */
  start(prepared: Prepared, flags: number, resolve: (outcome: Outcome) => void): void {
    if (prepared.node === null && this.cache?.take(prepared, flags, resolve) === true) return
    const call = this.issue(prepared, resolve, flags)
    if (!call.settled) this.#dispatch(call)
  }

  /** Makes a call that has been prepared. */
  issue({ command, args, slot, options, node }: Prepared, resolve: (outcome: Outcome) => void, flags = 0): Call {
    const { spec } = command
    const blocks = (spec.flags & CommandFlag.blocking) !== 0
    if (this.#state === 'idle') this.#open(!blocks)
    const blockingMs = blocks ? blockingTimeoutMs(spec, args) : null
    const timeoutMs = timeoutOf(options, blockingMs, this.#config.timeoutMs)
    const told = this.cache?.onIssue(spec, args, resolve) ?? resolve
    const call = this.#issuer.issue(command, args, slot, options.flags | flags, timeoutMs, told)
    if (blockingMs !== null) markBlocking(call, blockingMs)
    if (node !== null) call.extras = { ...call.extras, pinnedTo: node }
    if (options.signal !== null) this.#issuer.watch(call, options.signal)
    return call
  }

  /** What the client's users want to hear of. */
  get subscriptions(): Subscriptions {
    if (this.#state === 'idle' && !this.#router.onHold) this.#open()
    if (this.#subscriptions === null) {
      const isAwake = () => this.#state !== 'idle'
      this.#subscriptions = subscriptionsOf(this.#issuer, this.#turn, this.#topology, this.#refresher, isAwake)
      if (this.#state === 'closing' || this.#state === 'closed') this.#subscriptions.end(closedError())
    }
    return this.#subscriptions
  }

  /** What sessions need of it. */
  get sessionHost(): SessionHost {
    if (this.#state === 'idle') this.#open()
    return sessionHost(this, this.#topology, this.#refresher, this.#router, this.#config.timeoutMs)
  }

  // ---- life

  #to(next: ClientState): void {
    if (!clientTransitions[this.#state].includes(next)) throw new Error(`Engine: ${this.#state} -> ${next}`)
    this.#state = next
  }

  /** @param dials false where nothing has been called yet that needs the shared connection of a server */
  #open(dials = true): void {
    this.#to('starting')
    if (this.#config.findSeeds !== undefined) void this.#findSeeds(this.#config.findSeeds)
    else if (this.#refresher !== null) this.#refresher.ring('urgent')
    else this.#topology.fix(this.#config.seeds[0] as Endpoint)
    if (dials || this.#refresher !== null) for (const node of this.#topology.nodes) node.open()
  }

  /** Has other seeds from now on, once they have been found, and dials at once. */
  reseed(find: () => Promise<readonly Endpoint[]>): void {
    this.#outage.endPause()
    void this.#findSeeds(find)
  }

  async #findSeeds(find: () => Promise<readonly Endpoint[]>): Promise<void> {
    try {
      this.#topology.seeds = await find()
      this.#refresher?.ring('urgent')
    } catch (error) {
      this.#observer.onNoSeeds?.(error as Error)
    }
  }

  /**
   * Connects without making a call. Calls need not wait for it.
   *
   * @returns when a server is usable (of a cluster: when the topology is known, too)
   * @throws SLOTWISE_CONNECT_TIMEOUT after `timeoutMs`, with the last failure as cause; the client goes on trying.
   *   SLOTWISE_CLOSED when the client is closed
   */
  connect(): Promise<void> {
    if (this.#state === 'idle') this.#open()
    if (this.#state === 'ready' || this.#state === 'degraded') return Promise.resolve()
    if (this.#state !== 'starting') return Promise.reject(closedError())
    const { timeoutMs } = this.#config
    return this.#connectWaiters.wait(timeoutMs, () => {
      const details: ErrorDetails = {
        phase: 'dial',
        elapsedMs: timeoutMs,
        ...situationOf(this.#topology, this.#refresher),
      }
      return new SlotwiseError('SLOTWISE_CONNECT_TIMEOUT', `No server was usable within ${timeoutMs} ms`, details)
    })
  }

  /** Derives ready or degraded from what the nodes and the map say. */
  #assess(): void {
    if (this.#state !== 'starting' && this.#state !== 'ready' && this.#state !== 'degraded') return
    const nodes = this.#topology.nodes
    const known = this.#refresher === null || this.#topology.view !== null
    if (this.#state === 'starting' && !(known && nodes.some(node => node.isUsable))) return
    const whole = nodes.every(node => node.isReady || node.state === 'idle' || node.state === 'connecting')
    const next = whole ? 'ready' : 'degraded'
    const usable = this.#state === 'starting'
    if (next !== this.#state) this.#to(next)
    this.#connectWaiters.settle()
    if (usable) this.#observer.onUsable?.()
  }

  /**
   * Takes no more calls, gives open ones `closeTimeoutMs` to settle, fails the rest with SLOTWISE_CLOSED, closes every socket.
   * @returns when the last socket has closed
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    if (this.#state !== 'closed') {
      this.#to('closing')
      this.#subscriptions?.end(closedError())
      this.cache?.end()
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, this.#config.closeTimeoutMs)
        this.#issuer.whenIdle(() => {
          clearTimeout(timer)
          resolve()
        })
      })
      this.destroy()
    }
    await new Promise<void>(resolve => this.#ledger.whenEmpty(resolve))
  }

  /**
   * Ends every connection from this side: what is written may still be answered, everything else fails with SLOTWISE_CLOSED.
   * @returns when the last socket has closed, after `drainTimeoutMs` at the latest
   */
  finish(): Promise<void> {
    this.#closing ??= this.#state === 'closed' ? this.#close() : this.#finish()
    return this.#closing
  }

  async #finish(): Promise<void> {
    this.#to('closing')
    this.cache?.end()
    const reason = closedError()
    this.#subscriptions?.end(reason)
    this.#refresher?.stop()
    this.#router.stop(reason)
    this.#topology.finish(reason)
    await new Promise<void>(resolve => this.#ledger.whenEmpty(resolve))
    this.destroy()
  }

  /** Ends at once: every open call fails with SLOTWISE_CLOSED, every socket and timer is closed. */
  destroy(): void {
    if (this.#state === 'closed') return
    this.#to('closed')
    this.#outage.stop()
    const reason = closedError()
    this.#subscriptions?.end(reason)
    this.#connectWaiters.settle(reason)
    this.#refresher?.stop()
    this.#router.stop(reason)
    this.#topology.destroy(reason)
    this.#access?.stop()
    this.cache?.stop()
  }

  // ---- what is reported

  #told(): Told {
    const engine = this
    return {
      get topology() {
        return engine.#topology
      },
      get refresher() {
        return engine.#refresher
      },
      get router() {
        return engine.#router
      },
      get outage() {
        return engine.#outage
      },
      get subscriptions() {
        return engine.#subscriptions
      },
      get cache() {
        return engine.cache
      },
      observer: this.#observer,
      assess: () => engine.#assess(),
    }
  }

  #onAskFailed(node: Node, error: Error): void {
    this.#observer.onAskFailed?.(node, error)
    this.#outage.onAskFailed(node, error)
  }

  #onRefreshed(changed: boolean): void {
    if (changed) this.#subscriptions?.onTopologyChanged()
    if (changed) this.cache?.onTopologyChanged()
    if (changed) this.#router.onMapChanged()
    else if (this.#router.hasParked || this.#topology.hasWaiting) this.#refresher?.ring('waiting')
    this.#assess()
    if (this.#refresher?.lastError !== null) return
    this.#outage.onRefreshed()
    this.#observer.onRefreshed?.(changed)
  }

  // ---- looking at it

  /** Plain numbers, counted now. Costs time in proportion to the calls that are open. */
  inspect(): Inspection {
    const parts = [this.#issuer, this.#ledger, this.#gate, this.#router, this.#topology, this.#refresher] as const
    return inspect(this.#state, ...parts, this.cache)
  }

  /** The servers the client knows, and how it gets on with each. */
  nodes(): NodeInspection[] {
    return this.#topology.nodes.map(inspectNode)
  }
}
