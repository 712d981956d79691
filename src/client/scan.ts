// Scan: all keys of a server or of a whole cluster, page by page, whatever moves meanwhile. What is gone through and why: routing/scan-plan.ts.
// Owns    nothing between two pages but where it stands: a cursor, what the primaries said last, and which slots are wanted of whom.
// Born    by Client.scanIterator(); sends nothing before the first page is asked for.
// Dies    with its last page, by return() (which ends a `for await` that is left), or with a failure.
// Holds   a cursor is used on the connection on which it was given, and on no other.

import type { Socket } from 'node:net'
import { CallFlag, type Outcome } from '../command/call.js'
import { nameFor, resolveCommand } from '../command/command.js'
import { slotOf } from '../command/slot.js'
import { tcpEndpoint } from '../connection/endpoint.js'
import { ReplyError, type SlotwiseError, stacklessError } from '../errors.js'
import type { Node } from '../node/node.js'
import type { Reply } from '../resp/decoder.js'
import { firstRound, isComplete, nextRound, type ScanRound, type ScanTask } from '../routing/scan-plan.js'
import { type ClusterNode, type Ownership, parseClusterNodes } from '../topology/ownership.js'
import { pause } from '../turn.js'
import { type CallOptions, invalid } from './call-options.js'
import type { Engine } from './engine.js'
import { callOnce, Deadline, type FanOutOptions, mayAskAgain } from './fan-out-call.js'
import { type Prepared, prepare, timeoutOf } from './prepare.js'

export interface ScanOptions {
  /** Only keys that fit this glob-style pattern; the server filters, after it has taken `count` keys. Default: all. */
  match?: string | Uint8Array
  /** How many keys the server looks at for one page, 1 to 1,000,000. Default: the server's, 10. */
  count?: number
  /** Only keys of this type, as TYPE names it: `string`, `list`, `set`, `zset`, `hash`, `stream`. Default: all. */
  type?: string
  /** Keys as Buffers. Default false. */
  buffers?: boolean
  /** Longest time in which no page comes, in milliseconds, 0 for none; the time between two pages does not count. Default: the client's. */
  timeoutMs?: number
  /** Aborts the scan: the page that is waited for, or else the next one, rejects with SLOTWISE_ABORTED. */
  signal?: AbortSignal
}

const known = new Set(['match', 'count', 'type', 'buffers', 'timeoutMs', 'signal'])
const maxCount = 1_000_000

/**
 * The SCAN command that the options ask for; its first argument is the cursor.
 * @throws SlotwiseError SLOTWISE_INVALID_ARGUMENT, naming the option
 */
export function prepareScan(options: ScanOptions): Prepared {
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw invalid('Scan options must be an object')
  for (const name of Object.keys(options)) if (!known.has(name)) throw invalid(`${name} is not a known scan option`)
  const { match, count, type, buffers, timeoutMs, signal } = options
  if (match !== undefined && typeof match !== 'string' && !(match instanceof Uint8Array))
    throw invalid('match must be a string or Uint8Array')
  if (count !== undefined && (!Number.isInteger(count) || count < 1 || count > maxCount))
    throw invalid(`count must be a whole number from 1 to ${maxCount}`)
  if (type !== undefined && (typeof type !== 'string' || type === '')) throw invalid('type must be a non-empty string')
  const callOptions: CallOptions = {}
  if (buffers !== undefined) callOptions.buffers = buffers
  if (timeoutMs !== undefined) callOptions.timeoutMs = timeoutMs
  if (signal !== undefined) callOptions.signal = signal
  const args = ['0', ...pair('MATCH', match), ...pair('COUNT', count), ...pair('TYPE', type)]
  return prepare(false, 'SCAN', args, callOptions)
}

function pair<Value>(word: string, value: Value | undefined): (string | Value)[] {
  return value === undefined ? [] : [word, value]
}

export async function* scan(
  engine: Engine,
  options: FanOutOptions,
  prepared: Prepared,
): AsyncGenerator<Reply[], void, undefined> {
  yield* new Scan(engine, options, prepared).run()
}

/** What one SCAN came to. */
interface Page {
  readonly cursor: string
  readonly keys: Reply[]
  /** The connection that it came on. */
  readonly socket: Socket | null
}

class Scan {
  readonly #engine: Engine
  readonly #options: FanOutOptions
  readonly #prepared: Prepared
  #deadline: Deadline
  /** The nodes that have spoken, by their ids. */
  #nodes: ReadonlyMap<string, Node> = new Map()
  /** The last failure that may pass. */
  #trouble: { error: Error; endpoint: string } | null = null

  constructor(engine: Engine, options: FanOutOptions, prepared: Prepared) {
    this.#engine = engine
    this.#options = options
    this.#prepared = prepared
    this.#deadline = this.#newDeadline()
  }

  #newDeadline(): Deadline {
    return new Deadline(timeoutOf(this.#prepared.options, null, this.#options.timeoutMs))
  }

  async *run(): AsyncGenerator<Reply[], void, undefined> {
    let before = await this.#ownership(null)
    let round: ScanRound | null = firstRound(before)
    while (round !== null) {
      const failed = new Set<ScanTask>()
      for (const task of [...round.sources, ...round.targets]) {
        const done: boolean = yield* this.#scanNode(task)
        if (!done) failed.add(task)
      }
      if (failed.size !== 0) await this.#rest()
      const after = await this.#ownership(before)
      round = nextRound(round, failed, before, after)
      before = after
    }
  }

  // ---- one node

  /** Goes through one node; false when that could not be brought to its end. */
  async *#scanNode({ id, slots }: ScanTask): AsyncGenerator<Reply[], boolean, undefined> {
    const node = this.#nodes.get(id) as Node
    let cursor = '0'
    let socket: Socket | null = null
    for (;;) {
      const page: Page | null = await this.#page(node, cursor)
      if (page === null) return false
      const keys = slots === null ? page.keys : page.keys.filter(key => slots.has(slotOf(key as string | Buffer)))
      if (keys.length !== 0) yield keys
      this.#deadline = this.#newDeadline()
      if (cursor !== '0' && page.socket !== socket) {
        // The cursor is that of another connection, so perhaps of a process that is no more, and means nothing to this one.
        cursor = '0'
        continue
      }
      socket = page.socket
      cursor = page.cursor
      if (cursor === '0') return true
    }
  }

  /** Null when the node could not be asked, which may pass. */
  async #page(node: Node, cursor: string): Promise<Page | null> {
    const args = [cursor, ...this.#prepared.args.slice(1)]
    const options = { ...this.#prepared.options, timeoutMs: this.#deadline.leftMs }
    const { outcome, socket } = await new Promise<{ outcome: Reply | Error; socket: Socket | null }>(resolve => {
      // Called while the reply is being read, so the node's connection is the one that it came on.
      const take = (outcome: Outcome) =>
        resolve({ outcome: outcome as Reply | Error, socket: node.connection?.socket ?? null })
      this.#engine.start({ ...this.#prepared, args, options, node }, CallFlag.pinned | CallFlag.errorAsValue, take)
    })
    if (outcome instanceof Error) {
      this.#onTrouble(node, outcome)
      return null
    }
    this.#trouble = null
    const [next, keys] = outcome as [string | Buffer, Reply[]]
    return { cursor: String(next), keys, socket }
  }

  /** Notes a failure that may pass; throws one that will not. */
  #onTrouble(node: Node, error: Error): void {
    const endpoint = node.endpoint.key
    const passing = mayAskAgain(error, 'safe', true) || (error as SlotwiseError).code === 'SLOTWISE_QUEUE_EXPIRED'
    if (!passing) {
      // What went before says more than that the time was up.
      if (this.#trouble !== null && error.cause === undefined) error.cause = this.#trouble.error
      throw withEndpoint(error, endpoint)
    }
    this.#trouble = { error, endpoint }
  }

  /** A pause before asking again; meanwhile the client looks who serves what. */
  async #rest(): Promise<void> {
    this.#engine.refresh().catch(() => undefined)
    const { signal } = this.#prepared.options
    await pause(Math.min(this.#options.retryDelayMs, this.#deadline.leftMs), signal ?? undefined)
    if (signal?.aborted === true)
      throw stacklessError('SLOTWISE_ABORTED', 'The scan was aborted', { cause: signal.reason, command: 'SCAN' })
    if (!this.#deadline.isOver) return
    const { timeoutMs, elapsedMs } = this.#deadline
    const { error, endpoint } = this.#trouble ?? {}
    throw stacklessError('SLOTWISE_TIMEOUT', `No page came within ${timeoutMs} ms`, {
      command: 'SCAN',
      phase: 'queue',
      elapsedMs: Math.round(elapsedMs),
      ...(error !== undefined && { cause: error }),
      ...(endpoint !== undefined && { endpoint }),
    })
  }

  // ---- all nodes

  /** What the primaries say of themselves, once nothing is missing. */
  async #ownership(before: Ownership | null): Promise<Ownership> {
    if (!this.#engine.clustered) return this.#onlyServer()
    for (;;) {
      const nodes = new Map<string, Node>()
      const own = new Map<string, ClusterNode>()
      const told: ClusterNode[] = []
      await this.#askAll((node, lines) => {
        told.push(...lines)
        const self = lines.find(line => line.isMyself)
        if (self === undefined || !self.isPrimary) return
        own.set(self.id, self)
        nodes.set(self.id, node)
      })
      if (own.size !== 0 && isComplete(own, told, before)) {
        this.#nodes = nodes
        return own
      }
      await this.#rest()
    }
  }

  /** Asks every primary that the client knows, and those that they name: one without slots may have got its first keys. */
  async #askAll(onAnswer: (node: Node, lines: ClusterNode[]) => void): Promise<void> {
    const { topology } = this.#engine
    if (topology.primaries.length === 0) await this.#untilKnown()
    const asked = new Set<Node>()
    let next: readonly Node[] = topology.primaries
    while (next.length !== 0) {
      for (const node of next) asked.add(node)
      const answers = await Promise.all(next.map(async node => ({ node, lines: await this.#linesOf(node) })))
      const named = new Map<string, ClusterNode>()
      for (const { node, lines } of answers) {
        if (lines === null) continue
        onAnswer(node, lines)
        for (const line of lines) if (line.isPrimary && !line.isAway && !line.isMyself) named.set(line.id, line)
      }
      next = [...named.values()]
        .map(line => this.#nodeOf(line))
        .filter(node => node !== null && !asked.has(node)) as Node[]
    }
  }

  #nodeOf({ id, host, port }: ClusterNode): Node | null {
    const { topology } = this.#engine
    const found = topology.nodes.find(node => node.id === id)
    if (found !== undefined) return found
    return host === '' ? null : topology.nodeFor(topology.locate(tcpEndpoint(host, port)))
  }

  async #linesOf(node: Node): Promise<ClusterNode[] | null> {
    const outcome = await this.#ask('CLUSTER', ['NODES'], node)
    if (!(outcome instanceof Error)) return parseClusterNodes(outcome)
    this.#onTrouble(node, outcome)
    return null
  }

  /** Waits, as any call does, until the client knows a server. */
  async #untilKnown(): Promise<void> {
    const outcome = await this.#ask('PING', [], null)
    if (outcome instanceof Error) throw Object.assign(outcome, { command: 'SCAN' })
  }

  #ask(name: string, args: string[], node: Node | null): Promise<Reply | Error> {
    const command = nameFor(resolveCommand(name), args)
    // What it only reads may be asked twice, and is wanted as text.
    const options = { ...this.#prepared.options, flags: CallFlag.repeatable }
    return callOnce(this.#engine, { command, args, slot: -1, options, node }, this.#deadline)
  }

  /** A server without slots: one node, which nothing moves to or from. */
  async #onlyServer(): Promise<Ownership> {
    if (this.#engine.topology.primaries.length === 0) await this.#untilKnown()
    const id = ''
    this.#nodes = new Map([[id, this.#engine.topology.primaries[0] as Node]])
    const rest = { host: '', port: 0, isMyself: true, isPrimary: true, isAway: false, epoch: 0, ranges: [] }
    return new Map([[id, { id, ...rest, migrating: new Map(), importing: new Map() }]])
  }
}

function withEndpoint(error: Error, endpoint: string): Error {
  if (error instanceof ReplyError || (error as SlotwiseError).endpoint !== undefined) return error
  return Object.assign(error, { endpoint })
}
