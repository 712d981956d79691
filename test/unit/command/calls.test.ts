import { getEventListeners } from 'node:events'
import { describe, expect, it, vi } from 'vitest'
import { Call, CallFlag, noTimeoutMs, type Outcome } from '../../../src/command/call.js'
import { type Argument, nameFor, resolveCommand } from '../../../src/command/command.js'
import { Issuer, type IssuerOptions } from '../../../src/command/issuer.js'
import { waitingBytes } from '../../../src/command/wait-budget.js'
import { CallQueue } from '../../../src/connection/call-queue.js'
import { Turn } from '../../../src/turn.js'

function issuerOf(options: Partial<IssuerOptions> = {}): Issuer {
  const defaults = { timeoutMs: 1000, maxQueueAgeMs: 500, maxQueuedBytes: 1_000_000, maxQueuedCalls: 1000 }
  return new Issuer({ ...defaults, ...options }, new Turn())
}

/** A call, and the list in which its outcome will stand. */
function make(
  issuer: Issuer,
  name = 'SET',
  args: Argument[] = ['k', 'v'],
  timeoutMs = noTimeoutMs,
  flags: number = CallFlag.errorAsValue,
) {
  const outcomes: Outcome[] = []
  const call = issuer.issue(nameFor(resolveCommand(name), args), args, -1, flags, timeoutMs, outcome =>
    outcomes.push(outcome),
  )
  return { call, outcomes }
}

const nowhere = () => ({})

describe('Call', () => {
  it('goes unsent, sent, settled; and refuses every other way', () => {
    const { call, outcomes } = make(issuerOf())
    expect(call.state).toBe('unsent')
    call.markSent()
    expect(call.state).toBe('sent')
    expect(() => call.markSent()).toThrow('sent -> sent')
    call.fulfil('OK')
    expect(() => call.markSent()).toThrow('settled -> sent')
    expect(outcomes).toEqual(['OK'])
  })

  it('settles once', () => {
    const issuer = issuerOf()
    const { call, outcomes } = make(issuer)
    call.fulfil(1)
    call.fulfil(2)
    call.fail(new Error('late'))
    expect(outcomes).toEqual([1])
    expect([issuer.issued, issuer.settled]).toEqual([1, 1])
  })

  it('fails as a rejected promise, or as a value where that was asked for', async () => {
    const asPromise = make(issuerOf(), 'GET', ['k'], noTimeoutMs, 0)
    asPromise.call.fail(new Error('no'))
    await expect(asPromise.outcomes[0]).rejects.toThrow('no')
    const asValue = make(issuerOf())
    asValue.call.fail(new Error('no'))
    expect(asValue.outcomes[0]).toBeInstanceOf(Error)
  })

  it('may have been executed once it was sent, unless a reply has proved that it was not', () => {
    const { call } = make(issuerOf())
    expect(call.maybeExecuted).toBe(false)
    call.markSent()
    expect(call.maybeExecuted).toBe(true)
    call.markUnsent(false, new Error('MOVED'))
    expect([call.maybeExecuted, call.attempts]).toEqual([false, 1])
    call.markSent()
    call.markUnsent(true, new Error('lost'))
    expect([call.maybeExecuted, call.attempts]).toEqual([true, 2])
  })

  it('is repeatable when it only reads, or when the caller says so', () => {
    expect(make(issuerOf(), 'GET', ['k']).call.has(CallFlag.repeatable)).toBe(true)
    expect(make(issuerOf(), 'INCR', ['k']).call.has(CallFlag.repeatable)).toBe(false)
    expect(make(issuerOf(), 'INCR', ['k'], noTimeoutMs, CallFlag.repeatable).call.has(CallFlag.repeatable)).toBe(true)
  })

  it('lets go of its arguments when it settles in a queue', () => {
    const queue = new CallQueue(nowhere)
    const { call } = make(issuerOf())
    queue.push(call)
    call.fail(new Error('no'))
    expect(call.args).toEqual([])
  })
})

describe('Issuer', () => {
  it('does not count its own calls', () => {
    const issuer = issuerOf()
    const call = issuer.issueInternal('PING', [], noTimeoutMs, 0, () => undefined)
    call.fulfil('PONG')
    expect([issuer.issued, issuer.settled, call instanceof Call]).toEqual([0, 0, true])
  })

  it('fails what does not fit with SLOTWISE_QUEUE_FULL, by bytes and by count, and takes more when there is room again', () => {
    const bytes = waitingBytes(['k', 'v'])
    for (const limits of [{ maxQueuedBytes: 2 * bytes }, { maxQueuedCalls: 2 }]) {
      const issuer = issuerOf(limits)
      const calls = [make(issuer), make(issuer), make(issuer)]
      const admitted = calls.map(({ call }) => issuer.admit(call, () => ({ endpoint: 'h:1' })))
      expect(admitted).toEqual([true, true, false])
      expect(calls[2]?.outcomes[0]).toMatchObject({
        code: 'SLOTWISE_QUEUE_FULL',
        endpoint: 'h:1',
        maybeExecuted: false,
        command: 'SET',
      })
      expect(issuer.budget.bytes).toBe(2 * bytes)
      calls[0]?.call.fulfil('OK')
      expect(issuer.budget.calls).toBe(1)
      expect(issuer.admit(make(issuer).call, nowhere)).toBe(true)
    }
  })

  it('charges a call once, however often it has to wait', () => {
    const issuer = issuerOf()
    const { call } = make(issuer)
    issuer.admit(call, nowhere)
    issuer.admit(call, nowhere)
    expect(issuer.budget.calls).toBe(1)
    issuer.dismiss(call)
    expect([issuer.budget.calls, issuer.budget.bytes]).toEqual([0, 0])
  })

  it('tells a deadline in the queue, one in flight, and the age limit apart', async () => {
    const issuer = issuerOf({ maxQueueAgeMs: 30 })
    const inQueue = make(issuer, 'SET', ['k', 'v'], 20)
    const inFlight = make(issuer, 'SET', ['k', 'v'], 20)
    inFlight.call.markSent()
    const tooOld = make(issuer, 'SET', ['k', 'v'], 5000)
    issuer.startAge(tooOld.call)
    await vi.waitFor(() =>
      expect([inQueue, inFlight, tooOld].every(({ outcomes }) => outcomes.length === 1)).toBe(true),
    )
    expect(inQueue.outcomes[0]).toMatchObject({ code: 'SLOTWISE_TIMEOUT', phase: 'queue', maybeExecuted: false })
    expect(inFlight.outcomes[0]).toMatchObject({ code: 'SLOTWISE_TIMEOUT', phase: 'flight', maybeExecuted: true })
    expect(tooOld.outcomes[0]).toMatchObject({ code: 'SLOTWISE_QUEUE_EXPIRED', phase: 'queue', maybeExecuted: false })
  })

  it('gives a call its own deadline back when it no longer waits', async () => {
    const issuer = issuerOf({ maxQueueAgeMs: 20 })
    const { call, outcomes } = make(issuer, 'SET', ['k', 'v'], 150)
    issuer.admit(call, nowhere)
    issuer.startAge(call)
    issuer.dismiss(call)
    await new Promise(resolve => setTimeout(resolve, 90))
    expect(outcomes).toEqual([])
    await vi.waitFor(() => expect(outcomes[0]).toMatchObject({ code: 'SLOTWISE_TIMEOUT' }))
  })

  it('aborts in whatever phase, with one listener for all calls of a signal, and none left behind', () => {
    const issuer = issuerOf()
    const controller = new AbortController()
    const calls = Array.from({ length: 20 }, () => make(issuer))
    for (const { call } of calls) issuer.watch(call, controller.signal)
    expect(getEventListeners(controller.signal, 'abort').length).toBe(1)
    calls[0]?.call.fulfil('OK')
    calls[1]?.call.markSent()
    controller.abort('enough')
    expect(calls[0]?.outcomes).toEqual(['OK'])
    expect(calls[1]?.outcomes[0]).toMatchObject({
      code: 'SLOTWISE_ABORTED',
      phase: 'flight',
      maybeExecuted: true,
      cause: 'enough',
    })
    for (const { outcomes } of calls.slice(2))
      expect(outcomes[0]).toMatchObject({ code: 'SLOTWISE_ABORTED', phase: 'queue', maybeExecuted: false })
    expect(getEventListeners(controller.signal, 'abort').length).toBe(0)
    const late = make(issuer)
    issuer.watch(late.call, controller.signal)
    expect(late.outcomes[0]).toMatchObject({ code: 'SLOTWISE_ABORTED' })
    expect(issuer.settled).toBe(21)
  })
})
