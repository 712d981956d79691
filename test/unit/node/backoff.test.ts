import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { backoffMs } from '../../../src/node/backoff.js'
import { DialGate } from '../../../src/node/dial-gate.js'

describe('backoffMs()', () => {
  it('is short after a loss, then grows to the limit, and is never more than it nor less than half of its step', () => {
    fc.assert(
      fc.property(
        fc.nat(2000),
        fc.integer({ min: 1, max: 1000 }),
        fc.nat(60_000),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (failures, min, more, random) => {
          const options = { backoffMinMs: min, backoffMaxMs: min + more }
          const wait = backoffMs(failures, options, random)
          if (failures === 0) expect(wait).toBeLessThanOrEqual(min / 2 + 1)
          else {
            const step = Math.min(min + more, min * 2 ** (failures - 1))
            expect(wait).toBeGreaterThanOrEqual(Math.floor(step / 2))
            expect(wait).toBeLessThanOrEqual(Math.ceil(step))
          }
        },
      ),
    )
  })
})

describe('DialGate', () => {
  it('is closed for the pause after this host ran out of sockets', () => {
    const gate = new DialGate(100)
    expect(gate.remainingMs(0)).toBe(0)
    gate.onExhausted(1000)
    expect([gate.remainingMs(1000), gate.remainingMs(1060), gate.remainingMs(1100)]).toEqual([100, 40, 0])
    expect(gate.exhausted).toBe(1)
  })
})
