// Measured: what a measurement is told and what it tells. Pure.

import type { ClientName } from './clients.mjs'

export interface Job {
  client: ClientName
  workload: string
  addresses: readonly string[]
  caPath?: string | undefined
  warmUpSeconds: number
  seconds: number
}

export interface Measured {
  /** User and system time of the process, all threads. */
  cpuUsPerOp: number
  opsPerSec: number
  /** Of a run in the latency phase; messages have none. */
  p50Us?: number
  p99Us?: number
  p999Us?: number
  /** On V8's heap: memory outside of it, such as what sockets read into, is not in this. */
  allocatedBytesPerOp: number
  /** Pauses for garbage collection, of the CPU time. */
  gcPercent: number
  /** In use after a collection, client connected and idle. */
  heapKiB: number
}

/** A client that refuses a workload, or is not there. */
export interface Absent {
  absent: 'refused' | 'not installed'
}

export type Outcome = Measured | Absent

/** Heap in use at both ends of a collection. */
export interface Collection {
  usedBefore: number
  usedAfter: number
}

/** Bytes allocated between two readings of the heap: its growth, and all that collections took away meanwhile. */
export function allocatedBetween(first: number, collections: readonly Collection[], last: number): number {
  return collections.reduce((sum, { usedBefore, usedAfter }) => sum + usedBefore - usedAfter, last - first)
}
