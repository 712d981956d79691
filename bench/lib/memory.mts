// Memory: what a piece of work allocates, and what it keeps. Needs --expose-gc and a young generation too large to fill meanwhile
// (--min-semi-space-size), as the npm scripts give them.

import { PerformanceObserver } from 'node:perf_hooks'
import { setImmediate as turn } from 'node:timers/promises'

type Work = () => unknown

const collectGarbage = (globalThis as { gc?: () => void }).gc

/** What is allocated between two readings must stay well below the young generation. */
const roomBytes = 24 * 1024 * 1024

/** The heap, and what lies outside of it: array buffers among other things. */
export function heldBytes(): number {
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

export function collect(): void {
  if (collectGarbage === undefined) throw new Error('bench: run with --expose-gc, as the npm scripts do')
  // Twice: what finalizers let go of in the first is collected in the second.
  collectGarbage()
  collectGarbage()
}

async function repeat(work: Work, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const outcome = work()
    if (outcome instanceof Promise) await outcome
  }
}

/** Bytes that one run allocates: the growth of the memory over runs between which nothing was collected. */
export async function allocatedBytes(work: Work): Promise<number> {
  let collections = 0
  const observer = new PerformanceObserver(list => {
    collections += list.getEntries().length
  })
  observer.observe({ entryTypes: ['gc'] })
  try {
    for (let count = 1, limit = 2000; ; ) {
      collect()
      // Tells the observer of the collections just asked for.
      await turn()
      await turn()
      collections = 0
      const before = heldBytes()
      await repeat(work, count)
      const bytes = (heldBytes() - before) / count
      await turn()
      await turn()
      const enough = Math.max(1, Math.min(limit, Math.floor(roomBytes / Math.max(bytes, 1))))
      if (collections > 0) {
        if (count === 1) throw new Error('bench: one run fills the young generation; run with --min-semi-space-size')
        limit = count = count >> 1
      } else if (count >= enough / 2) {
        return bytes
      } else {
        count = enough
      }
    }
  } finally {
    observer.disconnect()
  }
}

/** Bytes held after `count` runs and a garbage collection, over what was held before `create` made the work. */
export async function keptBytes(create: () => Work, count: number): Promise<number> {
  collect()
  const before = heldBytes()
  const work = create()
  await repeat(work, count)
  collect()
  const after = heldBytes()
  // One more, so that nothing of it could be collected before.
  await repeat(work, 1)
  return after - before
}
