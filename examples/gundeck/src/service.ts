// Service: a Gundeck as a process: configuration, signals, exit code.

import { parseArgs } from 'node:util'
import { pino } from 'pino'
import { type Config, ConfigError, loadConfig } from './config.js'
import { createGundeck } from './gundeck.js'
import type { RedisPort, RedisTarget } from './redis/port.js'

export type OpenRedis = (target: RedisTarget, limits: Config['limits']) => RedisPort

const help = `A push service after Wire's Gundeck, the part that uses Redis.

  npm start -- --config gundeck.yaml

  --config FILE   YAML, with the original's keys: see gundeck.yaml
  --help

Credentials come from the environment: REDIS_USERNAME, REDIS_PASSWORD, REDIS_ADDITIONAL_WRITE_USERNAME,
REDIS_ADDITIONAL_WRITE_PASSWORD. SIGTERM and SIGINT end it: open requests are answered, pushes are given limits.shutdownGraceMs;
a second signal ends it at once.
`

/** Runs until a signal comes. Says what is wrong on stderr, with exit code 1, when it cannot start. */
export async function runGundeck(args: readonly string[], openRedis: OpenRedis): Promise<void> {
  let config: Config
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { config: { type: 'string', short: 'c' }, help: { type: 'boolean', short: 'h' } },
    })
    if (values.help === true) {
      process.stdout.write(help)
      return
    }
    if (values.config === undefined) throw new ConfigError('--config FILE is needed; --help tells more')
    config = loadConfig(values.config)
  } catch (error) {
    process.stderr.write(`gundeck: ${(error as Error).message}\n`)
    process.exitCode = 1
    return
  }
  const log = pino({ level: config.logLevel })
  if (config.ignored.length > 0) log.warn({ keys: config.ignored }, 'configuration that is not used here')
  log.warn('notifications are kept in memory only, and native pushes are not sent: see the README, "Stand-ins"')
  const { redis, redisAdditionalWrite, limits } = config
  const gundeck = createGundeck({
    config,
    redis: openRedis(redis, limits),
    additionalRedis: redisAdditionalWrite === null ? null : openRedis(redisAdditionalWrite, limits),
    log,
    processMetrics: true,
  })
  const end = async (signal: NodeJS.Signals) => {
    log.info({ signal }, 'ending')
    await gundeck.close()
    log.info('ended')
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      process.once(signal, () => process.exit(1))
      void end(signal).then(() => process.exit(0))
    })
  }
  try {
    await gundeck.listen()
  } catch (error) {
    process.stderr.write(`gundeck: ${(error as Error).message}\n`)
    process.exitCode = 1
    await gundeck.close()
  }
}
