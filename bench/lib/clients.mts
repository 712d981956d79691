// Clients: each of those compared behind one face, called the way its users call it. A package is loaded when its client is opened, so
// that a process holds only the one it measures.

import { readFileSync } from 'node:fs'
import { openBare } from './clients/bare.mjs'
import { openCore } from './clients/core.mjs'
import { openGlide } from './clients/glide.mjs'
import { openIoredisShaped } from './clients/ioredis-shaped.mjs'
import { openNodeRedis } from './clients/node-redis.mjs'

/** Where the servers are, and how they are to be spoken to. */
export interface Target {
  /** `host:port` of the primaries of a cluster, or of one server. */
  addresses: readonly string[]
  clustered: boolean
  /** PEM of the authority that has signed the servers' certificates; undefined for plain TCP. */
  ca?: string | undefined
  /** 2 where RESP2 is to be measured; undefined for what the client does by itself. */
  protocol?: 2 | undefined
  /** Strings of replies as Buffers. */
  buffers?: boolean | undefined
  /** Channel to hear, and who is told of each message. Before anything else, because a client may want to know it when it is made. */
  subscription?: { channel: string; onMessage(payload: unknown): void } | undefined
}

/** What workloads need of a client. Null where the client refuses that. */
export interface BenchClient {
  get: (key: string) => Promise<unknown>
  set: (key: string, value: string) => Promise<unknown>
  /** Fields in whatever shape the client gives them. */
  hgetall: (key: string) => Promise<unknown>
  lrange: (key: string, first: number, last: number) => Promise<unknown>
  incr: (key: string) => Promise<unknown>
  /** Keys of one slot. */
  mget: (keys: string[]) => Promise<unknown>
  /** Keys of any slots. */
  mgetAnySlot: ((keys: string[]) => Promise<unknown>) | null
  /** GETs of any slots, given to the client in one go. */
  pipelineGets: ((keys: readonly string[]) => Promise<unknown>) | null
  /** The script that the servers know: see `script` in workloads. */
  evalsha: ((key: string, argument: string) => Promise<unknown>) | null
  /** Adds to a stream of about 100 entries. */
  xadd: (key: string, value: string) => Promise<unknown>
  /** Reads one new entry for the group. */
  xreadgroup: ((key: string) => Promise<unknown>) | null
  close: () => Promise<void> | void
}

export interface Script {
  text: string
  sha: string
}

export type Opener = (target: Target, script: Script) => Promise<BenchClient>

const openers = {
  bare: openBare,
  slotwise: openIoredisShaped('slotwise', {}),
  'slotwise-core': openCore,
  ioredis: openIoredisShaped('ioredis', { enableAutoPipelining: true }),
  'ioredis-plain': openIoredisShaped('ioredis', {}),
  'node-redis': openNodeRedis,
  glide: openGlide,
  iovalkey: openIoredisShaped('iovalkey', { enableAutoPipelining: true }),
} satisfies Record<string, Opener>

export type ClientName = keyof typeof openers
export const clientNames = Object.keys(openers) as ClientName[]
/** Whom we compare ourselves with. */
export const rivalNames = [
  'ioredis',
  'ioredis-plain',
  'node-redis',
  'glide',
  'iovalkey',
] as const satisfies ClientName[]

const packageOf: Partial<Record<ClientName, string>> = { glide: '@valkey/valkey-glide', iovalkey: 'iovalkey' }

/** Why a client cannot be measured here; null when it can. A rival with a binary of its own is not there on every platform. */
export async function missing(name: ClientName): Promise<string | null> {
  const needed = packageOf[name]
  if (needed === undefined) return null
  try {
    await import(needed)
    return null
  } catch (error) {
    return (error as Error).message.split('\n')[0] as string
  }
}

export function openClient(name: ClientName, target: Target, script: Script): Promise<BenchClient> {
  return openers[name](target, script)
}

/** A path to the PEM file comes with the job, the text is what clients want. */
export function readAuthority(path: string | undefined): string | undefined {
  return path === undefined ? undefined : readFileSync(path, 'utf8')
}
