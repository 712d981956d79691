import fc from 'fast-check'
import { expect, it } from 'vitest'
import { renewalDelayMs } from '../../../src/connection/access.js'

it('credentials are renewed at 75 to 90 % of the time that is left, and never in a way that a timer cannot', () => {
  const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
  fc.assert(
    fc.property(fc.double({ min: -1e6, max: 1e13, noNaN: true }), random, (leftMs, random) => {
      const delayMs = renewalDelayMs(leftMs, random)
      expect(delayMs).toBeGreaterThanOrEqual(1)
      expect(delayMs).toBeLessThan(2 ** 31)
      if (leftMs < 2 || leftMs > 2 ** 31) return
      // Quotients are rounded.
      expect(delayMs / leftMs).toBeGreaterThan(0.75 - 1e-9)
      expect(delayMs / leftMs).toBeLessThan(0.9 + 1e-9)
    }),
  )
})
