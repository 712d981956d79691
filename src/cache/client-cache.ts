// ClientCache: replies kept in this process, for as long as the servers promise to tell of changes.
// Owns    one Region for each tracked connection, and the EntryStore.
// Born    with the engine, if it is asked for.
// Dies    by end(), when the engine closes.
// Holds   an entry is found only while its slot belongs to its region's node, and no news of its key has come since it was read.

import { type Call, CallFlag, type Outcome } from '../command/call.js'
import { type Argument, type CommandName, type CommandSpec, resolveCommand } from '../command/command.js'
import type { Issuer } from '../command/issuer.js'
import { ReplyError } from '../errors.js'
import type { Node, NodeListener } from '../node/node.js'
import type { Reply } from '../resp/decoder.js'
import type { AtTurnEnd, Turn } from '../turn.js'
import { EntryStore } from './entry-store.js'
import type { CacheInspection } from './inspection.js'
import { PendingRead, type Reader } from './pending-read.js'
import { type CacheConfig, CachePolicy, Kind } from './policy.js'
import { type Read, Region } from './region.js'
import { Tracking } from './tracking.js'
import { type Packed, pack, packedBytes, unpack } from './value.js'

/** A call as its caller states it. */
export interface Request {
  command: CommandName
  args: readonly Argument[]
  /** -1 for a standalone server. */
  slot: number
  options: { flags: number; signal: AbortSignal | null }
}

/** Whoever makes and sends calls. */
export interface CacheHost<R extends Request> {
  issue(request: R, resolve: (outcome: Outcome) => void, flags: number): Call
  dispatch(call: Call): void
  readonly topology: { readonly map: { primaryOf(slot: number): Node | null } }
}

/** After so many hits one waits for the next turn of the event loop: a loop of hits must not keep invalidations out. */
const hitsInARow = 1024

const get = resolveCommand('GET')

export class ClientCache<R extends Request> implements AtTurnEnd {
  readonly #issuer: Issuer
  readonly #turn: Turn
  readonly #host: CacheHost<R>
  readonly #policy: CachePolicy
  readonly #tracking: Tracking
  readonly #regions = new Map<Node, Region>()
  readonly #store: EntryStore
  readonly #readFlags: number
  #ended = false
  #sweepDue = false
  #hits = 0
  #misses = 0
  #shared = 0
  #invalidations = 0
  #flushes = 0

  constructor(config: CacheConfig, issuer: Issuer, turn: Turn, host: CacheHost<R>) {
    this.#issuer = issuer
    this.#turn = turn
    this.#host = host
    this.#policy = new CachePolicy(config)
    this.#readFlags = CallFlag.errorAsValue | CallFlag.stamped | (config.mode === 'optin' ? CallFlag.optIn : 0)
    this.#store = new EntryStore(config)
    this.#tracking = new Tracking(config, issuer, {
      onTracked: (node, connection) => {
        if (!this.#ended) this.#regions.set(node, new Region(node, connection))
      },
    })
  }

  // ---- reads

  /**
   * The reply to a request, if it is known, as the caller's own; undefined when it has to be asked for. Once in a while a promise of it.
   */
  find({ command, args, slot, options }: R): Reply | Promise<Reply> | undefined {
    const kind = this.#policy.kindOf(command.spec)
    if (kind !== Kind.firstKey && kind !== Kind.someKey) return undefined
    const region = this.#regionOf(slot)
    if (region === undefined) return undefined
    const key = this.#policy.keyOf(kind, command.spec, args)
    if (key === null || options.signal?.aborted === true) return undefined
    const entry = this.#store.find(region, key, command.spec, options.flags & CallFlag.buffers, args)
    if (entry === undefined) return undefined
    const value = unpack(entry.value)
    if (++this.#hits % hitsInARow !== 0) return value
    return new Promise(resolve => setImmediate(resolve, value))
  }

  /** What is tracked of the server of that slot. */
  #regionOf(slot: number): Region | undefined {
    const node = this.#host.topology.map.primaryOf(Math.max(slot, 0))
    const region = node === null || this.#ended ? undefined : this.#regions.get(node)
    return region === undefined || (region.lostSlots.size !== 0 && region.lostSlots.has(slot)) ? undefined : region
  }

  /**
   * Answers a request, or sees to it that it is answered, and that what is known stays right.
   * @param flags CallFlag bits besides those of the request
   * @returns false when the request means nothing to the cache, and is to be sent as it is
   */
  start(request: R, flags: number, resolve: (outcome: Outcome) => void): boolean {
    const { command, args, slot, options } = request
    const kind = this.#policy.kindOf(command.spec)
    if (kind === Kind.none || this.#ended) return false
    if (kind >= Kind.change) return this.#startChange(kind, request, flags, resolve)
    const region = this.#regionOf(slot)
    if (region === undefined || options.signal?.aborted === true) return false
    const deliver = asOutcome(resolve, flags)
    if (kind === Kind.manyKeys) return this.#startMany(region, request, deliver)
    const key = this.#policy.keyOf(kind, command.spec, args)
    if (key === null) return false
    const entry = this.#store.find(region, key, command.spec, options.flags & CallFlag.buffers, args)
    if (entry === undefined) this.#read(region, [key], request, deliver)
    else {
      this.#hits++
      deliver(unpack(entry.value))
    }
    return true
  }

  /** A miss: joins an equal read that is under way, or sends one. */
  #read(region: Region, keys: readonly (string | null)[], request: R, deliver: Reader['deliver']): void {
    const { command, args, slot, options } = request
    const flags = options.flags & CallFlag.buffers
    const first = keys.find(key => key !== null) as string
    const known = region.joinable(first, command.spec, flags, args)
    const read = known ?? new PendingRead(region, keys, slot, command.spec, flags, args)
    const reader: Reader = { call: null, deliver }
    const resolve = (outcome: Outcome) => this.#onOutcome(read, reader, outcome as Reply | Error)
    const call = this.#host.issue(request, resolve, this.#readFlags)
    reader.call = call
    if (known === undefined) {
      this.#misses += keys.length
      read.leader = reader
      region.begin(read)
      this.#host.dispatch(call)
      return
    }
    this.#shared += keys.length
    // What waits for a call that waits is bounded as that one is.
    const isBounded = (read.leader?.call?.chargedBytes ?? 0) !== 0
    if (!isBounded || this.#issuer.admit(call, () => read.situation())) read.follow(call, reader)
  }

  #startMany(region: Region, request: R, deliver: Reader['deliver']): boolean {
    const { command, args, options } = request
    const flags = options.flags & CallFlag.buffers
    const values: Reply[] = []
    const missing: number[] = []
    const keys: (string | null)[] = []
    for (let i = 0; i < args.length; i++) {
      const one = [args[i] as Argument]
      const key = this.#policy.keyText(args[i] as Argument)
      const find = (spec: CommandSpec) => (key === null ? undefined : this.#store.find(region, key, spec, flags, one))
      const entry = find(get.spec) ?? find(command.spec)
      values.push(entry === undefined ? null : unpack(entry.value))
      if (entry !== undefined) continue
      missing.push(i)
      keys.push(key)
    }
    const hits = args.length - missing.length
    if (hits === 0 && keys.every(key => key === null)) return false
    this.#hits += hits
    if (missing.length === 0) deliver(values)
    else {
      const finish = (outcome: Reply | Error) => {
        if (Array.isArray(outcome)) for (const [i, at] of missing.entries()) values[at] = outcome[i] as Reply
        deliver(Array.isArray(outcome) ? values : outcome)
      }
      this.#read(region, keys, { ...request, args: missing.map(i => args[i] as Argument) }, finish)
    }
    return true
  }

  /** A call has settled: with a reply, with an error reply, or with neither. */
  #onOutcome(read: Read, reader: Reader, outcome: Reply | Error): void {
    const isLeader = reader === read.leader
    if (isLeader && outcome instanceof Error && !(outcome instanceof ReplyError)) {
      // Nothing that the others need share: one of them asks again.
      read.region.withdraw(read)
      if (!read.promoting) this.#promote(read, outcome)
    } else if (isLeader) this.#share(read, reader, outcome)
    reader.deliver(outcome)
  }

  #promote(read: Read, { code, message }: Error & { code?: string }): void {
    read.promoting = true
    for (;;) {
      const next = read.shift()
      if (next === undefined) break
      read.leader = next
      const call = next.call as Call
      if (code === 'SLOTWISE_CLOSED') call.failWith(code, message, { phase: 'close' })
      else this.#host.dispatch(call)
      if (!call.settled) {
        read.promoting = false
        return
      }
    }
    read.region.end(read)
  }

  /** The reply has come: keeps it if that is right, and gives everybody a copy. */
  #share(read: Read, { call }: Reader, outcome: Reply | Error): void {
    read.region.end(read)
    if (outcome instanceof Error) {
      for (let next = read.shift(); next !== undefined; next = read.shift()) next.call?.fail(outcome)
      return
    }
    const mayStore = call !== null && this.#mayStore(read, call)
    if (!mayStore && read.waiting === 0) return
    const bytes = packedBytes(outcome)
    const packed = bytes === Infinity ? undefined : pack(outcome)
    if (mayStore && packed !== undefined) this.#keep(read, packed, bytes)
    for (let next = read.shift(); next !== undefined; next = read.shift()) {
      if (packed === undefined) this.#host.dispatch(next.call as Call)
      else next.call?.fulfil(unpack(packed))
    }
  }

  /** True when the reply came on the tracked connection, at the first attempt, and no news overtook it. */
  #mayStore(read: Read, { extras }: Call): boolean {
    const { region } = read
    if (read.raced || region.connection === null || extras?.stamp !== region.connection) return false
    if (extras.retries !== undefined || extras.redirects !== undefined) return false
    return this.#regionOf(read.slot) === region
  }

  #keep(read: Read, value: Packed, bytes: number): void {
    if (read.keys.length === 1 && read.spec.name !== 'MGET') {
      this.#store.keep(read, read.keys[0] as string, read.args, value, bytes)
      return
    }
    if (!Array.isArray(value) || value.length !== read.keys.length) return
    for (const [i, key] of read.keys.entries()) {
      const item = value[i] as Packed
      // GET of what is no string is an error, MGET null: null from MGET is not what GET would give.
      const { region, slot, flags } = read
      const answered = { region, slot, flags, spec: item === null ? read.spec : get.spec }
      if (key !== null) this.#store.keep(answered, key, [key], item, packedBytes(unpack(item)))
    }
  }

  // ---- changes

  /** A call of our own that may change keys: what is known of them is forgotten before it is sent and once it has settled. */
  #startChange(kind: number, request: R, flags: number, resolve: (outcome: Outcome) => void): boolean {
    const { command, args, slot } = request
    const keys = kind === Kind.changeAll ? null : this.#policy.keysOf(command.spec, args)
    if (keys?.length === 0) return false
    const forget = () => {
      if (keys === null) for (const region of this.#regions.values()) this.#store.empty(region)
      const region = keys === null ? undefined : this.#regionOf(slot)
      if (region !== undefined) for (const key of keys ?? []) this.#store.forget(region, key)
    }
    forget()
    const settle = (outcome: Outcome) => {
      forget()
      resolve(outcome)
    }
    const call = this.#host.issue(request, settle, flags)
    if (!call.settled) this.#host.dispatch(call)
    return true
  }

  /** The connection is gone, or about to go. */
  #drop(node: Node): void {
    this.#tracking.onLost(node)
    const region = this.#regions.get(node)
    if (region === undefined) return
    this.#regions.delete(node)
    region.connection = null
    this.#flushes++
    this.#store.empty(region)
    // Each waits for a connection now, and is bounded as what waits for one.
    for (const read of [...region.reads]) {
      for (let next = read.shift(); next !== undefined; next = read.shift()) this.#host.dispatch(next.call as Call)
    }
  }

  // ---- news

  /** Sees what the nodes report on its way to the listener. */
  watching(listener: NodeListener): NodeListener {
    return {
      ...listener,
      onNodeReady: node => {
        if (!this.#ended) this.#tracking.onReady(node)
        listener.onNodeReady(node)
      },
      onNodeLost: (node, reason) => {
        this.#drop(node)
        listener.onNodeLost(node, reason)
      },
      onReplyError: (node, call, error) => {
        if (error.code === 'MOVED' && call.slot >= 0) this.#onSlotLost(node, call.slot)
        listener.onReplyError(node, call, error)
      },
      onPush: (node, kind, items) => {
        if (kind === 'invalidate') this.#onInvalidate(node, items[1])
        else listener.onPush(node, kind, items)
      },
    }
  }

  #onInvalidate(node: Node, keys: Reply | undefined): void {
    const region = this.#regions.get(node)
    if (region === undefined) return
    if (!Array.isArray(keys)) {
      this.#flushes++
      this.#store.empty(region)
      return
    }
    this.#invalidations += keys.length
    for (const key of keys) this.#store.forget(region, String(key))
  }

  /** Going through all entries for each of thousands of MOVED would take long, so they wait for the end of the turn, out of reach. */
  #onSlotLost(node: Node, slot: number): void {
    const region = this.#regions.get(node)
    if (region === undefined) return
    region.lostSlots.add(slot)
    if (this.#sweepDue) return
    this.#sweepDue = true
    this.#turn.schedule(this)
  }

  onTurnEnd(): void {
    this.#sweepDue = false
    for (const region of this.#regions.values()) {
      if (region.lostSlots.size === 0) continue
      this.#store.forgetSlots(region, slot => region.lostSlots.has(slot))
      region.lostSlots.clear()
    }
  }

  /** Another slot map is in use. */
  onMapChanged(): void {
    const { map } = this.#host.topology
    for (const [node, region] of this.#regions) {
      if (node.state === 'retired') this.#drop(node)
      else this.#store.forgetSlots(region, slot => map.primaryOf(slot) !== node)
    }
  }

  // ---- ending

  /** Answers nothing from now on, and keeps nothing; who waits for a reply still gets it. */
  end(): void {
    this.#ended = true
    for (const region of this.#regions.values()) {
      region.connection = null
      this.#store.empty(region)
    }
  }

  // ---- looking at it

  /** Readers that wait for another one's reply. */
  countWaiting(): number {
    let waiting = 0
    for (const region of this.#regions.values()) for (const read of region.reads) waiting += read.waiting
    return waiting
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
      waiting: this.countWaiting(),
      trackedNodes: this.#regions.size,
      untrackedNodes: this.#tracking.untracked,
    }
  }
}

function asOutcome(resolve: (outcome: Outcome) => void, flags: number): Reader['deliver'] {
  if ((flags & CallFlag.errorAsValue) !== 0) return resolve
  return outcome => resolve(outcome instanceof Error ? Promise.reject(outcome) : outcome)
}
