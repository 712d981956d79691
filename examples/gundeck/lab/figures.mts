// figures: from what was noted to what is shown. Pure.

import type { ColumnName, Figures, Phase, Pushes, Samples } from '../../../scripts/report/shape.mjs'

/** After this much of an outage, dials are those that go on; the first moment, in which every connection is lost at once, is over. */
const onsetMs = 1000

export interface Measured {
  samples: Samples
  phases: readonly Phase[]
  /** Stretches in which the process stood still to be looked at: what was read there counts for nothing. */
  excluded: readonly { fromMs: number; toMs: number }[]
  heapBaselineBytes: number | null
  heapHeldBytes: number | null
  heapAfterBytes: number | null
  socketsBaseline: number | null
  socketsAfter: number | null
  socketsAfterByClient: number | null
  recoveryMs: readonly (number | null)[]
  requests: Figures['requests']
  pushes: Pushes | null
}

export function figuresOf(measured: Measured): Figures {
  const { samples, phases } = measured
  const outages = phases.filter(phase => phase.outage)
  const baseline = phases.find(phase => phase.name === 'baseline')
  const last = phases.at(-1)
  const peak = (name: ColumnName) => greatest(values(measured, name, () => true))
  return {
    heapBaselineBytes: measured.heapBaselineBytes,
    heapHeldBytes: measured.heapHeldBytes,
    heapPeakBytes: peak('heapUsedBytes'),
    heapAfterBytes: measured.heapAfterBytes,
    residentBaselineBytes: median(values(measured, 'residentBytes', within(baseline))),
    residentPeakBytes: peak('residentBytes'),
    residentAfterBytes: values(measured, 'residentBytes', within(last)).at(-1) ?? null,
    socketsBaseline: measured.socketsBaseline,
    socketsPeak: greatest(sockets(samples)),
    socketsAfter: measured.socketsAfter,
    socketsAfterByClient: measured.socketsAfterByClient,
    waitingPeakCalls: peak('waitingCalls'),
    waitingPeakBytes: peak('waitingBytes'),
    dialsPerSec: outages.map(({ fromMs, toMs }) => perSecond(samples, 'dialsTotal', fromMs + onsetMs, toMs)),
    recoveryMs: [...measured.recoveryMs],
    requests: measured.requests,
    pushes: measured.pushes,
  }
}

function within(phase: Phase | undefined): (atMs: number) => boolean {
  return at => phase !== undefined && phase.fromMs <= at && at <= phase.toMs
}

function values({ samples, excluded }: Measured, name: ColumnName, wanted: (atMs: number) => boolean): number[] {
  const found: number[] = []
  for (const [i, value] of (samples.columns[name] ?? []).entries()) {
    const at = samples.atMs[i] as number
    if (value === null || !wanted(at) || excluded.some(({ fromMs, toMs }) => fromMs <= at && at <= toMs)) continue
    found.push(value)
  }
  return found
}

function sockets({ atMs, columns }: Samples): number[] {
  const of = (name: ColumnName, i: number) => columns[name]?.[i] ?? 0
  return atMs.map((_, i) => of('socketsOpen', i) + of('socketsConnecting', i) + of('socketsClosing', i))
}

export function perSecond(samples: Samples, name: ColumnName, fromMs: number, toMs: number): number | null {
  const column = samples.columns[name]
  let first = -1
  let last = -1
  for (const [i, at] of samples.atMs.entries()) {
    if (at < fromMs || at > toMs || column?.[i] == null) continue
    if (first === -1) first = i
    last = i
  }
  if (column === undefined || last <= first) return null
  const grown = (column[last] as number) - (column[first] as number)
  return (grown * 1000) / ((samples.atMs[last] as number) - (samples.atMs[first] as number))
}

function greatest(all: readonly number[]): number | null {
  return all.length === 0 ? null : all.reduce((a, b) => Math.max(a, b))
}

function median(all: readonly number[]): number | null {
  return all.toSorted((a, b) => a - b)[Math.floor(all.length / 2)] ?? null
}

/** What became of the pushes, from three sets for each: what it was accepted for, what was reported as delivered, what arrived. */
export function pushesOf(
  accepted: Uint32Array,
  reported: Uint32Array,
  received: Uint32Array,
  counts: { late: number; duplicated: number },
): Pushes {
  const pushes: Pushes = { accepted: 0, expected: 0, received: 0, lost: 0, reportedOnly: 0, ...counts }
  for (let n = 0; n < Math.max(accepted.length, reported.length, received.length); n++) {
    const [wanted, told, got] = [accepted[n] ?? 0, reported[n] ?? 0, received[n] ?? 0]
    if (wanted !== 0) pushes.accepted++
    pushes.expected += ones(wanted)
    pushes.received += ones(got)
    pushes.lost += ones(wanted & ~got)
    pushes.reportedOnly += ones(told & ~got)
  }
  return pushes
}

function ones(bits: number): number {
  let count = 0
  for (let rest = bits >>> 0; rest !== 0; rest &= rest - 1) count++
  return count
}
