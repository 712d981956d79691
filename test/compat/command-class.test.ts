// Command: the class by itself, without a client.

import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { describeBoth, type Untyped } from './support/both.js'

async function failure(call: Promise<unknown>): Promise<Untyped> {
  const outcome = await call.then(
    value => ({ value }),
    error => ({ error }),
  )
  if ('value' in outcome) throw new Error(`It resolved with ${JSON.stringify(outcome.value)}`)
  return outcome.error
}

const pending = Symbol('pending')

/** What the promise has come to by now; pending if to nothing. */
const state = (promise: Promise<unknown>) => Promise.race([promise, delay(0, pending)])

describeBoth('Command', ({ module, deviates }) => {
  const { Command } = module

  const make = (name: string, ...args: unknown[]): Untyped => new Command(name, args)

  describe('constructor', () => {
    it('keeps the name as given, and makes strings of the arguments', () => {
      const command = make('GeT', 'k', 1, null, undefined, true, [2, ['a', 'b']], 2 ** 70, Buffer.from('x'))
      expect(command.name).toBe('GeT')
      expect(command.args).toEqual(['k', '1', '', '', 'true', '2', 'a,b', '1180591620717411303424', Buffer.from('x')])
      expect(command).toBeInstanceOf(Command)
      expect(command.constructor.name).toBe('Command')
    })

    it('may have nothing but a name', () => {
      const command = new Command('ping')
      expect(command.args).toEqual([])
      expect(command.promise).toBeInstanceOf(Promise)
      expect(command.inTransaction).toBe(false)
      expect(command.isResolved).toBe(false)
      expect(command.replyEncoding).toBe(undefined)
      expect(command.callback).toBe(undefined)
      expect(command.errorStack).toBe(undefined)
      expect(Boolean(command.isReadOnly)).toBe(false)
    })

    it('leaves the array of the caller alone', () => {
      const args = ['k', 1, [2]]
      new Command('set', args, { keyPrefix: 'p:' })
      expect(args).toEqual(['k', 1, [2]])
    })

    it('takes options', () => {
      const errorStack = new Error('here')
      const command = new Command('get', ['k'], { replyEncoding: 'utf8', errorStack, keyPrefix: 'p:', readOnly: true })
      expect(command.replyEncoding).toBe('utf8')
      expect(command.errorStack).toBe(errorStack)
      expect(command.args).toEqual(['p:k'])
      expect(command.isReadOnly).toBe(true)
    })

    it('takes a callback', async () => {
      const seen: unknown[][] = []
      const note = (...args: unknown[]) => seen.push(args)
      const good = new Command('get', ['k'], { replyEncoding: 'utf8' }, note)
      expect(good.callback).toBe(note)
      good.resolve(Buffer.from('v'))
      await good.promise
      const error = new Error('no')
      const bad = new Command('get', ['k'], {}, note)
      bad.reject(error)
      await failure(bad.promise)
      expect(seen).toEqual([[null, 'v'], [error]])
    })
  })

  describe('promise', () => {
    it('resolves with what resolve() is given, in the encoding asked for', async () => {
      const reply = () => [Buffer.from('a'), [Buffer.from('b'), 1, null], new Error('in it')]
      const cases: [encoding: string | null | undefined, expected: unknown][] = [
        [undefined, reply()],
        [null, reply()],
        ['utf8', ['a', ['b', 1, null], new Error('in it')]],
        ['hex', ['61', ['62', 1, null], new Error('in it')]],
      ]
      for (const [replyEncoding, expected] of cases) {
        const command = new Command('lrange', ['k'], { replyEncoding })
        command.resolve(reply())
        expect(await command.promise).toEqual(expected)
      }
    })

    it('is what resolve() returns', () => {
      const command = make('get', 'k')
      expect(command.resolve('v')).toBe(command.promise)
    })

    it('may be replaced before anybody has asked for it', async () => {
      const command = make('get', 'k')
      const other = Promise.resolve('other')
      command.promise = other
      command.resolve('v')
      expect(command.promise).toBe(other)
    })

    it('rejects with what reject() is given', async () => {
      const command = make('get', 'k')
      const error = new Error('no')
      command.reject(error)
      expect(await failure(command.promise)).toBe(error)
      expect(command.isResolved).toBe(false)
    })

    it('is settled once', async () => {
      const command = make('get', 'k')
      command.resolve('first')
      command.resolve('second')
      command.reject(new Error('third'))
      expect(await command.promise).toBe('first')
      expect(command.isResolved).toBe(true)
    })

    it('rejects with what a transformer throws', async () => {
      const thrown = new TypeError('no such reply')
      Command.setReplyTransformer('mine', () => {
        throw thrown
      })
      try {
        const command = make('mine')
        command.resolve('v')
        expect(await failure(command.promise)).toBe(thrown)
        expect(command.isResolved).toBe(false)
      } finally {
        Command.setReplyTransformer('mine', undefined)
      }
    })

    it('has the stack of errorStack when it rejects', async () => {
      const errorStack = new Error('here')
      const command = new Command('get', [], { errorStack })
      command.reject(new Error('no'))
      const { stack } = await failure(command.promise)
      expect(stack.split('\n')[0]).toBe('Error: no')
      expect(stack.split('\n')[1]).toBe(errorStack.stack?.split('\n')[1])
    })

    it('is another one after initPromise()', async () => {
      const command = make('get', 'k')
      const first = command.promise
      command.resolve('v')
      await first
      command.initPromise()
      expect(command.promise).not.toBe(first)
      expect(command.isResolved).toBe(false)
      expect(await state(command.promise)).toBe(pending)
      expect(command.args).toEqual(['k'])
      command.resolve('w')
      expect(await command.promise).toBe('w')
    })
  })

  describe('toWritable()', () => {
    it('is text, while there is nothing but text', () => {
      expect(make('ping').toWritable()).toBe('*1\r\n$4\r\nping\r\n')
      expect(make('SET', 'k', '').toWritable()).toBe('*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n')
      expect(make('set', 'ü', '🦀').toWritable()).toBe('*3\r\n$3\r\nset\r\n$2\r\nü\r\n$4\r\n🦀\r\n')
      expect(make('incrby', 'n', 15).toWritable()).toBe('*3\r\n$6\r\nincrby\r\n$1\r\nn\r\n$2\r\n15\r\n')
    })

    it('is a Buffer, with one Buffer among the arguments', () => {
      const written = make('set', Buffer.from([255]), 'ü', Buffer.alloc(0), '').toWritable()
      expect(Buffer.isBuffer(written)).toBe(true)
      expect(written.toString('latin1')).toBe('*5\r\n$3\r\nset\r\n$1\r\n\xff\r\n$2\r\n\xc3\xbc\r\n$0\r\n\r\n$0\r\n\r\n')
    })

    it('is the same as often as it is asked for', () => {
      const command = make('set', 'k', 'v')
      expect(command.toWritable()).toBe(command.toWritable({}))
    })
  })

  describe('stringifyArguments()', () => {
    it('makes strings of arguments put there afterwards', () => {
      const command = make('set')
      command.args = [1, null, { a: 1 }, 'x', false]
      command.stringifyArguments()
      expect(command.args).toEqual(['1', '', '[object Object]', 'x', 'false'])
      expect(command.toWritable()).toContain('$15\r\n[object Object]\r\n')
      command.args = ['k', Buffer.from([255])]
      command.stringifyArguments()
      expect(command.toWritable().toString('latin1')).toBe('*3\r\n$3\r\nset\r\n$1\r\nk\r\n$1\r\n\xff\r\n')
    })
  })

  describe('getKeys() and getSlot()', () => {
    const cases: [call: unknown[], keys: unknown[], slot: number | null][] = [
      [['get', 'foo'], ['foo'], 12182],
      [['GET', 'foo'], ['foo'], 12182],
      [['get', 'a{foo}b'], ['a{foo}b'], 12182],
      [['get', ''], [''], 0],
      [['get', Buffer.from('foo')], [Buffer.from('foo')], 12182],
      [['get', 123], ['123'], 5970],
      [['mset', 'foo', 1, 'bar', 2], ['foo', 'bar'], 12182],
      [['bitop', 'AND', 'foo', 'bar'], ['foo', 'bar'], 12182],
      [['eval', 'return 1', 2, 'foo', 'bar', 'x'], ['foo', 'bar'], 12182],
      [['eval', 'return 1', 0, 'x'], [], null],
      [['xread', 'COUNT', 1, 'STREAMS', 'foo', 'bar', 0, 0], ['foo', 'bar'], 12182],
      [['object', 'ENCODING', 'foo'], ['foo'], 12182],
      [['ping'], [], null],
      [['keys', 'foo'], [], null],
      [['publish', 'foo', 'x'], [], null],
      [['spublish', 'foo', 'x'], ['foo'], 12182],
      [['nosuch', 'foo'], [], null],
    ]

    for (const [[name, ...args], keys, slot] of cases) {
      it(`of ${name} ${args.map(String).join(' ')}`, () => {
        const command = make(name as string, ...args)
        expect(command.getKeys()).toEqual(keys)
        expect(command.getSlot()).toBe(slot)
        expect(command.getSlot()).toBe(slot)
      })
    }

    it('have the prefix', () => {
      const command = new Command('mget', ['a', 'b'], { keyPrefix: '{foo}' })
      expect(command.getKeys()).toEqual(['{foo}a', '{foo}b'])
      expect(command.args).toEqual(['{foo}a', '{foo}b'])
      expect(command.getSlot()).toBe(12182)
    })
  })

  describe('FLAGS', () => {
    it('name the commands that are something special', () => {
      const { FLAGS } = Command
      expect(FLAGS).toMatchObject({
        VALID_IN_MONITOR_MODE: ['monitor', 'auth'],
        ENTER_SUBSCRIBER_MODE: ['subscribe', 'psubscribe', 'ssubscribe'],
        EXIT_SUBSCRIBER_MODE: ['unsubscribe', 'punsubscribe', 'sunsubscribe'],
        WILL_DISCONNECT: ['quit'],
        IGNORE_RECONNECT_ON_ERROR: ['client'],
        FIRST_ARG_TIMEOUT_COMMANDS: ['bzmpop', 'blmpop'],
        BLOCK_OPTION_COMMANDS: ['xread', 'xreadgroup'],
      })
      expect([...FLAGS.VALID_IN_SUBSCRIBER_MODE].sort()).toEqual(
        [...FLAGS.ENTER_SUBSCRIBER_MODE, ...FLAGS.EXIT_SUBSCRIBER_MODE, 'ping', 'quit'].sort(),
      )
      expect([...FLAGS.HANDSHAKE_COMMANDS].sort()).toEqual(['auth', 'client', 'hello', 'info', 'readonly', 'select'])
      const lastArgument = ['blmove', 'blpop', 'brpop', 'brpoplpush', 'bzpopmax', 'bzpopmin']
      expect([...FLAGS.LAST_ARG_TIMEOUT_COMMANDS].sort()).toEqual(lastArgument)
      expect([...FLAGS.BLOCKING_COMMANDS].sort()).toEqual(
        [...lastArgument, 'blmovem', 'blmpop', 'bzmpop', 'xread', 'xreadgroup'].sort(),
      )
    })

    it('are what checkFlag() asks, whatever the letters', () => {
      expect(Command.checkFlag('ENTER_SUBSCRIBER_MODE', 'subscribe')).toBe(true)
      expect(Command.checkFlag('ENTER_SUBSCRIBER_MODE', 'SSubscribe')).toBe(true)
      expect(Command.checkFlag('ENTER_SUBSCRIBER_MODE', 'get')).toBe(false)
      expect(Command.checkFlag('WILL_DISCONNECT', 'QUIT')).toBe(true)
      expect(Command.checkFlag('BLOCKING_COMMANDS', 'blpop')).toBe(true)
      expect(() => Command.checkFlag('NO_SUCH_FLAG', 'get')).toThrow(TypeError)
    })

    it('are in getFlagMap(), by name', () => {
      const map = Command.getFlagMap()
      expect(Object.keys(map).sort()).toEqual(Object.keys(Command.FLAGS).sort())
      expect(map.VALID_IN_MONITOR_MODE).toEqual({ monitor: true, auth: true })
      expect(Command.getFlagMap()).toBe(map)
    })
  })

  describe('transformReply()', () => {
    it('bends by name, protocol and mapping', () => {
      const shapes: [name: string, reply: unknown, legacy3: unknown][] = [
        [
          'zrange',
          [
            ['a', '1'],
            ['b', '2'],
          ],
          ['a', '1', 'b', '2'],
        ],
        ['zrange', ['a', 'b'], ['a', 'b']],
        ['zpopmin', ['a', '1'], ['a', '1']],
        ['zpopmax', [['a', '1']], ['a', '1']],
        ['zdiff', [['a', '1']], ['a', '1']],
        ['zinter', [['a', '1']], ['a', '1']],
        ['zunion', [['a', '1']], ['a', '1']],
        ['zrandmember', [['a', '1']], ['a', '1']],
        ['zrangebyscore', [['a', '1']], ['a', '1']],
        ['zrevrange', [['a', '1']], ['a', '1']],
        ['zrevrangebyscore', [['a', '1']], ['a', '1']],
        ['hrandfield', [['f', 'v']], ['f', 'v']],
        ['hrandfield', 'f', 'f'],
        [
          'xread',
          ['s', [['1-1', []]], 't', []],
          [
            ['s', [['1-1', []]]],
            ['t', []],
          ],
        ],
        ['xreadgroup', ['s', []], [['s', []]]],
        ['xread', null, null],
        ['get', [['a', '1']], [['a', '1']]],
        ['ZRANGE', [['a', '1']], [['a', '1']]],
      ]
      for (const [name, reply, legacy3] of shapes) {
        const command = make(name)
        expect(command.transformReply(reply), name).toEqual(reply)
        command.setReplyContext({ protocol: 3, replyMapping: 'legacy' })
        expect(command.transformReply(reply), name).toEqual(legacy3)
        command.setReplyContext({ protocol: 3, replyMapping: 'resp3' })
        expect(command.transformReply(reply), name).toEqual(reply)
        command.setReplyContext({ protocol: 2, replyMapping: 'legacy' })
        expect(command.transformReply(reply), name).toEqual(reply)
      }
    })

    it('of vsim flattens whatever the protocol, unless resp3 is asked for', () => {
      const command = make('vsim')
      expect(
        command.transformReply([
          ['a', '1'],
          ['b', '2'],
        ]),
      ).toEqual(['a', '1', 'b', '2'])
      command.setReplyContext({ protocol: 3, replyMapping: 'resp3' })
      expect(command.transformReply([['a', '1']])).toEqual([['a', '1']])
    })

    it('of hgetall makes an object', () => {
      const command = make('hgetall', 'h')
      expect(command.transformReply(['a', '1', 'b', '2'])).toEqual({ a: '1', b: '2' })
      expect(command.transformReply([])).toEqual({})
      expect(command.transformReply({ a: '1' })).toEqual({ a: '1' })
      expect(command.transformReply('QUEUED')).toBe('QUEUED')
    })

    it('knows where it stands by setReplyContext(), or is legacy', () => {
      const command = make('get')
      expect([command.protocol, command.replyMapping]).toEqual([2, 'legacy'])
      command.setReplyContext({ protocol: 3, replyMapping: 'resp3' })
      expect([command.protocol, command.replyMapping]).toEqual([3, 'resp3'])
      command.setReplyContext(undefined)
      expect([command.protocol, command.replyMapping]).toEqual([2, 'legacy'])
    })
  })

  describe('extractBlockingTimeout()', () => {
    const cases: [call: unknown[], milliseconds: number | null | undefined][] = [
      [['blpop', 'k', 5], 5000],
      [['BLPOP', 'k', 'l', '0.5'], 500],
      [['brpop', 'k', Buffer.from('2')], 2000],
      [['blpop', 'k', 0], 0],
      [['blpop', 'k', -1], 0],
      [['blpop', 'k', 'soon'], undefined],
      [['brpoplpush', 'k', 'l', 1], 1000],
      [['blmove', 'k', 'l', 'LEFT', 'RIGHT', 3], 3000],
      [['blmovem', 'k', 'l', 'LEFT', 'RIGHT', 4, 'COUNT', 2], 4000],
      [['bzpopmin', 'k', 1], 1000],
      [['bzpopmax', 'k', 1], 1000],
      [['bzmpop', 2, 1, 'k', 'MIN'], 2000],
      [['blmpop', '1.5', 1, 'k', 'LEFT'], 1500],
      [['xread', 'BLOCK', 250, 'STREAMS', 'k', '$'], 250],
      [['xread', 'COUNT', 1, 'block', '250', 'STREAMS', 'k', '$'], 250],
      [['xread', 'BLOCK', 0, 'STREAMS', 'k', '$'], 0],
      [['xread', 'BLOCK', 'x', 'STREAMS', 'k', '$'], undefined],
      [['xread', 'STREAMS', 'k', '$'], null],
      [['xreadgroup', 'GROUP', 'g', 'c', 'BLOCK', Buffer.from('7'), 'STREAMS', 'k', '>'], 7],
      [['xreadgroup', 'GROUP', 'g', 'c', 'STREAMS', 'k', '>'], null],
      [['get', 'k'], undefined],
      [['lpop', 'k', 5], undefined],
      [['blpop'], undefined],
    ]

    for (const [[name, ...args], milliseconds] of cases) {
      it(`of ${name} ${args.map(String).join(' ')}`, () => {
        expect(make(name as string, ...args).extractBlockingTimeout()).toBe(milliseconds)
      })
    }
  })

  describe('setTimeout()', () => {
    const timers = () => process.getActiveResourcesInfo().filter(name => name === 'Timeout').length

    it('rejects when the time is up', async () => {
      const command = make('get', 'k')
      command.setTimeout(1)
      if (deviates('command-timers')) {
        expect(command.timeoutMs).toBe(1)
        return
      }
      const error = await failure(command.promise)
      expect(error.constructor).toBe(Error)
      expect(error.message).toBe('Command timed out')
    })

    it('leaves no timer behind once it is settled', () => {
      if (deviates('command-timers')) return
      const before = timers()
      const [good, bad] = [make('get', 'k'), make('get', 'k')]
      good.setTimeout(100_000)
      bad.setTimeout(100_000)
      good.setBlockingTimeout(100_000)
      expect(timers()).toBe(before + 3)
      good.resolve('v')
      bad.promise.catch(() => undefined)
      bad.reject(new Error('no'))
      expect(timers()).toBe(before)
    })

    it('is set once', async () => {
      const command = make('get', 'k')
      command.setTimeout(100_000)
      command.setTimeout(1)
      await delay(5)
      expect(await state(command.promise)).toBe(pending)
      command.resolve('v')
      expect(await command.promise).toBe('v')
    })
  })

  describe('setBlockingTimeout()', () => {
    it('resolves with null when the time is up', async () => {
      const command = make('blpop', 'k', 0)
      command.setBlockingTimeout(1)
      if (deviates('command-timers')) {
        expect(command.blockingTimeoutMs).toBe(1)
        return
      }
      expect(await command.promise).toBe(null)
      expect(command.isResolved).toBe(true)
    })

    it('does nothing for no time at all', async () => {
      const command = make('blpop', 'k', 0)
      command.setBlockingTimeout(0)
      command.setBlockingTimeout(-5)
      expect(await state(command.promise)).toBe(pending)
    })
  })
})
