import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type Deadlined, DeadlineWheel, type Link, tickMs } from '../../../src/command/deadline-wheel.js'

class Entry implements Deadlined {
  wheelPrevious: Link | null = null
  wheelNext: Link | null = null
  expiredAt = -1
  onExpired: () => void = () => undefined

  constructor(
    readonly createdAt: number,
    public deadlineAt: number,
  ) {}

  onDeadline(): void {
    expect(this.expiredAt).toBe(-1)
    this.expiredAt = performance.now()
    this.onExpired()
  }
}

const now = () => Math.floor(performance.now())

describe('DeadlineWheel', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'performance'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('expires each entry that stays, never early and at most three ticks late; none that is taken out', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.oneof(
            fc.record({ do: fc.constant('add' as const), afterMs: fc.oneof(fc.nat(200), fc.nat(60_000)) }),
            fc.record({ do: fc.constant('remove' as const), which: fc.nat() }),
            fc.record({ do: fc.constant('pass' as const), ms: fc.oneof(fc.nat(50), fc.nat(25_000)) }),
          ),
          { maxLength: 40 },
        ),
        async steps => {
          const wheel = new DeadlineWheel<Entry>()
          const entries: Entry[] = []
          const removed = new Set<Entry>()
          for (const step of steps) {
            if (step.do === 'add') {
              const entry = new Entry(now(), now() + step.afterMs)
              entries.push(entry)
              wheel.add(entry, now())
            } else if (step.do === 'remove') {
              const entry = entries[step.which % Math.max(1, entries.length)]
              if (entry !== undefined && entry.expiredAt === -1) {
                wheel.remove(entry)
                removed.add(entry)
              }
            } else await vi.advanceTimersByTimeAsync(step.ms)
            const open = entries.filter(entry => entry.expiredAt === -1 && !removed.has(entry))
            expect(wheel.size).toBe(open.length)
          }
          await vi.advanceTimersByTimeAsync(61_000)
          for (const entry of entries) {
            if (removed.has(entry)) expect(entry.expiredAt).toBe(-1)
            else {
              expect(entry.expiredAt).toBeGreaterThanOrEqual(entry.deadlineAt)
              expect(entry.expiredAt - entry.deadlineAt).toBeLessThanOrEqual(3 * tickMs)
            }
          }
          expect(wheel.size).toBe(0)
          expect(vi.getTimerCount()).toBe(0)
        },
      ),
      { numRuns: 100 },
    )
  })

  it('does not expire an entry that an earlier one has taken out in the same sweep', async () => {
    const wheel = new DeadlineWheel<Entry>()
    const first = new Entry(now(), now() + 5)
    const second = new Entry(now(), now() + 5)
    first.onExpired = () => wheel.remove(second)
    wheel.add(first, now())
    wheel.add(second, now())
    await vi.advanceTimersByTimeAsync(100)
    expect([first.expiredAt > 0, second.expiredAt]).toEqual([true, -1])
  })
})

describe('DeadlineWheel when the event loop stands still', () => {
  it('does not hold the time it stood against an entry made in that turn', async () => {
    const wheel = new DeadlineWheel<Entry>()
    const clock = now()
    const waiting = new Entry(clock, clock + 60_000)
    wheel.add(waiting, clock)
    const made = new Entry(clock, clock + 100)
    // The clock of a turn is read once: after 300 ms of work it still says `clock`.
    while (performance.now() - clock < 300);
    wheel.add(made, clock)
    await new Promise(resolve => setTimeout(resolve, 60))
    expect(made.expiredAt).toBe(-1)
    await new Promise(resolve => setTimeout(resolve, 500))
    expect(made.expiredAt).toBeGreaterThanOrEqual(clock + 300 + 40)
    wheel.remove(waiting)
  })
})
