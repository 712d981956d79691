// redis-server: finds the server program, and installs Debian's package where it is missing and that is allowed.

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { type FindOptions, findProgram } from './programs.mjs'

const run = promisify(execFile)

/**
 * The path of redis-server: REDIS_SERVER, else the one on PATH, else one freshly installed through apt-get.
 * @throws Error with one line that says how to get one
 */
export function findRedisServer(options: FindOptions): Promise<string> {
  const advice =
    'install it (apt-get install redis-server, brew install redis) or name one with REDIS_SERVER=/path/to/redis-server'
  return findProgram({ names: ['redis-server'], package: 'redis-server', variable: 'REDIS_SERVER', advice }, options)
}

/** The version a server program reports, such as `7.0.15`. */
export async function redisServerVersion(path: string): Promise<string> {
  const { stdout } = await run(path, ['--version'])
  return /v=(\S+)/.exec(stdout)?.[1] ?? 'unknown'
}
