// Bull, the predecessor of BullMQ.

const Redis = require('ioredis')
const Queue = require('bull')
const { ask, connection, scenarios, timed, until } = require('./support.cjs')

const event = (emitter, name) => new Promise(resolve => emitter.once(name, (...args) => resolve(args)))

async function jobs(options) {
  const queue = new Queue('jobs', options)
  await queue.isReady()
  let running = 0
  let mostRunning = 0
  let told = 0
  queue.on('global:completed', () => told++)
  queue.process('*', 10, async job => {
    mostRunning = Math.max(mostRunning, ++running)
    await new Promise(setImmediate)
    running--
    if (job.name === 'unlucky' && job.attemptsMade < 2) throw new Error(`attempt ${job.attemptsMade}`)
    if (job.name === 'doomed') throw new Error('no chance')
    return job.data.n * 2
  })
  await queue.addBulk(Array.from({ length: 100 }, (_, n) => ({ name: 'one of many', data: { n } })))
  const single = []
  for (let n = 100; n < 200; n++) single.push(await queue.add('one', { n }))
  const values = await Promise.all(single.map(job => job.finished()))
  await until(() => told === 200, 'all events')

  const delayed = await queue.add('delayed', { n: 100 }, { delay: 300 })
  const delayedResult = await delayed.finished()
  const { processedOn, timestamp } = await queue.getJob(delayed.id)
  const unlucky = await queue.add('unlucky', { n: 7 }, { attempts: 3, backoff: 20 })
  const unluckyResult = await unlucky.finished()
  const doomed = await queue.add('doomed', { n: 8 })
  const doomedReason = await doomed.finished().catch(error => error.message)
  const result = {
    concurrent: mostRunning > 1 && mostRunning <= 10,
    sum: values.reduce((sum, n) => sum + n, 0),
    delayedResult,
    delayKept: processedOn - timestamp >= 299,
    unluckyResult,
    doomedReason,
    counts: await queue.getJobCounts(),
    workers: (await queue.getWorkers()).length,
  }
  return { queue, result }
}

scenarios({
  async jobs(address) {
    const { queue, result } = await jobs({ redis: connection(address) })
    return { ...result, closing: { queue: await timed(() => queue.close()) } }
  },

  /** Clients made by the user, as Bull's documentation tells to. */
  async reuse(address) {
    const client = new Redis(connection(address))
    const subscriber = new Redis({ ...connection(address), maxRetriesPerRequest: null, enableReadyCheck: false })
    let blocking
    const createClient = (type, options) => {
      if (type === 'client') return client
      if (type === 'subscriber') return subscriber
      return (blocking = new Redis({ ...options, maxRetriesPerRequest: null, enableReadyCheck: false }))
    }
    const { queue, result } = await jobs({ createClient, redis: connection(address) })
    const took = await timed(() => queue.close())
    for (const each of [client, subscriber, blocking]) each.disconnect()
    return { ...result, closing: { queue: took } }
  },

  async repeat(address) {
    const queue = new Queue('ticks', { redis: connection(address) })
    let ticks = 0
    const three = new Promise(resolve => queue.process(async () => ++ticks === 3 && resolve()))
    await queue.add({}, { repeat: { every: 50 }, jobId: 'tick' })
    const listed = (await queue.getRepeatableJobs()).length
    await three
    for (const { key } of await queue.getRepeatableJobs()) await queue.removeRepeatableByKey(key)
    const left = (await queue.getRepeatableJobs()).length
    return { listed, left, closing: { queue: await timed(() => queue.close()) } }
  },

  async restart(address) {
    const queue = new Queue('patient', { redis: connection(address), settings: { retryProcessDelay: 200 } })
    queue.on('error', () => undefined)
    queue.process(async job => job.data.n + 1)
    const first = event(queue, 'completed')
    await queue.add({ n: 1 })
    const [, before] = await first
    const lost = event(queue.client, 'close')
    await ask('kill')
    await lost
    const second = event(queue, 'completed')
    const added = queue.add({ n: 2 })
    await ask('restart')
    await added
    const [, after] = await second
    return { before, after, closing: { queue: await timed(() => queue.close()) } }
  },
})
