// Redlock: version 5 (promises, EVALSHA), and version 4 (callbacks, EVAL).

const Redis = require('ioredis')
const { ask, connection, delay, failure, scenarios, timed } = require('./support.cjs')

const clientsOf = addresses =>
  addresses.map(address => {
    // A server that is down must cost no time: the others decide.
    const options = { ...connection(address), maxRetriesPerRequest: 0, retryStrategy: () => 50 }
    return new Redis(options).on('error', () => undefined)
  })
const ready = clients => Promise.all(clients.map(client => client.ping()))

scenarios({
  async locks(...addresses) {
    const { default: Redlock, ExecutionError, ResourceLockedError } = require('redlock')
    const clients = clientsOf(addresses)
    const redlock = new Redlock(clients, { retryCount: 0, automaticExtensionThreshold: 100 })
    const patient = new Redlock(clients, { retryCount: 100, retryDelay: 20, retryJitter: 5 })

    const lock = await redlock.acquire(['a', 'b'], 5000)
    const ttl = await clients[0].pttl('a')
    const refusal = await failure(() => redlock.acquire(['b', 'c'], 5000))
    const [attempt] = await Promise.all(refusal.attempts)
    const extended = await lock.extend(20_000)
    const extendedTtl = await clients[0].pttl('a')
    await extended.release()
    const released = await clients[0].exists('a', 'b')
    const tooLate = await failure(() => extended.extend(1000))

    const order = []
    const first = await redlock.acquire(['queue'], 5000)
    const second = patient.acquire(['queue'], 5000).then(async held => {
      order.push('second has it')
      await held.release()
    })
    order.push('first lets go')
    await first.release()
    await second

    let signalled = true
    let extensions = 0
    const worth = await redlock.using(['long'], 300, async signal => {
      const before = await clients[0].get('long')
      await delay(500)
      signalled = signal.aborted
      if ((await clients[0].get('long')) === before) extensions++
      return 42
    })
    const afterUsing = await clients[0].exists('long')
    await Promise.all([redlock.quit()])
    return {
      ttlKept: ttl > 4000 && ttl <= 5000,
      refused: refusal instanceof ExecutionError,
      votesAgainst: [...attempt.votesAgainst.values()].map(error => error instanceof ResourceLockedError),
      extended: extendedTtl > 5000,
      released,
      tooLate: tooLate instanceof ExecutionError,
      order,
      worth,
      signalled,
      extensions,
      afterUsing,
    }
  },

  /** Two of three servers decide; the third is down. */
  async quorum(...addresses) {
    const { default: Redlock } = require('redlock')
    const clients = clientsOf(addresses)
    await ready(clients)
    const redlock = new Redlock(clients, { retryCount: 0 })
    const lost = new Promise(resolve => clients[0].once('close', resolve))
    await ask('kill')
    await lost
    let lock
    const acquireMs = await timed(async () => {
      lock = await redlock.acquire(['a'], 5000)
    })
    const [attempt] = await Promise.all(lock.attempts)
    const held = await Promise.all(clients.slice(1).map(client => client.exists('a')))
    await lock.release()
    const votes = { for: attempt.votesFor.size, against: attempt.votesAgainst.size }
    for (const client of clients) client.disconnect()
    return { acquireMs, votes, held }
  },

  async locks4(...addresses) {
    const Redlock = require('redlock4')
    const clients = clientsOf(addresses)
    const redlock = new Redlock(clients, { retryCount: 0 })
    const lock = await redlock.lock('a', 5000)
    const refusal = await failure(() => redlock.lock('a', 5000))
    const extended = await lock.extend(20_000)
    const ttl = await clients[0].pttl('a')
    await extended.unlock()
    const released = await clients[0].exists('a')
    await redlock.quit()
    return { refused: refusal.name, extended: ttl > 5000, released }
  },
})
