// shape: what a report is made of. One JSON file holds everything; the page shows it, and computes rates and differences.
//
// Times (`…Ms`) count from the start of their run. Sizes (`…Bytes`) are bytes. A value that could not be had is null, a column that was not
// measured is left out.

export const reportFormat = 'slotwise-report/1'

export interface ReportData {
  format: typeof reportFormat
  title: string
  /** ISO 8601. */
  startedAt: string
  machine: string
  /** What was run, as it can be run again. */
  command: string
  /** What happened, in a few sentences for somebody who has never heard of it. */
  summary: string
  /** Names and values for the reader, such as the number of users. */
  settings: Record<string, string | number | boolean>
  runs: Run[]
  verdicts: Verdict[]
}

/** Something promised, and what was measured. */
export interface Verdict {
  promise: string
  limit: string
  measured: string
  holds: boolean
}

/** One service process on one client at one rate, through all phases. */
export interface Run {
  /** Unique in the file. */
  id: string
  variant: string
  /** What the variant is, in a sentence. */
  about: string
  /** Multiple of the basic request rate. */
  rate: number
  requestsPerSec: number
  mode: string
  phases: Phase[]
  samples: Samples
  markers: Marker[]
  /** Markers beyond the limit of their kind are counted only. */
  markersLeftOut: Partial<Record<MarkerKind, number>>
  figures: Figures
  census: Census[]
}

export interface Phase {
  name: string
  /** Redis cannot serve in this phase. */
  outage: boolean
  fromMs: number
  toMs: number
}

/** Columns of equal length, about ten rows a second. `atMs` rises. */
export interface Samples {
  atMs: number[]
  columns: Partial<Record<ColumnName, (number | null)[]>>
}

/** Columns of the samples. Those ending in `Total` only grow; the others are values of the moment. */
export const columnNames = [
  'residentBytes',
  'heapReservedBytes',
  'heapUsedBytes',
  'externalBytes',
  'handles',
  'eventLoopDelayMs',
  'descriptors',
  'socketsConnecting',
  'socketsOpen',
  'socketsClosing',
  'socketsHttp',
  'waitingCalls',
  'waitingBytes',
  'oldestWaitMs',
  'dialsTotal',
  'refreshesTotal',
  'requestsOpen',
  'requestsOkTotal',
  'requestsRefusedTotal',
  'requestsFailedTotal',
  'pushesAcceptedTotal',
  'deliveriesTotal',
] as const

export type ColumnName = (typeof columnNames)[number]

export const markerKinds = [
  'cluster',
  'requests',
  'lost',
  'dial',
  'connected',
  'refresh',
  'redirect',
  'success',
  'census',
] as const

/**
 * `cluster`: servers stopped, started, in order again. `requests`: a batch of requests began or ended. `lost`: a connection was lost. `dial`: an attempt
 * to connect began. `connected`: it ended well. `refresh`: a look at the topology. `redirect`: a server sent a call elsewhere. `success`: first
 * success after an outage. `census`: the process stood still for a heap snapshot.
 */
export type MarkerKind = (typeof markerKinds)[number]

export interface Marker {
  atMs: number
  kind: MarkerKind
  text: string
}

/** What the tables show; null where it was not measured, or never happened. */
export interface Figures {
  heapBaselineBytes: number | null
  /** After garbage collection, at the end of an outage: what is held because of it. The greatest of all outages. */
  heapHeldBytes: number | null
  /** In use in any sample, garbage included. */
  heapPeakBytes: number | null
  heapAfterBytes: number | null
  residentBaselineBytes: number | null
  residentPeakBytes: number | null
  residentAfterBytes: number | null
  socketsBaseline: number | null
  socketsPeak: number | null
  socketsAfter: number | null
  /** What the client itself says that it has open then. */
  socketsAfterByClient: number | null
  waitingPeakCalls: number | null
  waitingPeakBytes: number | null
  /** For each outage. */
  dialsPerSec: (number | null)[]
  /** From the moment in which a server that can serve says that the cluster is ok to the first success, for each outage. */
  recoveryMs: (number | null)[]
  requests: { sent: number; ok: number; refused: number; failed: number } | null
  pushes: Pushes | null
}

/** Messages to websockets: one for each push and connection it was meant for. */
export interface Pushes {
  accepted: number
  /** What the accepted pushes should have brought. */
  expected: number
  received: number
  /** Received later after acceptance than a push is worth. */
  late: number
  duplicated: number
  lost: number
  /** Counted as delivered by the service, and never received. */
  reportedOnly: number
}

export interface Census {
  /** `baseline`, `held` or `released`. */
  name: string
  atMs: number
  /** Objects, strings, code … of the heap by constructor: `[constructor, count, bytes of the objects themselves]`. */
  rows: [constructor: string, count: number, bytes: number][]
}

/** @throws Error that says what is wrong with it */
export function checkReportData(value: unknown): ReportData {
  const data = value as Partial<ReportData> | null
  if (typeof data !== 'object' || data === null) throw new Error('the data is no JSON object')
  if (data.format !== reportFormat)
    throw new Error(`the data has format ${data.format}, this program reads ${reportFormat}`)
  if (!Array.isArray(data.runs) || !Array.isArray(data.verdicts)) throw new Error('the data has no runs or no verdicts')
  for (const run of data.runs) {
    const length = run.samples?.atMs?.length
    if (length === undefined) throw new Error(`run ${run.id} has no samples`)
    for (const [name, column] of Object.entries(run.samples.columns)) {
      if (!columnNames.includes(name as ColumnName)) throw new Error(`run ${run.id} has an unknown column ${name}`)
      if (column.length !== length)
        throw new Error(`run ${run.id}: column ${name} has ${column.length} rows of ${length}`)
    }
  }
  return data as ReportData
}
