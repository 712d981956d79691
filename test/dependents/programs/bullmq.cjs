// BullMQ. Scenarios take the name of the package (two major versions), then addresses.

const Redis = require('ioredis')
const { ask, connection, failure, scenarios, timed, until } = require('./support.cjs')

const quiet = worker => worker.on('error', () => undefined)
const completed = (worker, count) =>
  new Promise(resolve => {
    let seen = 0
    worker.on('completed', () => ++seen === count && resolve())
  })

/** Closes all, and says how long each took. */
async function closing(parts) {
  const took = {}
  for (const [name, part] of Object.entries(parts)) took[name] = await timed(() => part.close())
  return took
}

async function jobs(bullmq, options, count) {
  const { Queue, QueueEvents, Worker } = bullmq
  const queue = new Queue('jobs', options)
  const events = new QueueEvents('jobs', options)
  await events.waitUntilReady()
  const told = { completed: 0, failed: 0, progress: 0 }
  for (const name of Object.keys(told)) events.on(name, () => told[name]++)

  let running = 0
  let mostRunning = 0
  const worker = new Worker(
    'jobs',
    async job => {
      mostRunning = Math.max(mostRunning, ++running)
      try {
        if (job.name === 'unlucky' && job.attemptsMade < 2) throw new Error(`attempt ${job.attemptsMade}`)
        if (job.name === 'doomed') throw new Error('no chance')
        if (job.name === 'reporting') await job.updateProgress({ percent: 50 })
        await new Promise(setImmediate)
        return job.data.n * 2
      } finally {
        running--
      }
    },
    { ...options, concurrency: 10 },
  )
  await worker.waitUntilReady()
  const workers = (await queue.getWorkers()).length
  const done = completed(worker, count)
  const half = Math.floor(count / 2)
  await queue.addBulk(Array.from({ length: half }, (_, n) => ({ name: 'one of many', data: { n } })))
  for (let n = half; n < count; n++) await queue.add('one', { n })
  await done

  const delayed = await queue.add('delayed', { n: 100 }, { delay: 300 })
  const isDelayed = await delayed.isDelayed()
  const delayedResult = await delayed.waitUntilFinished(events, 10_000)
  const afterwards = await queue.getJob(delayed.id)

  const backoff = { type: 'exponential', delay: 20 }
  const unlucky = await queue.add('unlucky', { n: 7 }, { attempts: 3, backoff })
  const unluckyResult = await unlucky.waitUntilFinished(events, 10_000)
  const doomed = await queue.add('doomed', { n: 8 }, { attempts: 2, backoff })
  const doomedError = await failure(() => doomed.waitUntilFinished(events, 10_000))
  const reporting = await queue.add('reporting', { n: 9 })
  await reporting.waitUntilFinished(events, 10_000)
  await until(() => told.completed === count + 3, 'all events')

  const result = {
    workers,
    concurrent: mostRunning > 1 && mostRunning <= 10,
    isDelayed,
    delayedResult,
    // The server's clock and the process's are one; the timer may be a millisecond early.
    delayKept: afterwards.processedOn - afterwards.timestamp >= 299,
    unluckyResult,
    unluckyAttempts: (await queue.getJob(unlucky.id)).attemptsMade,
    doomedReason: doomedError.message,
    doomedAttempts: (await queue.getJob(doomed.id)).attemptsMade,
    progress: (await queue.getJob(reporting.id)).progress,
    told,
    counts: await queue.getJobCounts('completed', 'failed', 'waiting', 'active', 'delayed'),
    sum: (await queue.getCompleted(0, -1)).reduce((sum, job) => sum + job.returnvalue, 0),
  }
  return { ...result, closing: await closing({ worker, events, queue }) }
}

async function flow(bullmq, options) {
  const { FlowProducer, QueueEvents, Worker } = bullmq
  const producer = new FlowProducer(options)
  const events = new QueueEvents('parents', options)
  await events.waitUntilReady()
  const children = new Worker('children', async job => job.data.n * 10, options)
  const parents = new Worker(
    'parents',
    async job => Object.values(await job.getChildrenValues()).reduce((sum, n) => sum + n, 0),
    options,
  )
  const tree = await producer.add({
    name: 'parent',
    queueName: 'parents',
    children: [1, 2, 3].map(n => ({ name: 'child', queueName: 'children', data: { n } })),
  })
  const value = await tree.job.waitUntilFinished(events, 10_000)
  return { children: tree.children.length, value, closing: await closing({ parents, children, events, producer }) }
}

const onServer = address => ({ connection: connection(address) })

function onCluster(addresses) {
  const nodes = addresses.map(connection)
  const cluster = new Redis.Cluster(nodes, { redisOptions: { maxRetriesPerRequest: null } })
  return { cluster, options: { connection: cluster, prefix: '{b}' } }
}

scenarios({
  jobs: (name, address) => jobs(require(name), onServer(address), 200),
  flow: (name, address) => flow(require(name), onServer(address)),

  async scheduler(name, address) {
    const { Queue, Worker } = require(name)
    const queue = new Queue('ticks', onServer(address))
    const worker = new Worker('ticks', async job => job.data.n, onServer(address))
    const three = completed(worker, 3)
    await queue.upsertJobScheduler('tick', { every: 50 }, { name: 'tick', data: { n: 1 } })
    await queue.upsertJobScheduler('nightly', { pattern: '0 3 * * *', tz: 'UTC' })
    const listed = (await queue.getJobSchedulers()).map(({ key }) => key).sort()
    await three
    const removed = [await queue.removeJobScheduler('tick'), await queue.removeJobScheduler('nightly')]
    const left = await queue.getJobSchedulersCount()
    return { listed, removed, left, closing: await closing({ worker, queue }) }
  },

  /** One client for all that does not block, made by the user. */
  async shared(name, address) {
    const { Queue, Worker } = require(name)
    const client = new Redis({ ...connection(address), maxRetriesPerRequest: null })
    const queue = new Queue('shared', { connection: client })
    await queue.pause()
    const order = []
    const worker = new Worker('shared', async job => order.push(job.name), { connection: client })
    const done = completed(worker, 3)
    await queue.add('last', {})
    await queue.add('first', {}, { priority: 1 })
    await queue.add('second', {}, { priority: 2 })
    const paused = await queue.isPaused()
    await queue.resume()
    await done
    const cleaned = (await queue.clean(0, 100, 'completed')).length
    const stillOpen = await timed(() => worker.close())
    await queue.obliterate({ force: true })
    await queue.close()
    const status = client.status
    const keys = await client.keys('*')
    await client.quit()
    return { paused, order, cleaned, status, keys, closing: { worker: stillOpen } }
  },

  /** The server goes away while a worker waits, and comes back with nothing in memory, scripts neither. */
  async restart(name, address) {
    const { Queue, Worker } = require(name)
    const queue = quiet(new Queue('patient', onServer(address)))
    const worker = quiet(new Worker('patient', async job => job.data.n + 1, onServer(address)))
    await queue.add('before', { n: 1 })
    const before = await new Promise(resolve => worker.once('completed', (_, value) => resolve(value)))
    const lost = Promise.all([queue, worker].map(each => new Promise(resolve => each.once('ioredis:close', resolve))))
    await ask('kill')
    await lost
    const next = new Promise(resolve => worker.once('completed', (_, value) => resolve(value)))
    const added = queue.add('after', { n: 2 })
    await ask('restart')
    await added
    const after = await next
    return { before, after, closing: await closing({ worker, queue }) }
  },

  async cluster(name, ...addresses) {
    const { cluster, options } = onCluster(addresses)
    const done = await jobs(require(name), options, 50)
    const flowed = await flow(require(name), options)
    const status = cluster.status
    await cluster.quit()
    return { ...done, flowed, status }
  },

  /** One node of the cluster goes away and comes back while a worker waits on it. */
  async clusterRestart(name, ...addresses) {
    const { Queue, Worker } = require(name)
    const { cluster, options } = onCluster(addresses)
    cluster.on('error', () => undefined)
    const queue = quiet(new Queue('patient', options))
    const worker = quiet(new Worker('patient', async job => job.data.n + 1, { ...options, runRetryDelay: 200 }))
    await queue.add('before', { n: 1 })
    const before = await new Promise(resolve => worker.once('completed', (_, value) => resolve(value)))
    await ask('restart')
    const next = new Promise(resolve => worker.once('completed', (_, value) => resolve(value)))
    await queue.add('after', { n: 2 })
    const after = await next
    const closed = await closing({ worker, queue })
    await cluster.quit()
    return { before, after, closing: closed }
  },
})
