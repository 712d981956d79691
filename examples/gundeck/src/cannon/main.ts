// The program: a Cannon for trials.

import { parseArgs } from 'node:util'
import { pino } from 'pino'
import { startCannon } from './cannon.js'

const help = `A websocket server that registers its clients with a Gundeck, and takes its bulk pushes.

  npm run cannon -- --gundeck http://127.0.0.1:8086 [--host 127.0.0.1] [--port 8083] [--external-host NAME] [--help]

A client connects to ws://HOST:PORT/await with the headers Z-User (a UUID) and Z-Connection.
`

const { values } = parseArgs({
  options: {
    gundeck: { type: 'string', default: 'http://127.0.0.1:8086' },
    host: { type: 'string', default: '127.0.0.1' },
    port: { type: 'string', default: '8083' },
    'external-host': { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  },
})
if (values.help === true) {
  process.stdout.write(help)
} else {
  const log = pino()
  const external = values['external-host']
  const cannon = await startCannon({
    gundeckUrl: values.gundeck,
    host: values.host,
    port: Number(values.port),
    ...(external !== undefined && { externalHost: external }),
    log,
  })
  log.info({ url: cannon.url, gundeck: values.gundeck }, 'listening')
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      process.once(signal, () => process.exit(1))
      void cannon.close().then(() => process.exit(0))
    })
  }
}
