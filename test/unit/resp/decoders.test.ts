import { describe, expect, it } from 'vitest'
import { type ReplyError, replyError } from '../../../src/errors.js'
import { createDecoder } from '../../../src/resp/create-decoder.js'
import { defaultLimits, type Reply, ReplyFormat } from '../../../src/resp/decoder.js'
import { canonical, feed, only, Recorder, run } from './recorder.js'

const both = [2, 3] as const
const formats = [ReplyFormat.plain]
const buffers = [ReplyFormat.buffers]
const raw = [ReplyFormat.raw]
const b = Buffer.from

type Row = [text: string, plain: Reply, asBuffers?: Reply]

const resp2Values: Row[] = [
  ['+OK\r\n', 'OK', b('OK')],
  ['+\r\n', '', b('')],
  ['+12\r\n', '12', b('12')],
  ['+é and\nmore\r\n', 'é and\nmore', b('é and\nmore')],
  [':0\r\n', 0],
  [':42\r\n', 42],
  [':-42\r\n', -42],
  [':9007199254740991\r\n', Number.MAX_SAFE_INTEGER],
  [':-9007199254740991\r\n', Number.MIN_SAFE_INTEGER],
  ['$0\r\n\r\n', '', b('')],
  ['$5\r\nhello\r\n', 'hello', b('hello')],
  ['$2\r\n\r\n\r\n', '\r\n', b('\r\n')],
  ['$4\r\n$1\r\n\r\n', '$1\r\n', b('$1\r\n')],
  ['$12\r\nhéllo wörl\r\n', 'héllo wörl', b('héllo wörl')],
  ['$-1\r\n', null],
  ['*-1\r\n', null],
  ['*0\r\n', []],
  ['*2\r\n$1\r\na\r\n$13\r\nthirteen char\r\n', ['a', 'thirteen char'], [b('a'), b('thirteen char')]],
  ['*3\r\n*1\r\n*0\r\n$-1\r\n*-1\r\n', [[[]], null, null]],
  ['*2\r\n-ERR inner\r\n:1\r\n', [replyError('ERR inner'), 1]],
  ['*1\r\n*1\r\n-WRONGTYPE x\r\n', [[replyError('WRONGTYPE x')]]],
]

const resp3Values: Row[] = [
  [':+7\r\n', 7],
  [':9223372036854775807\r\n', 2 ** 63],
  ['_\r\n', null],
  ['#t\r\n', true],
  ['#f\r\n', false],
  [',3.25\r\n', 3.25],
  [',10\r\n', 10],
  [',-1.5e-3\r\n', -0.0015],
  [',.5\r\n', 0.5],
  [',inf\r\n', Number.POSITIVE_INFINITY],
  [',-inf\r\n', Number.NEGATIVE_INFINITY],
  [',nan\r\n', Number.NaN],
  [',-nan\r\n', Number.NaN],
  ['(3492890328409238509324850943850943825024385\r\n', 3492890328409238509324850943850943825024385n],
  ['(-12\r\n', -12n],
  ['=7\r\ntxt:abc\r\n', 'abc', b('abc')],
  ['=4\r\nmkd:\r\n', '', b('')],
  ['*1\r\n!7\r\nERR a\r\n\r\n', [replyError('ERR a\r\n')]],
  ['%0\r\n', new Map()],
  [
    '%2\r\n+a\r\n:1\r\n$1\r\nb\r\n%1\r\n:1\r\n#t\r\n',
    new Map<Reply, Reply>([
      ['a', 1],
      ['b', new Map([[1, true]])],
    ]),
    new Map<Reply, Reply>([
      [b('a'), 1],
      [b('b'), new Map([[1, true]])],
    ]),
  ],
  ['%1\r\n+a\r\n+b\r\n', new Map([['a', 'b']]), new Map([[b('a'), b('b')]])],
  ['~3\r\n:1\r\n:2\r\n:1\r\n', new Set([1, 2])],
  ['~0\r\n', new Set()],
  ['$?\r\n;4\r\nHell\r\n;1\r\no\r\n;0\r\n', 'Hello', b('Hello')],
  ['$?\r\n;0\r\n', '', b('')],
  ['*?\r\n:1\r\n*?\r\n.\r\n$?\r\n;1\r\na\r\n;0\r\n.\r\n', [1, [], 'a'], [1, [], b('a')]],
  ['~?\r\n:1\r\n.\r\n', new Set([1])],
  ['%?\r\n+a\r\n:1\r\n.\r\n', new Map([['a', 1]]), new Map([[b('a'), 1]])],
  ['*2\r\n|1\r\n+a\r\n:1\r\n:5\r\n:6\r\n', [5, 6]],
  ['*?\r\n|?\r\n+a\r\n*1\r\n|1\r\n+b\r\n:1\r\n:2\r\n.\r\n:7\r\n.\r\n', [7]],
]

const rows: [protocol: 2 | 3, ...Row][] = [
  ...both.flatMap(protocol => resp2Values.map((row): [2 | 3, ...Row] => [protocol, ...row])),
  ...resp3Values.map((row): [2 | 3, ...Row] => [3, ...row]),
]

describe.each(rows)('RESP%i %j', (protocol, text, plain, asBuffers) => {
  const bytes = b(text)

  it.each([[[bytes.length]], [[1]], [[2]], [[3, 1]]])('decodes in chunks of %j', sizes => {
    expect(canonical(only(protocol, bytes, { formats, sizes }))).toEqual(canonical(plain))
    const seen = only(protocol, bytes, { formats: buffers, sizes })
    expect(canonical(seen)).toEqual(canonical(asBuffers === undefined ? plain : asBuffers))
    expect(only(protocol, bytes, { formats: raw, sizes })).toEqual(bytes)
  })
})

describe.each(both)('RESP%i decoder', protocol => {
  it('tells top-level errors apart in every format', () => {
    const { events, asked } = run(protocol, '-ERR a b\r\n-MOVED 1 h:2\r\n-\r\n', {
      formats: [ReplyFormat.plain, ReplyFormat.buffers, ReplyFormat.raw],
    })
    expect(events.map(([kind, error]) => [kind, (error as ReplyError).code, (error as ReplyError).message])).toEqual([
      ['error', 'ERR', 'ERR a b'],
      ['error', 'MOVED', 'MOVED 1 h:2'],
      ['error', '', ''],
    ])
    expect(asked).toBe(3)
  })

  it('gives integers as exact strings on request, in every format', () => {
    const text = '*5\r\n:0\r\n:-1\r\n:100\r\n:9223372036854775807\r\n:-9223372036854775808\r\n'
    const expected = ['0', '-1', '100', '9223372036854775807', '-9223372036854775808']
    for (const sizes of [[1], [7], [100]]) {
      for (const options of [{ formats }, { formats: buffers }]) {
        expect(only(protocol, text, { ...options, sizes, stringNumbers: true })).toEqual(expected)
      }
    }
  })

  it('asks for the format at the first byte of a reply, once', () => {
    const sink = new Recorder()
    const decoder = createDecoder(protocol, sink)
    const asked = [...'+a\r\n*1\r\n$2\r\nab\r\n'].map(character => {
      feed(decoder, b(character))
      return sink.asked
    })
    expect(asked).toEqual([1, 1, 1, 1, ...Array(12).fill(2)])
    expect(sink.events).toEqual([
      ['reply', 'a'],
      ['reply', ['ab']],
    ])
  })

  it('asks for the next format after the reply before has been given', () => {
    const told: string[] = []
    const decoder = createDecoder(protocol, {
      nextFormat: () => {
        told.push('format')
        return ReplyFormat.plain
      },
      expectedRaw: () => null,
      onReply: value => told.push(String(value)),
      onError: error => told.push(error.message),
      onPush: () => told.push('push'),
    })
    feed(decoder, b(':1\r\n-E\r\n*1\r\n:2\r\n$1\r\n3\r\n+4\r\n:5\r\n'))
    const replies = ['1', 'E', '2', '3', '4', '5']
    expect(told).toEqual(replies.flatMap(reply => ['format', reply]))
  })

  it('gives each of many replies of one chunk in its own format', () => {
    const { plain, buffers, raw } = ReplyFormat
    const text = '+a\r\n$1\r\nb\r\n:-1\r\n$-1\r\n$1\r\nc\r\n+d\r\n+e\r\n-E f\r\n+g\r\n:2\r\n'
    const kinds = [plain, raw, raw, plain, buffers, buffers, plain, raw, raw, plain]
    const replies = ['a', b('$1\r\nb\r\n'), b(':-1\r\n'), null, b('c'), b('d'), 'e', replyError('E f'), b('+g\r\n'), 2]
    const expected = replies.map(reply => [reply instanceof Error ? 'error' : 'reply', reply])
    const { events, asked } = run(protocol, text, { formats: kinds })
    expect(canonical(events)).toEqual(canonical(expected))
    expect(asked).toBe(kinds.length)
  })

  it('hands out the expected Buffer itself when the reply equals it, whole or in pieces', () => {
    const expected = b('*2\r\n$1\r\na\r\n:5\r\n')
    const stream = Buffer.concat([b(':1\r\n'), expected, b(':2\r\n')])
    const kinds = [ReplyFormat.plain, ReplyFormat.raw]
    const same = run(protocol, stream, { formats: kinds, expected })
    expect(same.events).toEqual([
      ['reply', 1],
      ['reply', expected],
      ['reply', 2],
    ])
    expect(same.events[1]?.[1]).toBe(expected)
    const cut = run(protocol, stream, { formats: kinds, expected, sizes: [9] })
    expect(cut.events).toEqual(same.events)
    expect(cut.events[1]?.[1]).toBe(expected)
  })

  it.each(['*2\r\n$1\r\na\r\n:6\r\n', '*2\r\n$1\r\na\r\n:5\r\n:1\r\n', '*1\r\n:2\r\n', ''])(
    'hands out the bytes received when %j was expected',
    expected => {
      const text = '*2\r\n$1\r\na\r\n:5\r\n'
      expect(run(protocol, `${text}:2\r\n`, { formats: raw, expected: b(expected) }).events).toEqual([
        ['reply', b(text)],
        ['reply', 2],
      ])
    },
  )

  it('passes on what the sink throws, and is dead then', () => {
    const failure = new Error('from the sink')
    const sink = new Recorder()
    sink.onReply = () => {
      throw failure
    }
    const decoder = createDecoder(protocol, sink)
    for (let i = 0; i < 2; i++) expect(() => feed(decoder, b(':1\r\n'))).toThrow(failure)
  })

  it('gives what came before the byte that is wrong', () => {
    const { events, error } = run(protocol, '+a\r\n*1\r\n:2\r\nX')
    expect(events).toEqual([
      ['reply', 'a'],
      ['reply', [2]],
    ])
    expect(canonical(error)).toEqual({ failure: 'SLOTWISE_PROTOCOL' })
  })

  it('joins long strings and long arrays from small pieces in linear time', () => {
    const long = 'abcdé'.repeat(400_000)
    expect(only(protocol, `$${Buffer.byteLength(long)}\r\n${long}\r\n`, { sizes: [1000, 3] })).toBe(long)
    const items = Array.from({ length: 100_000 }, (_, i) => `item ${i}`)
    const text = items.map(item => `$${item.length}\r\n${item}\r\n`).join('')
    expect(only(protocol, `*${items.length}\r\n${text}`, { sizes: [7, 100] })).toEqual(items)
  })

  it('decodes chunks that are ASCII and chunks that are not, one after the other', () => {
    const ascii = ['a', 'b', 'c', 'thirteen char']
    const other = ['ä', 'b', 'ö', 'thirtéen char']
    const encode = (texts: string[]) =>
      b(`*${texts.length}\r\n${texts.map(text => `$${Buffer.byteLength(text)}\r\n${text}\r\n`).join('')}`)
    const sink = new Recorder()
    const decoder = createDecoder(protocol, sink)
    for (const texts of [ascii, other, ascii, other, other]) feed(decoder, encode(texts))
    expect(sink.events.map(([, value]) => value)).toEqual([ascii, other, ascii, other, other])
  })

  it('decodes strings of any length, ASCII or not, in front of others and at the end of a chunk', () => {
    const bulk = (text: string) => `$${Buffer.byteLength(text)}\r\n${text}\r\n`
    const strings = Array.from({ length: 40 }, (_, length) =>
      'abcdefghijklmnopqrstuvwxyz+-0123456789.,!'.slice(0, length),
    )
    for (const string of strings) {
      for (const rest of [[], ['b'], ['x'.repeat(30)], ['é']]) {
        const items = ['a', string, ...rest, string]
        expect(only(protocol, `*${items.length}\r\n${items.map(bulk).join('')}`)).toEqual(items)
      }
    }
    const all = strings.flatMap(string => [string, `${string}é`])
    const text = `*${all.length}\r\n${all.map(bulk).join('')}`
    for (const sizes of [[1], [19], [20, 21], [100], [1000]]) expect(only(protocol, text, { sizes })).toEqual(all)
  })

  it('decodes what is deep, among elements of all kinds, wherever it is cut', () => {
    const head = '*4\r\n:1\r\n$2\r\nab\r\n'
    const deep = `${head.repeat(100)}*0\r\n${'$-1\r\n'.repeat(100)}`
    let expected: Reply = []
    for (let level = 0; level < 100; level++) expected = [1, 'ab', expected, null]
    for (const sizes of [[1], [3], [7, 2], [50], [111], [700], [deep.length]]) {
      expect(only(protocol, deep, { sizes })).toEqual(expected)
    }
  })

  it('leaves no timer behind when it gives long Buffers', () => {
    const timers = () => process.getActiveResourcesInfo().filter(name => name === 'Timeout').length
    const before = timers()
    const body = Buffer.alloc(300_000, 'y')
    const bytes = Buffer.concat([b('*2\r\n$300000\r\n'), body, b('\r\n$1\r\nz\r\n')])
    const [long, short] = only(protocol, bytes, { formats: buffers, sizes: [65_536] }) as [Buffer, Buffer]
    expect(long.equals(body)).toBe(true)
    expect(short).toEqual(b('z'))
    expect(timers()).toBe(before)
  })
})

describe('RESP3 decoder', () => {
  it('gives pushes to onPush that come within a reply, which goes on', () => {
    const text = '*3\r\n+OK\r\n>3\r\n+message\r\n+a\r\n$2\r\nhi\r\n:1\r\n$1\r\nx\r\n+NEXT\r\n'
    const recorder = new Recorder()
    const decoder = createDecoder(3, recorder, defaultLimits, { stringNumbers: false, pushBuffers: true })
    for (const byte of b(text)) feed(decoder, Buffer.of(byte))
    expect(recorder.events).toEqual([
      ['push', [b('message'), b('a'), b('hi')]],
      ['reply', ['OK', 1, 'x']],
      ['reply', 'NEXT'],
    ])
  })

  it('gives pushes to onPush, between replies, and asks no format for them', () => {
    const text =
      '>2\r\n+message\r\n$1\r\na\r\n:1\r\n>?\r\n+b\r\n.\r\n>0\r\n|1\r\n+k\r\n:1\r\n>1\r\n|1\r\n+k\r\n:1\r\n+c\r\n$1\r\nd\r\n'
    for (const sizes of [[1], [5], [1000]]) {
      const { events, asked, error } = run(3, text, { formats: [ReplyFormat.plain, ReplyFormat.buffers], sizes })
      expect(error).toBeUndefined()
      expect(events).toEqual([
        ['push', ['message', 'a']],
        ['reply', 1],
        ['push', ['b']],
        ['push', []],
        ['push', ['c']],
        ['reply', b('d')],
      ])
      expect(asked).toBe(2)
    }
  })

  it('drops the attributes in front of a reply, which are no part of its raw bytes', () => {
    const attributes = '|1\r\n+a\r\n*1\r\n|1\r\n+b\r\n:1\r\n:2\r\n|0\r\n|?\r\n+a\r\n:1\r\n.\r\n'
    const values = [
      [ReplyFormat.plain, 'v'],
      [ReplyFormat.buffers, b('v')],
      [ReplyFormat.raw, b('$1\r\nv\r\n')],
    ] as const
    for (const [kind, value] of values) {
      for (const sizes of [[1], [6], [1000]]) {
        const { events, asked } = run(3, `${attributes}$1\r\nv\r\n`, { formats: [kind], sizes })
        expect(events).toEqual([['reply', value]])
        expect(asked).toBe(1)
      }
    }
  })

  it('joins a character that the chunks of a streamed string cut', () => {
    const bytes = b('$?\r\n;1\r\n\xc3\r\n;1\r\n\xa9\r\n;0\r\n', 'latin1')
    for (const sizes of [[1], [100]]) expect(only(3, bytes, { sizes })).toBe('é')
  })

  it('tells blob errors at top level as errors', () => {
    for (const kind of [ReplyFormat.plain, ReplyFormat.buffers, ReplyFormat.raw]) {
      for (const sizes of [[1], [100]]) {
        const { events } = run(3, '!10\r\nERR a\r\nbcd\r\n', { formats: [kind], sizes })
        expect(canonical(events)).toEqual(canonical([['error', replyError('ERR a\r\nbcd')]]))
      }
    }
  })
})
