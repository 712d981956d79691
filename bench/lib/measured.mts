// Measured: what a measured process is told, and what it tells. Pure.

import type { ClientName } from './clients.mjs'

export interface Job {
  client: ClientName
  workload: string
  addresses: readonly string[]
  caPath?: string | undefined
}

/** A process does one of these at a time, and rests in between. */
export type Phase = 'cpu' | 'allocation' | 'latency' | 'heap'

export interface Order {
  phase: Phase
  seconds: number
}

export interface Slice {
  /** User and system time of the process, all threads. */
  cpuUsPerOp: number
  opsPerSec: number
}

export interface Allocation {
  /** On V8's heap: memory outside of it, such as what sockets read into, is not in this. */
  allocatedBytesPerOp: number
  /** Pauses for garbage collection, of the CPU time. */
  gcPercent: number
}

/** Of a run, calls that are made in one go together. */
export interface Latency {
  p50Us: number
  p99Us: number
  p999Us: number
}

/** Messages have no latency that one process could tell. */
export interface NoLatency {
  none: true
}

export interface Heap {
  /** In use after a collection, client connected and idle. */
  heapKiB: number
}

/** All that one process told. */
export type Measured = { slices: Slice[]; latencies: Latency[] } & Allocation & Heap

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
