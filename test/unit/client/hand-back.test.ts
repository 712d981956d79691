import { describe, expect, it } from 'vitest'
import { sortHandBack } from '../../../src/client/hand-back.js'
import { loadingMs, parseInfo } from '../../../src/client/ready-check.js'
import { type Call, CallFlag, noTimeoutMs } from '../../../src/command/call.js'
import { resolveCommand } from '../../../src/command/command.js'
import { Issuer } from '../../../src/command/issuer.js'
import { stacklessError } from '../../../src/errors.js'
import type { ResendMode } from '../../../src/routing/verdict.js'
import { Turn } from '../../../src/turn.js'

const issuer = new Issuer({ timeoutMs: 0, maxQueueAgeMs: 1, maxQueuedBytes: 1, maxQueuedCalls: 1 }, new Turn())
const make = (name: string, flags = 0) =>
  issuer.issue(resolveCommand(name), [], -1, flags | CallFlag.errorAsValue, noTimeoutMs, () => undefined)
const lost = stacklessError('SLOTWISE_CONNECTION_LOST', 'lost')
const names = (calls: readonly Call[]) => calls.map(call => call.spec.name)

function sorted(unanswered: Call[], unsent: Call[], resend: ResendMode = 'all', reason = lost) {
  const { again, lost, faulty } = sortHandBack({ unanswered, unsent, due: unanswered[0] }, reason, resend)
  return {
    again: again.map(({ call, wasSent }) => `${call.spec.name} ${wasSent}`),
    lost: names(lost),
    faulty: names(faulty),
  }
}

describe('what a lost connection hands back', () => {
  it('is written again as far as the mode allows, in its order', () => {
    const calls = () => [make('GET'), make('SET')] as const
    const unsent = [make('INCR')]
    expect(sorted([...calls()], unsent)).toEqual({
      again: ['GET true', 'SET true', 'INCR false'],
      lost: [],
      faulty: [],
    })
    expect(sorted([...calls()], unsent, 'safe')).toMatchObject({ again: ['GET true', 'INCR false'], lost: ['SET'] })
    expect(sorted([...calls()], unsent, 'none')).toMatchObject({ again: ['INCR false'], lost: ['GET', 'SET'] })
  })

  it('is held against the call whose reply has ended the connection', () => {
    const reason = stacklessError('SLOTWISE_PROTOCOL', 'what')
    expect(sorted([make('GET'), make('GET')], [], 'all', reason)).toEqual({
      again: ['GET true'],
      lost: [],
      faulty: ['GET'],
    })
  })

  it('has no part of a transaction without its MULTI', () => {
    const part = (name: string) => make(name, CallFlag.fragment)
    expect(sorted([part('SET')], [part('EXEC'), make('GET')])).toMatchObject({
      again: ['GET false'],
      lost: ['SET', 'EXEC'],
    })
    expect(sorted([make('MULTI'), part('SET')], [part('EXEC')])).toMatchObject({
      again: ['MULTI true', 'SET true', 'EXEC false'],
    })
    expect(sorted([make('MULTI'), part('SET')], [part('EXEC')], 'none')).toMatchObject({
      again: [],
      lost: ['MULTI', 'SET', 'EXEC'],
    })
  })
})

describe('the ready check', () => {
  it('reads INFO', () => {
    expect(parseInfo('# Server\r\nrole:master\r\nempty:\r\nwith:a:colon\r\n')).toEqual({
      role: 'master',
      with: 'a:colon',
    })
    for (const nothing of [null, [], 'OK']) expect(parseInfo(nothing)).toEqual({})
  })

  it.each([
    [{}, 0, 0],
    [{ loading: '0' }, 0, 0],
    [{ loading: '1', loading_eta_seconds: '5' }, 0, 5000],
    [{ loading: '1', loading_eta_seconds: '5' }, 300, 300],
    [{ loading: '1' }, 10_000, 1000],
    [{ loading: '1', loading_eta_seconds: '0' }, 10_000, 1000],
  ])('waits for %j, at most %i ms: %i ms', (info, maxMs, expected) => {
    expect(loadingMs(info as Record<string, string>, maxMs)).toBe(expected)
  })
})
