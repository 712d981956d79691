// Transformers: arguments and replies that ioredis' users know in another shape than the server's. Pure.

export type ArgumentTransformer = (args: unknown[]) => unknown[]
// biome-ignore lint/suspicious/noExplicitAny: users write these for replies of any shape
export type ReplyTransformer = (reply: any, context?: unknown) => any

/** An argument as the server is to see it. */
export function toArg(arg: unknown): string {
  if (arg === null || arg === undefined) return ''
  // Beyond 2^53 String() would write an exponent.
  if (typeof arg === 'number' && Number.isInteger(arg) && !Number.isSafeInteger(arg)) return BigInt(arg).toString()
  return String(arg)
}

function pairs(value: unknown): unknown[] | null {
  if (value instanceof Map) return [...value].flat(1)
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return null
  return Object.entries(value).flat(1)
}

/** `mset({k: v})`, `mset(new Map([[k, v]]))`. */
function fieldsOnly(args: unknown[]): unknown[] {
  return args.length === 1 ? (pairs(args[0]) ?? args) : args
}

/** `hset(key, {f: v})`, `hset(key, new Map([[f, v]]))`. */
function keyAndFields(args: unknown[]): unknown[] {
  if (args.length !== 2) return args
  const fields = pairs(args[1])
  return fields === null ? args : [args[0], ...fields]
}

/** `[f, v, f, v]` to an object; a field named `__proto__` is a field. */
export function toObject(reply: unknown): unknown {
  if (!Array.isArray(reply)) return reply
  const object: Record<string, unknown> = {}
  for (let i = 0; i < reply.length; i += 2) {
    const key = String(reply[i])
    if (key === '__proto__') defineField(object, key, reply[i + 1])
    else object[key] = reply[i + 1]
  }
  return object
}

export function defineField(object: object, key: string, value: unknown): void {
  Object.defineProperty(object, key, { value, configurable: true, enumerable: true, writable: true })
}

/** RESP3 has pairs where RESP2 has a flat list. */
function flattenPairs(reply: unknown): unknown {
  return Array.isArray(reply) && reply.some(Array.isArray) ? reply.flat(1) : reply
}

/** RESP3 has a map of streams where RESP2 has a list of pairs. */
function pairStreams(reply: unknown): unknown {
  if (!Array.isArray(reply) || Array.isArray(reply[0])) return reply
  const streams: unknown[] = []
  for (let i = 0; i < reply.length; i += 2) streams.push([reply[i], reply[i + 1]])
  return streams
}

/** A RESP3 reply as it is, in what JSON has: maps as objects, sets as arrays, big numbers as strings. */
export function toPlain(reply: unknown, stringNumbers = false): unknown {
  if (Array.isArray(reply)) return reply.map(item => toPlain(item, stringNumbers))
  if (reply instanceof Set) return [...reply].map(item => toPlain(item, stringNumbers))
  if (typeof reply === 'bigint' || (stringNumbers && typeof reply === 'number')) return String(reply)
  if (!(reply instanceof Map)) return reply
  const object: Record<string, unknown> = {}
  for (const [key, value] of reply) {
    const name = String(key)
    if (name === '__proto__') defineField(object, name, toPlain(value, stringNumbers))
    else object[name] = toPlain(value, stringNumbers)
  }
  return object
}

export function hasBuffers(reply: unknown): boolean {
  if (typeof reply !== 'object' || reply === null) return false
  if (reply instanceof Buffer) return true
  return Array.isArray(reply) ? reply.some(hasBuffers) : Object.values(reply).some(hasBuffers)
}

/** Buffers of a reply as text. */
export function toText(reply: unknown, encoding: BufferEncoding): unknown {
  if (reply instanceof Buffer) return reply.toString(encoding)
  if (Array.isArray(reply)) return reply.map(item => toText(item, encoding))
  if (typeof reply !== 'object' || reply === null || Object.getPrototypeOf(reply) !== Object.prototype) return reply
  const object: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(reply)) defineField(object, key, toText(value, encoding))
  return object
}

export const builtinArgumentTransformers: Readonly<Record<string, ArgumentTransformer>> = {
  mset: fieldsOnly,
  msetnx: fieldsOnly,
  hset: keyAndFields,
  hmset: keyAndFields,
}

const flattened = [
  'hrandfield',
  'vsim',
  'zdiff',
  'zinter',
  'zpopmax',
  'zpopmin',
  'zrandmember',
  'zrange',
  'zrangebyscore',
  'zrevrange',
  'zrevrangebyscore',
  'zunion',
]

/** True for those that make RESP2's shape of RESP3's, and have nothing to do with RESP2. */
export function flattensOfResp3(transformer: ReplyTransformer): boolean {
  return transformer === flattenPairs || transformer === pairStreams
}

/** Replies to be bent while the reply mapping is `legacy`. */
export const builtinReplyTransformers: Readonly<Record<string, ReplyTransformer>> = {
  hgetall: toObject,
  xread: pairStreams,
  xreadgroup: pairStreams,
  ...Object.fromEntries(flattened.map(name => [name, flattenPairs])),
}
