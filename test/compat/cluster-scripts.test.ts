// Scripts and scans on a Cluster: defineCommand, EVAL and its kin, and streams over what is in one key.

import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { failureOf } from '../support/clients.js'
import { keyIn, useCluster } from '../support/settled.js'
import { describeBoth, type Untyped } from './support/both.js'

const test = useCluster({ primaries: 3, replicasPerPrimary: 0 })
const seeds = () => test.cluster.nodes.map(({ port }) => ({ host: '127.0.0.1', port }))
/** A key of each node. */
const keys = [keyIn(1, 's'), keyIn(8000, 's'), keyIn(16_000, 's')] as const
const onEach = (name: string, ...args: string[]) =>
  Promise.all(test.cluster.nodes.map(node => node.command(name, ...args)))
const echo = 'return {KEYS[1], ARGV[1]}'
const sha = (lua: string) => createHash('sha1').update(lua).digest('hex')

const made: Untyped[] = []
beforeEach(() => onEach('FLUSHALL'))
afterEach(() => {
  for (const one of made.splice(0)) one.disconnect()
})

describeBoth('a script on a Cluster', ({ Cluster, module }) => {
  let cluster: Untyped
  const open = (options: object = {}) => {
    const one = new Cluster(seeds(), options)
    made.push(one)
    return one
  }

  beforeEach(async () => {
    await onEach('SCRIPT', 'FLUSH')
    cluster = open()
  })

  describe('that was defined', () => {
    it('is a method, and one for bytes', async () => {
      expect(cluster.defineCommand('echoed', { lua: echo, numberOfKeys: 1 })).toBeUndefined()
      for (const key of keys) {
        expect(await cluster.echoed(key, 'a')).toEqual([key, 'a'])
        expect(await cluster.echoedBuffer(key, 'b')).toEqual([Buffer.from(key), Buffer.from('b')])
      }
    })

    it('is carried out on the node of its keys, over and over', async () => {
      cluster.defineCommand('counted', { lua: 'return redis.call("INCRBY", KEYS[1], ARGV[1])', numberOfKeys: 1 })
      for (let i = 1; i <= 3; i++) {
        expect(await Promise.all(keys.map(key => cluster.counted(key, 5)))).toEqual([5 * i, 5 * i, 5 * i])
      }
    })

    it('takes as many keys as it is told in the call', async () => {
      cluster.defineCommand('both', { lua: 'return {#KEYS, #ARGV}' })
      expect(await cluster.both(2, '{t}a', '{t}b', 'c', 'd', 'e')).toEqual([2, 3])
      expect(await cluster.both(0, 'a')).toEqual([0, 1])
    })

    it('takes no keys at all', async () => {
      cluster.defineCommand('summed', { lua: 'return ARGV[1] + ARGV[2]', numberOfKeys: 0 })
      expect(await cluster.summed(2, 3)).toBe(5)
    })

    it('takes arrays for its arguments', async () => {
      cluster.defineCommand('listed', { lua: 'return {KEYS[1], ARGV[1], ARGV[2]}', numberOfKeys: 1 })
      expect(await cluster.listed([keys[1], 'a', 'b'])).toEqual([keys[1], 'a', 'b'])
      expect(await cluster.listed(keys[1], ['a', 'b'])).toEqual([keys[1], 'a', 'b'])
    })

    it('calls back', async () => {
      cluster.defineCommand('echoed', { lua: echo, numberOfKeys: 1 })
      const args = await new Promise(resolve => cluster.echoed(keys[0], 'x', (...got: unknown[]) => resolve(got)))
      expect(args).toEqual([null, [keys[0], 'x']])
    })

    it('may be for reading only', async () => {
      cluster.defineCommand('read', { lua: 'return redis.call("GET", KEYS[1])', numberOfKeys: 1, readOnly: true })
      await Promise.all(keys.map((key, i) => cluster.set(key, i)))
      expect(await Promise.all(keys.map(key => cluster.read(key)))).toEqual(['0', '1', '2'])
    })

    it('may have a name that is no word, as those of BullMQ', async () => {
      cluster.defineCommand('echoed:5.1.0', { lua: echo, numberOfKeys: 1 })
      expect(await cluster['echoed:5.1.0'](keys[2], 'v')).toEqual([keys[2], 'v'])
    })

    it('replaces one of the same name', async () => {
      cluster.defineCommand('twice', { lua: 'return 1', numberOfKeys: 0 })
      expect(await cluster.twice()).toBe(1)
      cluster.defineCommand('twice', { lua: 'return 2', numberOfKeys: 0 })
      expect(await cluster.twice()).toBe(2)
    })

    it('comes with the options', async () => {
      const one = open({
        scripts: { early: { lua: echo, numberOfKeys: 1 }, earlyCount: { lua: 'return #KEYS' } },
        keyPrefix: '{p}',
      })
      expect(await one.early('k', 'v')).toEqual(['{p}k', 'v'])
      expect(await one.earlyCount(2, 'a', 'b')).toBe(2)
    })

    it('has its keys prefixed', async () => {
      const one = open({ keyPrefix: 'p:' })
      one.defineCommand('echoed', { lua: echo, numberOfKeys: 1 })
      one.defineCommand('named', { lua: 'return KEYS' })
      for (const key of keys) expect(await one.echoed(key, key)).toEqual([`p:${key}`, key])
      expect(await one.named(1, 'a')).toEqual(['p:a'])
    })

    it('is known to no node after SCRIPT FLUSH, and carried out all the same', async () => {
      cluster.defineCommand('echoed', { lua: echo, numberOfKeys: 1 })
      for (const round of ['a', 'b', 'c']) {
        for (const key of keys) expect(await cluster.echoed(key, round)).toEqual([key, round])
        for (const key of keys) expect(await cluster.echoed(key, round)).toEqual([key, round])
        expect(await Promise.all(cluster.nodes('master').map((node: Untyped) => node.script('FLUSH')))).toEqual(
          Array(3).fill('OK'),
        )
      }
      expect(await Promise.all(keys.flatMap(key => [cluster.echoed(key, 1), cluster.echoed(key, 2)]))).toEqual(
        keys.flatMap(key => [
          [key, '1'],
          [key, '2'],
        ]),
      )
    })

    it('is known to each node by its digest afterwards', async () => {
      cluster.defineCommand('echoed', { lua: echo, numberOfKeys: 1 })
      for (const key of keys) await cluster.echoed(key, 'a')
      expect(await onEach('SCRIPT', 'EXISTS', sha(echo))).toEqual([[1], [1], [1]])
    })

    it('may be in a pipeline or a transaction of one slot', async () => {
      cluster.defineCommand('echoed', { lua: echo, numberOfKeys: 1 })
      for (const key of keys) {
        expect(await cluster.pipeline().set(key, 1).echoed(key, 'a').echoedBuffer(key, 'b').incr(key).exec()).toEqual([
          [null, 'OK'],
          [null, [key, 'a']],
          [null, [Buffer.from(key), Buffer.from('b')]],
          [null, 2],
        ])
        expect(await cluster.multi().incr(key).echoed(key, 'c').exec()).toEqual([
          [null, 3],
          [null, [key, 'c']],
        ])
      }
      await Promise.all(cluster.nodes('master').map((node: Untyped) => node.script('FLUSH')))
      expect(await cluster.pipeline().echoed(keys[1], 'd').exec()).toEqual([[null, [keys[1], 'd']]])
    })

    it('may be in a pipeline that was made before the cluster was ready', async () => {
      const one = open({ scripts: { echoed: { lua: echo, numberOfKeys: 1 } } })
      expect(await one.pipeline().echoed(keys[2], 'a').exec()).toEqual([[null, [keys[2], 'a']]])
    })

    it('fails as the server says', async () => {
      cluster.defineCommand('wrong', { lua: 'return redis.call("INCR", KEYS[1])', numberOfKeys: 1 })
      cluster.defineCommand('own', { lua: 'return redis.error_reply("MINE of my own")', numberOfKeys: 1 })
      await cluster.set(keys[1], 'text')
      for (let i = 0; i < 2; i++) {
        const error = await failureOf(cluster.wrong(keys[1]))
        expect(error).toBeInstanceOf(module.ReplyError)
        expect(error.message).toContain('ERR value is not an integer or out of range')
        expect((await failureOf(cluster.own(keys[1]))).message).toBe('MINE of my own')
      }
    })

    it('fails when its keys are in several slots', async () => {
      cluster.defineCommand('two', { lua: 'return KEYS', numberOfKeys: 2 })
      const error = await failureOf(cluster.two(keys[0], keys[1]))
      expect(error.message).toBe("CROSSSLOT Keys in request don't hash to the same slot")
    })
  })

  describe('that was not', () => {
    it('is carried out by eval() on the node of its keys', async () => {
      for (const key of keys) {
        expect(await cluster.eval(echo, 1, key, 'a')).toEqual([key, 'a'])
        expect(await cluster.evalBuffer(echo, '1', key, 'a')).toEqual([Buffer.from(key), Buffer.from('a')])
        expect(await cluster.eval('return redis.call("SET", KEYS[1], ARGV[1])', 1, key, 'v')).toBe('OK')
        expect(await cluster.call('EVAL_RO', 'return redis.call("GET", KEYS[1])', 1, key)).toBe('v')
      }
      expect(await cluster.eval('return 7', 0)).toBe(7)
    })

    it('is carried out by evalsha() where it is known', async () => {
      await cluster.ping()
      const loaded = await Promise.all(cluster.nodes('master').map((node: Untyped) => node.script('LOAD', echo)))
      expect(loaded).toEqual(Array(3).fill(sha(echo)))
      for (const key of keys) expect(await cluster.evalsha(sha(echo), 1, key, 'a')).toEqual([key, 'a'])
    })

    it('is not carried out by evalsha() where it is not known', async () => {
      const error = await failureOf(cluster.evalsha(sha(echo), 1, keys[1], 'a'))
      expect(error).toMatchObject({ name: 'ReplyError', message: 'NOSCRIPT No matching script. Please use EVAL.' })
      expect((error as Untyped).command).toEqual({ name: 'evalsha', args: [sha(echo), '1', keys[1], 'a'] })
    })

    it('may be a function of a library', async () => {
      const library = `#!lua name=own\nredis.register_function('echoed', function(keys, args) return {keys[1], args[1]} end)`
      await onEach('FUNCTION', 'LOAD', 'REPLACE', library)
      for (const key of keys) expect(await cluster.fcall('echoed', 1, key, 'a')).toEqual([key, 'a'])
    })
  })
})

describeBoth('a stream over what is in a key of a Cluster', ({ Cluster }) => {
  let cluster: Untyped
  const open = (options: object = {}) => {
    const one = new Cluster(seeds(), options)
    made.push(one)
    return one
  }
  async function collected(stream: Untyped): Promise<Untyped[]> {
    const found: unknown[] = []
    for await (const batch of stream) found.push(...batch)
    return found
  }
  const members = Array.from({ length: 700 }, (_, i) => `m${i}`)

  beforeEach(() => {
    cluster = open()
  })

  it('has all members of a set', async () => {
    for (const key of keys) {
      await cluster.sadd(key, members)
      expect((await collected(cluster.sscanStream(key))).sort()).toEqual([...members].sort())
      expect(await collected(cluster.sscanStream(key, { match: 'm69?', count: 500 }))).toHaveLength(10)
      const bytes = await collected(cluster.sscanBufferStream(key, { match: 'm1', count: 1000 }))
      expect(bytes).toEqual([Buffer.from('m1')])
    }
  })

  it('has all fields of a hash, with their values', async () => {
    for (const key of keys) {
      await cluster.hset(key, Object.fromEntries(members.map((name, i) => [name, i])))
      const found = await collected(cluster.hscanStream(key))
      expect(found).toHaveLength(1400)
      expect(found[found.indexOf('m42') + 1]).toBe('42')
      expect(await collected(cluster.hscanBufferStream(key, { match: 'm1', count: 1000 }))).toEqual([
        Buffer.from('m1'),
        Buffer.from('1'),
      ])
    }
  })

  it('has all members of a sorted set, with their scores', async () => {
    for (const key of keys) {
      await cluster.zadd(
        key,
        members.flatMap((name, i) => [i + 0.5, name]),
      )
      const found = await collected(cluster.zscanStream(key))
      expect(found).toHaveLength(1400)
      expect(found[found.indexOf('m42') + 1]).toBe('42.5')
      expect(await collected(cluster.zscanBufferStream(key, { match: 'm1', count: 1000 }))).toEqual([
        Buffer.from('m1'),
        Buffer.from('1.5'),
      ])
    }
  })

  it('is empty for a key that is not there', async () => {
    const batches: unknown[] = []
    for await (const batch of cluster.sscanStream('none')) batches.push(batch)
    expect(batches).toEqual([[]])
  })

  it('has its key prefixed', async () => {
    const prefixed = open({ keyPrefix: 'p:' })
    await cluster.sadd('p:set', 'a')
    expect(await collected(prefixed.sscanStream('set'))).toEqual(['a'])
  })

  it('ends when it is closed', async () => {
    await cluster.sadd(keys[0], members)
    const stream = cluster.sscanStream(keys[0], { count: 5 })
    let batches = 0
    stream.on('data', () => {
      if (++batches === 2) stream.close()
    })
    await once(stream, 'end')
    expect(batches).toBeLessThan(20)
  })

  it('tells of an error', async () => {
    await cluster.set(keys[1], 'text')
    const stream = cluster.sscanStream(keys[1])
    const failed = once(stream, 'error')
    stream.resume()
    expect((await failed)[0]).toMatchObject({ name: 'ReplyError', message: expect.stringMatching(/^WRONGTYPE/) })
  })

  it('is over keys only on a node', async () => {
    expect(cluster.scanStream).toBeUndefined()
    await Promise.all(Array.from({ length: 100 }, (_, i) => cluster.set(`k${i}`, i)))
    const found = await Promise.all(cluster.nodes('master').map((node: Untyped) => collected(node.scanStream())))
    expect(found.flat()).toHaveLength(100)
  })
})
