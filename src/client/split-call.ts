// SplitCall: a command with keys of several slots, made as one call for each slot.

import { BatchCollector } from '../batch/batch.js'
import { CallFlag, type Outcome } from '../command/call.js'
import type { Reply } from '../resp/decoder.js'
import { mergeSplit, splitBySlot } from '../routing/split.js'
import type { Engine } from './engine.js'
import { failureOf, repliesOf } from './parts.js'
import type { Prepared } from './prepare.js'

/**
 * Makes the calls at once, each with its own redirects and tries, all with the same deadline and signal. Not atomic.
 *
 * @param prepared with `severalSlots`
 * @returns the merged reply. Rejects with SLOTWISE_PARTIAL_FAILURE, whose `parts` tell what became of each slot; with the error itself
 *   where all slots failed alike
 */
export function callSplit(engine: Engine, prepared: Prepared): Promise<Reply> {
  const { command, args } = prepared
  const { spec } = command
  const parts = splitBySlot(spec, args)
  const startedAt = performance.now()
  return new Promise((resolve, reject) => {
    const collector = new BatchCollector(parts.length, outcomes => {
      const named = parts.map(({ slot }, i) => ({ name: slot, outcome: outcomes[i] as Reply | Error }))
      const replies = repliesOf(named)
      if (replies === null) reject(failureOf(spec.name, named, startedAt))
      else resolve(mergeSplit(spec, parts, replies))
    })
    for (const [i, { slot, args }] of parts.entries()) {
      const sink = collector.sink(i) as (outcome: Outcome) => void
      engine.start({ ...prepared, slot, args }, CallFlag.errorAsValue, sink)
    }
  })
}
