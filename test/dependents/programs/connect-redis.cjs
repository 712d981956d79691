// connect-redis: sessions of an Express application.

const { once } = require('node:events')
const http = require('node:http')
const Redis = require('ioredis')
const express = require('express')
const session = require('express-session')
const { RedisStore } = require('connect-redis')
const { connection, scenarios } = require('./support.cjs')

function application(store) {
  const app = express()
  app.use(session({ store, secret: 'test', resave: false, saveUninitialized: false, cookie: { maxAge: 600_000 } }))
  app.get('/visit', (request, response) => {
    request.session.visits = (request.session.visits ?? 0) + 1
    response.json({ visits: request.session.visits })
  })
  app.get('/leave', (request, response, next) => {
    request.session.destroy(error => (error ? next(error) : response.json({ left: true })))
  })
  return app
}

/** A browser: it keeps its cookie. */
function browser(port) {
  let cookie
  return path =>
    new Promise((resolve, reject) => {
      const headers = { connection: 'close', ...(cookie === undefined ? {} : { cookie }) }
      http
        .get({ port, path, headers }, async response => {
          cookie = response.headers['set-cookie']?.[0].split(';')[0] ?? cookie
          const chunks = []
          for await (const chunk of response) chunks.push(chunk)
          resolve(JSON.parse(Buffer.concat(chunks).toString()))
        })
        .on('error', reject)
    })
}

async function sessions(client) {
  const store = new RedisStore({ client, prefix: 'visitor:', scanCount: 2 })
  const server = application(store).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  const alice = browser(port)
  const bob = browser(port)
  const visits = [await alice('/visit'), await alice('/visit'), await bob('/visit')].map(each => each.visits)
  const [id] = await store.ids()
  const ttl = await client.ttl(`visitor:${id}`)
  await client.expire(`visitor:${id}`, 10)
  await store.touch(id, await store.get(id))
  const touchedTtl = await client.ttl(`visitor:${id}`)
  const before = await store.length()
  await alice('/leave')
  const after = await store.all()
  const again = (await alice('/visit')).visits
  // More than one SCAN.
  for (let n = 0; n < 20; n++) await store.set(`made-up-${n}`, { cookie: {}, n })
  const many = await store.length()
  await store.clear()
  const cleared = await store.length()
  const gone = await store.get('made-up-1')
  server.close()
  await once(server, 'close')
  return {
    visits,
    ttlKept: ttl > 590 && ttl <= 600,
    touched: touchedTtl > 590,
    before,
    after: after.map(each => each.visits),
    again,
    many,
    cleared,
    gone,
  }
}

scenarios({
  async sessions(address) {
    const client = new Redis(connection(address))
    const result = await sessions(client)
    await client.quit()
    return result
  },
})
