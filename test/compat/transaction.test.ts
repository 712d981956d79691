// Transactions: MULTI and EXEC, in a pipeline and without, and what becomes of errors in them.

import { once } from 'node:events'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { LocalServer } from '../../scripts/local-server.mjs'
import { startScripted } from '../support/scripted.js'
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

const aborted = 'EXECABORT Transaction discarded because of previous errors.'
const wrongType = 'WRONGTYPE Operation against a key holding the wrong kind of value'
const wrongArguments = (name: string) => `ERR wrong number of arguments for '${name}' command`
const messages = (errors: Error[]) => errors.map(error => error.message)

describeBoth('transaction', ({ Redis, module }) => {
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

  describe('multi()', () => {
    it('gives an entry [error, result] for each command in it', async () => {
      const results = await redis.multi().set('k', 'v').get('k').getBuffer('k').incr('n').get('none').ping().exec()
      expect(results).toEqual([
        [null, 'OK'],
        [null, 'v'],
        [null, Buffer.from('v')],
        [null, 1],
        [null, null],
        [null, 'PONG'],
      ])
    })

    it('without commands gives an empty array', async () => {
      expect(await redis.multi().exec()).toEqual([])
    })

    it('takes an array of commands', async () => {
      const results = await redis
        .multi([
          ['set', 'k', 'v'],
          ['getBuffer', 'k'],
        ])
        .get('k')
        .exec()
      expect(results).toEqual([
        [null, 'OK'],
        [null, Buffer.from('v')],
        [null, 'v'],
      ])
    })

    it('takes options that say pipeline, or nothing', async () => {
      expect(await redis.multi({ pipeline: true }).ping().exec()).toEqual([[null, 'PONG']])
      expect(await redis.multi(undefined).ping().exec()).toEqual([[null, 'PONG']])
      expect(await redis.multi(null).ping().exec()).toEqual([[null, 'PONG']])
      expect(await redis.multi({}).ping().exec()).toEqual([[null, 'PONG']])
      expect(await redis.multi([['ping']], { pipeline: true }).exec()).toEqual([[null, 'PONG']])
    })

    it('transforms arguments and replies as ever, by protocol and mapping', async () => {
      const replies = async (one: Untyped) => {
        await one.del('z', 'h')
        const results = await one
          .multi()
          .hset('h', { f: 1 })
          .hgetall('h')
          .zadd('z', 1.5, 'a')
          .zrange('z', 0, -1, 'WITHSCORES')
          .zscore('z', 'a')
          .config('GET', 'maxmemory')
          .exec()
        return results.map(([, reply]: unknown[]) => reply)
      }
      const legacy = [1, { f: '1' }, 1, ['a', '1.5'], '1.5', ['maxmemory', '0']]
      expect(await replies(redis)).toEqual(legacy)
      expect(await replies(client({ protocol: 2 }))).toEqual(legacy)
      expect(await replies(client({ replyMapping: 'resp3' }))).toEqual([
        1,
        { f: '1' },
        1,
        [['a', 1.5]],
        1.5,
        { maxmemory: '0' },
      ])
    })

    it('has bytes that are no text', async () => {
      const bytes = Buffer.from([0, 13, 10, 255])
      expect(await redis.multi().set(bytes, bytes).getBuffer(bytes).exec()).toEqual([
        [null, 'OK'],
        [null, bytes],
      ])
    })

    it('is sent at once, MULTI first and EXEC last, nothing between', async () => {
      const queued = ([name]: string[]) =>
        name === 'EXEC' ? '*2\r\n+OK\r\n$1\r\nv\r\n' : name === 'MULTI' ? '+OK\r\n' : '+QUEUED\r\n'
      const fake = await startScripted(command =>
        ['MULTI', 'EXEC', 'SET', 'GET', 'ECHO'].includes(command[0] as string) ? queued(command) : undefined,
      )
      try {
        const one = client({ port: fake.port, enableReadyCheck: false })
        await once(one, 'ready')
        const before = fake.commands.length
        const plain = one.echo('before')
        const multi = one.multi().set('k', 'v')
        one.echo('between')
        const results = multi.get('k').exec()
        await Promise.all([plain, one.echo('after')])
        expect(await results).toEqual([
          [null, 'OK'],
          [null, 'v'],
        ])
        expect(fake.commands.slice(before)).toEqual([
          ['ECHO', 'before'],
          ['ECHO', 'between'],
          ['MULTI'],
          ['SET', 'k', 'v'],
          ['GET', 'k'],
          ['EXEC'],
          ['ECHO', 'after'],
        ])
      } finally {
        await fake.close()
      }
    })

    it('takes a callback, and returns the promise as well', async () => {
      const seen: unknown[][] = []
      const results = await redis
        .multi()
        .set('k', 'v')
        .exec((...args: unknown[]) => seen.push(args))
      expect(results).toEqual([[null, 'OK']])
      expect(seen).toEqual([[null, results]])
    })

    it('calls the callbacks of its commands with what comes at once: QUEUED', async () => {
      const seen: unknown[][] = []
      await redis
        .multi()
        .set('k', 'v', (...args: unknown[]) => seen.push(args))
        .exec()
      expect(seen).toEqual([[null, 'QUEUED']])
      await redis.multi([['get', 'k', (...args: unknown[]) => seen.push(args)]]).exec()
      expect(seen[1]).toEqual([null, 'QUEUED'])
    })

    it('has execBuffer, which gives the same', async () => {
      await redis.set('k', 'v')
      expect(await redis.multi().get('k').getBuffer('k').execBuffer()).toEqual([
        [null, 'v'],
        [null, Buffer.from('v')],
      ])
    })

    it('has one’s own commands and the key prefix', async () => {
      const prefixed = client({ keyPrefix: 'p:' })
      prefixed.defineCommand('double', { numberOfKeys: 1, lua: 'return redis.call("INCRBY", KEYS[1], ARGV[1] * 2)' })
      expect(await prefixed.multi().double('n', 2).get('n').exec()).toEqual([
        [null, 4],
        [null, '4'],
      ])
      expect(await redis.keys('*')).toEqual(['p:n'])
    })

    it('works before there is a connection', async () => {
      const lazy = client({ lazyConnect: true })
      const [first, second] = await Promise.all([lazy.multi().incr('n').exec(), lazy.multi().incr('n').exec()])
      expect([first, second]).toEqual([[[null, 1]], [[null, 2]]])
    })

    it('with 2000 commands gives their results in order', async () => {
      const multi = redis.multi()
      for (let i = 0; i < 2000; i++) multi.rpush('l', i)
      expect(await multi.exec()).toEqual(Array.from({ length: 2000 }, (_, i) => [null, i + 1]))
    })
  })

  describe('an error', () => {
    it('when it runs is in the entry of its command, and the others run', async () => {
      const results = await redis.multi().set('k', 'v').lpush('k', 1).get('k').exec()
      expect(results).toHaveLength(3)
      expect([results[0], results[2]]).toEqual([
        [null, 'OK'],
        [null, 'v'],
      ])
      expect(results[1]).toHaveLength(1)
      const [error] = results[1]
      expect(error).toBeInstanceOf(module.ReplyError)
      expect(error.name).toBe('ReplyError')
      expect(error.message).toBe(wrongType)
      expect(error.command).toBe(undefined)
    })

    it('when it is queued rejects it all, with previousErrors', async () => {
      const error = await failure(redis.multi().set('k', 'v').set('k').call('nope', 'x').get('k').exec())
      expect(error).toBeInstanceOf(module.ReplyError)
      expect([error.name, error.message]).toEqual(['ReplyError', aborted])
      expect(error.command).toEqual({ name: 'exec', args: [] })
      expect(messages(error.previousErrors)).toEqual([
        wrongArguments('set'),
        "ERR unknown command 'nope', with args beginning with: 'x' ",
      ])
      expect(error.previousErrors[0]).toBeInstanceOf(module.ReplyError)
      expect(error.previousErrors[0].command).toEqual({ name: 'set', args: ['k'] })
      expect(await redis.get('k')).toBe(null)
    })

    it('when it is queued goes to the callbacks, too', async () => {
      const seen: unknown[][] = []
      let own: unknown
      const error = await failure(
        redis
          .multi()
          .get((cause: unknown) => {
            own = cause
          })
          .exec((...args: unknown[]) => seen.push(args)),
      )
      expect(seen).toEqual([[error]])
      expect(own).toBe(error.previousErrors[0])
    })

    it('after the end rejects it', async () => {
      await redis.ping()
      redis.disconnect()
      await once(redis, 'end')
      const error = await failure(redis.multi().set('k', 'v').exec())
      expect(error.constructor).toBe(Error)
      expect(error.message).toBe('Connection is closed.')
      expect(messages(error.previousErrors)).toEqual(['Connection is closed.', 'Connection is closed.'])
    })

    it('without an offline queue rejects it', async () => {
      const message = "Stream isn't writeable and enableOfflineQueue options is false"
      const error = await failure(client({ enableOfflineQueue: false }).multi().set('k', 'v').exec())
      expect(error.message).toBe(message)
      expect(messages(error.previousErrors)).toEqual([message, message])
    })
  })

  describe('within a pipeline', () => {
    it('has the entries of MULTI and EXEC, those of its commands being QUEUED', async () => {
      const pipeline = redis.pipeline().set('k', 1).multi().incr('k').getBuffer('k').hgetall('none')
      expect(pipeline.exec()).toBe(pipeline)
      expect(pipeline.length).toBe(6)
      expect(await pipeline.get('k').exec()).toEqual([
        [null, 'OK'],
        [null, 'OK'],
        [null, 'QUEUED'],
        [null, Buffer.from('QUEUED')],
        [null, 'QUEUED'],
        [null, [2, Buffer.from('2'), {}]],
        [null, '2'],
      ])
    })

    it('may be there several times', async () => {
      const results = await redis.pipeline().multi().incr('n').exec().multi().incr('n').incr('n').exec().exec()
      expect(results.map(([, result]: unknown[]) => result)).toEqual([
        'OK',
        'QUEUED',
        [1],
        'OK',
        'QUEUED',
        'QUEUED',
        [2, 3],
      ])
    })

    it('has errors of running as elements of the result of EXEC', async () => {
      const results = await redis.pipeline().multi().set('k', 'v').lpush('k', 1).exec().exec()
      expect(results).toHaveLength(4)
      const [error, [first, second]] = results[3]
      expect([error, first]).toEqual([null, 'OK'])
      expect(second).toBeInstanceOf(module.ReplyError)
      expect(second.message).toBe(wrongType)
    })

    it('has errors of queuing in their own entries, and EXECABORT in that of EXEC', async () => {
      const results = await redis.pipeline().get('k').multi().set('k').get('k').exec().ping().exec()
      expect(results.map((entry: unknown[]) => entry.length)).toEqual([2, 2, 1, 2, 1, 2])
      expect([results[0], results[1], results[3], results[5]]).toEqual([
        [null, null],
        [null, 'OK'],
        [null, 'QUEUED'],
        [null, 'PONG'],
      ])
      expect(results[2][0].message).toBe(wrongArguments('set'))
      const [error] = results[4]
      expect([error.name, error.message]).toEqual(['ReplyError', aborted])
      expect(error.command).toEqual({ name: 'exec', args: [] })
      expect(error.previousErrors).toBe(undefined)
    })

    it('may be discarded', async () => {
      const results = await redis
        .multi()
        .set('k', 'v')
        .discard()
        .exec()
        .catch((error: Untyped) => error)
      expect(results.message).toBe('ERR EXEC without MULTI')
      expect(results.previousErrors).toEqual([])
      expect(await redis.get('k')).toBe(null)
    })
  })

  describe('without a pipeline', () => {
    it('each command is answered with QUEUED, and exec() with the entries', async () => {
      expect(await redis.multi({ pipeline: false })).toBe('OK')
      expect(await redis.set('k', 'v')).toBe('QUEUED')
      expect(await redis.getBuffer('k')).toEqual(Buffer.from('QUEUED'))
      expect(await redis.lpush('k', 1)).toBe('QUEUED')
      const results = await redis.exec()
      expect(results).toHaveLength(3)
      expect(results.slice(0, 2)).toEqual([
        [null, 'OK'],
        [null, 'v'],
      ])
      expect(results[2]).toHaveLength(1)
      expect(results[2][0]).toBeInstanceOf(module.ReplyError)
      expect(results[2][0].message).toBe(wrongType)
      expect(await redis.ping()).toBe('PONG')
    })

    it('replies are as the server has given them: no transformer, text all of them', async () => {
      await redis.hset('h', 'f', 1)
      redis.multi({ pipeline: false })
      redis.hgetall('h')
      redis.hgetallBuffer('h')
      expect(await redis.exec()).toEqual([
        [null, ['f', '1']],
        [null, ['f', '1']],
      ])
    })

    it('execBuffer() gives the results by themselves, as Buffers', async () => {
      await redis.set('k', 'v')
      redis.multi({ pipeline: false })
      redis.get('k')
      expect(await redis.execBuffer()).toEqual([Buffer.from('v')])
    })

    it('takes callbacks', async () => {
      const seen: unknown[][] = []
      const note = (...args: unknown[]) => seen.push(args)
      redis.multi({ pipeline: false })
      redis.set('k', 'v', note)
      const results = await redis.exec(note)
      expect(results).toEqual([[null, 'OK']])
      expect(seen).toEqual([
        [null, 'QUEUED'],
        [null, [[null, 'OK']]],
      ])
    })

    it('takes nothing, or an array, before the options', async () => {
      expect(await redis.multi(null, { pipeline: false })).toBe('OK')
      expect(await redis.discard()).toBe('OK')
      expect(await redis.multi([], { pipeline: false })).toBe('OK')
      expect(await redis.exec()).toEqual([])
    })

    it('an error when it is queued rejects the command and exec(), without previousErrors', async () => {
      redis.multi({ pipeline: false })
      const queued = failure(redis.set('k'))
      const seen: unknown[][] = []
      const error = await failure(redis.exec((...args: unknown[]) => seen.push(args)))
      expect((await queued).message).toBe(wrongArguments('set'))
      expect([error.name, error.message]).toEqual(['ReplyError', aborted])
      expect(error.command).toEqual({ name: 'exec', args: [] })
      expect(error.previousErrors).toBe(undefined)
      expect(seen).toEqual([[error]])
    })

    it('may be discarded', async () => {
      redis.multi({ pipeline: false })
      redis.set('k', 'v')
      expect(await redis.discard()).toBe('OK')
      expect(await redis.get('k')).toBe(null)
    })

    it('exec() and discard() without multi() reject', async () => {
      for (const name of ['exec', 'discard']) {
        const error = await failure(redis[name]())
        expect([error.name, error.message]).toEqual(['ReplyError', `ERR ${name.toUpperCase()} without MULTI`])
        expect(error.command).toEqual({ name, args: [] })
      }
    })
  })

  describe('with WATCH', () => {
    beforeEach(async () => {
      expect(await redis.watch('w')).toBe('OK')
    })

    it('gives null when somebody else was faster', async () => {
      await server.command('SET', 'w', 1)
      const seen: unknown[][] = []
      expect(
        await redis
          .multi()
          .set('w', 2)
          .exec((...args: unknown[]) => seen.push(args)),
      ).toBe(null)
      expect(seen).toEqual([[null, null]])
      expect(await redis.get('w')).toBe('1')
    })

    it('gives null without a pipeline, and null for the entry within one', async () => {
      await server.command('SET', 'w', 1)
      redis.multi({ pipeline: false })
      redis.get('w')
      expect(await redis.exec()).toBe(null)
      await redis.watch('w')
      await server.command('SET', 'w', 2)
      expect(await redis.pipeline().multi().get('w').exec().exec()).toEqual([
        [null, 'OK'],
        [null, 'QUEUED'],
        [null, null],
      ])
    })

    it('gives the results when nobody was', async () => {
      expect(await redis.multi().set('w', 2).exec()).toEqual([[null, 'OK']])
      await redis.watch('w')
      await server.command('SET', 'w', 3)
      expect(await redis.unwatch()).toBe('OK')
      expect(await redis.multi().get('w').exec()).toEqual([[null, '3']])
    })
  })
})
