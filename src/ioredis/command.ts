// Command: one command of the ioredis-shaped API: name, arguments, promise, and how its reply is to be shown.
// Owns    its promise.
// Born    by a method such as get(), or by its user.
// Dies    with its promise.
// Holds   arguments are final once it has been made: flattened, transformed, prefixed, and strings or Buffers.

import { CallFlag, CommandFlag, type CommandName, firstKeyIndex, keyIndexes, type Outcome, slotOf } from '../core.js'
import { asCallback, captureResolve, type NodeCallback, resolveOfLast } from './callback.js'
import { frameOf, preparedArgs } from './command-args.js'
import { commandDefaults } from './command-defaults.js'
import { blockingTimeoutOf, byName, commandFlags } from './command-flags.js'
import { type CommandKind, kindOf } from './command-kind.js'
import { shownReply, withStack } from './command-reply.js'
import type { CommandOptions, ReplyContext } from './command-types.js'
import { sortPatterns, withPrefix } from './key-prefix.js'
import type { Sender } from './sender.js'
import {
  type ArgumentTransformer,
  builtinArgumentTransformers,
  builtinReplyTransformers,
  type ReplyTransformer,
} from './transformers.js'

export type { CommandOptions, CommandParameter } from './command-types.js'

// What is imported from an entry is looked up at each use, through every file that exports it again.
const { keyless, singleKey } = CommandFlag
const { legacy, buffers, repeatable } = CallFlag
const slotOfKey = slotOf

/** Commands that are sent together, or not at all. */
export interface CommandGroup {
  add(command: Command, sender: Sender): unknown
}

/** Where the outcome of a command goes that is one of many. */
export interface OutcomeSink {
  /** @param error null for a success */
  onSettled(command: Command, error: Error | null, reply: unknown): void
  /** A promise of an outcome that has come; null before. */
  outcomeOf(command: Command): Promise<unknown> | null
}

export class Command {
  static FLAGS = commandFlags
  private static readonly flagMap = byName(commandFlags)
  static _transformer = {
    argument: { ...builtinArgumentTransformers } as Record<string, ArgumentTransformer>,
    reply: { ...builtinReplyTransformers } as Record<string, ReplyTransformer>,
  }

  /** True when the command is of that kind: `Command.checkFlag('BLOCKING_COMMANDS', 'blpop')`. */
  static checkFlag(flag: keyof typeof commandFlags, name: string): boolean {
    return commandFlags[flag].includes(name.toLowerCase())
  }

  /** The kinds of commands, each as an object of names. */
  static getFlagMap(): Record<string, Record<string, true>> {
    return Command.flagMap
  }

  /** Changes the arguments of every command of that name, which is matched as it is spelled. */
  static setArgumentTransformer(name: string, transformer: ArgumentTransformer): void {
    Command._transformer.argument[name] = transformer
  }

  /** Changes the replies of every command of that name. */
  static setReplyTransformer(name: string, transformer: ReplyTransformer): void {
    Command._transformer.reply[name] = transformer
  }

  name: string
  args: (string | Buffer)[]
  callback: NodeCallback | undefined
  replyEncoding: BufferEncoding | null | undefined
  group: CommandGroup | null = null
  /** What it is to be sent through, when not through the link of the object that sends it. */
  sender: Sender | null = null
  /** Where a Cluster sends it; -1 for any node. */
  slotHint = -1
  pipelineIndex: number | undefined = undefined
  /** From being sent to its end, in milliseconds; 0 for no limit. */
  timeoutMs = 0
  /** RESP version its reply comes in. */
  protocol = 2
  private known: CommandKind
  /** Null until somebody asks for it. */
  private made: Promise<unknown> | null = null
  private settle: ((outcome: unknown) => void) | null = null
  private sink: OutcomeSink | null = null

  // What few commands have stands on the prototype until it is set, so that the object is half the size for all others.
  declare errorStack: Error | undefined
  declare isReadOnly: boolean
  declare inTransaction: boolean
  declare ignore: boolean
  /** Some argument is a Buffer. */
  declare private hasBuffers: boolean
  declare replyMapping: 'legacy' | 'resp3'
  /** Scripts that its server is known to have, when not those that the sending object knows of. */
  declare knownScripts: Set<string> | null
  declare isTraced: boolean
  declare isResolved: boolean
  declare isSettled: boolean
  /** With the reply mapping `resp3`: numbers as strings. */
  declare stringNumbers: boolean
  /** A blocking command that has got no reply for this long is answered with null; 0 for no limit. */
  declare blockingTimeoutMs: number
  declare private settleError: ((error: Error) => void) | null
  declare private keys: (string | Buffer)[] | undefined
  declare private slot: number | null | undefined
  declare private ownResolve: ((value: unknown) => unknown) | null
  declare private ownReject: ((error: Error) => unknown) | null

  /**
   * @param name as it goes on the wire
   * @param args strings, Buffers, numbers, or arrays of them; anything else is written as `String()` has it
   */
  constructor(name: string, args: readonly unknown[] = [], options: CommandOptions = {}, callback?: NodeCallback) {
    this.name = name
    this.known = kindOf(name)
    this.callback = callback
    this.replyEncoding = options.replyEncoding
    this.args = preparedArgs(args, Command._transformer.argument[name])
    if (this.args !== args && this.args.some(Buffer.isBuffer)) this.hasBuffers = true
    this.takeOptions(options)
    if (callback !== undefined) this.makePromise()
  }

  private takeOptions({ errorStack, readOnly, keyPrefix }: CommandOptions): void {
    if (errorStack !== undefined) this.errorStack = errorStack
    if (readOnly === true) this.isReadOnly = true
    if (keyPrefix && this.kind.isKnown) {
      const indexes = [...this.keyIndexes(), ...sortPatterns(this.name, this.args)]
      this.args = withPrefix(this.args, indexes, keyPrefix)
    }
  }

  /** What is known of it by its name. */
  get kind(): CommandKind {
    if (this.known.name !== this.name) this.known = kindOf(this.name)
    return this.known
  }

  /** Settled by what comes back; made when it is first asked for. */
  get promise(): Promise<unknown> {
    return this.made ?? this.makePromise()
  }

  set promise(promise: Promise<unknown>) {
    // Whoever puts another one in its place has it settled by other means, or waits for the one before.
    if (this.settle === null) this.makePromise()
    this.made = promise
  }

  /** Makes a new promise, so that the command can be sent once more. */
  initPromise(): void {
    this.isResolved = false
    this.isSettled = false
    this.makePromise()
  }

  private makePromise(): Promise<unknown> {
    const settled = this.sink?.outcomeOf(this) ?? null
    if (settled !== null) this.made = settled
    else if (this.callback === undefined) {
      this.made = new Promise(captureResolve)
      this.settle = resolveOfLast()
    } else {
      // A rejection that is handed to resolve() comes a little later than a value: callbacks are called in the order of the replies.
      const promise = new Promise((resolve, reject) => {
        this.settle = resolve
        this.settleError = reject
      })
      this.made = asCallback(promise, this.callback)
    }
    return this.made
  }

  /**
   * Its outcome goes there, and it needs no promise unless somebody asks for one.
   * @returns false where somebody has a promise of it already
   */
  settleInto(sink: OutcomeSink): boolean {
    if (this.made !== null) return false
    this.sink = sink
    return true
  }

  private keyIndexes(): number[] {
    return keyIndexes(this.resolved().spec, this.args)
  }

  /**
   * Name and spec as the core has them.
   * @throws SlotwiseError SLOTWISE_INVALID_ARGUMENT when no server could read the name
   */
  resolved(): CommandName {
    return this.kind.resolved(this.args)
  }

  // ---- where it goes

  /** Hash slot of its first key; null when it has none. */
  getSlot(): number | null {
    if (this.slot === undefined) {
      const key = this.getKeys()[0]
      this.slot = key === undefined ? null : slotOf(key)
    }
    return this.slot
  }

  /** Slots of all its keys. */
  getKeySlots(): number[] {
    return this.getKeys().map(key => slotOf(key))
  }

  /** Its keys; none of a command that is not known. */
  getKeys(): (string | Buffer)[] {
    this.keys ??= this.kind.isKnown ? this.keyIndexes().map(i => this.args[i] as string | Buffer) : []
    return this.keys
  }

  /** Slot to send it to; -1 for any node. */
  get route(): number {
    const { spec } = this.resolved()
    if ((spec.flags & keyless) !== 0) return -1
    const key = this.args[(spec.flags & singleKey) !== 0 ? 0 : firstKeyIndex(spec, this.args)]
    return key === undefined ? -1 : slotOfKey(key)
  }

  /** Its keys, if there are several, have one slot. */
  get hasOneSlot(): boolean {
    if ((this.resolved().spec.flags & (CommandFlag.keyless | CommandFlag.singleKey)) !== 0) return true
    const slots = this.getKeySlots()
    return slots.every(slot => slot === slots[0])
  }

  /** The frame that goes on the wire. */
  toWritable(_socket?: unknown): string | Buffer {
    return frameOf(this.name, this.args)
  }

  /** Arguments are strings or Buffers from the start; kept because programs call it. */
  stringifyArguments(): void {
    this.args = preparedArgs(this.args, undefined)
  }

  setReplyContext(context?: ReplyContext): void {
    this.protocol = context?.protocol ?? 2
    this.stringNumbers = context?.stringNumbers === true
    this.replyMapping = context?.replyMapping ?? 'legacy'
  }

  setTimeout(ms: number): void {
    this.timeoutMs = ms
  }

  setBlockingTimeout(ms: number): void {
    if (ms > 0) this.blockingTimeoutMs = ms
  }

  /** Milliseconds it blocks on the server: 0 for ever, null when it names none, undefined when it is no blocking command. */
  extractBlockingTimeout(): number | null | undefined {
    return blockingTimeoutOf(this.name, this.args)
  }

  /** The arguments as they are now: whoever made a Buffer may use it again, and it is written later. */
  get argsToSend(): readonly (string | Buffer)[] {
    return this.hasBuffers ? this.args.map(arg => (typeof arg === 'string' ? arg : Buffer.from(arg))) : this.args
  }

  // ---- what comes back

  /** Fulfils the promise with the reply, as its caller is to see it. Can be replaced, as tracing tools do. */
  get resolve(): (reply: unknown) => unknown {
    this.ownResolve ??= reply => {
      this.fulfil(reply)
      return this.promise
    }
    return this.ownResolve
  }

  set resolve(resolve: (reply: unknown) => unknown) {
    this.ownResolve = resolve
  }

  /** Rejects the promise. Can be replaced. */
  get reject(): (error: Error) => unknown {
    return (this.ownReject ??= error => this.fail(error))
  }

  set reject(reject: (error: Error) => unknown) {
    this.ownReject = reject
  }

  private fulfil(reply: unknown): void {
    if (this.isSettled) return
    let shown: unknown
    try {
      shown = this.transformReply(reply)
    } catch (error) {
      this.reject(error as Error)
      return
    }
    this.isResolved = true
    this.isSettled = true
    this.conclude(shown)
  }

  private fail(error: Error): void {
    // A rejected promise that nobody takes would be an unhandled one.
    if (this.isSettled) return
    this.isSettled = true
    const shown = this.errorStack === undefined ? error : withStack(error, this.errorStack)
    if (this.sink !== null) {
      this.sink.onSettled(this, shown, undefined)
      if (this.made === null) return
    }
    if (this.settleError !== null) this.settleError(shown)
    else this.settlePromise(Promise.reject(shown))
  }

  private conclude(shown: unknown): void {
    if (this.sink !== null) {
      this.sink.onSettled(this, null, shown)
      if (this.made === null) return
    }
    this.settlePromise(shown)
  }

  private settlePromise(outcome: unknown): void {
    if (this.settle === null) this.makePromise()
    this.settle?.(outcome)
  }

  /** The reply as its caller is to see it. */
  transformReply(reply: unknown): unknown {
    return shownReply(this, reply, Command._transformer.reply[this.name])
  }

  /** True when its reply's strings must arrive as Buffers. */
  get wantsBuffers(): boolean {
    return this.replyEncoding !== 'utf8'
  }

  /** CallFlag bits for the core. */
  get callFlags(): number {
    return (
      (this.replyMapping === 'resp3' ? 0 : legacy) |
      (this.wantsBuffers ? buffers : 0) |
      (this.isReadOnly ? repeatable : 0)
    )
  }

  /** True when the reply is what the caller sees, and nobody looks on: the promise can be settled without a step between. */
  get isDirect(): boolean {
    return (
      this.ownResolve === null &&
      this.ownReject === null &&
      this.callback === undefined &&
      this.errorStack === undefined &&
      this.blockingTimeoutMs === 0 &&
      this.replyMapping === 'legacy' &&
      (this.replyEncoding === 'utf8' || !this.replyEncoding) &&
      Command._transformer.reply[this.name] === undefined
    )
  }

  /** Where the core delivers the outcome of a direct command: without a sink, what settles its promise. */
  get receiver(): (outcome: Outcome) => void {
    if (this.sink !== null) return outcome => (outcome instanceof Error ? this.fail(outcome) : this.conclude(outcome))
    if (this.settle === null) this.makePromise()
    return this.settle as (outcome: Outcome) => void
  }

  /** Failures are to come as values. */
  get hasSink(): boolean {
    return this.sink !== null
  }

  /** Takes an outcome that has come as a value. */
  deliver(outcome: unknown): void {
    if (!(outcome instanceof Error)) this.fulfilAsSeen(outcome)
    else if (this.blockingTimeoutMs !== 0 && outcome.message === 'Command timed out') this.fulfilAsSeen(null)
    else if (this.ownReject === null) this.fail(outcome)
    else this.ownReject(outcome)
  }

  private fulfilAsSeen(reply: unknown): void {
    if (this.ownResolve === null) this.fulfil(reply)
    else this.ownResolve(reply)
  }
}

Object.assign(Command.prototype, commandDefaults)
