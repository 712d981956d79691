// Ours: what our types say beyond those of ioredis, and where they say something else. Nothing here is ever run.

import { expect, expectValue } from './expect.js'
import type {
  Callback,
  ChainableCommander,
  ClientContext,
  Cluster,
  Redis,
  RedisCommander,
  RedisKey,
  Result,
} from './stub.js'

declare const redis: Redis
declare const resp3: Redis<'resp3'>
declare const either: Redis | Cluster
declare const any: Redis | ChainableCommander
declare const texts: string[]
declare const keys: RedisKey[]
declare const bytes: Buffer
declare const perhaps: Callback<number> | undefined

// Each command that ioredis has a method for at run time has one here, and so has its Buffer twin.
expect(redis.bitfield_ro('k', 'GET', 'u8', 0)).is<unknown>()
expect(redis.eval_ro('return 1', 0)).is<unknown>()
expect(redis.evalBuffer('return 1', 0)).is<unknown>()
expect(redis.fcall_ro('f', 0)).is<unknown>()
expect(redis.sort_ro('k', 'ALPHA')).is<unknown[]>()
expect(redis.georadius_ro('k', 1, 2, 3, 'km')).is<unknown[]>()
expect(redis.waitaof(1, 0, 100)).is<number[]>()
expect(redis.delex('k', 'IFEQ', 'v')).is<number>()
expect(redis.digest('k')).is<string | null>()
expect(redis.xackdel('k', 'g', 'DELREF', 'IDS', 1, '1-1')).is<number[]>()
expect(redis.sentinel('MASTERS')).is<unknown>()
expect(redis['restore-asking']('k', 0, bytes)).is<'OK'>()
expect(redis.incrBuffer('k')).is<number>()
expect(redis.incrbyfloatBuffer('k', 0.5)).is<Buffer>()
expect(redis.multi({ pipeline: false })).is<'OK'>()

// Options come in any order.
expect(redis.set('k', 'v', 'NX', 'EX', 10)).is<'OK' | null>()
expect(redis.set('k', 'v', 'GET', 'NX', 'PX', 10)).is<string | null>()
expect(redis.scan(0, 'COUNT', 100, 'MATCH', 'a*')).is<[cursor: string, elements: string[]]>()
expect(redis.zrangebyscore('k', 0, 1, 'LIMIT', 0, 10, 'WITHSCORES')).is<string[]>()

// Numbers may be limits, members and fields; arrays may stand among single values.
expect(redis.zrange('k', 0, -1)).is<string[]>()
expect(redis.zrange('k', 0, 10, 'BYSCORE', 'REV', 'LIMIT', 0, 5)).is<string[]>()
expect(resp3.zrange('k', 0, -1, 'WITHSCORES')).is<[member: string, score: number][]>()
expect(redis.hget('k', 5)).is<string | null>()
expect(redis.hdel('k', texts)).is<number>()
expect(redis.hmget('k', texts)).is<(string | null)[]>()
expect(redis.lpush('k', texts)).is<number>()
expect(redis.xdel('k', texts)).is<number>()
expect(redis.del('a', keys, 'b')).is<number>()
expect(redis.del('a', ['b', 'c'] as const)).is<number>()

// A callback may be handed on that may be missing.
expect(redis.del('a', perhaps)).is<number>()
expect(redis.sadd('k', 'a', perhaps)).is<number>()

// Where ioredis gives a type that no reply can have.
expect(redis.cluster('ADDSLOTS', 1, 2)).is<'OK'>()
expect(redis.cluster('DELSLOTSRANGE', 1, 2)).is<'OK'>()
expect(redis.command('COUNT')).is<number>()
expect(redis.pubsub('NUMPAT')).is<number>()
expect(redis.msetnx({ a: 1 })).is<number>()

// Where ioredis gives unknown.
expect(redis.psetex('k', 10, 'v')).is<'OK'>()
expect(redis.spublish('c', 'm')).is<number>()
expect(redis.subscribe('c')).is<number>()
expect(redis.script('LOAD', 'return 1')).is<string>()
expect(redis.scriptBuffer('LOAD', 'return 1')).is<Buffer>()
expect(redis.script('EXISTS', 'abc')).is<number[]>()
expect(redis.client('LIST')).is<string>()
expect(redis.config('SET', 'a', 'b')).is<'OK'>()
expect(redis.xgroup('CREATE', 'k', 'g', '$', 'MKSTREAM')).is<'OK'>()
expect(redis.xgroup('DESTROY', 'k', 'g')).is<number>()
expect(redis.object('ENCODING', 'k')).is<string | null>()

// Clients and pipelines, whichever.
expect(either.set('k', 'v', 'PX', 10, 'NX')).is<'OK' | null>()
expect(either.set('k', 'v', 'PX', 10, 'GET')).is<string | null>()
expect(either.zdiff(2, 'a', 'b')).is<string[]>()
expect(either.zrange('k', 0, -1, 'WITHSCORES')).is<string[]>()
expectValue(either.pipeline().get('k')).is<ChainableCommander>()
expectValue(any.set('k', 'v', 'PX', 10, 'NX')).is<Promise<'OK' | null> | ChainableCommander>()
expectValue(any.zunion(2, 'a', 'b', 'WITHSCORES')).is<Promise<string[]> | ChainableCommander>()
expectValue(any.del(texts)).is<Promise<number> | ChainableCommander>()

/** The reply follows from what it is called on. */
function touchAll<Context extends ClientContext>(
  on: RedisCommander<Context>,
  names: string[],
): Result<number, Context> {
  return on.touch(names)
}
expect(touchAll(redis, texts)).is<number>()
expectValue(touchAll(redis.pipeline(), texts)).is<ChainableCommander>()

// Other commanders may be declared, as ioredis' may.
declare module './stub.js' {
  interface RedisCommander<Context> {
    typesTestAdded(key: string): Result<boolean, Context>
    /** An overload of a command. */
    strlen(key: symbol): Result<symbol, Context>
  }
}
expect(redis.typesTestAdded('k')).is<boolean>()
expect(redis.strlen(Symbol.iterator)).is<symbol>()
expect(redis.strlen('k')).is<number>()
expectValue(redis.pipeline().typesTestAdded('k').get('k')).is<ChainableCommander>()

// @ts-expect-error no key
redis.del('a', null)
// @ts-expect-error an object is no key
redis.exists({ a: 1 })
// @ts-expect-error no value
redis.getset('k')
// @ts-expect-error no fields
redis.hexpire('k', 10, 'f')
// @ts-expect-error a callback is last
redis.del(() => {}, 'a')
// @ts-expect-error and there is one
redis.del('a', perhaps, perhaps)
// @ts-expect-error numbers are no keys
redis.mget([1, 2])
