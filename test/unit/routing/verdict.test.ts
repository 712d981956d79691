import { describe, expect, it } from 'vitest'
import { isLocalExhaustion, parseRedirect, replyError, SlotwiseError } from '../../../src/errors.js'
import { endedByReply, mayResend, verdict } from '../../../src/routing/verdict.js'

describe('verdict()', () => {
  it.each([
    ['MOVED 3999 127.0.0.1:6381', { kind: 'moved', redirect: { slot: 3999, host: '127.0.0.1', port: 6381 } }],
    ['MOVED 1 ::1:6381', { kind: 'moved', redirect: { slot: 1, host: '::1', port: 6381 } }],
    ['MOVED 1 :6381', { kind: 'moved', redirect: { slot: 1, host: '', port: 6381 } }],
    ['ASK 3999 redis.example:6381', { kind: 'ask', redirect: { slot: 3999, host: 'redis.example', port: 6381 } }],
    ['MOVED 16384 h:1', { kind: 'fail' }],
    ['MOVED x h:1', { kind: 'fail' }],
    ['MOVED 1 h:0', { kind: 'fail' }],
    ['MOVED', { kind: 'fail' }],
    ['TRYAGAIN Multiple keys request during rehashing of slot', { kind: 'retry', evidence: null }],
    ['LOADING Redis is loading the dataset in memory', { kind: 'retry', evidence: null }],
    ['CLUSTERDOWN The cluster is down', { kind: 'retry', evidence: 'waiting' }],
    ['MASTERDOWN Link with MASTER is down', { kind: 'retry', evidence: 'urgent' }],
    ["READONLY You can't write against a read only replica.", { kind: 'retry', evidence: 'urgent' }],
    ['WRONGTYPE Operation against a key', { kind: 'fail' }],
    ['ERR unknown', { kind: 'fail' }],
  ])('on %s in a cluster', (text, expected) => {
    expect(verdict(replyError(text), true)).toEqual(expected)
  })

  it.each(['MOVED 1 h:1', 'ASK 1 h:1', 'TRYAGAIN x', 'CLUSTERDOWN x', 'READONLY x', 'MASTERDOWN x'])(
    "%s of a standalone server is the caller's",
    text => {
      expect(verdict(replyError(text), false)).toEqual({ kind: 'fail' })
    },
  )

  it('LOADING is waited out anywhere', () => {
    expect(verdict(replyError('LOADING x'), false)).toEqual({ kind: 'retry', evidence: null })
  })
})

describe('mayResend()', () => {
  it('sends again what cannot do harm twice, everything, or nothing', () => {
    const table = (['safe', 'all', 'none'] as const).map(mode => [mode, mayResend(mode, true), mayResend(mode, false)])
    expect(table).toEqual([
      ['safe', true, false],
      ['all', true, true],
      ['none', false, false],
    ])
  })
})

describe('errors', () => {
  it('tell a fault of a reply from a lost connection', () => {
    expect(endedByReply(new SlotwiseError('SLOTWISE_LIMIT_BULK', ''))).toBe(true)
    expect(endedByReply(new SlotwiseError('SLOTWISE_CONNECTION_LOST', ''))).toBe(false)
  })

  it.each(['EMFILE', 'ENFILE', 'EADDRNOTAVAIL', 'ENOBUFS'])(
    '%s is exhaustion of this host, alone or among others',
    code => {
      const error = Object.assign(new Error(code), { code })
      expect(isLocalExhaustion(error)).toBe(true)
      expect(isLocalExhaustion(new AggregateError([new Error('x'), error]))).toBe(true)
    },
  )

  it.each([undefined, null, new Error('x'), Object.assign(new Error('x'), { code: 'ECONNREFUSED' })])(
    '%s is not',
    error => {
      expect(isLocalExhaustion(error)).toBe(false)
    },
  )

  it('have the first word of a reply as their code', () => {
    expect([replyError('WRONGTYPE x y').code, replyError('OOM').code]).toEqual(['WRONGTYPE', 'OOM'])
    expect(parseRedirect(replyError('ERR MOVED 1 h:1'))).toBeNull()
  })

  it('leave out the fields that do not apply', () => {
    expect(Object.keys(new SlotwiseError('SLOTWISE_CLOSED', 'x'))).toEqual(['code'])
    expect('cause' in new SlotwiseError('SLOTWISE_CLOSED', 'x')).toBe(false)
  })
})
