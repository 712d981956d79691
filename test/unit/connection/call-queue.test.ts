import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Call, CallFlag, noTimeoutMs } from '../../../src/command/call.js'
import { resolveCommand } from '../../../src/command/command.js'
import { Issuer } from '../../../src/command/issuer.js'
import { CallQueue } from '../../../src/connection/call-queue.js'
import { Turn } from '../../../src/turn.js'

const options = { timeoutMs: 1000, maxQueueAgeMs: 500, maxQueuedBytes: 1e9, maxQueuedCalls: 1e9 }

describe('CallQueue', () => {
  it('behaves like two lists, the sent and the unsent, whatever settles when', () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.constant('push' as const) },
      { weight: 3, arbitrary: fc.constant('take' as const) },
      { weight: 2, arbitrary: fc.constant('answer' as const) },
      { weight: 3, arbitrary: fc.record({ settle: fc.nat() }) },
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), steps => {
        const issuer = new Issuer(options, new Turn())
        const queue = new CallQueue(() => ({}))
        const name = resolveCommand('PING')
        let sent: Call[] = []
        let unsent: Call[] = []
        for (const current of steps) {
          if (current === 'push') {
            const call = issuer.issue(name, [], -1, CallFlag.errorAsValue, noTimeoutMs, () => undefined)
            queue.push(call)
            unsent.push(call)
          } else if (current === 'take') {
            const call = queue.takeUnsent()
            expect(call).toBe(unsent.shift())
            if (call !== undefined) sent.push(call)
          } else if (current === 'answer') {
            const call = queue.shiftSent()
            expect(call).toBe(sent.shift())
            call?.fulfil('OK')
          } else {
            const all = [...sent, ...unsent]
            const call = all[current.settle % Math.max(1, all.length)]
            call?.fail(new Error('early'))
            // A sent call keeps its place: its reply is still to come.
            unsent = unsent.filter(other => !other.settled)
          }
          expect([queue.sent, queue.unsent]).toEqual([sent.length, unsent.length])
          expect(queue.peekSent()).toBe(sent[0])
          expect(queue.count()).toEqual({ queued: unsent.length, inFlight: sent.filter(call => !call.settled).length })
        }
        const handBack = queue.drain()
        sent = sent.filter(call => !call.settled)
        expect(handBack.unanswered).toEqual(sent)
        expect(handBack.unsent).toEqual(unsent)
        expect([queue.length, queue.sent, queue.unsent]).toEqual([0, 0, 0])
        expect(issuer.issued - issuer.settled).toBe(sent.length + unsent.length)
      }),
    )
  })

  it('does not keep places for calls that wait and settle', () => {
    const issuer = new Issuer(options, new Turn())
    const queue = new CallQueue(() => ({}))
    const calls = Array.from({ length: 10_000 }, () => {
      const call = issuer.issue(resolveCommand('PING'), [], -1, CallFlag.errorAsValue, noTimeoutMs, () => undefined)
      queue.push(call)
      return call
    })
    for (const [i, call] of calls.entries()) if (i % 10 !== 0) call.fail(new Error('early'))
    expect(queue.unsent).toBe(1000)
    expect(queue.length).toBeLessThan(2500)
  })
})
