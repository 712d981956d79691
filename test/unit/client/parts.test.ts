import { describe, expect, it } from 'vitest'
import { failureOf, type PartOutcome, repliesOf } from '../../../src/client/parts.js'
import { replyError, SlotwiseError } from '../../../src/errors.js'

const timeout = (maybeExecuted: boolean) =>
  new SlotwiseError('SLOTWISE_TIMEOUT', 'late', { endpoint: 'h:2', maybeExecuted })
const aborted = () => new SlotwiseError('SLOTWISE_ABORTED', 'aborted', { maybeExecuted: false })
const named = (...outcomes: PartOutcome['outcome'][]): PartOutcome[] =>
  outcomes.map((outcome, name) => ({ name, outcome }))

describe('repliesOf()', () => {
  it('gives the replies of all parts, or null', () => {
    expect(repliesOf(named('OK', null, 3))).toEqual(['OK', null, 3])
    expect(repliesOf(named('OK', timeout(false)))).toBeNull()
  })
})

describe('failureOf()', () => {
  it('names every part, and shows no reply', () => {
    const late = timeout(true)
    const error = failureOf('MGET', named('secret', late, replyError('NOPERM no')), performance.now())
    expect(error).toMatchObject({
      code: 'SLOTWISE_PARTIAL_FAILURE',
      command: 'MGET',
      cause: late,
      endpoint: 'h:2',
      maybeExecuted: true,
      elapsedMs: expect.any(Number),
    })
    expect(error.message).toBe('2 of the 3 parts of MGET failed; the first: late')
    expect([...((error as SlotwiseError).parts as Map<number, unknown>).values()]).toEqual([
      'ok',
      late,
      expect.objectContaining({ code: 'NOPERM' }),
    ])
  })

  it('is partial when all parts failed, each in its own way', () => {
    expect(failureOf('DEL', named(timeout(true), replyError('OOM full')), 0)).toMatchObject({
      code: 'SLOTWISE_PARTIAL_FAILURE',
    })
  })

  it('is the error that all parts have in common', () => {
    const first = timeout(false)
    expect(failureOf('DEL', named(first, timeout(true)), 0)).toBe(first)
    expect(first).toMatchObject({
      maybeExecuted: true,
      parts: new Map([
        [0, first],
        [1, expect.any(Error)],
      ]),
    })
    const only = timeout(false)
    expect(failureOf('DEL', named(only), 0)).toBe(only)
    expect(only).not.toHaveProperty('parts')
    const refused = replyError('NOPERM no')
    expect(failureOf('DEL', named(refused, replyError('NOPERM no')), 0)).toBe(refused)
    expect(refused).not.toHaveProperty('parts')
  })

  it('is that of being aborted, whatever else there is', () => {
    const error = aborted()
    expect(failureOf('DEL', named('OK', timeout(false), error), 0)).toBe(error)
    expect(error).toMatchObject({ maybeExecuted: true, parts: expect.any(Map) })
  })
})
