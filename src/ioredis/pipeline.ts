// Pipeline: commands collected first and sent together; one result for each.
// Owns    the commands collected and their results.
// Born    by pipeline() or multi().
// Dies    with its promise.
// Holds   exec() settles with one [error, reply] a command, in the order in which they were called.

import { asCallback, handled, type NodeCallback } from './callback.js'
import type { Command, OutcomeSink } from './command.js'
import { TransactionGroup } from './link.js'
import { Commander, type CommanderOptions, type Method } from './methods.js'
import type { Script } from './script.js'

export type PipelineResult = [error: Error | null, result?: unknown]

/** What a pipeline stands on. */
export interface PipelineOwner {
  readonly options: CommanderOptions
  readonly isCluster: boolean
  readonly scriptsSet: Record<string, Script>
  readonly addedBuiltinSet: ReadonlySet<string>
  sendCommand(command: Command): unknown
  /** Sends a command of which nobody needs a promise. */
  post(command: Command): void
  /** An error that forbids this transaction; null for none. */
  checkTransaction?(commands: readonly Command[]): Error | null
  /** An error that forbids this command in a pipeline; null for none. */
  checkPipelined?(command: Command): Error | null
  /** The error of the whole, where none of the commands could be tried; null for none. */
  wholeFailure?(results: readonly PipelineResult[]): Error | null
}

export class Pipeline extends Commander implements OutcomeSink {
  readonly isPipeline = true
  readonly redis: PipelineOwner
  readonly isCluster: boolean
  readonly promise: Promise<PipelineResult[]>
  /** MULTIs that have no EXEC yet. */
  transactions = 0
  private queue: Command[] = []
  private results: PipelineResult[] = []
  private pending = 0
  private started = false
  private resolve!: (results: PipelineResult[]) => void
  private reject!: (error: Error) => void

  constructor(redis: PipelineOwner) {
    super()
    this.redis = redis
    this.isCluster = redis.isCluster
    this.options = redis.options
    const own = this as unknown as Record<string, unknown>
    const theirs = redis as unknown as Record<string, unknown>
    for (const name of [...Object.keys(redis.scriptsSet), ...redis.addedBuiltinSet]) {
      own[name] = theirs[name]
      own[`${name}Buffer`] = theirs[`${name}Buffer`]
    }
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
  }

  /** Commands collected, MULTI and EXEC included. */
  get length(): number {
    return this.queue.length
  }

  /** Collects the command. */
  override sendCommand(command: Command): this {
    if (this.transactions > 0) command.inTransaction = true
    command.pipelineIndex = this.queue.length
    this.queue.push(command)
    return this
  }

  /** Collects commands given as arrays: `[['set', 'k', 'v'], ['get', 'k']]`. */
  addBatch(commands: readonly (readonly unknown[])[]): this {
    const methods = this as unknown as Record<string, Method>
    for (const [name, ...args] of commands) (methods[String(name)] as Method).apply(this, args)
    return this
  }

  /**
   * Sends everything.
   * @returns one [error, reply] for each command. In a Cluster each goes to the node of its key; a transaction must have one slot
   */
  exec(callback?: NodeCallback<PipelineResult[]>): Promise<PipelineResult[]>
  exec(callback?: NodeCallback): this | Promise<PipelineResult[]> {
    if (this.transactions > 0) {
      this.transactions--
      this.pushExec(callback)
      // It ends the transaction; the pipeline goes on.
      return this
    }
    if (this.started) return asCallback(this.promise, callback)
    this.started = true
    const promise = asCallback(this.promise, callback)
    if (this.queue.length === 0) this.resolve([])
    else this.launch()
    return promise
  }

  private pushExec(callback?: NodeCallback): void {
    ;(Commander.prototype as unknown as Record<string, Method>).exec?.call(
      this,
      ...(callback === undefined ? [] : [callback]),
    )
  }

  /** @deprecated Use exec(): results are Buffers where the commands are `…Buffer` ones. */
  execBuffer(callback?: NodeCallback): Promise<PipelineResult[]> {
    return this.exec(callback)
  }

  private launch(): void {
    const groups = this.isAllowed() ? this.transactionGroups() : null
    if (groups === null) return
    this.pending = this.queue.length
    for (let i = 0; i < this.queue.length; i++) {
      const command = this.queue[i] as Command
      command.group = groups.get(i) ?? null
      // A promise for each command, and what waits for it, would be made for nobody: over a bare client's cost 1.30 × instead of 1.55.
      if (command.settleInto(this)) this.redis.post(command)
      else this.send(command, i)
    }
  }

  /** Sends a command of which somebody has a promise. */
  private send(command: Command, position: number): void {
    const sent = this.redis.sendCommand(command)
    // A script's promise is another than the one its command was made with.
    const outcome = command.promise
    outcome.then(
      reply => this.fill(position, [null, reply]),
      (error: Error) => this.fill(position, [error]),
    )
    if (sent !== outcome) handled(sent)
  }

  onSettled(command: Command, error: Error | null, reply: unknown): void {
    this.fill(command.pipelineIndex as number, error === null ? [null, reply] : [error])
  }

  outcomeOf({ pipelineIndex = -1 }: Command): Promise<unknown> | null {
    const result = this.results[pipelineIndex]
    if (result === undefined) return null
    return result[0] === null ? Promise.resolve(result[1]) : Promise.reject(result[0])
  }

  private isAllowed(): boolean {
    const { redis } = this
    if (redis.checkPipelined === undefined) return true
    for (const command of this.queue) {
      const forbidden = redis.checkPipelined(command)
      if (forbidden === null) continue
      this.reject(forbidden)
      return false
    }
    return true
  }

  /** A group for each MULTI that has its EXEC, by the positions of its commands; null when one of them is forbidden. */
  private transactionGroups(): Map<number, TransactionGroup> | null {
    const groups = new Map<number, TransactionGroup>()
    let start = -1
    for (let i = 0; i < this.queue.length; i++) {
      const { name } = this.queue[i] as Command
      if (name === 'multi') start = i
      if (name !== 'exec' || start === -1) continue
      const forbidden = this.redis.checkTransaction?.(this.queue.slice(start, i + 1)) ?? null
      if (forbidden !== null) {
        this.reject(forbidden)
        return null
      }
      const group = new TransactionGroup(i - start + 1)
      for (let k = start; k <= i; k++) groups.set(k, group)
      start = -1
    }
    return groups
  }

  private fill(position: number, result: PipelineResult): void {
    const command = this.queue[position] as Command
    if (command.name === 'exec' && Array.isArray(result[1])) this.showResults(position, result[1])
    this.results[position] = result
    if (--this.pending !== 0) return
    const failure = this.redis.wholeFailure?.(this.results) ?? null
    if (failure === null) this.resolve(this.results)
    else this.reject(failure)
  }

  /** The replies within EXEC's, each as its command has it. */
  private showResults(execPosition: number, replies: unknown[]): void {
    for (let i = 0; i < replies.length; i++) {
      if (replies[i] instanceof Error) continue
      const command = this.queue[execPosition - replies.length + i] as Command
      try {
        replies[i] = command.transformReply(replies[i])
      } catch (error) {
        replies[i] = error
      }
    }
  }
}

const { multi } = Pipeline.prototype as unknown as { multi: Method }
Object.defineProperty(Pipeline.prototype, 'multi', {
  value(this: Pipeline, ...args: unknown[]) {
    this.transactions++
    return multi.apply(this, args)
  },
  configurable: true,
  writable: true,
})
