// Config: the YAML file, with the original's keys, and the credentials from the environment. Pure but for reading files.

import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { z } from 'zod'
import type { RedisTarget } from './redis/port.js'
import { describeIssues, integer, optional, withDefault } from './scalars.js'

const port = z.number().int().min(1).max(65_535)

const redis = z.object({
  host: z.string().min(1),
  port,
  connectionMode: z.enum(['master', 'cluster']),
  enableTls: z.boolean(),
  tlsCa: optional(z.string()),
  insecureSkipVerifyTls: z.boolean(),
})

const mebi = 1024 * 1024
const limit = (otherwise: number, max = 86_400_000) => withDefault(integer.pipe(z.number().min(1).max(max)), otherwise)

/** Left out or null: everything in it has its default. */
function section<Schema extends z.ZodType>(schema: Schema) {
  return z.preprocess(value => value ?? {}, schema)
}

const file = z.object({
  gundeck: z.object({ host: z.string().min(1), port: z.number().int().min(0).max(65_535) }),
  redis,
  redisAdditionalWrite: optional(redis),
  settings: section(
    z.object({
      notificationTTL: limit(2_419_200, 2 ** 40),
      perNativePushConcurrency: optional(z.number().int().min(1)),
      maxConcurrentNativePushes: optional(
        z.object({ hard: optional(z.number().int().min(0)), soft: optional(z.number().int().min(0)) }),
      ),
      consumableNotifications: withDefault(z.boolean(), false),
    }),
  ),
  logLevel: withDefault(z.enum(['Trace', 'Debug', 'Info', 'Warn', 'Error', 'Fatal']), 'Info'),
  rabbitmq: z.unknown().optional(),
  cellsEventQueue: z.unknown().optional(),
  /** Not in the original, which has no bounds here. */
  limits: section(
    z.object({
      requestTimeoutMs: limit(5000),
      backgroundTimeoutMs: limit(30_000),
      maxQueuedBytes: limit(32 * mebi, 2 ** 40),
      maxBackgroundPushBytes: limit(64 * mebi, 2 ** 40),
      maxRequestBytes: limit(16 * mebi, 2 ** 30),
      maxStoredNotificationBytes: limit(64 * mebi, 2 ** 40),
      cannonTimeoutMs: limit(3000),
      readinessTimeoutMs: limit(1000),
      shutdownGraceMs: limit(5000),
    }),
  ),
})

type File = z.output<typeof file>

export interface Config {
  host: string
  port: number
  redis: RedisTarget
  redisAdditionalWrite: RedisTarget | null
  settings: File['settings']
  limits: File['limits']
  logLevel: Lowercase<File['logLevel']>
  /** Keys of the file that nothing here reads: of parts that are not ported, or misspelt. */
  ignored: string[]
}

export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/** @throws ConfigError with one line that says what is wrong, and where */
export function loadConfig(path: string, env: NodeJS.ProcessEnv = process.env): Config {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new ConfigError(`${path} cannot be read: ${(error as Error).message}`)
  }
  let content: unknown
  try {
    content = parse(text)
  } catch (error) {
    throw new ConfigError(`${path} is not YAML: ${(error as Error).message.split('\n')[0]}`)
  }
  return resolveConfig(content, env)
}

/** @throws ConfigError */
export function resolveConfig(content: unknown, env: NodeJS.ProcessEnv = process.env): Config {
  const parsed = file.safeParse(content)
  if (!parsed.success) throw new ConfigError(`configuration: ${describeIssues(parsed.error)}`)
  const { gundeck, redis, redisAdditionalWrite, settings, limits, logLevel, ...queues } = parsed.data
  for (const [name, value] of Object.entries(queues)) {
    if (value !== undefined && value !== null)
      throw new ConfigError(`configuration: ${name}: this port publishes to no queue; remove it`)
  }
  if (settings.consumableNotifications) {
    throw new ConfigError(
      'configuration: settings.consumableNotifications: this port publishes to no queue; set it to false',
    )
  }
  return {
    host: gundeck.host,
    port: gundeck.port,
    redis: target('redis', redis, env.REDIS_USERNAME, env.REDIS_PASSWORD),
    redisAdditionalWrite:
      redisAdditionalWrite === undefined
        ? null
        : target(
            'redisAdditionalWrite',
            redisAdditionalWrite,
            env.REDIS_ADDITIONAL_WRITE_USERNAME,
            env.REDIS_ADDITIONAL_WRITE_PASSWORD,
          ),
    settings,
    limits,
    logLevel: logLevel.toLowerCase() as Config['logLevel'],
    ignored: Object.keys(content as object).filter(name => !Object.hasOwn(file.shape, name)),
  }
}

/** Without a password a user name is not used, as in the original. */
function target(
  name: string,
  options: z.output<typeof redis>,
  username: string | undefined,
  password: string | undefined,
): RedisTarget {
  const { host, port, connectionMode, enableTls, tlsCa, insecureSkipVerifyTls } = options
  return {
    host,
    port,
    connectionMode,
    ...(password !== undefined && { password, ...(username !== undefined && { username }) }),
    ...(enableTls && {
      tls: { ...(tlsCa !== undefined && { ca: readCa(name, tlsCa) }), insecureSkipVerify: insecureSkipVerifyTls },
    }),
  }
}

function readCa(name: string, path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new ConfigError(`configuration: ${name}.tlsCa cannot be read: ${(error as Error).message}`)
  }
}
