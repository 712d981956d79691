// CallOptions: what a caller may say about one call. Pure.

import { CallFlag, noTimeoutMs } from '../command/call.js'
import type { Argument } from '../command/command.js'
import { SlotwiseError } from '../errors.js'

export interface CallOptions {
  /** Deadline from now to settlement, in milliseconds, 0 for none. Default: the client's `timeoutMs`. */
  timeoutMs?: number
  /** Aborts the call in whatever phase it is. */
  signal?: AbortSignal
  /** Strings of the reply as Buffers. Default false. */
  buffers?: boolean
  /** The command may run twice without harm, so it is sent again when its connection is lost. Default: what the command table says. */
  idempotent?: boolean
  /**
   * MGET, MSET, DEL, UNLINK, EXISTS or TOUCH with keys of several slots of a cluster: as one command for each slot, not atomic. Default:
   * the client's `splitMultiKey`.
   */
  split?: boolean
  /** A command that concerns a whole cluster, such as DBSIZE, goes to every server it concerns; false: to one of them. Default true. */
  fanOut?: boolean
}

/** A call's options as bits and numbers. */
export interface ResolvedCallOptions {
  flags: number
  /** `noTimeoutMs` for none, -1 for the client's default. */
  timeoutMs: number
  signal: AbortSignal | null
  /** Null for the client's default. */
  split: boolean | null
  fanOut: boolean
}

export const defaultCallOptions: ResolvedCallOptions = {
  flags: 0,
  timeoutMs: -1,
  signal: null,
  split: null,
  fanOut: true,
}

/** Options that are bits and nothing else, by these; made once. */
const bitsOnly: Record<number, ResolvedCallOptions> = {}

const known = new Set(['timeoutMs', 'signal', 'buffers', 'idempotent', 'split', 'fanOut'])
const maxTimeoutMs = 86_400_000

/** @throws SlotwiseError SLOTWISE_INVALID_ARGUMENT, naming the option */
export function resolveCallOptions(options: CallOptions | undefined): ResolvedCallOptions {
  if (options === undefined) return defaultCallOptions
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw invalid('Call options must be an object')
  for (const name in options) {
    if (!known.has(name) && Object.hasOwn(options, name)) throw invalid(`${name} is not a known call option`)
  }
  const { timeoutMs, signal, buffers, idempotent, split, fanOut } = options
  if (timeoutMs !== undefined && (!Number.isInteger(timeoutMs) || timeoutMs < 0 || timeoutMs > maxTimeoutMs)) {
    throw invalid(`timeoutMs must be a whole number from 0 to ${maxTimeoutMs}`)
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw invalid('signal must be an AbortSignal')
  if (buffers !== undefined && typeof buffers !== 'boolean') throw invalid('buffers must be a boolean')
  if (idempotent !== undefined && typeof idempotent !== 'boolean') throw invalid('idempotent must be a boolean')
  if (split !== undefined && typeof split !== 'boolean') throw invalid('split must be a boolean')
  if (fanOut !== undefined && typeof fanOut !== 'boolean') throw invalid('fanOut must be a boolean')
  const flags = (buffers === true ? CallFlag.buffers : 0) | (idempotent === true ? CallFlag.repeatable : 0)
  if (timeoutMs === undefined && signal === undefined && split === undefined && fanOut === undefined) {
    return (bitsOnly[flags] ??= { ...defaultCallOptions, flags })
  }
  return {
    flags,
    timeoutMs: timeoutMs === undefined ? -1 : timeoutMs === 0 ? noTimeoutMs : timeoutMs,
    signal: signal ?? null,
    split: split ?? null,
    fanOut: fanOut !== false,
  }
}

/**
 * Checks a command's arguments.
 * @throws SlotwiseError SLOTWISE_INVALID_ARGUMENT, naming the position, never the value
 */
export function checkArguments(args: readonly Argument[], command: string): void {
  if (!Array.isArray(args)) throw invalid(`Arguments of ${command} must be an array`, command)
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]
    // Strings first: nearly all are.
    if (typeof arg === 'string') continue
    if (typeof arg === 'number' ? !Number.isNaN(arg) : typeof arg === 'bigint' || arg instanceof Uint8Array) continue
    throw invalid(`Argument ${i} of ${command} must be a string, Uint8Array, number or bigint`, command)
  }
}

export function invalid(message: string, command?: string): SlotwiseError {
  return new SlotwiseError('SLOTWISE_INVALID_ARGUMENT', message, command === undefined ? undefined : { command })
}
