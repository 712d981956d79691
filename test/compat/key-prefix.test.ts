// keyPrefix: which arguments of which command it is put in front of. Told by what arrives at the server.

import { once } from 'node:events'
import type { FakeServer } from 'slotwise/testing'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { LocalServer } from '../../scripts/local-server.mjs'
import { startScripted } from '../support/scripted.js'
import { eventually } from '../support/settled.js'
import { describeBoth, type Untyped } from './support/both.js'

let server: LocalServer
let fake: FakeServer

beforeAll(async () => {
  server = await LocalServer.start()
  fake = await startScripted()
})

afterAll(async () => {
  await fake.close()
  await server.stop()
})

/** What is called, and what arrives: words parted by spaces, `''` for an empty one. The prefix is `p:`. */
const cases: Record<string, [called: string, arrives: string][]> = {
  'one key': [
    ['get k', 'get p:k'],
    ['set k v EX 1', 'set p:k v EX 1'],
    ['getset k v', 'getset p:k v'],
    ['setrange k 1 v', 'setrange p:k 1 v'],
    ['append k v', 'append p:k v'],
    ['incrby k 5', 'incrby p:k 5'],
    ['type k', 'type p:k'],
    ['expire k 1', 'expire p:k 1'],
    ['move k 1', 'move p:k 1'],
    ['dump k', 'dump p:k'],
    ['restore k 0 d REPLACE', 'restore p:k 0 d REPLACE'],
    ['hset h f v g w', 'hset p:h f v g w'],
    ['hmget h f g', 'hmget p:h f g'],
    ['hgetall h', 'hgetall p:h'],
    ['hscan h 0 MATCH f*', 'hscan p:h 0 MATCH f*'],
    ['hexpire h 5 FIELDS 1 f', 'hexpire p:h 5 FIELDS 1 f'],
    ['lpush l a b', 'lpush p:l a b'],
    ['lrange l 0 -1', 'lrange p:l 0 -1'],
    ['sadd s a b', 'sadd p:s a b'],
    ['sscan s 0 MATCH a*', 'sscan p:s 0 MATCH a*'],
    ['zadd z 1 m', 'zadd p:z 1 m'],
    ['zrangebylex z - +', 'zrangebylex p:z - +'],
    ['bitcount k', 'bitcount p:k'],
    ['bitfield k GET u8 0', 'bitfield p:k GET u8 0'],
    ['pfadd k a', 'pfadd p:k a'],
    ['geoadd g 1 2 m', 'geoadd p:g 1 2 m'],
    ['geosearch g FROMMEMBER m BYRADIUS 1 km', 'geosearch p:g FROMMEMBER m BYRADIUS 1 km'],
  ],
  'several keys': [
    ['mget a b', 'mget p:a p:b'],
    ['mset a 1 b 2', 'mset p:a 1 p:b 2'],
    ['msetnx a 1 b 2', 'msetnx p:a 1 p:b 2'],
    ['del a b', 'del p:a p:b'],
    ['unlink a b', 'unlink p:a p:b'],
    ['exists a b', 'exists p:a p:b'],
    ['touch a b', 'touch p:a p:b'],
    ['watch a b', 'watch p:a p:b'],
    ['rename a b', 'rename p:a p:b'],
    ['copy a b DB 1', 'copy p:a p:b DB 1'],
    ['lcs a b IDX', 'lcs p:a p:b IDX'],
    ['lmove a b LEFT RIGHT', 'lmove p:a p:b LEFT RIGHT'],
    ['rpoplpush a b', 'rpoplpush p:a p:b'],
    ['smove a b m', 'smove p:a p:b m'],
    ['sinter a b', 'sinter p:a p:b'],
    ['sinterstore d a b', 'sinterstore p:d p:a p:b'],
    ['sdiffstore d a b', 'sdiffstore p:d p:a p:b'],
    ['zrangestore d s 0 -1', 'zrangestore p:d p:s 0 -1'],
    ['geosearchstore d s FROMMEMBER m BYRADIUS 1 km', 'geosearchstore p:d p:s FROMMEMBER m BYRADIUS 1 km'],
    ['pfcount a b', 'pfcount p:a p:b'],
    ['pfmerge d a b', 'pfmerge p:d p:a p:b'],
    ['bitop AND d a b', 'bitop AND p:d p:a p:b'],
  ],
  'keys and a timeout': [
    ['blpop a b 0', 'blpop p:a p:b 0'],
    ['brpop a 0.5', 'brpop p:a 0.5'],
    ['brpoplpush a b 0', 'brpoplpush p:a p:b 0'],
    ['blmove a b LEFT RIGHT 0', 'blmove p:a p:b LEFT RIGHT 0'],
    ['bzpopmin a b 0', 'bzpopmin p:a p:b 0'],
  ],
  'as many keys as they say': [
    ['lmpop 2 a b LEFT COUNT 2', 'lmpop 2 p:a p:b LEFT COUNT 2'],
    ['blmpop 0 2 a b LEFT', 'blmpop 0 2 p:a p:b LEFT'],
    ['zmpop 2 a b MIN', 'zmpop 2 p:a p:b MIN'],
    ['bzmpop 0 2 a b MIN', 'bzmpop 0 2 p:a p:b MIN'],
    ['sintercard 2 a b LIMIT 5', 'sintercard 2 p:a p:b LIMIT 5'],
    ['zintercard 2 a b', 'zintercard 2 p:a p:b'],
    ['zunion 2 a b WEIGHTS 1 2', 'zunion 2 p:a p:b WEIGHTS 1 2'],
    ['zinter 1 a WITHSCORES', 'zinter 1 p:a WITHSCORES'],
    ['zdiff 2 a b', 'zdiff 2 p:a p:b'],
    ['zunionstore d 2 a b AGGREGATE MAX', 'zunionstore p:d 2 p:a p:b AGGREGATE MAX'],
    ['zinterstore d 2 a b', 'zinterstore p:d 2 p:a p:b'],
    ['zdiffstore d 2 a b', 'zdiffstore p:d 2 p:a p:b'],
    ['eval script 2 a b x', 'eval script 2 p:a p:b x'],
    ['eval script 0 a', 'eval script 0 a'],
    ['evalsha sha 1 a b', 'evalsha sha 1 p:a b'],
    ['eval_ro script 1 a', 'eval_ro script 1 p:a'],
    ['fcall fn 2 a b x', 'fcall fn 2 p:a p:b x'],
    ['fcall_ro fn 0 x', 'fcall_ro fn 0 x'],
  ],
  'keys after a word': [
    ['xread COUNT 1 BLOCK 5 STREAMS a b 0 0', 'xread COUNT 1 BLOCK 5 STREAMS p:a p:b 0 0'],
    ['xread streams a $', 'xread streams p:a $'],
    ['xreadgroup GROUP g c COUNT 1 STREAMS a b > >', 'xreadgroup GROUP g c COUNT 1 STREAMS p:a p:b > >'],
    ['xreadgroup GROUP streams c STREAMS a >', 'xreadgroup GROUP streams c STREAMS p:a >'],
    ['sort l', 'sort p:l'],
    ['sort l BY w_* GET # GET o_* STORE d', 'sort p:l BY p:w_* GET # GET p:o_* STORE p:d'],
    ['sort l by w_*->f get o_* LIMIT 0 5 ALPHA', 'sort p:l by p:w_*->f get p:o_* LIMIT 0 5 ALPHA'],
    ['sort_ro l BY w_*', 'sort_ro p:l BY p:w_*'],
    ['georadius g 1 2 3 km STORE d', 'georadius p:g 1 2 3 km STORE p:d'],
    ['georadius g 1 2 3 km COUNT 2 STOREDIST d', 'georadius p:g 1 2 3 km COUNT 2 STOREDIST p:d'],
    ['georadiusbymember g m 3 km STORE d', 'georadiusbymember p:g m 3 km STORE p:d'],
    ['migrate h 1 k 0 5 COPY REPLACE', 'migrate h 1 p:k 0 5 COPY REPLACE'],
    ["migrate h 1 '' 0 5 REPLACE KEYS a b", "migrate h 1 '' 0 5 REPLACE KEYS p:a p:b"],
  ],
  'the word after BY, even if it means: do not sort': [['sort l BY nosort', 'sort p:l BY p:nosort']],
  'a key after a subcommand': [
    ['object ENCODING k', 'object ENCODING p:k'],
    ['object freq k', 'object freq p:k'],
    ['object HELP', 'object HELP'],
    ['memory USAGE k SAMPLES 5', 'memory USAGE p:k SAMPLES 5'],
    ['memory STATS', 'memory STATS'],
    ['xgroup CREATE s g 0 MKSTREAM', 'xgroup CREATE p:s g 0 MKSTREAM'],
    ['xgroup DESTROY s g', 'xgroup DESTROY p:s g'],
    ['xgroup HELP', 'xgroup HELP'],
    ['xinfo STREAM s FULL', 'xinfo STREAM p:s FULL'],
    ['xinfo GROUPS s', 'xinfo GROUPS p:s'],
  ],
  streams: [
    ['xadd s * f v', 'xadd p:s * f v'],
    ['xack s g 1-1', 'xack p:s g 1-1'],
    ['xclaim s g c 0 1-1', 'xclaim p:s g c 0 1-1'],
    ['xautoclaim s g c 0 0', 'xautoclaim p:s g c 0 0'],
    ['xpending s g', 'xpending p:s g'],
    ['xtrim s MAXLEN 5', 'xtrim p:s MAXLEN 5'],
  ],
  'no key, however much it looks like one': [
    ['keys a*', 'keys a*'],
    ['scan 0 MATCH a*', 'scan 0 MATCH a*'],
    ['randomkey', 'randomkey'],
    ['publish c m', 'publish c m'],
    ['pubsub CHANNELS a*', 'pubsub CHANNELS a*'],
    ['pubsub NUMSUB a', 'pubsub NUMSUB a'],
    ['debug OBJECT k', 'debug OBJECT k'],
    ['client TRACKING ON PREFIX k', 'client TRACKING ON PREFIX k'],
    ['config GET k', 'config GET k'],
    ['cluster KEYSLOT k', 'cluster KEYSLOT k'],
    ['command GETKEYS get k', 'command GETKEYS get k'],
    ['script EXISTS s', 'script EXISTS s'],
    ['acl SETUSER k', 'acl SETUSER k'],
    ['echo k', 'echo k'],
    ['ping k', 'ping k'],
    ['wait 0 0', 'wait 0 0'],
    ['unwatch', 'unwatch'],
  ],
  'channels of shards, which have one': [['spublish c m', 'spublish p:c m']],
}

describeBoth('keyPrefix', ({ Redis, module }) => {
  let made: Untyped[] = []

  function client(options: object = {}): Untyped {
    const one = new Redis({ host: server.host, port: server.port, keyPrefix: 'p:', ...options })
    made.push(one)
    return one
  }

  /** A client of the fake server, and what has arrived there since. Names are in lower case, as they are sent. */
  async function recorded(options: object = {}): Promise<{ redis: Untyped; arrived: () => string[][] }> {
    fake.handler = ([name]) => (name === 'HELLO' || name === 'CLIENT' ? undefined : '+OK\r\n')
    const redis = client({ port: fake.port, enableReadyCheck: false, ...options })
    await once(redis, 'ready')
    let before = fake.commands.length
    return {
      redis,
      arrived: () => {
        const since = fake.commands.slice(before).map(([name = '', ...args]) => [name.toLowerCase(), ...args])
        before = fake.commands.length
        return since
      },
    }
  }

  const words = (text: string) => text.split(' ').map(word => (word === "''" ? '' : word))

  beforeEach(async () => {
    await server.command('FLUSHALL')
  })

  afterEach(() => {
    for (const redis of made) redis.disconnect()
    made = []
  })

  for (const [kind, rows] of Object.entries(cases)) {
    it(`is put in front of: ${kind}`, async () => {
      const { redis, arrived } = await recorded()
      for (const [called, arrives] of rows) {
        const [method = '', ...args] = words(called)
        await redis[method](...args)
        await redis[`${method}Buffer`](...args.map(arg => (/^[a-z]$/.test(arg) ? Buffer.from(arg) : arg)))
        await redis.call(method.toUpperCase(), args)
        await redis
          .pipeline()
          [method](...args)
          .exec()
        await redis.multi({ pipeline: false })
        await redis[method](args)
        expect(arrived(), called).toEqual([
          words(arrives),
          words(arrives),
          words(arrives),
          words(arrives),
          ['multi'],
          words(arrives),
        ])
      }
    })
  }

  for (const [kind, called] of [
    ['nobody knows', 'nosuch k'],
    ['of a module', 'json.get k $'],
    ['of a module, in capitals', 'JSON.SET k $ 1'],
  ] as const) {
    it(`is not put in front of anything of a command ${kind}`, async () => {
      const { redis, arrived } = await recorded()
      const [name = '', ...args] = words(called)
      await redis.call(name, ...args)
      expect(arrived()).toEqual([[name.toLowerCase(), ...args]])
    })
  }

  it('is not put in front of the keys of a Command one has made oneself', async () => {
    const { redis, arrived } = await recorded()
    await redis.sendCommand(new module.Command('get', ['k']))
    await redis.sendCommand(new module.Command('get', ['k'], { keyPrefix: 'q:' }))
    expect(arrived()).toEqual([
      ['get', 'k'],
      ['get', 'q:k'],
    ])
  })

  it('is put in front of numbers, of nothing, and of keys in objects and Maps', async () => {
    const { redis, arrived } = await recorded()
    await redis.get(5)
    await redis.get('')
    await redis.get(null)
    await redis.mset({ a: 1, b: 2 })
    await redis.mset(new Map([['a', 1]]))
    await redis.hset('h', { f: 1 })
    expect(arrived()).toEqual([
      ['get', 'p:5'],
      ['get', 'p:'],
      ['get', 'p:'],
      ['mset', 'p:a', '1', 'p:b', '2'],
      ['mset', 'p:a', '1'],
      ['hset', 'p:h', 'f', '1'],
    ])
  })

  it('may be bytes, before text and before bytes', async () => {
    const redis = client({ keyPrefix: Buffer.from([255, 0]) })
    await redis.set('text', Buffer.from('1'))
    await redis.set(Buffer.from([254]), 2)
    const keys: Buffer[] = await client({ keyPrefix: '' }).keysBuffer('*')
    expect(keys.map(key => key.toString('hex')).sort()).toEqual(['ff0074657874', 'ff00fe'])
    expect(await redis.mget('text', Buffer.from([254]))).toEqual(['1', '2'])
  })

  it('is text before bytes that are no text', async () => {
    const redis = client({ keyPrefix: 'ü:' })
    await redis.set(Buffer.from([255]), 1)
    expect(await client({ keyPrefix: '' }).keysBuffer('*')).toEqual([
      Buffer.concat([Buffer.from('ü:'), Buffer.from([255])]),
    ])
  })

  it('may change on the way, and holds for what is called from then on', async () => {
    const { redis, arrived } = await recorded()
    await redis.get('k')
    redis.options.keyPrefix = 'q:'
    await redis.get('k')
    await redis.pipeline().get('k').exec()
    expect(arrived()).toEqual([
      ['get', 'p:k'],
      ['get', 'q:k'],
      ['get', 'q:k'],
    ])
  })

  it('is inherited by duplicate(), which may have another', async () => {
    const { redis, arrived } = await recorded({ lazyConnect: false })
    const [same, other] = [redis.duplicate(), redis.duplicate({ keyPrefix: 'q:' })]
    made.push(same, other)
    await Promise.all([once(same, 'ready'), once(other, 'ready')])
    arrived()
    await same.get('k')
    await other.get('k')
    expect(arrived()).toEqual([
      ['get', 'p:k'],
      ['get', 'q:k'],
    ])
  })

  describe('in replies', () => {
    it('stays where it is: names of keys are those of the server', async () => {
      const redis = client()
      await redis.set('k', 1)
      await redis.rpush('l', 'a')
      await redis.xadd('s', '1-1', 'f', 'v')
      expect((await redis.keys('*')).sort()).toEqual(['p:k', 'p:l', 'p:s'])
      expect((await redis.scan(0))[1].sort()).toEqual(['p:k', 'p:l', 'p:s'])
      expect(await redis.keys('k*')).toEqual([])
      expect(await redis.blpop('l', 0)).toEqual(['p:l', 'a'])
      expect(await redis.xread('STREAMS', 's', 0)).toEqual([['p:s', [['1-1', ['f', 'v']]]]])
    })

    it('is there in errors', async () => {
      const redis = client()
      await redis.set('k', 'x')
      const error = await redis.lpush('k', 1).catch((cause: unknown) => cause)
      expect(error.command).toEqual({ name: 'lpush', args: ['p:k', '1'] })
    })

    it('is there in sort BY and GET', async () => {
      const redis = client()
      await redis.rpush('l', 'a', 'b')
      await redis.mset('w_a', 2, 'w_b', 1, 'o_a', 'A', 'o_b', 'B')
      expect(await redis.sort('l', 'BY', 'w_*', 'GET', 'o_*', 'GET', '#')).toEqual(['B', 'b', 'A', 'a'])
    })
  })

  describe('of channels', () => {
    it('is there for those of shards alone', async () => {
      const [plain, sharded] = [client(), client()]
      expect(await plain.subscribe('c')).toBe(1)
      expect(await plain.psubscribe('d*')).toBe(2)
      expect(await sharded.ssubscribe('e')).toBe(1)
      await eventually(async () => {
        expect(await server.command('PUBSUB', 'CHANNELS')).toEqual(['c'])
        expect(await server.command('PUBSUB', 'SHARDCHANNELS')).toEqual(['p:e'])
      })
      const told: unknown[] = []
      plain.on('message', (...args: unknown[]) => told.push(args))
      plain.on('pmessage', (...args: unknown[]) => told.push(args))
      sharded.on('smessage', (...args: unknown[]) => told.push(args))
      const from = client()
      expect(await from.publish('c', '1')).toBe(1)
      expect(await from.publish('d1', '2')).toBe(1)
      expect(await from.spublish('e', '3')).toBe(1)
      await eventually(() => expect(told).toHaveLength(3))
      expect(told).toEqual(
        expect.arrayContaining([
          ['c', '1'],
          ['d*', 'd1', '2'],
          ['p:e', '3'],
        ]),
      )
    })
  })
})
