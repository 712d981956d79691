// Pipelines: several commands sent together, and the results they come back with.

import { once } from 'node:events'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { LocalServer } from '../../scripts/local-server.mjs'
import { describeBoth, type Untyped } from './support/both.js'

let server: LocalServer

beforeAll(async () => {
  server = await LocalServer.start()
})

afterAll(() => server.stop())

/** What came of the event while its listeners that vitest put there were away. */
async function collecting(event: 'unhandledRejection' | 'uncaughtException', body: () => unknown): Promise<unknown[]> {
  const theirs = process.rawListeners(event)
  process.removeAllListeners(event)
  const seen: unknown[] = []
  process.on(event as 'uncaughtException', error => seen.push(error))
  try {
    await body()
    for (let i = 0; i < 3; i++) await new Promise(resolve => setTimeout(resolve, 0))
  } finally {
    process.removeAllListeners(event)
    for (const listener of theirs) process.on(event as 'uncaughtException', listener as () => void)
  }
  return seen
}

const wrongArguments = (name: string) => `ERR wrong number of arguments for '${name}' command`

describeBoth('pipeline', ({ Redis, module }) => {
  let made: Untyped[] = []
  let redis: Untyped

  function client(options: object = {}): Untyped {
    const one = new Redis({ host: server.host, port: server.port, ...options })
    made.push(one)
    return one
  }

  beforeEach(async () => {
    await server.command('FLUSHALL')
    redis = client()
  })

  afterEach(() => {
    for (const one of made) one.disconnect()
    made = []
  })

  describe('exec()', () => {
    it('gives an entry [error, result] for each command, in order', async () => {
      const results = await redis
        .pipeline()
        .set('k', 'v')
        .get('k')
        .getBuffer('k')
        .incr('n')
        .get('none')
        .lrange('none', 0, -1)
        .hset('h', 'f', 1)
        .hgetall('h')
        .exec()
      expect(results).toEqual([
        [null, 'OK'],
        [null, 'v'],
        [null, Buffer.from('v')],
        [null, 1],
        [null, null],
        [null, []],
        [null, 1],
        [null, { f: '1' }],
      ])
    })

    it('has the errors of commands in their entries, alone, and goes on behind them', async () => {
      const results = await redis.pipeline().set('k', 'v').lpush('k', 1).get().call('nope', 'a').get('k').exec()
      expect(results.map((entry: unknown[]) => entry.length)).toEqual([2, 1, 1, 1, 2])
      expect(results[0]).toEqual([null, 'OK'])
      expect(results[4]).toEqual([null, 'v'])
      const errors = results.slice(1, 4).map(([error]: [Untyped]) => error)
      for (const error of errors) {
        expect(error).toBeInstanceOf(module.ReplyError)
        expect(error.name).toBe('ReplyError')
      }
      expect(errors.map((error: Untyped) => [error.message, error.command])).toEqual([
        ['WRONGTYPE Operation against a key holding the wrong kind of value', { name: 'lpush', args: ['k', '1'] }],
        [wrongArguments('get'), { name: 'get', args: [] }],
        ["ERR unknown command 'nope', with args beginning with: 'a' ", { name: 'nope', args: ['a'] }],
      ])
    })

    it('never rejects for them, and nobody is told of a rejection that was not handled', async () => {
      const unhandled = await collecting('unhandledRejection', async () => {
        await redis.pipeline().get().get().exec()
        redis.pipeline().get().exec()
        redis
          .pipeline()
          .get(() => undefined)
          .exec(() => undefined)
        await redis.ping()
      })
      expect(unhandled).toEqual([])
    })

    it('without commands gives an empty array', async () => {
      expect(await redis.pipeline().exec()).toEqual([])
      expect(await redis.pipeline([]).exec()).toEqual([])
      const seen: unknown[][] = []
      await redis.pipeline().exec((...args: unknown[]) => seen.push(args))
      expect(seen).toEqual([[null, []]])
    })

    it('is what sends the commands', async () => {
      const pipeline = redis.pipeline().set('k', 'v').set('l', 'w')
      expect(await redis.exists('k', 'l')).toBe(0)
      await pipeline.exec()
      expect(await redis.exists('k', 'l')).toBe(2)
    })

    it('takes a callback, and returns the promise as well', async () => {
      const seen: unknown[][] = []
      const promise = redis
        .pipeline()
        .set('k', 'v')
        .get()
        .exec((...args: unknown[]) => seen.push(args))
      expect(promise).toBeInstanceOf(Promise)
      const results = await promise
      expect(seen).toEqual([[null, results]])
      expect(results[0]).toEqual([null, 'OK'])
      expect(results[1][0].message).toBe(wrongArguments('get'))
    })

    it('again gives the same promise', async () => {
      const pipeline = redis.pipeline().ping()
      const first = pipeline.exec()
      expect(pipeline.exec()).toBe(first)
      expect(await first).toEqual([[null, 'PONG']])
      expect(await pipeline.exec()).toEqual([[null, 'PONG']])
    })

    it('again gives the first results, whatever was added meanwhile', async () => {
      const pipeline = redis.pipeline().ping()
      await pipeline.exec()
      pipeline.echo('late')
      expect(pipeline.length).toBe(2)
      expect(await pipeline.exec()).toEqual([[null, 'PONG']])
    })

    it('throws what the callback throws as an uncaught exception, and resolves', async () => {
      const uncaught = await collecting('uncaughtException', async () => {
        const results = await redis
          .pipeline()
          .ping(() => {
            throw new Error('from a command’s callback')
          })
          .exec(() => {
            throw new Error('from the callback of exec')
          })
        expect(results).toEqual([[null, 'PONG']])
      })
      expect(uncaught).toEqual([new Error('from a command’s callback'), new Error('from the callback of exec')])
    })
  })

  describe('commands', () => {
    it('return the pipeline', () => {
      const pipeline = redis.pipeline()
      expect(pipeline.get('k')).toBe(pipeline)
      expect(pipeline.getBuffer('k')).toBe(pipeline)
      expect(pipeline.call('get', 'k')).toBe(pipeline)
      expect(pipeline.callBuffer('get', 'k')).toBe(pipeline)
      expect(pipeline.send_command('get', 'k')).toBe(pipeline)
      expect(pipeline.sendCommand(new module.Command('get', ['k']))).toBe(pipeline)
      expect(pipeline.addBatch([['get', 'k']])).toBe(pipeline)
      expect(pipeline.length).toBe(7)
    })

    it('are counted by length', async () => {
      const pipeline = redis.pipeline()
      expect(pipeline.length).toBe(0)
      pipeline.set('k', 1).get('k')
      expect(pipeline.length).toBe(2)
      await pipeline.exec()
      expect(pipeline.length).toBe(2)
      expect(redis.multi().set('k', 1).length).toBe(2)
    })

    it('may have callbacks, which are called in order, before that of exec', async () => {
      const seen: unknown[][] = []
      const note =
        (who: string) =>
        (...args: unknown[]) =>
          seen.push([who, ...args])
      const results = await redis
        .pipeline()
        .set('k', 'v', note('set'))
        .getBuffer('k', note('get'))
        .get('none', note('none'))
        .call('echo', 'x', note('call'))
        .exec(note('exec'))
      expect(seen).toEqual([
        ['set', null, 'OK'],
        ['get', null, Buffer.from('v')],
        ['none', null, null],
        ['call', null, 'x'],
        ['exec', null, results],
      ])
      expect(results).toHaveLength(4)
    })

    it('give their errors to their callbacks and to the results', async () => {
      let given: unknown
      const [[error]] = await redis
        .pipeline()
        .get((cause: unknown) => {
          given = cause
        })
        .exec()
      expect(given).toBe(error)
      expect(error.message).toBe(wrongArguments('get'))
    })

    it('may be sent by name', async () => {
      const { Command } = module
      await redis.set('k', 'v')
      const results = await redis
        .pipeline()
        .call('GET', 'k')
        .call('get', ['k'])
        .callBuffer('get', 'k')
        .send_command('get', ['k'])
        .sendCommand(new Command('get', ['k'], { replyEncoding: 'utf8' }))
        .sendCommand(new Command('get', ['k']))
        .call('config', 'GET', 'maxmemory')
        .exec()
      expect(results.map(([, result]: unknown[]) => result)).toEqual([
        'v',
        'v',
        Buffer.from('v'),
        'v',
        'v',
        Buffer.from('v'),
        ['maxmemory', '0'],
      ])
    })

    it('take arguments of every kind, Buffers among text', async () => {
      const bytes = Buffer.from([0, 13, 10, 255])
      const results = await redis
        .pipeline()
        .set('ü', 'ä ✓')
        .set(bytes, bytes)
        .rpush('l', [1, null, true], bytes)
        .get('ü')
        .getBuffer(bytes)
        .lrangeBuffer('l', 0, -1)
        .exec()
      expect(results.slice(3)).toEqual([
        [null, 'ä ✓'],
        [null, bytes],
        [null, [Buffer.from('1'), Buffer.from(''), Buffer.from('true'), bytes]],
      ])
    })

    it('exist for every command there is, in both forms', () => {
      const pipeline = redis.pipeline()
      for (const name of redis.getBuiltinCommands()) {
        expect(typeof pipeline[name], name).toBe('function')
        expect(typeof pipeline[`${name}Buffer`], `${name}Buffer`).toBe('function')
      }
    })

    it('may be one’s own', async () => {
      redis.defineCommand('double', { numberOfKeys: 1, lua: 'return redis.call("INCRBY", KEYS[1], ARGV[1] * 2)' })
      redis.defineCommand('first', { lua: 'return ARGV[1]' })
      const results = await redis.pipeline().double('n', 2).double('n', 3).first(0, 'x').firstBuffer(0, 'x').exec()
      expect(results).toEqual([
        [null, 4],
        [null, 10],
        [null, 'x'],
        [null, Buffer.from('x')],
      ])
    })

    it('have the key prefix of the client', async () => {
      const prefixed = client({ keyPrefix: 'p:' })
      expect(await prefixed.pipeline().set('k', 1).mget('k', 'l').exec()).toEqual([
        [null, 'OK'],
        [null, ['1', null]],
      ])
      expect(await redis.keys('*')).toEqual(['p:k'])
    })

    it('change the database for those that follow', async () => {
      const results = await redis.pipeline().set('k', 0).select(1).get('k').select(0).get('k').exec()
      expect(results.map(([, result]: unknown[]) => result)).toEqual(['OK', 'OK', null, 'OK', '0'])
    })

    function whereItWasCalled(pipeline: Untyped): Untyped {
      return pipeline.get()
    }

    it('with showFriendlyErrorStack have the stack of the call', async () => {
      const [[error]] = await whereItWasCalled(client({ showFriendlyErrorStack: true }).pipeline()).exec()
      const [first, second] = error.stack.split('\n')
      expect(first).toBe(`ReplyError: ${wrongArguments('get')}`)
      expect(second).toContain('whereItWasCalled')
      expect(second).toContain('pipeline.test.ts')
    })
  })

  describe('of an array', () => {
    it('has the commands that stand in it', async () => {
      const seen: unknown[][] = []
      const results = await redis
        .pipeline([
          ['set', 'k', 'v', (...args: unknown[]) => seen.push(args)],
          ['getBuffer', 'k'],
          ['mset', { a: 1 }],
          ['call', 'get', 'k'],
          ['ping'],
        ])
        .get('k')
        .exec()
      expect(results.map(([, result]: unknown[]) => result)).toEqual(['OK', Buffer.from('v'), 'OK', 'v', 'PONG', 'v'])
      expect(seen).toEqual([[null, 'OK']])
    })

    it('addBatch adds more, and leaves the array as it was', async () => {
      const batch = [
        ['rpush', 'l', 'b'],
        ['lrange', 'l', 0, -1],
      ]
      const results = await redis.pipeline().rpush('l', 'a').addBatch(batch).rpush('l', 'c').addBatch(batch).exec()
      expect(results.map(([, result]: unknown[]) => result)).toEqual([1, 2, ['a', 'b'], 3, 4, ['a', 'b', 'c', 'b']])
      expect(batch).toEqual([
        ['rpush', 'l', 'b'],
        ['lrange', 'l', 0, -1],
      ])
    })

    it('throws at once for a name there is no method of', () => {
      expect(() => redis.pipeline([['nope', 1]])).toThrow(TypeError)
      expect(() => redis.pipeline().addBatch([['nope', 1]])).toThrow(TypeError)
    })
  })

  describe('among other commands', () => {
    it('keeps the order of the calls', async () => {
      const replies = await Promise.all([
        redis.rpush('l', 1),
        redis.pipeline().rpush('l', 2).rpush('l', 3).exec(),
        redis.rpush('l', 4),
        redis.pipeline().rpush('l', 5).exec(),
        redis.lrange('l', 0, -1),
      ])
      expect(replies).toEqual([
        1,
        [
          [null, 2],
          [null, 3],
        ],
        4,
        [[null, 5]],
        ['1', '2', '3', '4', '5'],
      ])
    })

    it('keeps it before there is a connection, too', async () => {
      const lazy = client({ lazyConnect: true })
      const replies = await Promise.all([
        lazy.rpush('l', 1),
        lazy.pipeline().rpush('l', 2).call('nope').rpush('l', 3).exec(),
        lazy.rpush('l', 4),
      ])
      expect(replies[0]).toBe(1)
      expect(replies[1].map(([error, reply]: [Error | null, unknown]) => error?.name ?? reply)).toEqual([
        2,
        'ReplyError',
        3,
      ])
      expect(replies[2]).toBe(4)
    })

    it('several at once do not mix', async () => {
      const results = await Promise.all(
        Array.from({ length: 50 }, (_, i) => redis.pipeline().echo(`a${i}`).echo(`b${i}`).exec()),
      )
      expect(results).toEqual(
        Array.from({ length: 50 }, (_, i) => [
          [null, `a${i}`],
          [null, `b${i}`],
        ]),
      )
    })

    it('10 000 commands come back in order', async () => {
      const pipeline = redis.pipeline()
      for (let i = 0; i < 10_000; i++) {
        if (i % 100 === 99) pipeline.call('nope')
        else pipeline.echo(i)
      }
      expect(pipeline.length).toBe(10_000)
      const results = await pipeline.exec()
      expect(results.map(([error, reply]: [Error | null, unknown]) => error?.name ?? reply)).toEqual(
        Array.from({ length: 10_000 }, (_, i) => (i % 100 === 99 ? 'ReplyError' : String(i))),
      )
    })

    it('large values come back whole', async () => {
      const text = 'ä\r\n'.repeat(100_000)
      const bytes = Buffer.alloc(1 << 20, 'x')
      const results = await redis.pipeline().set('t', text).set('b', bytes).get('t').getBuffer('b').strlen('t').exec()
      expect(results[2][1] === text).toBe(true)
      expect(Buffer.compare(results[3][1], bytes)).toBe(0)
      expect(results[4]).toEqual([null, 400_000])
    })
  })

  describe('without a connection', () => {
    it('after the end has an error in every entry', async () => {
      await redis.ping()
      redis.disconnect()
      await once(redis, 'end')
      const results = await redis.pipeline().set('k', 'v').get('k').exec()
      expect(results.map((entry: unknown[]) => entry.length)).toEqual([1, 1])
      for (const [error] of results) {
        expect(error.constructor).toBe(Error)
        expect(error.message).toBe('Connection is closed.')
      }
    })

    it('and without an offline queue has an error in every entry', async () => {
      const impatient = client({ enableOfflineQueue: false })
      const results = await impatient.pipeline().set('k', 'v').get('k').exec()
      for (const [error] of results) {
        expect(error.constructor).toBe(Error)
        expect(error.message).toBe("Stream isn't writeable and enableOfflineQueue options is false")
      }
      expect(results).toHaveLength(2)
      await once(impatient, 'ready')
      expect(await impatient.pipeline().ping().exec()).toEqual([[null, 'PONG']])
    })
  })

  describe('the object', () => {
    it('is a Pipeline, and no promise', () => {
      const pipeline = redis.pipeline()
      expect(pipeline).toBeInstanceOf(module.Pipeline)
      expect(pipeline.constructor.name).toBe('Pipeline')
      expect(pipeline.then).toBe(undefined)
      expect(pipeline.isPipeline).toBe(true)
      expect(pipeline.isCluster).toBe(false)
      expect(pipeline.redis).toBe(redis)
      expect(pipeline.options).toBe(redis.options)
      expect(pipeline.promise).toBeInstanceOf(Promise)
    })

    it('may be made by its constructor', async () => {
      expect(await new module.Pipeline(redis).set('k', 'v').get('k').exec()).toEqual([
        [null, 'OK'],
        [null, 'v'],
      ])
    })

    it('resolves its promise property with the results', async () => {
      const pipeline = redis.pipeline().ping()
      pipeline.exec()
      expect(await pipeline.promise).toEqual([[null, 'PONG']])
    })

    it('has a length that cannot be set', () => {
      const pipeline = redis.pipeline().ping()
      expect(() => {
        pipeline.length = 5
      }).toThrow(TypeError)
      expect(pipeline.length).toBe(1)
    })
  })
})
