// ClusterEvents: what the core client reports, as the statuses and events that ioredis' users know.
// Owns    nothing; it tells its Cluster.
// Born    with it.
// Dies    with it.
// Holds   only the client made last is listened to.

import { type Client, type ClientObserver, type Node, pause, type SlotwiseError } from '../core.js'
import { noop } from './callback.js'
import type { ClusterOptions } from './cluster-options.js'
import { ClusterAllFailedError, connectionError, translate } from './errors.js'
import type { ClusterStatus } from './status.js'

const unavailable = 'None of startup nodes is available'

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
  readonly currentClient: Client | null
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
  reseed(pauseMs: number): void
}

export class ClusterEvents {
  readonly #cluster: ReportedCluster
  #current = 0
  #lastNodeError: Error | null = null
  /** The slots are known, and the cluster may yet say that it is not in order. */
  #checking = false
  /** Its user's strategy has put an end to it. */
  #gaveUp = false

  constructor(cluster: ReportedCluster) {
    this.#cluster = cluster
  }

  /** Why connect() has failed. */
  closeError(): Error {
    return Object.assign(new Error(unavailable), this.#lastNodeError === null ? {} : { cause: this.#lastNodeError })
  }

  observer(): ClientObserver {
    const cluster = this.#cluster
    const own = ++this.#current
    const listens = () => own === this.#current
    this.#gaveUp = false
    this.#checking = false
    return {
      onNodeAdded: node => {
        if (listens()) queueMicrotask(() => cluster.emit('+node', cluster.handleOf(node)))
      },
      onNodeRemoved: node => {
        if (!listens()) return
        const handle = cluster.forget(node)
        if (handle === undefined) return
        cluster.emit('-node', handle)
        handle.setStatus('end')
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
      onRefreshFailed: error => {
        if (listens()) this.#lastNodeError = error
      },
      onAllFailed: reason => (listens() ? this.#onAllFailed(reason) : null),
      onRetry: () => {
        if (!listens() || cluster.status !== 'reconnecting') return
        cluster.setStatus('connecting')
        // Names may have other addresses by now, and the strategy may have named others.
        cluster.reseed(0)
      },
      onNoSeeds: error => {
        if (!listens()) return
        this.#retryFromTheStart(error)
      },
      translate: (call, error) => {
        const translated = translate(call, error)
        if (this.#gaveUp && (error as SlotwiseError).code === 'SLOTWISE_CLOSED') translated.message = unavailable
        return translated
      },
    }
  }

  #emitNodeError(node: Node, error: Error): void {
    this.#lastNodeError = error
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
    else this.#check()
  }

  /** Asks a node whether the cluster is in order. Source: CLUSTER INFO command page. */
  #check(): void {
    const cluster = this.#cluster
    this.#checking = true
    const own = this.#current
    const node = cluster.nodes().find(handle => handle.status === 'ready')
    const info = node === undefined ? Promise.reject(new Error('No node is ready')) : node.cluster('INFO')
    info.then(
      text => {
        if (own !== this.#current) return
        this.#checking = false
        if (cluster.status !== 'connect') return
        if (/^cluster_state:fail/m.test(String(text))) this.#waitForOrder()
        else this.#onUsable()
      },
      () => {
        if (own !== this.#current) return
        this.#checking = false
        if (cluster.status === 'connect') this.#waitForOrder()
      },
    )
  }

  /** The cluster is not in order: what is called waits, and the next answer about the slots leads to another look. */
  #waitForOrder(): void {
    const cluster = this.#cluster
    cluster.setStatus('disconnecting')
    cluster.setStatus('close')
    this.#hold(true)
    cluster.retryAttempts++
    const delayMs = cluster.options.clusterRetryStrategy?.call(cluster, cluster.retryAttempts, undefined)
    if (typeof delayMs !== 'number') {
      this.#end()
      return
    }
    cluster.setStatus('reconnecting')
    void pause(Math.max(0, delayMs)).then(() => {
      if (cluster.status !== 'reconnecting') return
      cluster.setStatus('connecting')
      cluster.refreshSlotsCache()
    })
  }

  #onUsable(): void {
    const cluster = this.#cluster
    cluster.retryAttempts = 0
    this.#lastNodeError = null
    cluster.setStatus('ready')
    this.#hold(false)
  }

  #onAllFailed(reason: SlotwiseError): number | null {
    const cluster = this.#cluster
    if (cluster.manuallyClosing) return null
    const last = this.#lastNodeError ?? reason
    const error = new ClusterAllFailedError(ClusterAllFailedError.defaultMessage, last)
    cluster.silentEmit('error', Object.assign(error, { cause: reason }))
    cluster.setStatus('close')
    this.#hold(true)
    cluster.callDelayed(this.closeError())
    const delayMs = cluster.options.clusterRetryStrategy?.call(cluster, ++cluster.retryAttempts, undefined)
    if (typeof delayMs !== 'number') {
      this.#gaveUp = true
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
    const delayMs = cluster.options.clusterRetryStrategy?.call(cluster, ++cluster.retryAttempts, error)
    if (typeof delayMs !== 'number') {
      this.#end()
      return
    }
    cluster.setStatus('reconnecting')
    void pause(Math.max(0, delayMs)).then(() => {
      if (cluster.status === 'reconnecting') cluster.connect().catch(noop)
    })
  }

  get #client(): Client | null {
    return this.#cluster.currentClient
  }

  /** Commands wait as long as the cluster is not in order. */
  #hold(holds: boolean): void {
    const client = this.#client
    if (client !== null) client.onHold = holds
  }

  #end(): void {
    this.#gaveUp = true
    this.#client?.destroy()
    this.#cluster.setStatus('end')
  }

  /** No client could be made at all; whoever has asked for it goes on first. */
  onImpossible(error: Error): void {
    queueMicrotask(() => this.#retryFromTheStart(error))
  }

  /** Its user wants another connection to everything. */
  reconnect(): void {
    const cluster = this.#cluster
    cluster.setStatus('reconnecting')
    cluster.refreshSlotsCache()
  }

  /** The client has been closed because its user wanted so. */
  onClosed(): void {
    this.#current++
    const cluster = this.#cluster
    for (const handle of cluster.forgetAll()) {
      cluster.emit('-node', handle)
      handle.setStatus('end')
    }
    cluster.callDelayed(this.closeError())
    cluster.setStatus('close')
    cluster.setStatus('end')
  }
}
