// messages: what the processes of the lab say to one another.

import type { MarkerKind } from '../../../scripts/report/shape.mjs'

/** Wall-clock milliseconds with fractions: the one clock that all processes share. */
export function wallMs(): number {
  return performance.timeOrigin + performance.now()
}

// ---- the service ----

export interface ServiceStart {
  kind: 'start'
  variant: string
  redisAddresses: string[]
  maxPushes: number
  limits: Record<string, number>
}

export type ServiceOrder =
  | ServiceStart
  /** Tell when the next call of Redis succeeds. */
  | { kind: 'arm' }
  | { kind: 'measure' }
  | { kind: 'snapshot'; path: string }
  | { kind: 'end' }

export interface ServiceSample {
  kind: 'sample'
  atMs: number
  heapReservedBytes: number
  heapUsedBytes: number
  externalBytes: number
  handles: number
  eventLoopDelayMs: number
  waitingCalls: number
  waitingBytes: number | null
  oldestWaitMs: number
  dialsTotal: number | null
  refreshesTotal: number | null
  /** Push requests that have been answered and are not done. */
  background: number
}

export interface WireMarker {
  atMs: number
  kind: MarkerKind
  text: string
}

export type ServiceReport =
  | ServiceSample
  | { kind: 'ready'; port: number }
  | { kind: 'markers'; markers: WireMarker[] }
  | { kind: 'first-success'; atMs: number }
  | { kind: 'measured'; heapUsedBytes: number; sockets: number | null }
  | { kind: 'snapshot-written' }
  /** Bit sets by number of push: which targets were reported as delivered. */
  | { kind: 'ended'; reported: string }

// ---- Cannons and users ----

export interface Crowd {
  users: number
  socketsPerUser: number
  /** Of a push. */
  recipients: number
}

export type WorldOrder =
  | { kind: 'start'; gundeckUrl: string; crowd: Crowd; maxPushes: number; lateAfterMs: number }
  | { kind: 'report' }
  | { kind: 'end' }

export interface WorldSample {
  kind: 'sample'
  received: number
  late: number
  duplicated: number
  open: number
}

export type WorldReport =
  | WorldSample
  | { kind: 'ready'; resources: string[] }
  | { kind: 'problem'; text: string }
  | { kind: 'received'; bits: string; late: number; duplicated: number }

// ---- load ----

export type LoadOrder =
  | { kind: 'start'; gundeckUrl: string; crowd: Crowd; resources: string[]; maxPushes: number; payloadBytes: number }
  | { kind: 'rate'; requestsPerSec: number }
  | { kind: 'report' }
  | { kind: 'end' }

export interface LoadSample {
  kind: 'sample'
  sent: number
  open: number
  ok: number
  refused: number
  failed: number
  pushesAccepted: number
}

export type LoadReport = LoadSample | { kind: 'ready' } | { kind: 'accepted'; bits: string }

// ---- users and pushes by number ----

/** A user by number, as a UUID. */
export function userId(index: number): string {
  return `00000000-0000-4000-8000-${index.toString(16).padStart(12, '0')}`
}

export function connId(index: number): string {
  return `conn-${index}`
}

/** The users that a push is for. */
export function recipientsOf(push: number, { users, recipients }: Crowd): number[] {
  return Array.from({ length: recipients }, (_, k) => (push * recipients + k) % users)
}

/** Which bit of a push's set stands for a websocket; -1 when the push was not for it. */
export function targetBit(push: number, user: number, conn: number, crowd: Crowd): number {
  const k = (((user - push * crowd.recipients) % crowd.users) + crowd.users) % crowd.users
  return k < crowd.recipients ? k * crowd.socketsPerUser + conn : -1
}

export function encodeBits(bits: Uint32Array, used: number): string {
  return Buffer.from(bits.buffer, 0, used * 4).toString('base64')
}

export function decodeBits(text: string): Uint32Array {
  const bytes = Buffer.from(text, 'base64')
  return new Uint32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length))
}
