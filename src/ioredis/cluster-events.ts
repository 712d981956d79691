// ClusterEvents: what the core client reports, as the statuses and events that ioredis' users know.
// Owns    nothing; it tells its Cluster.
// Born    with it.
// Dies    with it.
// Holds   only the client made last is listened to.

import { type ClientObserver, type Engine, type Node, pause, type SlotwiseError } from '../core.js'
import { noop } from './callback.js'
import type { ClusterOptions } from './cluster-options.js'
import {
  ClusterAllFailedError,
  CONNECTION_CLOSED_ERROR_MSG,
  connectionError,
  translate,
  withCause,
  withDetails,
} from './errors.js'
import type { ClusterStatus } from './status.js'

export const unavailable = 'None of startup nodes is available'

/** A node's Redis object, as far as it is told of. */
interface Handle {
  readonly status: string
  setStatus(status: 'close' | 'end'): void
  cluster(subcommand: 'INFO'): Promise<unknown>
  adoptReady(): void
}

/** The object whose client is listened to. */
export interface ReportedCluster {
  readonly options: ClusterOptions
  readonly status: ClusterStatus
  readonly manuallyClosing: boolean
  readonly core: Engine | null
  readonly subscriber: { onPrimariesKnown(count: number): void; onUsable(): void; onEnd(message: string): void }
  retryAttempts: number
  setStatus(status: ClusterStatus): void
  emit(event: string, ...args: unknown[]): boolean
  silentEmit(event: string, ...args: unknown[]): boolean
  nodes(): Handle[]
  handleOf(node: Node): Handle
  forget(node: Node): Handle | undefined
  forgetAll(): Handle[]
  onTopologyChanged(): void
  callDelayed(error?: Error): void
  refreshSlotsCache(): void
  connect(): Promise<void>
  failStart(error: Error): void
  reseed(): void
  rebuild(): Engine
}

export class ClusterEvents {
  readonly #cluster: ReportedCluster
  #current = 0
  #lastNodeError: Error | null = null
  /** The slots are known, and the cluster may yet say that it is not in order. */
  #checking = false
  /** Of the client in use: what is called is sent; it was, if the client has been closed since. */
  #life = { usable: false }

  /** Ends the wait before the next attempt. */
  #waiting: AbortController | null = null

  constructor(cluster: ReportedCluster) {
    this.#cluster = cluster
  }

  /** Another attempt is being made, or none will be. */
  stopWaiting(): void {
    this.#waiting?.abort()
    this.#waiting = null
  }

  /** Why connect() has failed. */
  closeError(): Error {
    return Object.assign(new Error(unavailable), this.#lastNodeError === null ? {} : { cause: this.#lastNodeError })
  }

  /** Nobody could tell the slots. */
  allFailed(): ClusterAllFailedError {
    return new ClusterAllFailedError(ClusterAllFailedError.defaultMessage, this.#lastNodeError)
  }

  observer(): ClientObserver {
    const cluster = this.#cluster
    const own = ++this.#current
    const listens = () => own === this.#current
    const life = { usable: false }
    this.#life = life
    this.#checking = false
    return {
      onNodeAdded: node => {
        if (listens()) queueMicrotask(() => cluster.emit('+node', cluster.handleOf(node)))
      },
      onNodeRemoved: node => {
        if (!listens()) return
        const handle = cluster.forget(node)
        // After the nodes that have come instead.
        if (handle !== undefined) queueMicrotask(() => this.#onLeft(handle))
      },
      onNodeReady: node => {
        if (listens()) this.#onNodeReady(node)
      },
      onNodeLost: (node, reason) => {
        if (!listens()) return
        const handle = cluster.handleOf(node)
        handle.setStatus('close')
        const error = connectionError(reason)
        if (error !== null) this.#emitNodeError(node, error)
      },
      onDialFailed: (node, reason) => {
        if (listens()) this.#emitNodeError(node, connectionError(reason) ?? reason)
      },
      onRefreshed: () => {
        if (listens()) this.#onRefreshed()
      },
      onAskFailed: (node, error) => {
        if (listens()) this.#emitNodeError(node, askError(error))
      },
      onAllFailed: reason => (listens() ? this.#onAllFailed(reason) : null),
      onRetry: () => {
        if (!listens() || cluster.status !== 'reconnecting') return
        cluster.setStatus('connecting')
        // Names may have other addresses by now, and the strategy may have named others.
        cluster.reseed()
      },
      onNoSeeds: error => {
        if (!listens()) return
        this.#retryFromTheStart(error)
      },
      translate: (call, error) => {
        const translated = translate(call, error)
        const { code } = error as SlotwiseError
        if (code === 'SLOTWISE_CLOSED' && !life.usable) translated.message = unavailable
        if (code !== 'SLOTWISE_CONNECTION_LOST') return translated
        return withDetails(new Error(CONNECTION_CLOSED_ERROR_MSG), error as SlotwiseError)
      },
    }
  }

  #onLeft(handle: Handle): void {
    this.#cluster.emit('-node', handle)
    handle.setStatus('end')
  }

  #emitNodeError(node: Node, error: Error): void {
    this.#lastNodeError = error
    // Its subscriber cannot be reached either.
    if (this.#cluster.options.shardedSubscribers === true) {
      this.#cluster.emit('nodeError', error, `${node.endpoint.host}:${node.endpoint.port}`)
    }
    this.#cluster.emit('node error', error, `${node.endpoint.host}:${node.endpoint.port}`)
  }

  #onNodeReady(node: Node): void {
    const handle = this.#cluster.handleOf(node)
    handle.adoptReady()
  }

  #onRefreshed(): void {
    const cluster = this.#cluster
    cluster.onTopologyChanged()
    cluster.emit('refresh')
    if (cluster.status !== 'connecting' && cluster.status !== 'reconnecting') return
    if (this.#checking) return
    cluster.callDelayed()
    cluster.setStatus('connect')
    if (cluster.options.enableReadyCheck === false) this.#onUsable()
    else void this.#check()
  }

  /** Asks whether the cluster is in order: one node, and the next one when that says nothing. Source: CLUSTER INFO command page. */
  async #check(): Promise<void> {
    const cluster = this.#cluster
    this.#checking = true
    const own = this.#current
    let inOrder = false
    for (const node of cluster.nodes().filter(({ status }) => status === 'ready')) {
      const asked = node.cluster('INFO').then(
        text => !/^cluster_state:fail/m.test(String(text)),
        () => false,
      )
      const answered = new AbortController()
      const limit = pause(cluster.options.slotsRefreshTimeout ?? 1000, answered.signal)
      const answer = await Promise.race([asked, limit])
      answered.abort()
      if (own !== this.#current) return
      inOrder = answer === true
      if (answer !== undefined) break
    }
    this.#checking = false
    if (cluster.status !== 'connect') return
    if (inOrder) this.#onUsable()
    else this.#waitForOrder()
  }

  /** The cluster is not in order: what is called waits, and the next answer about the slots leads to another look. */
  #waitForOrder(): void {
    const cluster = this.#cluster
    cluster.setStatus('disconnecting')
    cluster.setStatus('close')
    this.#hold(true)
    this.#retry(undefined, () => {
      cluster.setStatus('connecting')
      cluster.refreshSlotsCache()
    })
  }

  #onUsable(): void {
    const cluster = this.#cluster
    cluster.retryAttempts = 0
    this.#lastNodeError = null
    cluster.subscriber.onPrimariesKnown(this.#client?.topology.primaries.length ?? 0)
    cluster.setStatus('ready')
    this.#hold(false)
    cluster.subscriber.onUsable()
  }

  #onAllFailed(reason: Error): number | null {
    const cluster = this.#cluster
    if (cluster.manuallyClosing) return null
    this.#lastNodeError ??= reason
    cluster.silentEmit('error', withCause(this.allFailed(), reason))
    cluster.setStatus('close')
    this.#hold(true)
    cluster.callDelayed(this.closeError())
    const delayMs = cluster.options.clusterRetryStrategy?.call(cluster, ++cluster.retryAttempts, undefined)
    if (typeof delayMs !== 'number') {
      cluster.subscriber.onEnd(unavailable)
      cluster.setStatus('end')
      return null
    }
    cluster.setStatus('reconnecting')
    return Math.max(0, delayMs)
  }

  /** The startup nodes' names could not be looked up. */
  #retryFromTheStart(error: Error): void {
    const cluster = this.#cluster
    cluster.failStart(error)
    cluster.setStatus('close')
    cluster.callDelayed(error)
    this.#retry(error, () => cluster.connect().catch(noop))
  }

  get #client(): Engine | null {
    return this.#cluster.core
  }

  /** Commands wait as long as the cluster is not in order. */
  #hold(holds: boolean): void {
    const client = this.#client
    this.#life.usable = !holds
    if (client !== null) client.onHold = holds
  }

  #end(): void {
    this.#life.usable = false
    this.#client?.destroy()
    this.#cluster.subscriber.onEnd(unavailable)
    this.#cluster.setStatus('end')
  }

  /** No client could be made at all; whoever has asked for it goes on first. */
  onImpossible(error: Error): void {
    queueMicrotask(() => {
      // No other attempt would find other options.
      const isFinal = (error as SlotwiseError).code === 'SLOTWISE_INVALID_OPTION'
      if (!isFinal) {
        this.#retryFromTheStart(error)
        return
      }
      this.#cluster.failStart(error)
      this.#cluster.silentEmit('error', error)
      this.#end()
    })
  }

  /** Its user wants another connection to everything. What is called meanwhile waits for it. */
  reconnect(): void {
    const cluster = this.#cluster
    const { core: client } = cluster
    if (client === null || cluster.status === 'disconnecting') return
    cluster.setStatus('disconnecting')
    const next = cluster.rebuild()
    void client.finish().then(() => {
      if (cluster.core !== next || cluster.manuallyClosing) return
      this.#forgetNodes()
      cluster.setStatus('close')
      this.#retry(undefined, () => cluster.connect().catch(noop))
    })
  }

  #forgetNodes(): void {
    for (const handle of this.#cluster.forgetAll()) this.#onLeft(handle)
  }

  /** Asks its user's strategy when to try again, and does, unless something else has been done until then. */
  #retry(reason: Error | undefined, again: () => void): void {
    const cluster = this.#cluster
    const delayMs = cluster.options.clusterRetryStrategy?.call(cluster, ++cluster.retryAttempts, reason)
    if (typeof delayMs !== 'number') {
      this.#end()
      return
    }
    cluster.setStatus('reconnecting')
    const waiting = new AbortController()
    this.#waiting = waiting
    void pause(Math.max(0, delayMs), waiting.signal).then(() => {
      if (cluster.status === 'reconnecting' && !waiting.signal.aborted) again()
    })
  }

  /** The client has been closed because its user wanted so. */
  onClosed(): void {
    this.#current++
    this.stopWaiting()
    const cluster = this.#cluster
    this.#forgetNodes()
    cluster.callDelayed(this.closeError())
    cluster.subscriber.onEnd(unavailable)
    cluster.setStatus('close')
    cluster.setStatus('end')
  }
}

/** What the `node error` event shows of a node that has not told the slots. */
function askError(error: Error): Error {
  return (error as SlotwiseError).code === 'SLOTWISE_TIMEOUT' ? withCause(new Error('timeout'), error) : error
}
