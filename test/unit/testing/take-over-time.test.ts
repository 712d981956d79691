import { setTimeout as realDelay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { createClient } from 'slotwise/core'
import { FakeCluster, FakeServer, keyInSlot, silence, takeOverTime, type VirtualTime } from 'slotwise/testing'
import { afterEach, describe, expect, it } from 'vitest'

let time: VirtualTime | null = null
const take = (options?: Parameters<typeof takeOverTime>[0]) => {
  time = takeOverTime(options)
  return time
}
let closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.reverse()) await close()
  closing = []
  time?.release()
  time = null
})
function kept<Kept extends { close(): unknown }>(one: Kept): Kept {
  closing.push(() => one.close())
  return one
}

describe('the clock', () => {
  it('stands still until it is told to go on', async () => {
    const taken = take()
    const [date, monotonic] = [Date.now(), performance.now()]
    await realDelay(5)
    expect([Date.now() - date, performance.now() - monotonic, taken.now]).toEqual([0, 0, 0])
    await taken.advance(1234.5)
    expect([Date.now() - date, performance.now() - monotonic, taken.now]).toEqual([1234, 1234.5, 1234.5])
  })

  it('begins at a full second on both clocks, so that whoever counts in ticks counts the same each time', () => {
    take()
    expect([Date.now() % 1000, performance.now() % 1000]).toEqual([0, 0])
  })

  it('runs timers in the order in which they are due, at their time', async () => {
    const taken = take()
    const ran: [string, number][] = []
    const note = (what: string) => ran.push([what, taken.now])
    setTimeout(note, 30, 'thirty')
    setTimeout(note, 10, 'ten')
    setTimeout(() => {
      note('twenty')
      setTimeout(note, 5, 'twenty-five')
      setTimeout(note, 0, 'twenty-one')
    }, 20)
    setTimeout(note, 10, 'ten, too')
    setTimeout(note, 31, 'too late')
    await taken.advance(30)
    expect(ran).toEqual([
      ['ten', 10],
      ['ten, too', 10],
      ['twenty', 20],
      ['twenty-one', 21],
      ['twenty-five', 25],
      ['thirty', 30],
    ])
    expect(taken.timers).toBe(1)
  })

  it('lets promises and immediates of a timer run before the next', async () => {
    const taken = take()
    const ran: string[] = []
    setTimeout(async () => {
      await undefined
      await new Promise(resolve => setImmediate(resolve))
      ran.push('after an immediate')
    }, 1)
    setTimeout(() => ran.push('next'), 2)
    await taken.advance(2)
    expect(ran).toEqual(['after an immediate', 'next'])
  })

  it('has timers with all that timers have', async () => {
    const taken = take()
    let [once, often] = [0, 0]
    const timer = setTimeout(() => once++, 10)
    expect([timer.hasRef(), timer.unref().hasRef(), timer.ref().hasRef()]).toEqual([true, false, true])
    await taken.advance(6)
    timer.refresh()
    await taken.advance(6)
    expect(once).toBe(0)
    await taken.advance(4)
    expect(once).toBe(1)
    const interval = setInterval(() => {
      if (++often === 3) clearInterval(interval)
    }, 10)
    await taken.advance(100)
    expect(often).toBe(3)
    const cleared = [setTimeout(() => once++, 1), setTimeout(() => once++, 1), setTimeout(() => once++, 1)] as const
    clearTimeout(cleared[0])
    clearTimeout(Number(cleared[1]))
    clearTimeout(String(Number(cleared[2])))
    clearTimeout(undefined)
    await promisify(setImmediate)()
    const slept = promisify(setTimeout)(50, 'value')
    await taken.advance(50)
    expect([await slept, once]).toEqual(['value', 1])
  })

  it('is one at a time, and refuses what it cannot do', async () => {
    const taken = take()
    expect(() => takeOverTime()).toThrow('taken over already')
    await expect(taken.advance(-1)).rejects.toThrow('0 or more')
    expect(() => takeOverTime({ seed: 0.5 })).toThrow('seed')
    expect(() => setTimeout('x' as unknown as () => void, 1)).toThrow(TypeError)
  })

  it('gives random numbers that are the same each time, if asked to', () => {
    const drawn = [1, 1, 2].map(seed => {
      const taken = takeOverTime({ seed })
      const numbers = [Math.random(), Math.random()]
      taken.release()
      return numbers
    })
    expect(drawn[0]).toEqual(drawn[1])
    expect(drawn[0]).not.toEqual(drawn[2])
    expect(drawn.flat().every(number => number >= 0 && number < 1)).toBe(true)
  })
})

describe('release()', () => {
  it('puts everything back as it was', () => {
    const look = () => [
      ...(['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] as const).map(name =>
        Object.getOwnPropertyDescriptor(globalThis, name),
      ),
      Object.getOwnPropertyDescriptor(Date, 'now'),
      Object.getOwnPropertyDescriptor(performance, 'now'),
      Object.getOwnPropertyDescriptor(Math, 'random'),
    ]
    const before = look()
    const taken = takeOverTime({ seed: 1 })
    expect(look()).not.toEqual(before)
    taken.release()
    taken.release()
    expect(look()).toEqual(before)
  })

  it('lets timers that still wait go on in real time, and be cleared there', async () => {
    const taken = take()
    const ran: string[] = []
    setTimeout(() => ran.push('waited'), 20)
    const cleared = setTimeout(() => ran.push('cleared'), 20)
    const interval = setInterval(() => ran.push('again'), 5)
    await taken.advance(4)
    taken.release()
    clearTimeout(cleared)
    while (!ran.includes('waited') || ran.filter(each => each === 'again').length < 2) await realDelay(1)
    clearInterval(interval)
    const { length } = ran
    await realDelay(30)
    expect(ran).not.toContain('cleared')
    expect(ran.length).toBe(length)
  })
})

describe('until()', () => {
  it('lets as much time pass as a promise needs, and no more', async () => {
    const taken = take()
    const slept = promisify(setTimeout)(90_000, 'value')
    setTimeout(() => undefined, 90_001)
    expect([await taken.until(slept), taken.now]).toEqual(['value', 90_000])
    await expect(taken.until(Promise.reject(new Error('told')))).rejects.toThrow('told')
  })

  it('says so when a promise will not settle', async () => {
    const taken = take()
    const never = new Promise(() => undefined)
    await expect(taken.until(never)).rejects.toThrow('no timer waits')
    setInterval(() => undefined, 1000)
    await expect(taken.until(never, 5000)).rejects.toThrow('within 5000 ms')
  })
})

describe('clients and fake servers under it', () => {
  it('a call that nobody answers fails at its deadline, and not before', async () => {
    const server = kept(await FakeServer.start({ handler: ([name]) => (name === 'GET' ? silence : undefined) }))
    const taken = take()
    const client = kept(createClient({ server: server.address, timeoutMs: 3000, silenceTimeoutMs: 60_000 }))
    await taken.until(client.connect())
    let outcome = 'waits'
    const call = client.execute('GET', ['k']).then(undefined, error => {
      outcome = error.code
    })
    await taken.advance(2990)
    expect(outcome).toBe('waits')
    await taken.advance(60)
    await call
    expect(outcome).toBe('SLOTWISE_TIMEOUT')
  })

  it('a BLPOP waits for as long as it says', async () => {
    const server = kept(await FakeServer.start())
    const taken = take()
    const client = kept(createClient({ server: server.address }))
    const startedAt = taken.now
    const popped = client.execute('BLPOP', ['q', 600]).then(reply => [reply, taken.now - startedAt])
    await taken.advance(599_900)
    await taken.advance(200)
    expect(await popped).toEqual([null, 600_000])
  })

  it.each(['mute', 'frozen'])(
    'a server that is %s is given up after the limit of silence, and dialled again',
    async how => {
      const server = kept(await FakeServer.start())
      const taken = take()
      // An attempt that the mute server has left without an answer takes 5 s, and the pause before the next is up to one.
      const client = kept(createClient({ server: server.address, silenceTimeoutMs: 2000, maxQueueAgeMs: 10_000 }))
      await taken.until(client.execute('PING'))
      if (how === 'mute') server.mute = true
      else server.freeze()
      let outcome = 'waits'
      const call = client.execute('INCR', ['k']).catch(error => {
        outcome = error.code
      })
      await taken.advance(1900)
      expect(outcome).toBe('waits')
      await taken.advance(1000)
      await call
      expect(outcome).toBe('SLOTWISE_CONNECTION_LOST')
      await taken.advance(60_000)
      expect(server.accepted).toBeGreaterThan(2)
      server.mute = false
      server.thaw()
      expect(await taken.until(client.execute('GET', ['k2']))).toBeNull()
      await taken.until(client.close())
    },
  )

  it('the map is compared with the cluster once a minute', async () => {
    const cluster = kept(await FakeCluster.start())
    const taken = take()
    const client = kept(createClient({ cluster: cluster.addresses }))
    await taken.until(client.connect())
    const asked = () => cluster.nodes.reduce((sum, node) => sum + node.count('CLUSTER SLOTS'), 0)
    const before = asked()
    await taken.advance(50_000)
    expect(asked()).toBe(before)
    await taken.advance(600_000)
    expect(asked() - before).toBeGreaterThanOrEqual(9)
    expect(asked() - before).toBeLessThanOrEqual(12)
    await taken.until(client.close())
  })

  it('a look at the topology for another reason puts the periodic one off', async () => {
    const cluster = kept(await FakeCluster.start({ primaries: 2 }))
    const taken = take()
    const client = kept(createClient({ cluster: cluster.addresses }))
    await taken.until(client.connect())
    const before = client.inspect().refreshes
    for (let i = 0; i < 20; i++) {
      cluster.moveSlots(0, 0, cluster.primaries[i % 2 === 0 ? 1 : 0] as FakeCluster['nodes'][0])
      await taken.until(client.execute('GET', [keyInSlot(0)]))
      await taken.advance(40_000)
    }
    expect(client.inspect().redirects.moved).toBe(20)
    // One each; without any it is one a minute.
    expect(client.inspect().refreshes - before).toBe(20)
    await taken.until(client.close())
  })

  it('keys expire', async () => {
    const server = kept(await FakeServer.start())
    const taken = take()
    const client = kept(createClient({ server: server.address }))
    await client.execute('SET', ['k', 'v', 'EX', 3600])
    await taken.advance(3_599_000)
    expect(await client.execute('TTL', ['k'])).toBe(1)
    await taken.advance(1000)
    expect(await client.execute('GET', ['k'])).toBeNull()
  })

  it('shows a failover of 15 s the same way, each of 200 times', async () => {
    const stories = new Set<string>()
    for (let i = 0; i < 200; i++) stories.add(await failoverStory())
    expect([...stories]).toHaveLength(1)
    const [story] = [...stories].map(text => JSON.parse(text) as { at: number; outcome: string }[])
    // Age limit of waiting calls: 5 s by default. Whoever asks late enough is served once the replica has taken over.
    expect(story?.map(({ outcome }) => outcome)).toEqual(['SLOTWISE_QUEUE_EXPIRED', 'SLOTWISE_QUEUE_EXPIRED', 'kept'])
    expect(story?.[0]?.at).toBeGreaterThanOrEqual(5000)
    expect(story?.[0]?.at).toBeLessThan(5200)
    expect(story?.[2]?.at).toBeGreaterThanOrEqual(15_000)
    expect(story?.[2]?.at).toBeLessThan(16_500)
  }, 60_000)
})

/** What three calls make of a primary that is gone for 15 s: called at 0, 7 and 12 s. */
async function failoverStory(): Promise<string> {
  const cluster = await FakeCluster.start()
  const taken = takeOverTime({ seed: 7 })
  const client = createClient({ cluster: cluster.addresses })
  try {
    await taken.until(client.connect())
    await taken.until(client.execute('SET', ['k', 'kept']))
    const failover = cluster.failover(cluster.ownerOf('k') as FakeCluster['nodes'][0], { afterMs: 15_000 })
    const call = () =>
      client.execute('GET', ['k']).then(
        outcome => ({ at: taken.now, outcome }),
        error => ({ at: taken.now, outcome: error.code }),
      )
    const calls = [call()]
    await taken.advance(7000)
    calls.push(call())
    await taken.advance(5000)
    calls.push(call())
    await taken.advance(8000)
    await failover
    return JSON.stringify(await Promise.all(calls))
  } finally {
    await taken.until(client.close())
    taken.release()
    await cluster.close()
  }
}
