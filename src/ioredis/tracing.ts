// Tracing: the diagnostics channels that tools for ioredis subscribe to. Costs one check a command while nobody does.
// Source: Node.js documentation, "diagnostics_channel", TracingChannel.

import { type TracingChannel, tracingChannel } from 'node:diagnostics_channel'
import { noop } from './callback.js'

/** Payload of `tracing:ioredis:command:*`. `args` are sanitised: values are shown as `?`. */
export interface CommandTraceContext {
  command: string
  args: string[]
  database: number
  serverAddress: string
  serverPort: number | undefined
}

/** Payload of `tracing:ioredis:batch:*`. */
export interface BatchOperationContext {
  batchMode: 'MULTI'
  batchSize: number
  database: number
  serverAddress: string
  serverPort: number | undefined
}

/** Payload of `tracing:ioredis:connect:*`. */
export interface ConnectTraceContext {
  serverAddress: string
  serverPort: number | undefined
  connectionEpoch: number
}

type Channel<Context extends object> = TracingChannel<unknown, Context>

const commandChannel = tracingChannel('ioredis:command') as Channel<CommandTraceContext>
const batchChannel = tracingChannel('ioredis:batch') as Channel<BatchOperationContext>
const connectChannel = tracingChannel('ioredis:connect') as Channel<ConnectTraceContext>

// Not all versions of Node tell it of the channel as a whole.
function watched({ start, end, asyncStart, asyncEnd, error }: Channel<never>): boolean {
  return (
    start.hasSubscribers ||
    end.hasSubscribers ||
    asyncStart.hasSubscribers ||
    asyncEnd.hasSubscribers ||
    error.hasSubscribers
  )
}

export function tracesCommands(): boolean {
  return watched(commandChannel as Channel<never>)
}

export function tracesConnects(): boolean {
  return watched(connectChannel as Channel<never>)
}

export function traceCommand<T>(run: () => Promise<T>, context: CommandTraceContext): Promise<T> {
  return handled(commandChannel.tracePromise(run, context))
}

export function traceBatch<T>(run: () => Promise<T>, context: () => BatchOperationContext): Promise<T> {
  return watched(batchChannel as Channel<never>) ? handled(batchChannel.tracePromise(run, context())) : run()
}

export function traceConnect<T>(run: () => Promise<T>, context: () => ConnectTraceContext): Promise<T> {
  return watched(connectChannel as Channel<never>) ? connectChannel.tracePromise(run, context()) : run()
}

/** The channel's promise is one more than the caller may have taken. */
function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(noop)
  return promise
}

/** How many arguments of a command may be shown: structure yes, values no. */
const shownArguments: readonly [names: string, count: number][] = [
  ['ECHO', 0],
  [
    'GETSET LPUSH LPUSHX MSET MSETNX PFADD PSETEX PUBLISH RPUSH RPUSHX SADD SET SETBIT SETEX SETNX SETRANGE SPUBLISH XADD ZADD',
    1,
  ],
  ['HSET HSETNX HMSET LSET LINSERT', 2],
]
const shown = new Map(shownArguments.flatMap(([names, count]) => names.split(' ').map(name => [name, count] as const)))
/** What the names of commands begin with whose arguments hold no values: they name keys, members of a set of choices, options. */
const structural = (
  'ACL BIT BL BR BZ CLIENT CLUSTER CONFIG COMMAND DECR DEL EVAL EX FUNCTION GEO GET HINCR HMGET HSCAN INCR LT LR LL LM MEMORY ' +
  'PE PF PI PS PT PU RPOP SC SD SI SM SO SR SS SU XACK XC XD XG XI XL XP XR XT ZC ZD ZI ZL ZM ZP ZR ZS'
).split(' ')

/** A command's arguments for a trace; what may be a value or a secret is shown as `?`. */
export function sanitizeArgs(command: string, args: readonly unknown[]): string[] {
  const name = command.toUpperCase()
  const count = shown.get(name) ?? (structural.some(start => name.startsWith(start)) ? args.length : 0)
  return args.map((arg, i) => (i < count ? String(arg) : '?'))
}

interface Addressed {
  readonly path?: string | undefined
  readonly host?: string | undefined
  readonly port?: number | undefined
}

/** Where the server is, for a trace. */
export function addressOf({ path, host, port }: Addressed): { serverAddress: string; serverPort: number | undefined } {
  if (path) return { serverAddress: path, serverPort: undefined }
  return { serverAddress: host || 'localhost', serverPort: port || 6379 }
}

/** Payload of the trace of a command. */
export function commandContext(
  { name, args }: { name: string; args: readonly unknown[] },
  database: number,
  server: Addressed,
): CommandTraceContext {
  return { command: name, args: sanitizeArgs(name, args), database, ...addressOf(server) }
}
