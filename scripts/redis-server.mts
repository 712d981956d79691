// redis-server: finds the server program, and installs Debian's package where it is missing and that is allowed.

import { execFile, spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const advice =
  'redis-server not found: install it (apt-get install redis-server, brew install redis) or name one with REDIS_SERVER=/path/to/redis-server'

export interface FindOptions {
  /** Whether a missing server may be installed. */
  install: boolean
  /** Takes one line of progress at a time. */
  log(line: string): void
}

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

async function find({ install, log }: FindOptions): Promise<string> {
  const named = process.env.REDIS_SERVER
  if (named !== undefined && named !== '') {
    if (!isExecutable(named)) throw new Error('REDIS_SERVER names no program that can be executed')
    return named
  }
  const found = findOnPath('redis-server')
  if (found !== null) return found
  if (!install || findOnPath('apt-get') === null) throw new Error(advice)
  const prefix = await rootPrefix()
  if (prefix === null) throw new Error(advice)
  log('redis-server is missing: installing Debian’s package with apt-get …')
  await apt(prefix, ['update'], log)
  await apt(prefix, ['install', '-y', '--no-install-recommends', 'redis-server'], log)
  const installed = findOnPath('redis-server')
  if (installed === null) throw new Error(advice)
  log(`Installed ${installed}`)
  return installed
}

/** The version a server program reports, such as `7.0.15`. */
export async function redisServerVersion(path: string): Promise<string> {
  const { stdout } = await run(path, ['--version'])
  return /v=(\S+)/.exec(stdout)?.[1] ?? 'unknown'
}

/** The path of a program; null when there is none. */
export function findOnPath(program: string): string | null {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/bin', '/usr/local/bin', '/usr/sbin']
  for (const folder of folders) {
    const path = join(folder, program)
    if (folder !== '' && isExecutable(path)) return path
  }
  return null
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** How to run a command as root: directly, through sudo without a password, or not at all. */
async function rootPrefix(): Promise<string[] | null> {
  if (process.getuid?.() === 0) return []
  try {
    await run('sudo', ['-n', 'true'])
    return ['sudo', '-n']
  } catch {
    return null
  }
}

async function apt(prefix: string[], args: string[], log: (line: string) => void): Promise<void> {
  const command = [...prefix, 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', '-q', ...args]
  const child = spawn(command[0] as string, command.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] })
  const startedAt = performance.now()
  const ticker = setInterval(
    () => log(`  apt-get ${args[0]}: ${((performance.now() - startedAt) / 1000).toFixed(0)} s`),
    2000,
  )
  let errors = ''
  child.stderr.on('data', chunk => {
    errors = (errors + chunk).slice(-500)
  })
  child.stdout.resume()
  const code = await new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve))
  clearInterval(ticker)
  if (code !== 0) throw new Error(`apt-get ${args[0]} failed (${errors.trim().split('\n').at(-1) ?? code}); ${advice}`)
}
