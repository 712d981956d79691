// Commander types: what the signatures in commander.generated.ts are made of. No code.

export type RedisKey = string | Buffer
export type RedisValue = string | Buffer | number
/** Numbers may be sent as text, which is also how limits such as '-inf' or '(5' are written. */
export type Numeric = number | string

// biome-ignore lint/suspicious/noExplicitAny: as in ioredis, a callback without a type takes any reply
export type Callback<T = any> = (err?: Error | null, result?: T) => void

/** A reply whose shape depends on the option replyMapping. */
export type ByMapping<Context, Legacy, Resp3> = Context extends { mapping: 'resp3' } ? Resp3 : Legacy

/** A floating-point number. */
export type Score<Context, Text> = ByMapping<Context, Text, number>

/** Members and scores: one after the other, or in pairs. */
export type ScoredMembers<Context, Text> = ByMapping<Context, Text[], [member: Text, score: number][]>

export type StreamEntry<Text, Fields = Text[]> = [id: Text, fields: Fields]

/** The entries of several streams. */
export type StreamReply<Context, Text, Fields> = ByMapping<
  Context,
  [key: Text, items: StreamEntry<Text, Fields>[]][],
  Record<string, StreamEntry<Text, Fields>[]>
> | null

/** VSIM: the options among `Words` say what comes with each element. */
export type SimilarReply<Context, Text, Words extends RedisValue[]> = ByMapping<
  Context,
  Text[],
  'WITHATTRIBS' extends Words[number]
    ? Record<string, 'WITHSCORES' extends Words[number] ? [score: number, attributes: Text | null] : Text | null>
    : 'WITHSCORES' extends Words[number]
      ? Record<string, number>
      : Text[]
>

/** A word among others that are values: known ones are suggested, any is taken. */
export type Word<Known extends string> = Known | (string & {}) | Buffer | number

/** Any number of values, each of which may be an array of them. */
export type Many<T> = (T | readonly T[])[]

/** Up to four options, each of which may be left out, in any order. */
export type AnyOrder<
  A extends unknown[],
  B extends unknown[],
  C extends unknown[] = never,
  D extends unknown[] = never,
> =
  | []
  | [...A, ...AnyOrderOfThree<B, C, D>]
  | [...B, ...AnyOrderOfThree<A, C, D>]
  | [...C, ...AnyOrderOfThree<A, B, D>]
  | [...D, ...AnyOrderOfThree<A, B, C>]

type AnyOrderOfThree<A extends unknown[], B extends unknown[], C extends unknown[]> =
  | []
  | [...A, ...AnyOrderOfTwo<B, C>]
  | [...B, ...AnyOrderOfTwo<A, C>]
  | [...C, ...AnyOrderOfTwo<A, B>]

type AnyOrderOfTwo<A extends unknown[], B extends unknown[]> = [] | [...A, ...([] | B)] | [...B, ...([] | A)]

/** Arguments, and perhaps a callback. */
export type Args<Arguments extends unknown[], Reply> = [...args: Arguments, callback?: Callback<Reply> | undefined]

/** As {@link Args}, for arguments that may be repeated: what follows those cannot be optional. */
export type ListArgs<Arguments extends unknown[], Reply> =
  | Arguments
  | [...args: Arguments, callback: Callback<Reply> | undefined]
