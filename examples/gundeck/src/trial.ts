// The program for a first look: a Gundeck and a Cannon beside a Redis that is there, and one user whose websocket gets a push.

import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { pino } from 'pino'
import { request } from 'undici'
import { WebSocket } from 'ws'
import { startCannon } from './cannon/cannon.js'
import { resolveConfig } from './config.js'
import { createGundeck } from './gundeck.js'
import { openSlotwise } from './redis/slotwise.js'

const help = `A Gundeck and a Cannon beside a Redis Cluster, and a push through all of it. \`npm run gundeck\` in the repository starts the cluster, too.

  node dist/trial.js --redis HOST:PORT [--port 8086] [--cannon-port 8083] [--once] [--help]

  --once   ends after the push; otherwise Ctrl-C ends it
`

const { values } = parseArgs({
  options: {
    redis: { type: 'string', default: '127.0.0.1:7000' },
    port: { type: 'string', default: '8086' },
    'cannon-port': { type: 'string', default: '8083' },
    once: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h' },
  },
})

const say = (line: string) => process.stdout.write(`${line}\n`)

async function main(): Promise<void> {
  const [host, redisPort] = values.redis.split(':')
  const config = resolveConfig({
    gundeck: { host: '127.0.0.1', port: Number(values.port) },
    redis: { host, port: Number(redisPort), connectionMode: 'cluster', enableTls: false, insecureSkipVerifyTls: false },
    logLevel: 'Warn',
  })
  const { maxQueuedBytes, backgroundTimeoutMs } = config.limits
  const log = pino({ level: config.logLevel })
  const redis = openSlotwise(config.redis, { maxQueuedBytes, maxQueueAgeMs: backgroundTimeoutMs })
  const gundeck = createGundeck({ config, redis, log })
  const gundeckUrl = `http://127.0.0.1:${await gundeck.listen()}`
  const cannon = await startCannon({ gundeckUrl, port: Number(values['cannon-port']), log })
  let ending: Promise<void> | null = null
  const end = (): Promise<void> => {
    ending ??= cannon.close().then(() => gundeck.close())
    return ending
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void end())
  say(`Gundeck: ${gundeckUrl}, Cannon: ${cannon.url}`)

  const user = randomUUID()
  const socket = new WebSocket(`${cannon.url.replace('http', 'ws')}/await`, {
    headers: { 'Z-User': user, 'Z-Connection': 'trial' },
  })
  await once(socket, 'open')
  const presences = `${gundeckUrl}/i/presences/${user}`
  let listed = '[]'
  while (listed === '[]') {
    listed = await (await request(presences)).body.text()
    await delay(20)
  }
  say(`A websocket of user ${user} is registered:\n  ${listed}`)
  const message = once(socket, 'message')
  const push = [{ recipients: [{ user_id: user, route: 'any', clients: [] }], payload: [{ hello: 'world' }] }]
  const headers = { 'content-type': 'application/json' }
  await request(`${gundeckUrl}/i/push/v2`, { method: 'POST', headers, body: JSON.stringify(push) })
  say(`Pushed, and received by the websocket:\n  ${(await message)[0]}`)
  if (values.once) {
    socket.close()
    await end()
    return
  }
  say(`Try: curl ${presences}; curl ${gundeckUrl}/i/ready; curl ${gundeckUrl}/i/metrics\nCtrl-C ends it.`)
}

if (values.help === true) process.stdout.write(help)
else await main()
