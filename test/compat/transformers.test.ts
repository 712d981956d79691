// Transformers: what becomes of arguments before they are sent, and of replies before they are handed over.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { LocalServer } from '../../scripts/local-server.mjs'
import { describeBoth, type Untyped } from './support/both.js'

let server: LocalServer

beforeAll(async () => {
  server = await LocalServer.start()
})

afterAll(() => server.stop())

async function failure(call: Promise<unknown>): Promise<Untyped> {
  const outcome = await call.then(
    value => ({ value }),
    error => ({ error }),
  )
  if ('value' in outcome) throw new Error(`It resolved with ${JSON.stringify(outcome.value)}`)
  return outcome.error
}

describeBoth('transformers', ({ Redis, module }) => {
  const { Command } = module
  let made: Untyped[] = []
  let redis: Untyped

  function client(options: object = {}): Untyped {
    const one = new Redis({ host: server.host, port: server.port, ...options })
    made.push(one)
    return one
  }

  /** Transformers of one test, taken away after it. None of the names has one of its own. */
  let set: [kind: 'setArgumentTransformer' | 'setReplyTransformer', name: string][] = []
  const own = new Set(['mset', 'msetnx', 'hset', 'hmset', 'hgetall'])

  function transform(kind: 'setArgumentTransformer' | 'setReplyTransformer', name: string, fn: Untyped): void {
    if (own.has(name)) throw new Error(`${name} has one of its own`)
    set.push([kind, name])
    Command[kind](name, fn)
  }

  beforeEach(async () => {
    await server.command('FLUSHALL')
    redis = client()
  })

  afterEach(() => {
    for (const [kind, name] of set) Command[kind](name, undefined)
    for (const one of made) one.disconnect()
    set = []
    made = []
  })

  describe('of arguments', () => {
    for (const method of ['hset', 'hmset']) {
      it(`${method} takes an object or a Map`, async () => {
        const done = (added: number) => (method === 'hset' ? added : 'OK')
        expect(await redis[method]('a', { f: 1, g: null, h: 'x', i: true })).toBe(done(4))
        expect(await redis.hgetall('a')).toEqual({ f: '1', g: '', h: 'x', i: 'true' })
        expect(
          await redis[method](
            'b',
            new Map<unknown, unknown>([
              [1, 'one'],
              [Buffer.from([255]), Buffer.from([254])],
            ]),
          ),
        ).toBe(done(2))
        expect(await redis.hgetBuffer('b', Buffer.from([255]))).toEqual(Buffer.from([254]))
        expect(await redis.hget('b', '1')).toBe('one')
        expect(await redis[method](['c', { f: 1 }])).toBe(done(1))
        expect(await redis.hget('c', 'f')).toBe('1')
        expect(await redis[method]('d', 'f', 1, 'g', 2)).toBe(done(2))
        expect(await redis[method]('e', ['f', 1, 'g', 2])).toBe(done(2))
        expect(await redis[`${method}Buffer`]('f', { f: 1 })).toEqual(method === 'hset' ? 1 : Buffer.from('OK'))
        expect(await redis.exists('a', 'b', 'c', 'd', 'e', 'f')).toBe(6)
      })
    }

    it('mset and msetnx take an object or a Map', async () => {
      expect(await redis.mset({ a: 1, b: Buffer.from('two') })).toBe('OK')
      expect(
        await redis.mset(
          new Map<unknown, unknown>([
            ['c', 3],
            [4, 'four'],
          ]),
        ),
      ).toBe('OK')
      expect(await redis.mset([{ d: 5 }])).toBe('OK')
      expect(await redis.mset(['e', 6, 'f', 7])).toBe('OK')
      expect(await redis.mget('a', 'b', 'c', '4', 'd', 'e', 'f')).toEqual(['1', 'two', '3', 'four', '5', '6', '7'])
      expect(await redis.msetnx({ a: 9, z: 9 })).toBe(0)
      expect(await redis.msetnx(new Map([['y', 9]]))).toBe(1)
      expect(await redis.mget('a', 'z', 'y')).toEqual(['1', null, '9'])
    })

    it('take own enumerable properties, in their order', () => {
      class Record {
        b = 1
        a = 2
        method() {}
      }
      const object = Object.assign(Object.create({ inherited: 1 }), new Record(), { 10: 'ten', [Symbol('s')]: 3 })
      expect(new Command('hset', ['k', object]).args).toEqual(['k', '10', 'ten', 'b', '1', 'a', '2'])
      expect(new Command('mset', [object]).args).toEqual(['10', 'ten', 'b', '1', 'a', '2'])
      expect(new Command('hmset', ['k', Object.create(null, { a: { value: 1, enumerable: true } })]).args).toEqual([
        'k',
        'a',
        '1',
      ])
    })

    it('make strings of what stands in them', () => {
      const args = new Command('hset', ['k', { a: [1, 2], b: undefined, c: {}, d: 2 ** 60 }]).args
      expect(args).toEqual(['k', 'a', '1,2', 'b', '', 'c', '[object Object]', 'd', '1152921504606846976'])
    })

    it('leave alone what is not an object by itself', () => {
      expect(new Command('hset', ['k', {}, 'x']).args).toEqual(['k', '[object Object]', 'x'])
      expect(new Command('hset', [{ a: 1 }]).args).toEqual(['[object Object]'])
      expect(new Command('mset', ['a', { b: 1 }]).args).toEqual(['a', '[object Object]'])
      expect(new Command('mset', [null]).args).toEqual([''])
      expect(new Command('hset', ['k', null]).args).toEqual(['k', ''])
      expect(new Command('set', ['k', { a: 1 }]).args).toEqual(['k', '[object Object]'])
    })

    it('with nothing in them leave nothing', async () => {
      expect((await failure(redis.hset('k', {}))).message).toBe("ERR wrong number of arguments for 'hset' command")
      expect((await failure(redis.mset(new Map()))).message).toBe("ERR wrong number of arguments for 'mset' command")
      expect((await failure(redis.mset({}))).command).toEqual({ name: 'mset', args: [] })
    })

    it('go by the exact name', async () => {
      expect(await redis.call('hset', 'a', { f: 1 })).toBe(1)
      const error = await failure(redis.call('HSET', 'a', { f: 1 }))
      expect(error.message).toBe("ERR wrong number of arguments for 'hset' command")
      expect(error.command).toEqual({ name: 'HSET', args: ['a', '[object Object]'] })
    })

    it('come before the prefix of the keys', async () => {
      const prefixed = client({ keyPrefix: 'p:' })
      await prefixed.mset({ a: 1, b: 2 })
      await prefixed.hset('h', { f: 1 })
      await prefixed.msetnx(new Map([['c', 3]]))
      expect((await redis.keys('*')).sort()).toEqual(['p:a', 'p:b', 'p:c', 'p:h'])
      expect(await redis.hgetall('p:h')).toEqual({ f: '1' })
    })

    it('leave the object of the caller as it was', async () => {
      const object = { a: 1, b: [2] }
      const map = new Map([['a', 1]])
      await redis.mset(map)
      await redis.hset('h', object)
      expect(object).toEqual({ a: 1, b: [2] })
      expect([...map]).toEqual([['a', 1]])
    })

    it('work in a pipeline and in a transaction', async () => {
      const results = await redis
        .pipeline()
        .mset({ a: 1 })
        .hset('h', new Map([['f', 2]]))
        .get('a')
        .hgetall('h')
        .exec()
      expect(results).toEqual([
        [null, 'OK'],
        [null, 1],
        [null, '1'],
        [null, { f: '2' }],
      ])
      expect(await redis.multi().mset({ a: 3 }).hmset('h', { f: 4 }).get('a').hgetall('h').exec()).toEqual([
        [null, 'OK'],
        [null, 'OK'],
        [null, '3'],
        [null, { f: '4' }],
      ])
    })
  })

  describe('of arguments, one’s own', () => {
    it('is given the flattened arguments and returns others', async () => {
      const given: unknown[] = []
      transform('setArgumentTransformer', 'lpush', (args: unknown[]) => {
        given.push(args)
        return [args[0], ...args.slice(1).map(arg => JSON.stringify(arg))]
      })
      expect(await redis.lpush('l', { a: 1 }, [2, 'x'])).toBe(3)
      expect(given).toEqual([['l', { a: 1 }, 2, 'x']])
      expect(await redis.lrange('l', 0, -1)).toEqual(['"x"', '2', '{"a":1}'])
    })

    it('holds for the Buffer twin, call, pipelines and transactions', async () => {
      transform('setArgumentTransformer', 'set', (args: unknown[]) => [`${args[0]}!`, ...args.slice(1)])
      await redis.setBuffer('a', 1)
      await redis.call('set', 'b', 1)
      await redis.pipeline().set('c', 1).exec()
      await redis.multi().set('d', 1).exec()
      await redis.sendCommand(new Command('set', ['e', 1]))
      await redis.call('SET', 'f', 1)
      expect((await redis.keys('*')).sort()).toEqual(['a!', 'b!', 'c!', 'd!', 'e!', 'f'])
    })

    it('is asked once, when the command is made', () => {
      let asked = 0
      transform('setArgumentTransformer', 'get', (args: unknown[]) => {
        asked++
        return args
      })
      const command = new Command('get', ['k'])
      command.toWritable()
      command.toWritable()
      expect(asked).toBe(1)
    })

    it('comes before the prefix', async () => {
      transform('setArgumentTransformer', 'set', (args: unknown[]) => [`x${args[0]}`, ...args.slice(1)])
      await client({ keyPrefix: 'p:' }).set('k', 1)
      expect(await redis.keys('*')).toEqual(['p:xk'])
    })

    it('may be taken away again', async () => {
      transform('setArgumentTransformer', 'set', () => ['other', 1])
      await redis.set('k', 1)
      Command.setArgumentTransformer('set', undefined)
      await redis.set('k', 2)
      expect(await redis.mget('k', 'other')).toEqual(['2', '1'])
    })
  })

  describe('of replies', () => {
    it('hgetall gives a plain object, in the order of the fields', async () => {
      await redis.hset('h', 'b', 1, 'a', 2, 'constructor', 3, '__proto__', 4)
      for (const one of [redis, client({ protocol: 2 }), client({ replyMapping: 'resp3' })]) {
        const reply = await one.hgetall('h')
        expect(Object.keys(reply)).toEqual(['b', 'a', 'constructor', '__proto__'])
        expect(Object.getPrototypeOf(reply)).toBe(Object.prototype)
        expect(Object.values(reply)).toEqual(['1', '2', '3', '4'])
        expect(Object.keys(await one.hgetallBuffer('h'))).toEqual(['b', 'a', 'constructor', '__proto__'])
        expect((await one.hgetallBuffer('h')).b).toEqual(Buffer.from('1'))
      }
    })

    it('hgetall gives an empty object for a key that is not there, not null', async () => {
      for (const one of [redis, client({ protocol: 2 }), client({ replyMapping: 'resp3' })]) {
        expect(await one.hgetall('none')).toEqual({})
        expect(await one.pipeline().hgetall('none').exec()).toEqual([[null, {}]])
        expect(await one.multi().hgetall('none').exec()).toEqual([[null, {}]])
      }
    })

    it('bend the replies of RESP3 in pipelines and transactions, too', async () => {
      await redis.zadd('z', 1.5, 'a')
      await redis.xadd('s', '1-1', 'f', 'v')
      await redis.hset('h', 'f', 'v')
      for (const begin of ['pipeline', 'multi']) {
        const replies = (
          await redis[begin]()
            .zrange('z', 0, -1, 'WITHSCORES')
            .zrangeBuffer('z', 0, -1, 'WITHSCORES')
            .xread('STREAMS', 's', 0)
            .hrandfield('h', 1, 'WITHVALUES')
            .zpopmin('z')
            .hgetall('h')
            .exec()
        ).map(([, reply]: [unknown, unknown]) => reply)
        expect(replies).toEqual([
          ['a', '1.5'],
          [Buffer.from('a'), Buffer.from('1.5')],
          [['s', [['1-1', ['f', 'v']]]]],
          ['f', 'v'],
          ['a', '1.5'],
          { f: 'v' },
        ])
        await redis.zadd('z', 1.5, 'a')
      }
    })
  })

  describe('of replies, one’s own', () => {
    const contexts = [
      [{ protocol: 2 }, { protocol: 2, replyMapping: 'legacy' }],
      [{ protocol: 3 }, { protocol: 3, replyMapping: 'legacy' }],
      [
        { protocol: 3, replyMapping: 'resp3' },
        { protocol: 3, replyMapping: 'resp3' },
      ],
    ] as const

    for (const [options, context] of contexts) {
      it(`is given the reply and what it is of: ${JSON.stringify(options)}`, async () => {
        const given: unknown[][] = []
        transform('setReplyTransformer', 'get', (...args: unknown[]) => {
          given.push(args)
          return { wrapped: args[0] }
        })
        const one = client(options)
        await one.set('k', 'v')
        expect(await one.get('k')).toEqual({ wrapped: 'v' })
        expect(await one.getBuffer('k')).toEqual({ wrapped: Buffer.from('v') })
        expect(await one.get('none')).toEqual({ wrapped: null })
        const seen: unknown[][] = []
        await one.get('k', (...args: unknown[]) => seen.push(args))
        expect(seen).toEqual([[null, { wrapped: 'v' }]])
        expect(given[0]).toEqual(['v', { commandName: 'get', ...context }])
        expect(given).toHaveLength(4)
      })
    }

    it('goes by the exact name', async () => {
      transform('setReplyTransformer', 'get', () => 'changed')
      await redis.set('k', 'v')
      expect(await redis.call('get', 'k')).toBe('changed')
      expect(await redis.call('GET', 'k')).toBe('v')
      expect(await redis.sendCommand(new Command('get', ['k']))).toBe('changed')
    })

    it('holds in pipelines and transactions', async () => {
      transform('setReplyTransformer', 'get', (reply: unknown) => `<${reply}>`)
      await redis.set('k', 'v')
      expect(await redis.pipeline().get('k').getBuffer('k').exec()).toEqual([
        [null, '<v>'],
        [null, '<v>'],
      ])
      expect(await redis.multi().get('k').ping().exec()).toEqual([
        [null, '<v>'],
        [null, 'PONG'],
      ])
    })

    it('is not asked about errors', async () => {
      let asked = 0
      transform('setReplyTransformer', 'get', () => asked++)
      expect((await failure(redis.get())).name).toBe('ReplyError')
      expect(asked).toBe(0)
    })

    it('that throws rejects the call with what it has thrown', async () => {
      const thrown = new TypeError('no such reply')
      transform('setReplyTransformer', 'get', () => {
        throw thrown
      })
      await redis.set('k', 'v')
      expect(await failure(redis.get('k'))).toBe(thrown)
      expect(await redis.pipeline().get('k').ping().exec()).toEqual([[thrown], [null, 'PONG']])
      const seen: unknown[][] = []
      await failure(redis.get('k', (...args: unknown[]) => seen.push(args)))
      expect(seen).toEqual([[thrown]])
      expect(await redis.ping()).toBe('PONG')
    })

    it('that throws in a transaction fails its own result only', async () => {
      const thrown = new TypeError('no such reply')
      transform('setReplyTransformer', 'get', () => {
        throw thrown
      })
      await redis.set('k', 'v')
      expect(await redis.multi().get('k').ping().exec()).toEqual([[thrown], [null, 'PONG']])
    })

    it('may give a promise, which is waited for', async () => {
      transform('setReplyTransformer', 'get', async (reply: string) => reply.toUpperCase())
      await redis.set('k', 'v')
      expect(await redis.get('k')).toBe('V')
    })

    it('may give undefined, which the callback is not called with', async () => {
      transform('setReplyTransformer', 'get', () => undefined)
      const seen: unknown[][] = []
      expect(await redis.get('k', (...args: unknown[]) => seen.push(args))).toBe(undefined)
      expect(seen).toEqual([[null]])
    })

    it('takes the place of one that is there already', async () => {
      // Not to be taken away but to be put back: hgetall has one of its own, and this is what it does.
      const toObject = (reply: unknown) => {
        if (!Array.isArray(reply)) return reply
        const pairs: [unknown, unknown][] = []
        for (let i = 0; i < reply.length; i += 2) pairs.push([reply[i], reply[i + 1]])
        return Object.fromEntries(pairs)
      }
      await redis.hset('h', 'f', 1)
      Command.setReplyTransformer('hgetall', (reply: unknown) => reply)
      try {
        expect(await redis.hgetall('h')).toEqual(['f', '1'])
      } finally {
        Command.setReplyTransformer('hgetall', toObject)
      }
      expect(await redis.hgetall('h')).toEqual({ f: '1' })
    })
  })
})
