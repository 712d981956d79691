// rate-limiter-flexible.

const Redis = require('ioredis')
const {
  RateLimiterMemory,
  RateLimiterRedis,
  RateLimiterRedisNonAtomic,
  RateLimiterUnion,
} = require('rate-limiter-flexible')
const { ask, connection, scenarios, timed, until } = require('./support.cjs')

const seen = ({ consumedPoints, remainingPoints, isFirstInDuration, msBeforeNext }, durationMs) => ({
  consumedPoints,
  remainingPoints,
  isFirstInDuration,
  inTime: msBeforeNext > 0 && msBeforeNext <= durationMs,
})

async function limits(storeClient) {
  const options = { storeClient, points: 3, duration: 60, blockDuration: 120 }
  const limiter = new RateLimiterRedis({ ...options, keyPrefix: 'plain' })
  const rejected = action =>
    action.then(
      () => 'was let through',
      result => result,
    )
  const consumed = []
  for (let n = 0; n < 3; n++) consumed.push(seen(await limiter.consume('guest'), 60_000))
  const refused = seen(await rejected(limiter.consume('guest')), 120_000)
  const blockedTtl = await storeClient.pttl('plain:guest')

  const penalty = await limiter.penalty('other', 2)
  const reward = await limiter.reward('other', 1)
  const got = seen(await limiter.get('other'), 60_000)
  await limiter.block('other', 30)
  const blocked = seen(await rejected(limiter.consume('other')), 120_000)
  const unknown = await limiter.get('nobody')
  const deleted = [await limiter.delete('other'), await limiter.delete('other')]
  const set = await limiter.set('fresh', 2, 0).then(() => storeClient.pttl('plain:fresh'))

  const many = await Promise.allSettled(Array.from({ length: 10 }, () => limiter.consume('crowd')))
  const nonAtomic = new RateLimiterRedisNonAtomic({ ...options, keyPrefix: 'loose' })
  const loose = seen(await nonAtomic.consume('guest', 2), 60_000)
  const hourly = new RateLimiterRedis({ storeClient, points: 1, duration: 3600, keyPrefix: 'hourly' })
  const union = new RateLimiterUnion(nonAtomic, hourly)
  const both = Object.keys(await union.consume('pair')).sort()
  const unionRefused = Object.keys(await rejected(union.consume('pair'))).sort()
  return {
    consumed,
    refused,
    blockedFor: blockedTtl > 60_000 && blockedTtl <= 120_000,
    penalty: penalty.consumedPoints,
    reward: reward.consumedPoints,
    got,
    blocked,
    unknown,
    deleted,
    set,
    letThrough: many.filter(({ status }) => status === 'fulfilled').length,
    loose,
    both,
    unionRefused,
  }
}

scenarios({
  async limits(address) {
    const client = new Redis(connection(address))
    const result = await limits(client)
    await client.quit()
    return result
  },

  async cluster(...addresses) {
    const client = new Redis.Cluster(addresses.map(connection))
    const result = await limits(client)
    await client.quit()
    return result
  },

  /** Redis is down: the insurance counts in its place, at once. */
  async insurance(address) {
    const client = new Redis({
      ...connection(address),
      enableOfflineQueue: false,
      maxRetriesPerRequest: 1,
      retryStrategy: () => 50,
    })
    client.on('error', () => undefined)
    await new Promise(resolve => client.once('ready', resolve))
    const limiter = rejectIfRedisNotReady =>
      new RateLimiterRedis({
        storeClient: client,
        points: 5,
        duration: 60,
        keyPrefix: `insured-${rejectIfRedisNotReady}`,
        rejectIfRedisNotReady,
        insuranceLimiter: new RateLimiterMemory({ points: 2, duration: 60 }),
      })
    const limiters = [limiter(false), limiter(true)]
    const remaining = async () => {
      const results = []
      for (const each of limiters) results.push((await each.consume('guest')).remainingPoints)
      return results
    }
    const withRedis = await remaining()
    const lost = new Promise(resolve => client.once('close', resolve))
    await ask('kill')
    await lost
    let insured
    const insuredMs = await timed(async () => {
      insured = await remaining()
    })
    await ask('restart')
    await until(() => client.status === 'ready', 'the client to be ready')
    const back = await remaining()
    client.disconnect()
    return { withRedis, insured, insuredMs, back }
  },
})
