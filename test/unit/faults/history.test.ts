import { describe, expect, it } from 'vitest'
import { check, firstSuccessMs, longestSilenceMs, seal, type Write } from '../../../bench/faults/history.mjs'

const write = (token: number, outcome = 'acked', more: Partial<Write> = {}): Write => ({
  key: 'k',
  token,
  from: token * 1000,
  to: token * 1000 + 500,
  outcome,
  ...more,
})
const held = (...tokens: number[]) => new Map([['k', tokens]])

describe('check()', () => {
  it('finds nothing where nothing is wrong', () => {
    const writes = [
      write(1),
      write(2, 'SLOTWISE_TIMEOUT', { maybe: true }),
      write(3),
      write(4, 'ERR', { maybe: false }),
    ]
    for (const list of [held(1, 3), held(1, 2, 3), held(1, 3, seal)]) {
      expect(check(writes, list, [])).toEqual({
        acked: 2,
        failed: 2,
        withdrawn: 1,
        open: 0,
        lost: [],
        lostByRedis: 0,
        duplicates: [],
        disordered: [],
        denied: [],
        late: [],
      })
    }
  })

  it('finds a write that was acknowledged and lost', () => {
    expect(check([write(1), write(2)], held(1), []).lost).toMatchObject([{ token: 2 }])
    expect(check([write(1)], new Map(), []).lost).toHaveLength(1)
  })

  it('forgives only what a primary that went had not passed on', () => {
    const gone = (safeUntil: number, goneAt: number, key = 'k') => [{ keys: new Set([key]), safeUntil, goneAt }]
    expect(check([write(1)], new Map(), gone(1200, 3000))).toMatchObject({ lost: [], lostByRedis: 1 })
    // It had been passed on; it was made later; it is another primary's.
    expect(check([write(1)], new Map(), gone(1600, 3000)).lost).toHaveLength(1)
    expect(check([write(4)], new Map(), gone(1200, 3000)).lost).toHaveLength(1)
    expect(check([write(1)], new Map(), gone(1200, 3000, 'other')).lost).toHaveLength(1)
  })

  it('finds a write that was applied twice', () => {
    expect(check([write(1), write(2)], held(1, 2, 1), []).duplicates).toEqual(['k#1'])
  })

  it('finds acknowledged writes that stand in another order', () => {
    expect(check([write(1), write(2), write(3)], held(1, 3, 2), []).disordered).toEqual(['k#3'])
    expect(check([write(1), write(2, 'x', { maybe: true }), write(3)], held(1, 3, 2), []).disordered).toEqual([])
  })

  it('finds a write that was said not to have run, and has', () => {
    expect(check([write(1, 'x', { maybe: false })], held(1), []).denied).toHaveLength(1)
    expect(check([write(1, 'x', { maybe: true })], held(1), []).denied).toEqual([])
  })

  it('finds a write that was carried out after it had been given up', () => {
    const writes = [write(1), write(2, 'x', { maybe: true }), write(3), write(4, 'x')]
    expect(check(writes, held(1, 3, 2), []).late).toMatchObject([{ token: 2 }])
    expect(check(writes, held(1, 2, 3, 4), []).late).toEqual([])
    expect(check(writes, held(1, 2, 3, seal, 4), []).late).toMatchObject([{ token: 4 }])
    // Made before the other had failed: either may come first.
    const together = [write(1, 'x', { maybe: true }), write(2, 'acked', { from: 1200 })]
    expect(check(together, held(2, 1), []).late).toEqual([])
  })

  it('counts calls that never settled', () => {
    expect(check([write(1, 'open'), write(2)], held(2), [])).toMatchObject({ open: 1, acked: 1, failed: 0 })
  })
})

describe('times', () => {
  const keys = new Set(['k'])
  const writes = [write(1), write(2, 'x'), write(9), write(4, 'acked', { key: 'other' })]

  it('the first success after a moment', () => {
    expect(firstSuccessMs(writes, keys, 2000)).toBe(7.5)
    expect(firstSuccessMs(writes, keys, 10_000)).toBeNull()
  })

  it('the longest time without one', () => {
    expect(longestSilenceMs(writes, keys, 0, 10_000)).toBe(8)
    expect(longestSilenceMs(writes, keys, 0, 30_000)).toBe(20.5)
  })
})
