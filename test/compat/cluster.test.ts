// Commands on a Cluster: each goes to the node of its key, in all the shapes that a Redis takes and gives.

import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { failureOf } from '../support/clients.js'
import { eventually, keyIn, useCluster } from '../support/settled.js'
import { describeBoth, type Untyped } from './support/both.js'

const test = useCluster({ primaries: 3, replicasPerPrimary: 0 })
const seeds = () => test.cluster.nodes.map(({ port }) => ({ host: '127.0.0.1', port }))
/** One slot of each node. */
const slots = [1, 8000, 16_000] as const
const crossSlot = "CROSSSLOT Keys in request don't hash to the same slot"

describeBoth('a command on a Cluster', ({ Cluster, module, deviates }) => {
  const made: Untyped[] = []
  let cluster: Untyped

  const open = (options: object = {}) => {
    const one = new Cluster(seeds(), options)
    made.push(one)
    return one
  }
  const calledBack = (call: (callback: (...args: unknown[]) => void) => unknown) =>
    new Promise<unknown[]>(resolve => call((...args: unknown[]) => resolve(args)))

  beforeEach(async () => {
    await Promise.all(test.cluster.nodes.map(node => node.command('FLUSHALL')))
    cluster = open()
  })

  afterEach(() => {
    for (const one of made.splice(0)) one.disconnect()
  })

  describe('finds its node', () => {
    it('for each of 10,000 keys on all of them at once', async () => {
      const keys = Array.from({ length: 10_000 }, (_, i) => keyIn(Math.floor((i * 16_384) / 10_000)))
      expect(new Set(await Promise.all(keys.map((key, i) => cluster.set(key, i))))).toEqual(new Set(['OK']))
      expect(await Promise.all(keys.map(key => cluster.get(key)))).toEqual(keys.map((_, i) => String(i)))
      const sizes = (await Promise.all(test.cluster.nodes.map(node => node.command('DBSIZE')))) as number[]
      expect(sizes.reduce((sum, size) => sum + size)).toBe(10_000)
      for (const size of sizes) expect(size).toBeGreaterThan(3000)
    })

    it.each(['plain', '{user:1}:name', 'x{user:1}{user:2}', '{}empty', '{unclosed', 'a}b{c}', '{ünï}:cödé', ' ', '\n'])(
      'by the key %j',
      async key => {
        await cluster.set(key, 'value')
        const slot = (await test.cluster.nodes[0]?.command('CLUSTER', 'KEYSLOT', key)) as number
        expect(await (await test.cluster.primaryOf(slot)).command('GET', key)).toBe('value')
      },
    )

    it('by a key of any bytes', async () => {
      const key = Buffer.from([0xff, 0x00, 0xfe, 0x7b, 0xf0, 0x7d])
      await cluster.set(key, Buffer.from([0, 1, 0xff]))
      expect(await cluster.getBuffer(key)).toEqual(Buffer.from([0, 1, 0xff]))
      const slot = (await test.cluster.nodes[0]?.command('CLUSTER', 'KEYSLOT', key)) as number
      expect(await (await test.cluster.primaryOf(slot)).command('EXISTS', key)).toBe(1)
    })

    it('by a number as a key', async () => {
      expect(await cluster.set(12345, 1)).toBe('OK')
      expect(await cluster.get('12345')).toBe('1')
    })

    it.each<[string, (key: (name: string) => string) => unknown[], unknown]>([
      ['eval', key => ['return {KEYS[1], KEYS[2]}', 2, key('a'), key('b')], 'keys'],
      ['object', key => ['ENCODING', key('n')], 'int'],
      ['memory', key => ['USAGE', key('n')], expect.any(Number)],
      ['bitop', key => ['AND', key('and'), key('n')], 1],
      ['zunion', key => [1, key('z')], ['m']],
      ['zunionstore', key => [key('zu'), 1, key('z')], 1],
      ['xread', key => ['COUNT', 1, 'STREAMS', key('x'), '0'], [['x', [['1-1', ['f', 'v']]]]]],
      ['xgroup', key => ['CREATE', key('x'), 'group', '$'], 'OK'],
      ['sort', key => [key('l'), 'STORE', key('sorted')], 2],
      ['lmpop', key => [1, key('l'), 'LEFT'], ['l', ['2']]],
      ['blpop', key => [key('l'), 1], ['l', '2']],
      ['copy', key => [key('n'), key('copied')], 1],
      ['msetnx', key => [key('m1'), 1, key('m2'), 2], 1],
      ['sintercard', key => [1, key('s')], 1],
    ])('by the keys of %s, wherever they stand', async (name, toArgs, result) => {
      for (const slot of slots) {
        const key = (of: string) => keyIn(slot, of)
        await Promise.all([
          cluster.set(key('n'), 5),
          cluster.zadd(key('z'), 1, 'm'),
          cluster.xadd(key('x'), '1-1', 'f', 'v'),
          cluster.rpush(key('l'), 2, 1),
          cluster.sadd(key('s'), 'm'),
        ])
        const named = JSON.parse(JSON.stringify(await cluster[name](...toArgs(key))).replaceAll(key(''), ''))
        expect(named).toEqual(result === 'keys' ? ['a', 'b'] : result)
      }
    })

    it.each<[string, unknown[], unknown]>([
      ['ping', [], 'PONG'],
      ['ping', ['hello'], 'hello'],
      ['echo', ['hello'], 'hello'],
      ['time', [], [expect.any(String), expect.any(String)]],
      ['dbsize', [], 0],
      ['randomkey', [], null],
      ['keys', ['*'], []],
      ['scan', ['0'], ['0', []]],
      ['cluster', ['KEYSLOT', 'foo'], 12_182],
      ['cluster', ['INFO'], expect.stringContaining('cluster_state:ok')],
      ['info', ['server'], expect.stringContaining('redis_version:7')],
      ['config', ['GET', 'cluster-enabled'], ['cluster-enabled', 'yes']],
      ['client', ['GETNAME'], null],
      ['flushall', [], 'OK'],
      ['publish', ['channel', 'message'], 0],
      ['wait', [0, 10], 0],
      ['command', ['COUNT'], expect.any(Number)],
      ['lastsave', [], expect.any(Number)],
    ])('without a key, as for %s%j', async (name, args, result) => {
      expect(await cluster[name](...args)).toEqual(result)
    })
  })

  describe('has the shapes of a Redis', () => {
    it('with replies of text, of bytes, and of numbers', async () => {
      const key = keyIn(8000)
      expect(await cluster.set(key, 'vælue')).toBe('OK')
      expect(await cluster.setBuffer(key, 'vælue')).toEqual(Buffer.from('OK'))
      expect([await cluster.get(key), await cluster.getBuffer(key)]).toEqual(['vælue', Buffer.from('vælue')])
      expect(await cluster.strlen(key)).toBe(6)
      expect(await cluster.strlenBuffer(key)).toBe(6)
      expect(await cluster.get(keyIn(8000, 'none'))).toBeNull()
      expect(await cluster.mgetBuffer(key, keyIn(8000, 'none'))).toEqual([Buffer.from('vælue'), null])
    })

    it('with arrays for lists of arguments', async () => {
      const keys = ['{l}a', '{l}b', '{l}c']
      expect(await cluster.mset(keys.flatMap((key, i) => [key, i]))).toBe('OK')
      expect(await cluster.mget(keys)).toEqual(['0', '1', '2'])
      expect(await cluster.mget(...keys)).toEqual(['0', '1', '2'])
      expect(await cluster.sadd('{l}s', ['x', 'y'], 'z')).toBe(3)
      expect(await cluster.del(keys, '{l}s')).toBe(4)
    })

    it('with objects and Maps', async () => {
      expect(await cluster.mset({ '{o}a': 1, '{o}b': 2 })).toBe('OK')
      expect(await cluster.msetnx(new Map([['{o}c', 3]]))).toBe(1)
      expect(await cluster.hset('{o}h', { a: 1, b: Buffer.from('2') })).toBe(2)
      expect(await cluster.hmset('{o}h', new Map([['c', '3']]))).toBe('OK')
      expect(await cluster.hgetall('{o}h')).toEqual({ a: '1', b: '2', c: '3' })
      expect(await cluster.hgetallBuffer('{o}h')).toEqual({
        a: Buffer.from('1'),
        b: Buffer.from('2'),
        c: Buffer.from('3'),
      })
      expect(await cluster.hgetall('{o}none')).toEqual({})
    })

    it('with the replies of RESP2 on connections of RESP3, or not', async () => {
      await cluster.zadd('z', 1.5, 'a', 2, 'b')
      expect(await cluster.zrange('z', 0, -1, 'WITHSCORES')).toEqual(['a', '1.5', 'b', '2'])
      expect(await cluster.zscore('z', 'a')).toBe('1.5')
      const asTheyCome = open({ redisOptions: { replyMapping: 'resp3' } })
      expect(await asTheyCome.zrange('z', 0, -1, 'WITHSCORES')).toEqual([
        ['a', 1.5],
        ['b', 2],
      ])
      const two = open({ redisOptions: { protocol: 2 } })
      expect(await two.zrange('z', 0, -1, 'WITHSCORES')).toEqual(['a', '1.5', 'b', '2'])
    })

    it('with callbacks', async () => {
      expect(await calledBack(callback => cluster.set('k', 'v', callback))).toEqual([null, 'OK'])
      expect(await calledBack(callback => cluster.get('k', callback))).toEqual([null, 'v'])
      expect(await calledBack(callback => cluster.getBuffer('k', callback))).toEqual([null, Buffer.from('v')])
      expect(await calledBack(callback => cluster.hgetall('none', callback))).toEqual([null, {}])
      const [error, ...rest] = await calledBack(callback => cluster.incr('k', callback))
      expect(error).toMatchObject({ name: 'ReplyError', message: 'ERR value is not an integer or out of range' })
      expect(rest).toEqual([])
    })

    it('with callbacks, and a promise besides', async () => {
      let got: unknown[] = []
      const promise = cluster.set('k', 'v', (...args: unknown[]) => (got = args))
      expect(await promise).toBe('OK')
      await eventually(() => expect(got).toEqual([null, 'OK']))
    })

    it('by call(), callBuffer() and send_command()', async () => {
      for (const slot of slots) {
        const key = keyIn(slot)
        expect(await cluster.call('SET', key, 'v')).toBe('OK')
        expect(await cluster.call('get', [key])).toBe('v')
        expect(await cluster.callBuffer('GET', key)).toEqual(Buffer.from('v'))
        expect(await calledBack(callback => cluster.call('GeT', key, callback))).toEqual([null, 'v'])
        expect(await calledBack(callback => cluster.send_command('get', [key], callback))).toEqual([null, 'v'])
      }
    })

    it('by a Command', async () => {
      for (const slot of slots) {
        await cluster.set(keyIn(slot), slot)
        const command = new module.Command('get', [keyIn(slot)], { replyEncoding: 'utf8' })
        expect(await cluster.sendCommand(command)).toBe(String(slot))
        expect(await command.promise).toBe(String(slot))
        expect(await cluster.sendCommand(new module.Command('get', [keyIn(slot)]))).toEqual(Buffer.from(String(slot)))
      }
    })

    it('by names that were added', async () => {
      cluster.addBuiltinCommand('madeup')
      expect(typeof cluster.madeupBuffer).toBe('function')
      expect((await failureOf(cluster.madeup('a'))).message).toMatch(/^ERR unknown command 'madeup'/)
      expect(cluster.getBuiltinCommands()).toContain('get')
      const { string, buffer } = cluster.createBuiltinCommand('get')
      await cluster.set('k', 'v')
      expect([await string.call(cluster, 'k'), await buffer.call(cluster, 'k')]).toEqual(['v', Buffer.from('v')])
    })

    it('and keeps the order of what is called', async () => {
      const key = keyIn(1, 'order')
      const values = await Promise.all(Array.from({ length: 1000 }, () => cluster.incr(key)))
      expect(values).toEqual(Array.from({ length: 1000 }, (_, i) => i + 1))
      const mixed = [
        cluster.set(key, 'a'),
        cluster.append(key, 'b'),
        cluster.get(key),
        cluster.del(key),
        cluster.get(key),
      ]
      expect(await Promise.all(mixed)).toEqual(['OK', 2, 'ab', 1, null])
    })

    it('of any size', async () => {
      const value = 'x'.repeat(5_000_000)
      expect(await cluster.set('large', value)).toBe('OK')
      expect((await cluster.get('large')) === value).toBe(true)
    })

    it('when it blocks', async () => {
      const other = open()
      const popped = cluster.blpop('blocked', 10)
      await eventually(async () => {
        expect(await other.lpush('blocked', 'v')).toBeGreaterThan(0)
      })
      expect(await popped).toEqual(['blocked', 'v'])
      expect(await cluster.brpop('blocked', 0.01)).toBeNull()
    })
  })

  describe('fails', () => {
    it.each<[string, unknown[]]>([
      ['mget', [keyIn(1), keyIn(2)]],
      ['mset', [keyIn(1), 'a', keyIn(2), 'b']],
      ['del', [keyIn(1), keyIn(8000)]],
      ['rename', [keyIn(8000), keyIn(1)]],
      ['eval', ['return 1', 2, keyIn(1), keyIn(16_000)]],
    ])('as the server says, when the keys of %s are in several slots', async (name, args) => {
      const error = await failureOf(cluster[name](...args))
      expect(error).toBeInstanceOf(module.ReplyError)
      expect(error).toMatchObject({ name: 'ReplyError', message: crossSlot })
      expect((error as Untyped).command).toEqual({ name, args: args.map(String) })
    })

    it('as the server says, and tells which command it was', async () => {
      await cluster.set('text', 'v')
      const error = (await failureOf(cluster.lpush('text', 1, Buffer.from('b')))) as Untyped
      expect(error).toBeInstanceOf(module.ReplyError)
      expect(error.message).toBe('WRONGTYPE Operation against a key holding the wrong kind of value')
      expect(error.command).toEqual({ name: 'lpush', args: ['text', '1', Buffer.from('b')] })
      expect((await failureOf(cluster.set('text'))).message).toBe("ERR wrong number of arguments for 'set' command")
    })

    it('when there is no such command', async () => {
      const error = (await failureOf(cluster.call('NOSUCH', 'a', 'b'))) as Untyped
      expect(error.message).toBe("ERR unknown command 'NOSUCH', with args beginning with: 'a' 'b' ")
      expect(error.command).toEqual({ name: 'NOSUCH', args: ['a', 'b'] })
    })

    it('with a stack that shows who called it, if that is wanted', async () => {
      const friendly = open({ showFriendlyErrorStack: true })
      await friendly.set('text', 'v')
      const error = await failureOf(friendly.incr('text'))
      expect(error.message).toBe('ERR value is not an integer or out of range')
      expect(error.stack).toContain('cluster.test.ts')
    })

    it('alone', async () => {
      await cluster.set('{f}text', 'v')
      const [first, second, third] = await Promise.allSettled([
        cluster.incr('{f}text'),
        cluster.get('{f}text'),
        cluster.lpush('{f}text', 1),
      ])
      expect([first.status, second, third.status]).toEqual([
        'rejected',
        { status: 'fulfilled', value: 'v' },
        'rejected',
      ])
    })
  })

  describe('has its keys prefixed', () => {
    it('and its node found by what then is the key', async () => {
      const prefixed = open({ keyPrefix: 'p:' })
      const names = Array.from({ length: 200 }, (_, i) => `key ${i}`)
      await Promise.all(names.map((name, i) => prefixed.set(name, i)))
      expect(await Promise.all(names.map(name => cluster.get(`p:${name}`)))).toEqual(names.map((_, i) => String(i)))
      expect(await Promise.all(names.map(name => prefixed.get(name)))).toEqual(names.map((_, i) => String(i)))
    })

    it('wherever they stand', async () => {
      const prefixed = open({ keyPrefix: '{p}' })
      expect(await prefixed.mset('a', 1, 'b', 2)).toBe('OK')
      expect(await cluster.mget('{p}a', '{p}b')).toEqual(['1', '2'])
      expect(await prefixed.mget(['a', 'b'])).toEqual(['1', '2'])
      expect(await prefixed.getBuffer('a')).toEqual(Buffer.from('1'))
      expect(await prefixed.call('GET', 'b')).toBe('2')
      expect(await prefixed.eval('return KEYS', 2, 'a', 'b')).toEqual(['{p}a', '{p}b'])
      expect(await prefixed.rename('a', 'c')).toBe('OK')
      expect(await prefixed.exists('a', 'b', 'c')).toBe(2)
      expect(await prefixed.zadd('z', 1, 'm')).toBe(1)
      expect(await prefixed.zunionstore('zu', 1, 'z')).toBe(1)
      expect(await cluster.zrange('{p}zu', 0, -1)).toEqual(['m'])
      expect(await prefixed.pipeline().set('q', 1).get('q').exec()).toEqual([
        [null, 'OK'],
        [null, '1'],
      ])
      expect(await prefixed.multi().incr('q').exec()).toEqual([[null, 2]])
      expect(await cluster.get('{p}q')).toBe('2')
    })

    it('and says so in its error', async () => {
      const prefixed = open({ keyPrefix: 'p:' })
      await prefixed.set('text', 'v')
      const error = (await failureOf(prefixed.incr('text'))) as Untyped
      expect(error.command).toEqual({ name: 'incr', args: ['p:text'] })
    })
  })

  describe('is pipelined by itself', () => {
    it('with the same results', async () => {
      const auto = open({ enableAutoPipelining: true })
      const keys = Array.from({ length: 300 }, (_, i) => keyIn(i * 54))
      const calls = keys.map((key, i) => auto.set(key, i))
      expect(new Set(await Promise.all(calls))).toEqual(new Set(['OK']))
      expect(await Promise.all(keys.map(key => auto.get(key)))).toEqual(keys.map((_, i) => String(i)))
      expect(await Promise.all([auto.getBuffer(keys[3]), auto.call('GET', keys[4]), auto.hgetall('none')])).toEqual([
        Buffer.from('3'),
        '4',
        {},
      ])
      expect(await calledBack(callback => auto.get(keys[5], callback))).toEqual([null, '5'])
      expect(await auto.ping()).toBe('PONG')
    })

    it('with errors for whom they concern', async () => {
      const auto = open({ enableAutoPipelining: true, keyPrefix: 'a:' })
      await auto.set('text', 'v')
      const results = await Promise.allSettled([auto.incr('text'), auto.get('text'), auto.lpush('text', 1)])
      expect(results.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'rejected'])
      const error = (results[0] as PromiseRejectedResult).reason
      expect(error).toMatchObject({ name: 'ReplyError', message: 'ERR value is not an integer or out of range' })
      expect(await cluster.get('a:text')).toBe('v')
    })

    it('with scripts, too', async () => {
      const auto = open({ enableAutoPipelining: true })
      auto.defineCommand('both', { lua: 'return {KEYS[1], ARGV[1]}', numberOfKeys: 1 })
      const keys = slots.map(slot => keyIn(slot))
      expect(await Promise.all(keys.map(key => auto.both(key, 'x')))).toEqual(keys.map(key => [key, 'x']))
    })

    it('but for the ignored ones', async () => {
      const auto = open({ enableAutoPipelining: true, autoPipeliningIgnoredCommands: ['get'] })
      await auto.set('k', 'v')
      const get = auto.get('k')
      expect(auto.autoPipelineQueueSize).toBe(0)
      expect(await get).toBe('v')
    })

    it('and counted until it is sent', async () => {
      expect(cluster.autoPipelineQueueSize).toBe(0)
      const auto = open({ enableAutoPipelining: true })
      await auto.set('k', 'v')
      const calls = slots.flatMap(slot => [auto.get(keyIn(slot)), auto.get(keyIn(slot))])
      expect(auto.autoPipelineQueueSize).toBe(deviates('no-pipeline-queue') ? 0 : 6)
      await Promise.all(calls)
      expect(auto.autoPipelineQueueSize).toBe(0)
    })
  })
})
