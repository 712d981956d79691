// Scripts: commands of one's own, written in Lua, and when they go out as EVAL and when as EVALSHA.

import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { bulk, type FakeServer } from 'slotwise/testing'
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

const echo = 'return {KEYS[1],KEYS[2],ARGV[1],ARGV[2]}'
const noScript = 'NOSCRIPT No matching script. Please use EVAL.'
const sha = (lua: string) => createHash('sha1').update(lua).digest('hex')

describeBoth('scripts', ({ Redis, module }) => {
  let made: Untyped[] = []
  let fakes: FakeServer[] = []
  let redis: Untyped

  function client(options: object = {}): Untyped {
    const one = new Redis({ host: server.host, port: server.port, ...options })
    made.push(one)
    return one
  }

  beforeEach(async () => {
    await server.command('FLUSHALL')
    await server.command('SCRIPT', 'FLUSH')
    redis = client()
  })

  afterEach(async () => {
    for (const one of made) one.disconnect()
    for (const fake of fakes) await fake.close()
    made = []
    fakes = []
  })

  describe('defineCommand()', () => {
    it('with a number of keys makes a method that takes them first', async () => {
      redis.defineCommand('mine', { numberOfKeys: 2, lua: echo })
      expect(await redis.mine('k1', 'k2', 'a1', 'a2')).toEqual(['k1', 'k2', 'a1', 'a2'])
      expect(await redis.mine(['k1', 'k2'], ['a1', 2])).toEqual(['k1', 'k2', 'a1', '2'])
      expect(await redis.mine('k1', 'k2')).toEqual(['k1', 'k2'])
      redis.defineCommand('keyless', { numberOfKeys: 0, lua: 'return ARGV' })
      expect(await redis.keyless('a', 'b')).toEqual(['a', 'b'])
      expect(await redis.keyless()).toEqual([])
    })

    it('without one makes a method that takes the number first', async () => {
      redis.defineCommand('mine', { lua: 'return {#KEYS,#ARGV,KEYS[1],ARGV[1]}' })
      expect(await redis.mine(1, 'k', 'a')).toEqual([1, 1, 'k', 'a'])
      expect(await redis.mine('0', 'a')).toEqual([0, 1])
      expect(await redis.mine([2, 'k', 'l', 'a'])).toEqual([2, 1, 'k', 'a'])
      expect((await failure(redis.mine(3, 'k'))).message).toBe(
        "ERR Number of keys can't be greater than number of args",
      )
    })

    it('makes a Buffer twin', async () => {
      redis.defineCommand('mine', { numberOfKeys: 1, lua: 'return {KEYS[1],{ARGV[1]},5}' })
      const bytes = Buffer.from([0, 13, 10, 255])
      expect(await redis.mineBuffer(bytes, bytes)).toEqual([bytes, [bytes], 5])
      expect(await redis.mine('k', 'ü')).toEqual(['k', ['ü'], 5])
    })

    it('takes a callback, and returns the promise as well', async () => {
      redis.defineCommand('mine', { numberOfKeys: 1, lua: 'return KEYS[1]' })
      redis.defineCommand('bad', { numberOfKeys: 0, lua: 'return redis.error_reply("MINE my own")' })
      const seen: unknown[][] = []
      expect(await redis.mine('k', (...args: unknown[]) => seen.push(args))).toBe('k')
      expect(await redis.mineBuffer('k', (...args: unknown[]) => seen.push(args))).toEqual(Buffer.from('k'))
      const error = await failure(redis.bad((...args: unknown[]) => seen.push(args)))
      expect(seen).toEqual([[null, 'k'], [null, Buffer.from('k')], [error]])
    })

    it('takes names of any letters', async () => {
      for (const name of ['addJob:5.1.0', 'with space', 'ümlaut', '1', 'x-y']) {
        redis.defineCommand(name, { numberOfKeys: 0, lua: `return "${name}"` })
        expect(await redis[name]()).toBe(name)
        expect(await redis[`${name}Buffer`]()).toEqual(Buffer.from(name))
        expect(await redis.pipeline()[name]().exec()).toEqual([[null, name]])
      }
    })

    it('puts the method on this client only', () => {
      const [other, twin] = [client({ lazyConnect: true }), redis.duplicate({ lazyConnect: true })]
      made.push(twin)
      redis.defineCommand('mine', { numberOfKeys: 0, lua: 'return 1' })
      expect(typeof redis.mine).toBe('function')
      expect(other.mine).toBe(undefined)
      expect(twin.mine).toBe(undefined)
      expect(redis.duplicate({ lazyConnect: true }).mine).toBe(undefined)
      expect(redis.getBuiltinCommands()).not.toContain('mine')
    })

    it('may be told again, and may take the place of a command there is', async () => {
      redis.defineCommand('mine', { numberOfKeys: 0, lua: 'return 1' })
      expect(await redis.mine()).toBe(1)
      redis.defineCommand('mine', { numberOfKeys: 0, lua: 'return 2' })
      expect(await redis.mine()).toBe(2)
      redis.defineCommand('echo', { numberOfKeys: 0, lua: 'return "not " .. ARGV[1]' })
      expect(await redis.echo('x')).toBe('not x')
      expect(await redis.pipeline().echo('x').exec()).toEqual([[null, 'not x']])
    })

    it('keeps what it was told in scriptsSet', () => {
      redis.defineCommand('mine', { numberOfKeys: 1, lua: echo, readOnly: true })
      redis.defineCommand('other', { lua: echo })
      expect(Object.keys(redis.scriptsSet)).toEqual(['mine', 'other'])
      expect(redis.scriptsSet.mine).toMatchObject({ lua: echo, numberOfKeys: 1, readOnly: true, sha: sha(echo) })
      expect(redis.scriptsSet.other).toMatchObject({ lua: echo, numberOfKeys: null, readOnly: false, sha: sha(echo) })
    })

    it('transforms neither arguments nor replies', async () => {
      redis.defineCommand('hgetall', { numberOfKeys: 1, lua: 'return redis.call("HGETALL", KEYS[1])' })
      await redis.hset('h', 'f', 1)
      expect(await redis.hgetall('h')).toEqual(['f', '1'])
      redis.defineCommand('args', { numberOfKeys: 0, lua: 'return ARGV' })
      expect(await redis.args({ a: 1 }, null, true, 1.5)).toEqual(['[object Object]', '', 'true', '1.5'])
    })

    it('gives the reply its shape by protocol and mapping', async () => {
      const lua = 'return {map={a={double=1.5}}}'
      for (const [options, reply] of [
        [{ protocol: 2 }, ['a', '1.5']],
        [{}, ['a', '1.5']],
        [{ replyMapping: 'resp3' }, { a: 1.5 }],
      ] as const) {
        const one = client(options)
        one.defineCommand('mine', { numberOfKeys: 0, lua })
        expect(await one.mine()).toEqual(reply)
        expect(await one.mine()).toEqual(reply)
      }
    })
  })

  describe('option scripts', () => {
    it('defines them from the beginning', async () => {
      const one = client({
        scripts: {
          mine: { numberOfKeys: 1, lua: 'return {KEYS[1],ARGV[1]}' },
          'dynamic:1': { lua: 'return {#KEYS,ARGV[1]}', readOnly: true },
        },
      })
      expect(await one.mine('k', 'a')).toEqual(['k', 'a'])
      expect(await one.mineBuffer('k', 'a')).toEqual([Buffer.from('k'), Buffer.from('a')])
      expect(await one['dynamic:1'](1, 'k', 'a')).toEqual([1, 'a'])
      const twin = one.duplicate()
      made.push(twin)
      expect(await twin.mine('k', 'a')).toEqual(['k', 'a'])
    })
  })

  describe('on the wire', () => {
    async function scripted(options: object = {}): Promise<{ fake: FakeServer; one: Untyped; sent: () => string[][] }> {
      const fake = await startScripted(([name]) => {
        if (name === 'EVAL' || name === 'EVALSHA') return bulk('v')
        if (name === 'MULTI') return '+OK\r\n'
        return undefined
      })
      fakes.push(fake)
      const one = client({ port: fake.port, enableReadyCheck: false, retryStrategy: () => 1, ...options })
      one.defineCommand('mine', { numberOfKeys: 1, lua: echo })
      await once(one, 'ready')
      const told = ['EVAL', 'EVALSHA', 'MULTI', 'EXEC']
      return { fake, one, sent: () => fake.commands.filter(([name]) => told.includes(name as string)) }
    }

    it('are EVAL the first time, EVALSHA from then on', async () => {
      const { one, sent } = await scripted()
      await one.mine('k', 1)
      await one.mineBuffer('k', 2)
      await Promise.all([one.mine('k', 3), one.mine('k', 4)])
      expect(sent()).toEqual([
        ['EVAL', echo, '1', 'k', '1'],
        ['EVALSHA', sha(echo), '1', 'k', '2'],
        ['EVALSHA', sha(echo), '1', 'k', '3'],
        ['EVALSHA', sha(echo), '1', 'k', '4'],
      ])
    })

    it('are EVALSHA even while the first is under way', async () => {
      const { one, sent } = await scripted()
      await Promise.all([one.mine('k', 1), one.mine('k', 2)])
      expect(sent().map(([name]) => name)).toEqual(['EVAL', 'EVALSHA'])
    })

    it('are told from each other by their text', async () => {
      const { one, sent } = await scripted()
      one.defineCommand('other', { numberOfKeys: 0, lua: 'return 5' })
      await one.mine('k')
      await one.other()
      await one.mine('k')
      await one.other()
      expect(sent().map(words => words.slice(0, 2))).toEqual([
        ['EVAL', echo],
        ['EVAL', 'return 5'],
        ['EVALSHA', sha(echo)],
        ['EVALSHA', sha('return 5')],
      ])
    })

    it('are EVAL again on a new connection', async () => {
      const { fake, one, sent } = await scripted()
      await one.mine('k')
      await one.mine('k')
      const again = once(one, 'ready')
      fake.cutAll()
      await again
      await one.mine('k')
      await one.mine('k')
      expect(sent().map(([name]) => name)).toEqual(['EVAL', 'EVALSHA', 'EVAL', 'EVALSHA'])
    })

    it('are so in pipelines and transactions, too', async () => {
      const { fake, one, sent } = await scripted()
      fake.handler = ([name]) => {
        if (name === 'MULTI') return '+OK\r\n'
        if (name === 'EXEC') return `*2\r\n${bulk('a')}${bulk('b')}`
        if (name === 'EVAL' || name === 'EVALSHA') return '+QUEUED\r\n'
        return undefined
      }
      expect(await one.pipeline().mine('k').mine('k').exec()).toEqual([
        [null, 'QUEUED'],
        [null, 'QUEUED'],
      ])
      expect(await one.multi().mine('k').mine('k').exec()).toEqual([
        [null, 'a'],
        [null, 'b'],
      ])
      expect(sent().map(([name]) => name)).toEqual(['EVAL', 'EVALSHA', 'MULTI', 'EVALSHA', 'EVALSHA', 'EXEC'])
    })

    it('have the prefix on their keys, and nowhere else', async () => {
      const { one, sent } = await scripted({ keyPrefix: 'p:' })
      one.defineCommand('dynamic', { lua: 'return 5' })
      await one.mine('k', 'a')
      await one.mine(Buffer.from('k'), 'a')
      await one.dynamic(2, 'k', 'l', 'a')
      await one.pipeline().dynamic(0, 'a').mine('k', 'a').exec()
      expect(sent().map(words => words.slice(2))).toEqual([
        ['1', 'p:k', 'a'],
        ['1', 'p:k', 'a'],
        ['2', 'p:k', 'p:l', 'a'],
        ['0', 'a'],
        ['1', 'p:k', 'a'],
      ])
    })

    it('are EVAL after NOSCRIPT, with the same arguments, and nobody is told', async () => {
      const { fake, one, sent } = await scripted({ keyPrefix: 'p:' })
      await one.mine('k', 1)
      fake.handler = ([name]) => (name === 'EVALSHA' ? `-${noScript}\r\n` : name === 'EVAL' ? bulk('w') : undefined)
      const seen: unknown[][] = []
      expect(await one.mine('k', 2, (...args: unknown[]) => seen.push(args))).toBe('w')
      expect(seen).toEqual([[null, 'w']])
      expect(sent().slice(1)).toEqual([
        ['EVALSHA', sha(echo), '1', 'p:k', '2'],
        ['EVAL', echo, '1', 'p:k', '2'],
      ])
    })

    it('are commands marked as reading, if told so', async () => {
      const { one } = await scripted()
      one.defineCommand('reading', { numberOfKeys: 1, lua: echo, readOnly: true })
      const passed: Untyped[] = []
      const { sendCommand } = one
      one.sendCommand = function (...args: Untyped[]) {
        passed.push(args[0])
        return sendCommand.apply(this, args)
      }
      await one.reading('k')
      await one.mine('k')
      expect(passed.map(command => Boolean(command.isReadOnly))).toEqual([true, false])
      expect(passed.map(command => command.getKeys())).toEqual([['k'], ['k']])
    })
  })

  describe('after SCRIPT FLUSH', () => {
    const forget = () => server.command('SCRIPT', 'FLUSH')

    beforeEach(async () => {
      redis.defineCommand('mine', { numberOfKeys: 1, lua: 'return redis.call("INCR", KEYS[1])' })
      expect(await redis.mine('n')).toBe(1)
      expect(await server.command('SCRIPT', 'EXISTS', redis.scriptsSet.mine.sha)).toEqual([1])
      await forget()
    })

    it('work', async () => {
      expect(await redis.mine('n')).toBe(2)
      await forget()
      expect(await redis.mineBuffer('n')).toBe(3)
      await forget()
      expect((await Promise.all([redis.mine('n'), redis.mine('n'), redis.mine('n')])).sort()).toEqual([4, 5, 6])
      await forget()
      await redis.mine('n')
      expect(await server.command('SCRIPT', 'EXISTS', redis.scriptsSet.mine.sha)).toEqual([1])
    })

    it('work in a pipeline, where theirs is the last word', async () => {
      const seen: unknown[][] = []
      const results = await redis
        .pipeline()
        .set('x', 1)
        .mine('n', (...args: unknown[]) => seen.push(args))
        .get('x')
        .exec()
      expect(results).toEqual([
        [null, 'OK'],
        [null, 2],
        [null, '1'],
      ])
      expect(seen).toEqual([[null, 2]])
    })

    it('fail in a transaction, until one has been called outside', async () => {
      for (let i = 0; i < 2; i++) {
        const results = await redis.multi().set('x', 1).mine('n').exec()
        expect(results[0]).toEqual([null, 'OK'])
        expect(results[1]).toHaveLength(1)
        expect(results[1][0]).toBeInstanceOf(module.ReplyError)
        expect(results[1][0].message).toBe(noScript)
      }
      expect(await redis.mine('n')).toBe(2)
      expect(await redis.multi().mine('n').exec()).toEqual([[null, 3]])
    })

    it('never mind evalsha by itself, which is told', async () => {
      const error = await failure(redis.evalsha(redis.scriptsSet.mine.sha, 1, 'n'))
      expect([error.name, error.message]).toEqual(['ReplyError', noScript])
    })
  })

  describe('that fail', () => {
    it('reject with a ReplyError that names EVAL or EVALSHA, and its arguments', async () => {
      const lua = 'return redis.error_reply("MINE my own " .. KEYS[1])'
      redis.defineCommand('bad', { numberOfKeys: 1, lua })
      const [first, second] = [await failure(redis.bad('k', 1)), await failure(redis.bad('k', 2))]
      expect(first).toBeInstanceOf(module.ReplyError)
      expect([first.name, first.message]).toEqual(['ReplyError', 'MINE my own k'])
      expect(first.command).toEqual({ name: 'eval', args: [lua, '1', 'k', '1'] })
      expect(second.command).toEqual({ name: 'evalsha', args: [sha(lua), '1', 'k', '2'] })
    })

    it('reject for Lua that cannot be compiled', async () => {
      redis.defineCommand('broken', { numberOfKeys: 0, lua: 'return )' })
      for (let i = 0; i < 2; i++) {
        const error = await failure(redis.broken())
        expect(error.name).toBe('ReplyError')
        expect(error.message).toContain('ERR Error compiling script (new function)')
      }
      expect(await redis.ping()).toBe('PONG')
    })

    it('have an entry of their own in a pipeline and in a transaction', async () => {
      redis.defineCommand('bad', { numberOfKeys: 0, lua: 'return redis.error_reply("MINE my own")' })
      for (const begin of ['pipeline', 'multi']) {
        const results = await redis[begin]().bad().ping().exec()
        expect(results[0]).toHaveLength(1)
        expect([results[0][0].name, results[0][0].message]).toEqual(['ReplyError', 'MINE my own'])
        expect(results[1]).toEqual([null, 'PONG'])
      }
    })
  })

  it('2000 calls at once have each its own reply', async () => {
    redis.defineCommand('mine', { numberOfKeys: 1, lua: 'return redis.call("INCR", KEYS[1])' })
    const replies = await Promise.all(Array.from({ length: 2000 }, () => redis.mine('n')))
    expect(replies).toEqual(Array.from({ length: 2000 }, (_, i) => i + 1))
  })
})
