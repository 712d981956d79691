// ClientCache: answers reads from what servers have said before, as long as they have not taken it back.
// Owns    the regions, the store of what is kept, the reads under way and the counters.
// Born    with its client, when option `cache` is given.
// Dies    by end(), which forgets everything, and stop().
// Holds   a reply is kept only if it was written once, on the connection whose tracking covers it, and nothing has been heard about
//         its key since; what is kept goes with that connection.

import { type Call, CallFlag, type Outcome } from '../command/call.js'
import { type Argument, CommandFlag, type CommandSpec, resolveCommand } from '../command/command.js'
import { type ReplyError, SlotwiseError } from '../errors.js'
import type { BackoffOptions } from '../node/backoff.js'
import type { Node } from '../node/node.js'
import type { Reply } from '../resp/decoder.js'
import type { Turn } from '../turn.js'
import type { CacheHost, Read } from './host.js'
import type { CacheInspection } from './inspection.js'
import type { Entry } from './kept-key.js'
import { copyReply } from './kept-reply.js'
import type { CacheConfig } from './options.js'
import { Pace } from './pace.js'
import { PendingRead } from './pending-read.js'
import { PendingReads } from './pending-reads.js'
import { type Asked, changedKeys, Policy, tailOf } from './policy.js'
import type { Region } from './region.js'
import { Regions } from './regions.js'
import { Store } from './store.js'

const slotCount = 16384

export class ClientCache<R extends Read> {
  readonly #config: CacheConfig
  readonly #host: CacheHost<R>
  readonly #turn: Turn
  readonly #pace: Pace
  readonly #policy: Policy
  readonly #store: Store
  readonly #reads = new PendingReads()
  readonly #regions: Regions
  /** Goes up when the slot's owner may have changed: what was kept before counts no more. */
  readonly #epochs = new Uint32Array(slotCount)
  readonly #get = resolveCommand('GET').spec
  readonly #readFlags: number
  #ended = false
  #hits = 0
  #misses = 0
  #shared = 0
  #invalidations = 0
  #flushes = 0

  constructor(config: CacheConfig, host: CacheHost<R>, turn: Turn, backoff: BackoffOptions) {
    this.#config = config
    this.#host = host
    this.#turn = turn
    this.#regions = new Regions(config, host, backoff, {
      onLost: (region, wasOn) => this.#onLost(region, wasOn),
      onInvalidated: (region, keys) => this.#onInvalidated(region, keys),
    })
    this.#pace = new Pace(turn)
    this.#policy = new Policy(config)
    this.#store = new Store(config)
    // What a replica says is not reported by its primary.
    this.#readFlags = CallFlag.errorAsValue | CallFlag.stamped | CallFlag.fromPrimary
    if (config.mode === 'optin') this.#readFlags |= CallFlag.optIn
  }

  // ---- answering

  /** The answer to a call without options, if it is kept; null when it is not, whatever is wrong with the call. */
  answer(name: string, args: readonly Argument[]): Promise<Reply> | null {
    const kept = this.hit(name, args)
    return kept === undefined ? null : this.#pace.promise(kept)
  }

  /** The kept reply itself; undefined when there is none. */
  hit(name: string, args: readonly Argument[]): Reply | undefined {
    const spec = this.#policy.named(name)
    if (spec === null || this.#ended || !Array.isArray(args)) return undefined
    const key: unknown = args[0]
    if (typeof key !== 'string') return undefined
    const argc = args.length
    let tail: unknown = ''
    if (argc === 2) {
      tail = args[1]
      if (typeof tail !== 'string') return undefined
    } else if (argc > 2) {
      for (let i = 1; i < argc; i++) if (typeof args[i] !== 'string') return undefined
      tail = tailOf(args)
      if (tail === null) return undefined
    }
    const entry = this.#find(key, spec, argc, tail as string, false)
    if (entry === undefined) return undefined
    this.#hits++
    return copyReply(entry.value)
  }

  #find(key: string, spec: CommandSpec, argc: number, tail: string, buffers: boolean): Entry | undefined {
    const kept = this.#store.get(key)
    if (kept === undefined) return undefined
    if (kept.epoch !== this.#epochs[kept.slot]) {
      this.#store.delete(key)
      return undefined
    }
    const entry = kept.find(spec, argc, tail, buffers)
    const { ttlMs } = this.#config
    if (ttlMs === 0 || entry === undefined || this.#turn.now() - entry.keptAt < ttlMs) return entry
    this.#store.delete(key)
    return undefined
  }

  /**
   * Takes a call over, if its reply is kept or may be.
   *
   * @param flags CallFlag bits besides those of its options
   * @returns false when it is none of the cache's business
   */
  take(read: R, flags: number, resolve: (outcome: Outcome) => void): boolean {
    // A call that has been aborted fails as any other.
    if (this.#ended || read.options.signal?.aborted === true) return false
    const { spec } = read.command
    if ((spec.flags & (CommandFlag.readonly | CommandFlag.unknown)) === 0) return false
    const buffers = (read.options.flags & CallFlag.buffers) !== 0
    const keys = this.#policy.manyKeys(spec, read.args)
    if (keys !== null) return this.#takeMany(read, keys, flags, buffers, resolve)
    const asked = this.#policy.read(spec, read.args, buffers)
    if (asked === null) return false
    const entry = this.#find(asked.key, spec, asked.argc, asked.tail, buffers)
    if (entry !== undefined) {
      this.#hits++
      this.#pace.give<Outcome>(copyReply(entry.value), resolve)
      return true
    }
    const pending = this.#reads.find(asked)
    if (pending !== undefined) {
      this.#share(pending, read, flags, resolve)
      return true
    }
    this.#misses++
    const region = this.#regionFor(read.slot)
    if (region === null) return false
    const slot = Math.max(read.slot, 0)
    const led = new PendingRead(asked, region, slot, this.#epochs[slot] as number, true)
    this.#reads.add(led)
    led.leader = this.#issue(led, read, flags, resolve)
    this.#host.dispatch(led.leader)
    return true
  }

  #regionFor(slot: number): Region | null {
    return this.#regions.of(this.#host.ownerOf(Math.max(slot, 0)))
  }

  #share(pending: PendingRead, read: R, flags: number, resolve: (outcome: Outcome) => void): void {
    this.#shared++
    const call = this.#issue(pending, read, flags, resolve)
    // What waits is bounded. Where there is no room it goes on its own, and is refused if it has to wait.
    if (this.#host.charge(call)) pending.join(call)
    else this.#host.dispatch(call)
  }

  #issue(pending: PendingRead, read: R, flags: number, resolve: (outcome: Outcome) => void): Call {
    const asValue = (flags & CallFlag.errorAsValue) !== 0
    const call: Call = this.#host.issue(
      read,
      outcome => {
        if (pending.leader === call) this.#onLed(pending, call, outcome as Reply | Error)
        resolve(outcome instanceof Error && !asValue ? Promise.reject(outcome) : outcome)
      },
      flags | this.#readFlags,
    )
    return call
  }

  /** The call that leads a read has settled. */
  #onLed(pending: PendingRead, call: Call, outcome: Reply | Error): void {
    if (outcome instanceof SlotwiseError) {
      // Its own end, not that of the others: whoever waited longest goes in its place. What no connection could serve goes its own way.
      const itsOwn = outcome.code === 'SLOTWISE_ABORTED' || outcome.code === 'SLOTWISE_TIMEOUT'
      const [next] = itsOwn ? pending.take(1) : []
      if (next !== undefined) {
        pending.leader = next
        this.#host.dispatch(next)
        return
      }
      this.#reads.delete(pending)
      for (const each of pending.take()) this.#host.dispatch(each)
      return
    }
    this.#reads.delete(pending)
    if (!(outcome instanceof Error)) this.#keep(pending, pending.asked, call, outcome)
    for (const each of pending.take()) {
      if (outcome instanceof Error) each.fail(outcome)
      else each.fulfil(copyReply(outcome))
    }
  }

  #keep(pending: PendingRead, asked: Asked, call: Call, reply: Reply): void {
    const { region, slot } = pending
    const epoch = this.#epochs[slot] as number
    if (this.#ended || !pending.mayKeep(call, epoch) || this.#host.ownerOf(slot) !== region.node) return
    this.#store.add(asked, reply, region, slot, epoch, this.#config.ttlMs === 0 ? 0 : this.#turn.now())
  }

  // ---- MGET

  /** MGET key by key: a string is what GET would give, too; nil may stand for a value of another type, which GET refuses. */
  #takeMany(
    read: R,
    keys: readonly (string | null)[],
    flags: number,
    buffers: boolean,
    resolve: (outcome: Outcome) => void,
  ): boolean {
    const { spec } = read.command
    const replies: Reply[] = new Array(keys.length).fill(null)
    const missing: number[] = []
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i] as string | null
      const entry =
        key === null ? undefined : (this.#find(key, this.#get, 1, '', buffers) ?? this.#find(key, spec, 1, '', buffers))
      if (entry === undefined) missing.push(i)
      else replies[i] = copyReply(entry.value)
      if (key !== null && entry !== undefined) this.#hits++
      else if (key !== null) this.#misses++
    }
    if (missing.length === 0 && keys.length !== 0) {
      this.#pace.give<Outcome>(replies, resolve)
      return true
    }
    const region = this.#regionFor(read.slot)
    if (region === null) return false
    this.#askMissing(read, region, keys, missing, replies, flags, resolve)
    return true
  }

  #askMissing(
    read: R,
    region: Region,
    keys: readonly (string | null)[],
    missing: readonly number[],
    replies: Reply[],
    flags: number,
    resolve: (outcome: Outcome) => void,
  ): void {
    const { spec } = read.command
    const slot = Math.max(read.slot, 0)
    const buffers = (read.options.flags & CallFlag.buffers) !== 0
    const pending = missing.map(i => {
      const key = keys[i] as string | null
      if (key === null) return null
      const asked: Asked = { key, spec, argc: 1, tail: '', buffers }
      const each = new PendingRead(asked, region, slot, this.#epochs[slot] as number, false)
      this.#reads.add(each)
      return each
    })
    const args = missing.map(i => read.args[i] as Argument)
    const asValue = (flags & CallFlag.errorAsValue) !== 0
    const call: Call = this.#host.issue(
      missing.length === read.args.length ? read : { ...read, args },
      outcome => {
        for (const each of pending) if (each !== null) this.#reads.delete(each)
        if (!Array.isArray(outcome)) {
          resolve(outcome instanceof Error && !asValue ? Promise.reject(outcome) : outcome)
          return
        }
        outcome.forEach((reply, n) => {
          const each = pending[n]
          if (each != null)
            this.#keep(each, reply === null ? each.asked : { ...each.asked, spec: this.#get }, call, reply)
          replies[missing[n] as number] = reply
        })
        resolve(replies)
      },
      flags | this.#readFlags,
    )
    this.#host.dispatch(call)
  }

  // ---- what the client itself changes

  /**
   * A call of the client's: what is kept about the keys that it may change is forgotten now, so that reads made after it go behind it,
   * and again when it has settled, as it may run on another connection than they.
   */
  onIssue(
    spec: CommandSpec,
    args: readonly Argument[],
    resolve: (outcome: Outcome) => void,
  ): (outcome: Outcome) => void {
    if ((spec.flags & CommandFlag.readonly) !== 0 || this.#policy.covers(spec)) return resolve
    const keyless = (spec.flags & CommandFlag.keyless) !== 0
    if (keyless && (spec.flags & CommandFlag.write) === 0) return resolve
    const keys = keyless ? null : changedKeys(spec, args)
    if (keys !== null && keys.length === 0) return resolve
    const forget = () => {
      if (keys === null) this.#forgetAll()
      else for (const key of keys) this.#forget(key)
    }
    forget()
    return outcome => {
      forget()
      resolve(outcome)
    }
  }

  #forget(key: string): void {
    this.#store.delete(key)
    this.#reads.invalidate(key)
  }

  #forgetAll(): void {
    this.#store.clear()
    for (const read of this.#reads.all()) read.invalidate()
  }

  // ---- what the servers say

  onNodeReady(node: Node): void {
    if (!this.#ended) this.#regions.open(node)
  }

  onNodeLost(node: Node): void {
    this.#regions.close(node)
  }

  onPush(node: Node, kind: string, items: readonly Reply[]): void {
    this.#regions.onPush(node, kind, items)
  }

  #onInvalidated(region: Region, keys: readonly Reply[] | null): void {
    if (keys === null) {
      this.#flush(region)
      return
    }
    this.#invalidations += keys.length
    for (const key of keys) this.#forget(String(key))
  }

  #onLost(region: Region, wasOn: boolean): void {
    if (!wasOn) return
    this.#flush(region)
    for (const read of this.#reads.all()) {
      if (read.region !== region) continue
      // Whom their leader would keep waiting for another connection waits for himself, within bounds of his own.
      for (const call of read.take()) this.#host.dispatch(call)
    }
  }

  #flush(region: Region): void {
    this.#flushes++
    this.#store.flush(region)
    for (const read of this.#reads.all()) if (read.region === region) read.invalidate()
  }

  /** A call got an error reply: a redirect says that its slot has another owner, or will have. */
  onReplyError(call: Call, error: ReplyError): void {
    if (call.slot < 0 || (error.code !== 'MOVED' && error.code !== 'ASK')) return
    this.#epochs[call.slot] = (this.#epochs[call.slot] as number) + 1
  }

  /** Other slots may have other owners now. */
  onTopologyChanged(): void {
    this.#regions.closeRetired()
    const { ownerOf } = this.#host
    this.#store.sweep(({ slot, epoch, region }) => epoch !== this.#epochs[slot] || ownerOf(slot) !== region.node)
    for (const read of this.#reads.all()) if (ownerOf(read.slot) !== read.region.node) read.invalidate()
  }

  // ---- life

  countWaiting(): number {
    return this.#reads.countWaiting()
  }

  /** Answers nothing any more. Reads under way go on. */
  end(): void {
    this.#ended = true
    this.#store.clear()
  }

  /** Ends at once: the connections it has are closed, and calls that wait for others' replies are left to the router. */
  stop(): void {
    this.end()
    this.#regions.stop()
  }

  inspect(): CacheInspection {
    return {
      hits: this.#hits,
      misses: this.#misses,
      shared: this.#shared,
      invalidations: this.#invalidations,
      flushes: this.#flushes,
      evictions: this.#store.evictions,
      entries: this.#store.entries,
      bytes: this.#store.bytes,
      regions: this.#regions.countOn(),
    }
  }
}
