// @fastify/redis: the plugin that gives a Fastify application its client.

const Redis = require('ioredis')
const fastify = require('fastify')
const plugin = require('@fastify/redis')
const { connection, failure, scenarios } = require('./support.cjs')

const end = client => new Promise(resolve => client.once('end', resolve))

function application() {
  const app = fastify()
  app.get('/:key', async ({ params: { key } }) => ({ value: await app.redis.get(key) }))
  app.put('/:key', async ({ params: { key }, body }) => ({ answer: await app.redis.set(key, body.value) }))
  return app
}

scenarios({
  async plugin(address) {
    const app = application()
    await app.register(plugin, connection(address))
    await app.ready()
    const isRedis = app.redis instanceof Redis
    const put = (await app.inject({ method: 'PUT', url: '/a', payload: { value: 'b' } })).json()
    const got = (await app.inject('/a')).json()
    const other = fastify()
    other.register(plugin, connection(address)).register(plugin, connection(address))
    const twice = await failure(() => other.ready())
    await other.close()
    const client = app.redis
    const ended = end(client)
    await app.close()
    await ended
    return { isRedis, put, got, tag: app.redis.options.clientInfoTag, twice: twice.message, status: client.status }
  },

  async namespaces(address) {
    const app = fastify()
    await app.register(plugin, { namespace: 'one', url: `redis://${address}/1` })
    await app.register(plugin, { namespace: 'two', ...connection(address), db: 2, keyPrefix: 'two:' })
    await app.ready()
    const { one, two } = app.redis
    await one.set('a', 'first')
    await two.set('a', 'second')
    const values = [await one.get('a'), await two.get('a')]
    const sizes = [await one.dbsize(), await two.dbsize()]
    const keys = await two.keys('*')
    const ended = Promise.all([one, two].map(end))
    await app.close()
    await ended
    return { values, sizes, keys }
  },

  /** A client of the user's own is closed only if asked for. */
  async ownClient(address) {
    const kept = new Redis(connection(address))
    const closed = new Redis(connection(address))
    const app = fastify()
    await app.register(plugin, { namespace: 'kept', client: kept })
    await app.register(plugin, { namespace: 'closed', client: closed, closeClient: true })
    await app.ready()
    const same = app.redis.kept === kept
    const ended = end(closed)
    await app.close()
    await ended
    const statuses = [kept.status, closed.status]
    await kept.quit()
    return { same, statuses }
  },

  /** Replies that are errors end the start of the application. */
  async refused(address) {
    const app = fastify()
    app.register(plugin, { ...connection(address), password: 'wrong', retryStrategy: () => null })
    const error = await failure(() => app.ready())
    await app.close().catch(() => undefined)
    return { message: error.message }
  },
})
