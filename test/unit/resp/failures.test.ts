import { describe, expect, it } from 'vitest'
import { decodeReply } from '../../../src/resp/decode-reply.js'
import { defaultLimits, ReplyFormat } from '../../../src/resp/decoder.js'
import { asFailure } from '../../../src/resp/failures.js'
import { canonical, codeOf, only, run } from './recorder.js'

const both = [2, 3] as const
const limits = { maxDepth: 3, maxBulkBytes: 10, maxAggregateLength: 4 }
const kinds = [ReplyFormat.plain, ReplyFormat.buffers, ReplyFormat.raw]

const malformed: [2 | 3, string][] = [
  ...both.flatMap(protocol =>
    [
      'X',
      '\r\n',
      'HTTP/1.1 400 Bad Request\r\n',
      '*1\r\nX',
      '$\r\n',
      '$x\r\n',
      '$1x\r\n',
      '$--1\r\n',
      '$-2\r\n',
      '$-\r\n',
      '$+1\r\n',
      '$1.5\r\n',
      '$1\rX',
      '*-2\r\n',
      '*x\r\n',
      ':\r\n',
      ':-\r\n',
      ':1x\r\n',
      ':1\n\r\n',
      '+a\rb\r\n',
      '-a\rb\r\n',
      '$1\r\nab\r\n',
      '$1\r\na\rb',
      '*1\r\n$1\r\nabc\r\n',
    ].map(text => [protocol, text] as [2 | 3, string]),
  ),
  ...[':+1\r\n', '_\r\n', '#t\r\n', ',1\r\n', '%0\r\n', '~0\r\n', '>0\r\n', '|0\r\n', '(1\r\n', '!1\r\n', '=4\r\n'].map(
    text => [2, text] as [2, string],
  ),
  ...['$?\r\n', '*?\r\n', ';1\r\n', '.\r\n'].map(text => [2, text] as [2, string]),
  ...[
    '%-1\r\n',
    '~-1\r\n',
    '%?1\r\n',
    '!-1\r\n',
    '=-1\r\n',
    ';1\r\n',
    '.\r\n',
    '*1\r\n.\r\n',
    '*?\r\n.x\r\n',
    '>1\r\n>1\r\n',
    '*?\r\n;1\r\n',
    '$?\r\n+a\r\n',
    '$?\r\n$1\r\n',
    '$?\r\n$1\r\na\r\n',
    '$?\r\n;x\r\n',
    '$?\r\n;-1\r\n',
    '$?\r\n;\r\n',
  ].map(text => [3, text] as [3, string]),
]

/** Wrong in what the bytes say, not in where they end; a raw reply is not read that far. */
const malformedValues = [
  '#x\r\n',
  '#\r\n',
  '_x\r\n',
  ',\r\n',
  ',1.2.3\r\n',
  ',infinity\r\n',
  ',0x1\r\n',
  '(\r\n',
  '(1.5\r\n',
  '(n\r\n',
].concat(['=3\r\ntxt\r\n', '=5\r\nabcde\r\n', '%?\r\n+a\r\n.\r\n', '|?\r\n+a\r\n.\r\n', ',constructor\r\n'])

describe('malformed replies', () => {
  it.each(malformed)('RESP%i refuses %j', (protocol, text) => {
    for (const kind of kinds) {
      for (const sizes of [[1], [2], [1000]]) {
        const { events, error } = run(protocol, text, { formats: [kind], sizes })
        expect(codeOf(error)).toBe('SLOTWISE_PROTOCOL')
        expect(events).toEqual([])
      }
    }
  })

  it.each(malformedValues)('RESP3 refuses %j', text => {
    for (const sizes of [[1], [1000]]) expect(codeOf(run(3, text, { sizes }).error)).toBe('SLOTWISE_PROTOCOL')
  })

  it.each(both)('RESP%i says nothing of the data in its messages', protocol => {
    for (const text of ['$6\r\nsecretX\r\n', '+secret\rX', ':secret\r\n', '$secret\r\n', '*1\r\nsecret\r\n']) {
      const { error } = run(protocol, text)
      expect(codeOf(error)).toBe('SLOTWISE_PROTOCOL')
      expect((error as Error).message).not.toContain('secret')
    }
  })
})

describe.each(both)('limits of the RESP%i decoder', protocol => {
  const refused: [string, string][] = [
    ['*1\r\n*1\r\n*1\r\n*1\r\n', 'SLOTWISE_LIMIT_DEPTH'],
    ['*1\r\n*1\r\n*1\r\n*0\r\n', 'SLOTWISE_LIMIT_DEPTH'],
    ['$11\r\n', 'SLOTWISE_LIMIT_BULK'],
    ['$99999999999999999999999999\r\n', 'SLOTWISE_LIMIT_BULK'],
    ['*1\r\n$11\r\nhello world\r\n', 'SLOTWISE_LIMIT_BULK'],
    ['*5\r\n', 'SLOTWISE_LIMIT_AGGREGATE'],
    ['*1\r\n*5\r\n', 'SLOTWISE_LIMIT_AGGREGATE'],
    ['*99999999999999999999999999\r\n', 'SLOTWISE_LIMIT_AGGREGATE'],
  ]
  const refused3: [string, string][] = [
    ['~1\r\n%1\r\n|1\r\n*1\r\n', 'SLOTWISE_LIMIT_DEPTH'],
    ['*?\r\n*?\r\n*?\r\n*?\r\n', 'SLOTWISE_LIMIT_DEPTH'],
    ['*1\r\n!11\r\n', 'SLOTWISE_LIMIT_BULK'],
    ['=11\r\n', 'SLOTWISE_LIMIT_BULK'],
    ['$?\r\n;6\r\nabcdef\r\n;5\r\n', 'SLOTWISE_LIMIT_BULK'],
    ['$?\r\n;11\r\n', 'SLOTWISE_LIMIT_BULK'],
    ['%3\r\n', 'SLOTWISE_LIMIT_AGGREGATE'],
    ['*1\r\n|3\r\n', 'SLOTWISE_LIMIT_AGGREGATE'],
    ['~5\r\n', 'SLOTWISE_LIMIT_AGGREGATE'],
    ['*?\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n', 'SLOTWISE_LIMIT_AGGREGATE'],
    ['*?\r\n:1\r\n:2\r\n:3\r\n:4\r\n*0\r\n', 'SLOTWISE_LIMIT_AGGREGATE'],
  ]

  it.each(protocol === 3 ? [...refused, ...refused3] : refused)('refuse %j with %s', (text, code) => {
    for (const kind of kinds) {
      for (const sizes of [[1], [1000]]) {
        const { events, error } = run(protocol, text, { formats: [kind], limits, sizes })
        expect(codeOf(error)).toBe(code)
        expect(events).toEqual([])
      }
    }
  })

  const allowed = ['*1\r\n*1\r\n*1\r\n:1\r\n', '*2\r\n*1\r\n*1\r\n:1\r\n*1\r\n*1\r\n:1\r\n', '$10\r\n0123456789\r\n']
  const allowed3 = [
    '%2\r\n:1\r\n:1\r\n:2\r\n:2\r\n',
    '*?\r\n:1\r\n:2\r\n:3\r\n:4\r\n.\r\n',
    '$?\r\n;5\r\nabcde\r\n;5\r\nabcde\r\n;0\r\n',
  ]

  it.each(protocol === 3 ? [...allowed, ...allowed3] : allowed)('allow %j', text => {
    for (const kind of kinds) {
      for (const sizes of [[1], [1000]]) only(protocol, text, { formats: [kind], limits, sizes })
    }
  })

  it('hold for 100,000 arrays within each other', () => {
    const deep = '*1\r\n'.repeat(100_000)
    for (const kind of kinds) {
      for (const sizes of [[1], [deep.length]]) {
        expect(codeOf(run(protocol, deep, { formats: [kind], sizes }).error)).toBe('SLOTWISE_LIMIT_DEPTH')
      }
    }
    const endless = { ...defaultLimits, maxDepth: 10_000 }
    const code = codeOf(run(protocol, deep, { limits: endless }).error)
    expect(code).toBe('SLOTWISE_LIMIT_DEPTH')
  })

  it('allow a depth of 128, and no more', () => {
    const nested = (depth: number) => `${'*1\r\n'.repeat(depth)}:1\r\n`
    expect(JSON.stringify(only(protocol, nested(128)))).toBe(`${'['.repeat(128)}1${']'.repeat(128)}`)
    expect(codeOf(run(protocol, nested(129)).error)).toBe('SLOTWISE_LIMIT_DEPTH')
  })

  it('allow a greater depth on request; redis-parser, which calls itself, one that fits its stack', () => {
    const nested = (depth: number) => `${'*1\r\n'.repeat(depth)}:1\r\n`
    const deep = { ...defaultLimits, maxDepth: 10_000 }
    const allowed = protocol === 3 ? 10_000 : 1000
    expect(run(protocol, nested(allowed), { limits: deep })).toMatchObject({ error: undefined, asked: 1 })
    expect(codeOf(run(protocol, nested(allowed + 1), { limits: deep }).error)).toBe('SLOTWISE_LIMIT_DEPTH')
  })

  it('bound lines to 64 KiB', () => {
    const fits = 'a'.repeat(65_536)
    for (const sizes of [[1], [1000], [70_000], [100_000]]) {
      expect(only(protocol, `+${fits}\r\n`, { sizes })).toBe(fits)
      for (const text of [
        `+${fits}a\r\n`,
        `-${fits}a\r\n`,
        `+${fits}${fits}`,
        `$${'1'.repeat(70_000)}`,
        `*${'0'.repeat(70_000)}`,
      ]) {
        expect(codeOf(run(protocol, text, { sizes }).error)).toBe('SLOTWISE_PROTOCOL')
      }
    }
  })

  it('are met before memory is taken for what is announced', () => {
    const before = process.memoryUsage()
    const text = `${'*16777216\r\n'.repeat(100)}$536870000\r\n`
    for (const kind of kinds)
      expect(run(protocol, text, { formats: [kind] })).toMatchObject({ events: [], error: undefined })
    const after = process.memoryUsage()
    expect(after.heapTotal + after.external - before.heapTotal - before.external).toBeLessThan(30 * 1024 * 1024)
  })
})

describe('asFailure', () => {
  it('calls a string beyond what V8 can hold by the name of the limit', () => {
    const error = Object.assign(new Error('Cannot create a string'), { code: 'ERR_STRING_TOO_LONG' })
    expect(asFailure(error)).toMatchObject({ code: 'SLOTWISE_LIMIT_BULK', cause: error })
    const other = new Error('other')
    expect(asFailure(other)).toBe(other)
  })

  it('is met before a string of that length is collected', () => {
    const endless = { ...defaultLimits, maxBulkBytes: 2 ** 31 }
    const text = '$2147483648\r\nabc'
    expect(codeOf(run(3, text, { limits: endless }).error)).toBe('SLOTWISE_LIMIT_BULK')
    expect(run(3, text, { limits: endless, formats: [ReplyFormat.buffers] }).error).toBeUndefined()
  })
})

describe('decodeReply', () => {
  it('takes exactly one reply', () => {
    expect(decodeReply(Buffer.from('*1\r\n$1\r\na\r\n'))).toEqual(['a'])
    expect(decodeReply(Buffer.from('$1\r\na\r\n'), { buffers: true })).toEqual(Buffer.from('a'))
    expect(decodeReply(Buffer.from(':7\r\n'), { stringNumbers: true })).toBe('7')
    expect(canonical(decodeReply(Buffer.from('-ERR no\r\n')))).toEqual({ error: 'ERR no', code: 'ERR' })
    for (const text of [
      '',
      '*1\r\n',
      '$3\r\nab',
      ':1',
      ':1\r\n:2\r\n',
      ':1\r\n:',
      ':1\r\n|1\r\n',
      ':1\r\nX',
      '>1\r\n:1\r\n',
      '|0\r\n',
    ]) {
      expect(() => decodeReply(Buffer.from(text)), text).toThrow(expect.objectContaining({ code: 'SLOTWISE_PROTOCOL' }))
    }
    expect(() => decodeReply(Buffer.from('*5\r\n'), { limits })).toThrow(
      expect.objectContaining({ code: 'SLOTWISE_LIMIT_AGGREGATE' }),
    )
  })
})
