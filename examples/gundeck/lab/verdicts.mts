// verdicts: what slotwise promises, held against what was measured; and whether the lab could have seen a leak at all. Pure.

import type { Run, Verdict } from '../../../scripts/report/shape.mjs'

const megabyte = 1048576
const heapSlack = { share: 0.1, bytes: 8 * megabyte }
/**
 * A byte that waits is charged by its length on the wire; as parsed objects, with promises and timers around, it is several. Everything that the service
 * may hold for its callers is within this multiple of the bytes it was configured with.
 */
const heapPerQueuedByte = 4
const recoveryLimitMs = { kill: 300, freeze: 300, silent: 4000, none: 300 }
const dialTolerance = { share: 0.25, perSec: 1 }
const leakFactor = 1.5
const serverCount = 6

export interface Bounds {
  queuedBytes: number
  backgroundBytes: number
}

const mb = (bytes: number | null) => (bytes === null ? 'not measured' : `${(bytes / megabyte).toFixed(1)} MB`)
const ms = (value: number | null) => (value === null ? 'never' : `${value.toFixed(0)} ms`)

export function verdictsOf(runs: readonly Run[], bounds: Bounds): Verdict[] {
  const ours = runs.filter(run => run.variant === 'slotwise')
  const verdicts = ours.flatMap(run => ofRun(run, bounds))
  const dials = ours.flatMap(run => run.figures.dialsPerSec)
  if (ours.length > 1) verdicts.push(sameDials(dials, ours))
  // It leaks what it dials, and dials where a connection is lost.
  const leaking = runs.filter(run => run.variant === 'faulty-model' && run.mode === 'kill')
  return [...verdicts, ...leaking.map(leaks)]
}

function ofRun(run: Run, bounds: Bounds): Verdict[] {
  const { figures } = run
  const at = `slotwise at ${run.rate}x: `
  const heapLimit = (figures.heapBaselineBytes ?? 0) * (1 + heapSlack.share) + heapSlack.bytes
  const heldLimit = (figures.heapBaselineBytes ?? 0) + heapPerQueuedByte * (bounds.queuedBytes + bounds.backgroundBytes)
  const recoveryLimit = recoveryLimitMs[run.mode as keyof typeof recoveryLimitMs]
  const pushes = figures.pushes
  return [
    {
      promise: `${at}the heap is back where it was, after garbage collection`,
      limit: `at most 10 % + 8 MB over the baseline: ${mb(heapLimit)}`,
      measured: `${mb(figures.heapBaselineBytes)} before, ${mb(figures.heapAfterBytes)} after two outages`,
      holds: figures.heapAfterBytes !== null && figures.heapAfterBytes <= heapLimit,
    },
    {
      promise: `${at}what waits for Redis stays within the configured bytes`,
      limit: `${mb(bounds.queuedBytes)} (maxQueuedBytes)`,
      measured: `${mb(figures.waitingPeakBytes)} at most, in ${figures.waitingPeakCalls ?? 0} calls`,
      holds: figures.waitingPeakBytes !== null && figures.waitingPeakBytes <= bounds.queuedBytes,
    },
    {
      promise: `${at}what an outage makes the service hold is bounded by those bytes`,
      limit: `${mb(heldLimit)}: the baseline, and ${heapPerQueuedByte} bytes of heap for each that may wait`,
      measured: `${mb(figures.heapHeldBytes)} at the end of an outage, after garbage collection`,
      holds: figures.heapHeldBytes !== null && figures.heapHeldBytes <= heldLimit,
    },
    {
      promise: `${at}no socket to Redis is left behind`,
      limit: `as many as the client says (${figures.socketsAfterByClient}), and one for each of the ${serverCount} servers at the most`,
      measured: `${figures.socketsBaseline} before, ${figures.socketsPeak} at the most, ${figures.socketsAfter} after`,
      holds:
        figures.socketsAfter !== null &&
        figures.socketsAfter === figures.socketsAfterByClient &&
        (figures.socketsPeak ?? 0) <= serverCount,
    },
    {
      promise: `${at}back at once when the cluster is`,
      limit: `${recoveryLimit} ms after the first primary says cluster_state:ok`,
      measured: figures.recoveryMs.map(ms).join(', then '),
      holds:
        figures.recoveryMs.length > 0 && figures.recoveryMs.every(value => value !== null && value <= recoveryLimit),
    },
    {
      promise: `${at}no push is reported as delivered that was not`,
      limit: '0',
      measured: `${pushes?.reportedOnly} of ${pushes?.received}`,
      holds: pushes?.reportedOnly === 0,
    },
  ]
}

function sameDials(dials: readonly (number | null)[], ours: readonly Run[]): Verdict {
  const known = dials.filter(value => value !== null)
  const [least, most] = [Math.min(...known), Math.max(...known)]
  return {
    promise: `slotwise: dials do not depend on the request rate (${ours.map(run => `${run.rate}x`).join(', ')})`,
    limit: 'within 25 % + 1/s of one another',
    measured: known.map(value => `${value.toFixed(1)}/s`).join(', '),
    holds: known.length === dials.length && most <= least * (1 + dialTolerance.share) + dialTolerance.perSec,
  }
}

/** A lab in which the faulty design looks well would prove nothing. */
function leaks({ rate, figures }: Run): Verdict {
  const { heapBaselineBytes, heapAfterBytes, socketsBaseline, socketsAfter } = figures
  const heapGrown = (heapAfterBytes ?? 0) > (heapBaselineBytes ?? 0) * leakFactor
  const socketsGrown = (socketsAfter ?? 0) > 10 * (socketsBaseline ?? 0)
  return {
    promise: `the lab sees a leak: the faulty model at ${rate}x keeps heap and sockets`,
    limit: `heap over ${leakFactor} times, sockets over 10 times the baseline`,
    measured: `heap ${mb(heapBaselineBytes)}, then ${mb(heapAfterBytes)}; sockets ${socketsBaseline}, then ${socketsAfter}`,
    holds: heapGrown && socketsGrown,
  }
}
