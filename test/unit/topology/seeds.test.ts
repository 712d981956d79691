import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { tcpEndpoint } from '../../../src/connection/endpoint.js'
import { DialGate } from '../../../src/node/dial-gate.js'
import { type Seed, Seeds } from '../../../src/topology/seeds.js'

/** What a name stands for; an Error for a failure, null for no answer. */
type Answer = readonly string[] | Error | null

class Stage {
  nowMs = 0
  found = 0
  asked: string[] = []
  names: Record<string, Answer> = {}
  records: Record<string, readonly { name: string; port: number; priority: number; weight: number }[] | Error> = {}
  readonly gate = new DialGate(1000)
  readonly seeds: Seeds

  constructor(seeds: readonly Seed[]) {
    const lookup = (name: string, _: unknown, callback: (...args: unknown[]) => void) => {
      this.asked.push(name)
      const answer = this.names[name] ?? null
      if (answer instanceof Error) callback(answer)
      else if (answer !== null)
        callback(
          null,
          answer.map(address => ({ address, family: 4 })),
        )
    }
    const options = {
      dial: { lookup: lookup as never },
      connectTimeoutMs: 500,
      backoffMinMs: 100,
      backoffMaxMs: 800,
    }
    const turn = { now: () => this.nowMs } as never
    this.seeds = new Seeds(
      seeds,
      { options, gate: this.gate, turn },
      (name, callback) => {
        this.asked.push(name)
        const records = this.records[name] ?? []
        if (records instanceof Error) callback(records, [])
        else callback(null, [...records])
      },
      () => this.found++,
    )
  }

  get keys(): string[] {
    return this.seeds.endpoints.map(({ key }) => key)
  }

  /** Lets time pass, and what has been answered be heard. */
  async pass(ms: number): Promise<void> {
    this.nowMs += ms
    await vi.advanceTimersByTimeAsync(ms)
  }
}

const name = (host: string) => tcpEndpoint(host, 7000)
const notFound = (host: string) =>
  Object.assign(new Error(`getaddrinfo ENOTFOUND ${host}`), { code: 'ENOTFOUND', syscall: 'getaddrinfo' })

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe('Seeds', () => {
  it('are there at once where they are addresses, and nobody is asked', async () => {
    const stage = new Stage([name('10.0.0.1'), name('::1'), name('10.0.0.1')])
    stage.seeds.lookUp(true)
    await stage.pass(0)
    expect(stage.keys).toEqual(['10.0.0.1:7000', '[::1]:7000'])
    expect([stage.asked, stage.found, stage.seeds.isIncomplete]).toEqual([[], 0, false])
  })

  it('are every address of a name, each once, under that name', async () => {
    const stage = new Stage([name('a.test'), name('10.0.0.2')])
    stage.names['a.test'] = ['10.0.0.1', '10.0.0.2', '10.0.0.3']
    expect(stage.keys).toEqual(['10.0.0.2:7000'])
    stage.seeds.lookUp(true)
    expect(stage.seeds.isIncomplete).toBe(true)
    await stage.pass(0)
    expect(stage.keys).toEqual(['10.0.0.1:7000', '10.0.0.2:7000', '10.0.0.3:7000'])
    expect(stage.seeds.endpoints.map(({ servername }) => servername)).toEqual(['a.test', 'a.test', 'a.test'])
    expect([stage.found, stage.seeds.isIncomplete, stage.seeds.errors]).toEqual([1, false, []])
  })

  it('are those of the SRV records, by priority', async () => {
    const stage = new Stage([{ srv: '_redis._tcp.test' }])
    stage.records['_redis._tcp.test'] = [
      { name: 'late.test', port: 2, priority: 9, weight: 0 },
      { name: 'gone.test', port: 3, priority: 2, weight: 0 },
      { name: 'soon.test', port: 1, priority: 1, weight: 0 },
    ]
    stage.names = {
      'late.test': ['10.0.0.9'],
      'soon.test': ['10.0.0.1', '10.0.0.2'],
      'gone.test': notFound('gone.test'),
    }
    stage.seeds.lookUp(true)
    await stage.pass(0)
    expect(stage.seeds.endpoints).toMatchObject([
      { key: '10.0.0.1:1', servername: 'soon.test' },
      { key: '10.0.0.2:1', servername: 'soon.test' },
      { key: '10.0.0.9:2', servername: 'late.test' },
    ])
    expect(stage.seeds.errors).toEqual([])
  })

  it.each([
    ['a name', name('a.test'), 'a.test:7000'],
    ['SRV records', { srv: '_redis._tcp.test' }, '_redis._tcp.test'],
  ])('that cannot be found say so, with the name: %s', async (_, seed, endpoint) => {
    const stage = new Stage([seed])
    stage.names['a.test'] = notFound('a.test')
    stage.records['_redis._tcp.test'] = notFound('_redis._tcp.test')
    stage.seeds.lookUp(true)
    await stage.pass(0)
    const [error] = stage.seeds.errors
    expect(error).toMatchObject({ code: 'SLOTWISE_CONNECT_FAILED', phase: 'dial', endpoint, attempts: 1 })
    expect(error?.message).toContain('test')
    expect(error?.cause).toMatchObject({ code: 'ENOTFOUND' })
    expect([stage.keys, stage.found, stage.seeds.isIncomplete]).toEqual([[], 0, true])
  })

  it('are looked up with backoff, and keep what was found until something else is', async () => {
    const stage = new Stage([name('a.test')])
    stage.names['a.test'] = ['10.0.0.1']
    stage.seeds.lookUp(true)
    await stage.pass(0)
    stage.names['a.test'] = notFound('a.test')
    for (let i = 0; i < 800; i++) {
      stage.seeds.lookUp(true)
      await stage.pass(10)
    }
    // 8 s: at most one each 50, 100, 200, then 400 ms (a half of each is drawn by lot); at least one each 800 ms.
    expect(stage.asked.length).toBeLessThanOrEqual(1 + 3 + 20)
    expect(stage.asked.length).toBeGreaterThanOrEqual(1 + 9)
    expect(stage.keys).toEqual(['10.0.0.1:7000'])
    stage.names['a.test'] = ['10.0.0.7']
    stage.nowMs += 800
    stage.seeds.lookUp(true)
    await stage.pass(0)
    expect([stage.keys, stage.seeds.errors]).toEqual([['10.0.0.7:7000'], []])
  })

  it('that have not all been tried are looked up again only when the answer is old', async () => {
    const stage = new Stage([name('a.test')])
    stage.names['a.test'] = ['10.0.0.1', '10.0.0.2']
    stage.seeds.lookUp(false)
    await stage.pass(0)
    for (const ms of [100, 300, 399]) {
      await stage.pass(ms)
      stage.seeds.lookUp(false)
    }
    expect(stage.asked.length).toBe(1)
    await stage.pass(1)
    stage.seeds.lookUp(false)
    expect(stage.asked.length).toBe(2)
  })

  it('that are not told in time have failed, and one name does not hold up another', async () => {
    const stage = new Stage([name('slow.test'), name('a.test')])
    stage.names['a.test'] = ['10.0.0.1']
    stage.seeds.lookUp(true)
    stage.seeds.lookUp(true)
    await stage.pass(0)
    expect([stage.keys, stage.asked]).toEqual([['10.0.0.1:7000'], ['slow.test', 'a.test']])
    await stage.pass(500)
    expect(stage.seeds.errors).toMatchObject([{ code: 'SLOTWISE_CONNECT_TIMEOUT', endpoint: 'slow.test:7000' }])
  })

  it('are not looked up while this host has run out of descriptors, and say that it has', async () => {
    const stage = new Stage([name('a.test')])
    stage.names['a.test'] = Object.assign(new Error('getaddrinfo EMFILE'), { code: 'EMFILE' })
    stage.seeds.lookUp(true)
    await stage.pass(0)
    expect(stage.seeds.errors).toMatchObject([{ code: 'SLOTWISE_LOCAL_EXHAUSTION', cause: { code: 'EMFILE' } }])
    expect([stage.gate.exhausted, stage.gate.remainingMs(stage.nowMs)]).toEqual([1, 1000])
    for (let i = 0; i < 9; i++) {
      await stage.pass(100)
      stage.seeds.lookUp(true)
    }
    expect(stage.asked.length).toBe(1)
    await stage.pass(100)
    stage.seeds.lookUp(true)
    expect(stage.asked.length).toBe(2)
  })

  it('tell nobody once they have been stopped, and leave no timer', async () => {
    const stage = new Stage([name('slow.test')])
    stage.seeds.lookUp(true)
    stage.seeds.stop()
    await stage.pass(0)
    expect([vi.getTimerCount(), stage.found, stage.seeds.errors]).toEqual([0, 0, []])
  })
})
