// Backoff: how long to wait before the next attempt. Pure.

export interface BackoffOptions {
  /** Wait after the first failure, in milliseconds, before jitter. */
  backoffMinMs: number
  /** Longest wait, in milliseconds, before jitter. */
  backoffMaxMs: number
}

/**
 * Doubles from `backoffMinMs` to `backoffMaxMs`, and takes a random half off, so that clients that lost the same server at
 * the same moment do not come back at the same moment.
 *
 * @param failures attempts that have failed in a row, from 0 (the first redial after a loss)
 * @param random a number in [0, 1)
 * @returns milliseconds
 */
export function backoffMs(failures: number, options: BackoffOptions, random: number): number {
  if (failures === 0) return Math.round((options.backoffMinMs / 2) * random)
  const ceiling = Math.min(options.backoffMaxMs, options.backoffMinMs * 2 ** Math.min(failures - 1, 30))
  return Math.round(ceiling * (0.5 + random / 2))
}
