// Lend: waits for a lane of the server that is wanted, with a deadline.

import { SlotwiseError, stacklessError } from '../errors.js'
import type { Lane } from '../node/lane-pool.js'
import type { Node } from '../node/node.js'
import { pause } from '../turn.js'

export interface Lent {
  readonly node: Node
  readonly lane: Lane
}

const late = Symbol('late')

/**
 * @param find the server; null when it is not known yet
 * @param news waits until more is known; rejects when the client is closed
 * @param timeoutMs how long to wait, in milliseconds; 0 for no limit
 * @throws SLOTWISE_TIMEOUT, SLOTWISE_ABORTED, SLOTWISE_CLOSED
 */
export async function lend(
  find: () => Node | null,
  news: () => Promise<void>,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<Lent> {
  const over = new AbortController()
  const onAbort = () => over.abort()
  signal?.addEventListener('abort', onAbort)
  const limit = timeoutMs === 0 ? never(over.signal) : pause(timeoutMs, over.signal)
  const lending = acquire(find, news, over.signal)
  try {
    const lent = await Promise.race([lending, limit.then(() => late)])
    if (typeof lent !== 'symbol') return lent
    // What comes after all is nobody's.
    lending.then(({ node, lane }) => node.lanes.giveBack(lane, true), ignore)
    if (signal?.aborted === true) {
      throw stacklessError('SLOTWISE_ABORTED', 'The session was aborted', { phase: 'queue', cause: signal.reason })
    }
    const endpoint = find()?.endpoint.key
    const details = { phase: 'queue' as const, elapsedMs: timeoutMs, ...(endpoint !== undefined && { endpoint }) }
    throw new SlotwiseError('SLOTWISE_TIMEOUT', `No connection for a session within ${timeoutMs} ms`, details)
  } finally {
    signal?.removeEventListener('abort', onAbort)
    over.abort()
  }
}

async function acquire(find: () => Node | null, news: () => Promise<void>, over: AbortSignal): Promise<Lent> {
  while (!over.aborted) {
    const node = find()
    if (node === null || node.state === 'retired') {
      await news()
      continue
    }
    const lane = await node.lanes.lend()
    if (lane.connection !== null) return { node, lane }
    // The server has left while we waited for it, and another serves its slots; or the client has been closed, and news() says so.
    node.lanes.giveBack(lane, false)
  }
  throw stacklessError('SLOTWISE_ABORTED', 'Nobody waits for it any more', { phase: 'queue' })
}

function never(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => signal.addEventListener('abort', () => resolve()))
}

function ignore(): void {}
