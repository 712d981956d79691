// ClusterErrors: Cluster.handleError(), which tools call that send commands to nodes by themselves.

import { pause } from '../core.js'
import type { ClusterOptions } from './cluster-options.js'
import { CONNECTION_CLOSED_ERROR_MSG } from './errors.js'

type Handler = (...args: unknown[]) => void

export interface ErrorHandlers {
  moved?: Handler
  ask?: Handler
  tryagain?: Handler
  clusterDown?: Handler
  connectionClosed?: Handler
  maxRedirections?: Handler
  defaults?: Handler
}

/**
 * Calls the handler of what the error asks for, after the pause that goes with it.
 * @param ttl redirects that are left, counted down here; from `maxRedirections` on when it is empty
 */
export function handleError(
  error: Error,
  ttl: { value?: number },
  handlers: ErrorHandlers,
  options: ClusterOptions,
  isReady: boolean,
): void {
  ttl.value = ttl.value === undefined ? (options.maxRedirections ?? 16) : ttl.value - 1
  if (ttl.value <= 0) {
    handlers.maxRedirections?.(new Error(`Too many Cluster redirections. Last error: ${error}`))
    return
  }
  const [kind, slot, address] = error.message.split(' ')
  const after = (pauseMs: number | undefined, handler: Handler | undefined) => {
    if (pauseMs === undefined || !(pauseMs > 0)) handlers.defaults?.()
    else void pause(pauseMs).then(() => handler?.())
  }
  if (kind === 'MOVED' && Number(slot) >= 0 && Number(slot) < 16384) handlers.moved?.(Number(slot), address)
  else if (kind === 'ASK') handlers.ask?.(slot, address)
  else if (kind === 'TRYAGAIN') after(options.retryDelayOnTryAgain, handlers.tryagain)
  else if (kind === 'CLUSTERDOWN') after(options.retryDelayOnClusterDown, handlers.connectionClosed)
  else if (error.message === CONNECTION_CLOSED_ERROR_MSG && isReady)
    after(options.retryDelayOnFailover, handlers.connectionClosed)
  else handlers.defaults?.()
}
