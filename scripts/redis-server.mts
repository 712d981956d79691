// redis-server: finds the server program, and installs Debian's package where it is missing and that is allowed.

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { type FindOptions, findProgram, isExecutable } from './programs.mjs'

const run = promisify(execFile)
const advice =
  'redis-server not found: install it (apt-get install redis-server, brew install redis) or name one with REDIS_SERVER=/path/to/redis-server'

/**
 * The path of redis-server: REDIS_SERVER, else the one on PATH, else one freshly installed through apt-get.
 * @throws Error with one line that says how to get one
 */
export function findRedisServer(options: FindOptions): Promise<string> {
  if (!options.install) return find(options)
  // The nodes of a cluster start together: one of them installs, the others wait for it.
  searching ??= find(options).finally(() => {
    searching = null
  })
  return searching
}

let searching: Promise<string> | null = null

async function find(options: FindOptions): Promise<string> {
  const named = process.env.REDIS_SERVER
  if (named === undefined || named === '') return findProgram('redis-server', 'redis-server', advice, options)
  if (!isExecutable(named)) throw new Error('REDIS_SERVER names no program that can be executed')
  return named
}

/** The version a server program reports, such as `7.0.15`. */
export async function redisServerVersion(path: string): Promise<string> {
  const { stdout } = await run(path, ['--version'])
  return /v=(\S+)/.exec(stdout)?.[1] ?? 'unknown'
}
