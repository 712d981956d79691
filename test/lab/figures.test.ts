import { expect, test } from 'vitest'
import { figuresOf, type Measured, pushesOf } from '../../examples/gundeck/lab/figures.mjs'
import { verdictsOf } from '../../examples/gundeck/lab/verdicts.mjs'
import type { Run } from '../../scripts/report/shape.mjs'
import { synthetic } from '../report/synthetic.js'

const megabyte = 1048576

function measured(): Measured {
  const atMs = Array.from({ length: 50 }, (_, i) => i * 100)
  const outage = (at: number) => at >= 1000 && at < 4000
  return {
    phases: [
      { name: 'baseline', outage: false, fromMs: 0, toMs: 1000 },
      { name: 'outage 1', outage: true, fromMs: 1000, toMs: 4000 },
      { name: 'settling 1', outage: false, fromMs: 4000, toMs: 4900 },
    ],
    samples: {
      atMs,
      columns: {
        heapUsedBytes: atMs.map(
          at => (at === 2000 ? 99 : outage(at) ? 30 : at < 1000 ? 10 + at / 1000 : 12) * megabyte,
        ),
        residentBytes: atMs.map(at => (outage(at) ? 90 : 60) * megabyte),
        socketsOpen: atMs.map(at => (outage(at) ? 0 : 6)),
        socketsConnecting: atMs.map(at => (outage(at) ? 2 : 0)),
        socketsClosing: atMs.map(at => (at === 1000 ? 5 : 0)),
        waitingCalls: atMs.map(at => (outage(at) ? (at - 1000) / 100 : 0)),
        // Thirty at once, then six a second.
        dialsTotal: atMs.map(at => (at < 1000 ? 6 : at >= 4000 ? 54 : 36 + Math.floor((6 * (at - 1000)) / 1000))),
      },
    },
    excluded: [{ fromMs: 1950, toMs: 2050 }],
    heapBaselineBytes: 9 * megabyte,
    heapHeldBytes: 20 * megabyte,
    heapAfterBytes: 9.5 * megabyte,
    socketsBaseline: 6,
    socketsAfter: 6,
    socketsAfterByClient: 6,
    recoveryMs: [12],
    requests: null,
    pushes: null,
  }
}

test('peaks leave out what was read while the process stood still; dials leave out the first second', () => {
  const figures = figuresOf(measured())
  expect(figures).toMatchObject({
    heapPeakBytes: 30 * megabyte,
    residentBaselineBytes: 60 * megabyte,
    residentPeakBytes: 90 * megabyte,
    residentAfterBytes: 60 * megabyte,
    socketsPeak: 7,
    waitingPeakCalls: 29,
    waitingPeakBytes: null,
  })
  expect(figures.dialsPerSec[0]).toBeCloseTo(6, 0)
})

test('what became of pushes is told from what was accepted, reported and received', () => {
  const accepted = Uint32Array.of(0b111, 0b111, 0, 0b111)
  const reported = Uint32Array.of(0b111, 0b011, 0, 0b100)
  const received = Uint32Array.of(0b111, 0b001, 0b001)
  expect(pushesOf(accepted, reported, received, { late: 2, duplicated: 1 })).toEqual({
    accepted: 3,
    expected: 9,
    received: 5,
    lost: 5,
    reportedOnly: 2,
    late: 2,
    duplicated: 1,
  })
})

const bounds = { queuedBytes: 2 * megabyte, backgroundBytes: 8 * megabyte }

function judged(variant: string, rate: number, changes: object): Run {
  const run = structuredClone(synthetic.runs.find(one => one.variant === 'slotwise')) as Run
  Object.assign(run, { variant, rate })
  Object.assign(run.figures, { waitingPeakBytes: megabyte, dialsPerSec: [6, 6.2] }, changes)
  return run
}

const broken = (all: Run[]) =>
  verdictsOf(all, bounds)
    .filter(verdict => !verdict.holds)
    .map(verdict => verdict.promise)

test('promises that hold', () => {
  expect(verdictsOf([judged('slotwise', 1, {}), judged('slotwise', 10, {})], bounds)).toHaveLength(13)
  expect(broken([judged('slotwise', 1, {}), judged('slotwise', 10, {})])).toEqual([])
})

test.each([
  [{ heapAfterBytes: 24 * megabyte }, 'the heap is back'],
  [{ waitingPeakBytes: 2 * megabyte + 1 }, 'what waits'],
  [{ heapHeldBytes: 55 * megabyte }, 'what an outage makes'],
  [{ socketsAfter: 5 }, 'no socket'],
  [{ socketsPeak: 7 }, 'no socket'],
  [{ recoveryMs: [20, 301] }, 'back at once'],
  [{ recoveryMs: [20, null] }, 'back at once'],
  [{ pushes: { reportedOnly: 1 } }, 'no push is reported'],
])('a promise that does not hold: %o', (changes, promise) => {
  const found = broken([judged('slotwise', 1, changes)])
  expect(found).toHaveLength(1)
  expect(found[0]).toContain(promise)
})

test('dials that grow with the rate, and a leak that is not seen', () => {
  expect(broken([judged('slotwise', 1, {}), judged('slotwise', 100, { dialsPerSec: [6, 12] })])).toEqual([
    'slotwise: dials do not depend on the request rate (1x, 100x)',
  ])
  const seen = { heapAfterBytes: 40 * megabyte, socketsAfter: 600 }
  expect(broken([judged('faulty-model', 10, seen)])).toEqual([])
  expect(broken([judged('faulty-model', 10, { ...seen, socketsAfter: 6 })])).toHaveLength(1)
  // Where no connection is lost it has nothing to leak.
  const frozen = { ...judged('faulty-model', 10, { ...seen, socketsAfter: 6 }), mode: 'freeze' }
  expect(broken([frozen])).toEqual([])
})
