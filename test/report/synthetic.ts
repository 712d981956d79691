// A report's data made up from formulas, so that the page can be tested without an outage.

import type { Census, Marker, ReportData, Run } from '../../scripts/report/shape.mjs'

const megabyte = 1048576
const stepMs = 100
const endMs = 40_000
const outages = [
  [8_000, 14_000],
  [22_000, 28_000],
] as const

/** Milliseconds of outage so far, and since the present one began. */
function outageTime(atMs: number): { total: number; current: number } {
  let total = 0
  let current = 0
  for (const [from, to] of outages) {
    total += Math.max(0, Math.min(atMs, to) - from)
    if (from <= atMs && atMs < to) current = atMs - from
  }
  return { total, current }
}

function census(name: string, atMs: number, scale: number): Census {
  const rows: Census['rows'] = [
    ['Socket', 3 * scale, 3 * 600 * scale],
    ['Promise', 100 * scale, 100 * 40 * scale],
    ['(string)', 9_000 + 10 * scale, 400_000 + 900 * scale],
    ['Map', 55, 55 * 32],
  ]
  return { name, atMs, rows }
}

function run(variant: string, rate: number, leaks: boolean): Run {
  const atMs = Array.from({ length: endMs / stepMs }, (_, i) => i * stepMs)
  const held = atMs.map(at => {
    const { total, current } = outageTime(at)
    return (leaks ? total / 1000 + current / 500 : Math.min(current / 1000, 2)) * rate
  })
  const column = (of: (at: number, i: number) => number) => atMs.map(of)
  const grown = (perSec: number) => column(at => Math.floor((at * perSec) / 1000))
  const waits = (at: number) => outageTime(at).current
  const markers: Marker[] = [{ atMs: 1_000, kind: 'requests', text: `batch of ${100 * rate} requests` }]
  for (const [from, to] of outages) {
    markers.push({ atMs: from, kind: 'cluster', text: 'every server stopped' })
    markers.push({ atMs: from + 5, kind: 'lost', text: 'connection to 127.0.0.1:7001 lost' })
    for (let at = from + 100; at < to; at += 700) markers.push({ atMs: at, kind: 'dial', text: 'dial 127.0.0.1:7001' })
    for (let at = from + 200; at < to; at += 900) markers.push({ atMs: at, kind: 'refresh', text: 'topology: failed' })
    markers.push({ atMs: to, kind: 'cluster', text: 'every server started' })
    markers.push({ atMs: to + 90, kind: 'connected', text: 'connected to 127.0.0.1:7001' })
    markers.push({ atMs: to + 120, kind: 'success', text: 'first success' })
  }
  const bounds = [0, ...outages.flat(), endMs]
  return {
    id: `${variant}-${rate}x`,
    variant,
    about: leaks
      ? 'Made up: what a client that leaks would show.'
      : 'Made up: what a client that does not leak would show.',
    rate,
    requestsPerSec: 20 * rate,
    mode: 'kill',
    phases: ['baseline', 'outage 1', 'settle 1', 'outage 2', 'settle 2'].map((name, i) => ({
      name,
      outage: name.startsWith('outage'),
      fromMs: bounds[i] as number,
      toMs: bounds[i + 1] as number,
    })),
    samples: {
      atMs,
      columns: {
        residentBytes: column((_, i) => (70 + 1.6 * (held[i] as number)) * megabyte),
        heapReservedBytes: column((_, i) => (24 + 1.2 * (held[i] as number)) * megabyte),
        heapUsedBytes: column((_, i) => (14 + (i % 20) / 5 + (held[i] as number)) * megabyte),
        externalBytes: column(() => 3 * megabyte),
        handles: column(at => 20 + Math.round(waits(at) / 200)),
        eventLoopDelayMs: column((_, i) => 1 + (i % 7)),
        descriptors: column((_, i) => 40 + Math.round(leaks ? 6 * (held[i] as number) : 0)),
        socketsConnecting: column(at => (waits(at) > 0 ? 2 : 0)),
        socketsOpen: column((at, i) => (waits(at) > 0 ? 0 : 6 + (leaks ? Math.round(5 * (held[i] as number)) : 0))),
        socketsClosing: column(at => (waits(at) > 0 && leaks ? 3 : 0)),
        socketsHttp: column(() => 12),
        waitingCalls: column(at => Math.round((waits(at) / 100) * rate)),
        waitingBytes: column(at => Math.round(waits(at) * 20 * rate)),
        oldestWaitMs: column(waits),
        dialsTotal: grown(leaks ? 20 * rate : 6),
        refreshesTotal: grown(1),
        requestsOpen: column(at => Math.round(waits(at) / 500)),
        requestsOkTotal: grown(20 * rate),
        requestsRefusedTotal: grown(2 * rate),
        requestsFailedTotal: grown(leaks ? 3 : 0),
        pushesAcceptedTotal: grown(10 * rate),
        deliveriesTotal: grown(30 * rate),
      },
    },
    markers: markers.sort((a, b) => a.atMs - b.atMs),
    markersLeftOut: leaks ? { dial: 1234 } : {},
    figures: {
      heapBaselineBytes: 14 * megabyte,
      heapHeldBytes: (leaks ? 14 + 20 * rate : 15) * megabyte,
      heapPeakBytes: (leaks ? 14 + 24 * rate : 16) * megabyte,
      heapAfterBytes: (leaks ? 14 + 12 * rate : 14) * megabyte,
      residentBaselineBytes: 70 * megabyte,
      residentPeakBytes: (leaks ? 70 + 40 * rate : 74) * megabyte,
      residentAfterBytes: (leaks ? 70 + 20 * rate : 71) * megabyte,
      socketsBaseline: 6,
      socketsPeak: leaks ? 66 * rate : 6,
      socketsAfterByClient: leaks ? null : 6,
      socketsAfter: leaks ? 66 * rate : 6,
      waitingPeakCalls: 60 * rate,
      waitingPeakBytes: leaks ? null : 120_000 * rate,
      dialsPerSec: leaks ? [20 * rate, 41 * rate] : [6, 6.1],
      recoveryMs: leaks ? [900, null] : [42, 38],
      requests: { sent: 800 * rate, ok: 600 * rate, refused: 190 * rate, failed: leaks ? 10 : 0 },
      pushes: {
        accepted: 400 * rate,
        expected: 1200 * rate,
        received: 1100 * rate,
        late: leaks ? 70 : 0,
        duplicated: leaks ? 3 : 0,
        lost: 100 * rate,
        reportedOnly: 0,
      },
    },
    census: [
      census('baseline', 2_000, 1),
      census('held', 27_000, leaks ? 400 : 3),
      census('released', 39_000, leaks ? 200 : 1),
    ],
  }
}

export const synthetic: ReportData = {
  format: 'slotwise-report/1',
  title: 'A push service while its Redis Cluster is away <made up>',
  startedAt: '2026-01-02T03:04:05.000Z',
  machine: 'no machine: every figure is made up',
  command: 'npm run lab -- --quick </script><script>alert(1)</script>',
  summary: 'Two outages of six seconds, in which every server is stopped. Nothing here was measured.',
  settings: { users: 20, 'websockets per user': 3, 'basic rate': '20 requests/s' },
  runs: [
    run('slotwise', 1, false),
    run('slotwise', 10, false),
    run('faulty model', 1, true),
    run('faulty model', 10, true),
  ],
  verdicts: [
    { promise: 'Heap after GC is back at the baseline', limit: '10 % + 8 MB', measured: '14.0 → 14.0 MB', holds: true },
    { promise: 'As many sockets after as before', limit: '6', measured: '7', holds: false },
  ],
}
