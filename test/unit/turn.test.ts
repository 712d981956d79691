import { describe, expect, it } from 'vitest'
import { Turn } from '../../src/turn.js'

const nextTurn = () => new Promise(resolve => setImmediate(() => setImmediate(resolve)))

describe('Turn', () => {
  it('reads the clock once a turn, in whole milliseconds, and anew in the next', async () => {
    const turn = new Turn()
    const first = turn.now()
    const startedAt = performance.now()
    while (performance.now() - startedAt < 5);
    expect(turn.now()).toBe(first)
    expect(Number.isInteger(first)).toBe(true)
    await nextTurn()
    expect(turn.now()).toBeGreaterThanOrEqual(first + 5)
  })

  it('runs what was scheduled once, in order, after the promises of the turn; what is scheduled then runs in the next', async () => {
    const turn = new Turn()
    const ran: string[] = []
    turn.schedule({
      onTurnEnd: () => {
        ran.push('a')
        turn.schedule({ onTurnEnd: () => ran.push('c') })
      },
    })
    turn.schedule({ onTurnEnd: () => ran.push('b') })
    await Promise.resolve().then(() => ran.push('promise'))
    await nextTurn()
    await nextTurn()
    expect(ran).toEqual(['promise', 'a', 'b', 'c'])
  })
})
