// Programs: finds what scripts run, and installs its Debian package where it is missing and that is allowed.

import { execFile, spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

export interface FindOptions {
  /** Whether a missing program may be installed. */
  install: boolean
  /** Takes one line of progress at a time. */
  log(line: string): void
}

export interface Wanted {
  /** As on PATH; the first that is there is taken. */
  names: readonly string[]
  /** Debian's package. */
  package: string
  /** Environment variable that may name another one. */
  variable?: string
  /** Ends the sentence “… not found: ”. */
  advice: string
}

const searching = new Map<string, Promise<string>>()

/**
 * The path of a program: the one that the variable names, else the one on PATH, else one freshly installed through apt-get.
 * @throws Error with one line that says how to get one
 */
export function findProgram(wanted: Wanted, options: FindOptions): Promise<string> {
  if (!options.install) return find(wanted, options)
  // Several ask at the same time: one of them installs, the others wait for it.
  let search = searching.get(wanted.package)
  if (search === undefined) {
    search = find(wanted, options).finally(() => searching.delete(wanted.package))
    searching.set(wanted.package, search)
  }
  return search
}

async function find(wanted: Wanted, { install, log }: FindOptions): Promise<string> {
  const named = wanted.variable === undefined ? undefined : process.env[wanted.variable]
  if (named !== undefined && named !== '') {
    if (!isExecutable(named)) throw new Error(`${wanted.variable} names no program that can be executed`)
    return named
  }
  const onPath = () => wanted.names.map(findOnPath).find(path => path !== null) ?? null
  const found = onPath()
  if (found !== null) return found
  const advice = `${wanted.names[0]} not found: ${wanted.advice}`
  if (!install || findOnPath('apt-get') === null) throw new Error(advice)
  const prefix = await rootPrefix()
  if (prefix === null) throw new Error(advice)
  log(`${wanted.names[0]} is missing: installing Debian’s package ${wanted.package} with apt-get …`)
  await apt(prefix, ['update'], log, advice)
  await apt(prefix, ['install', '-y', '--no-install-recommends', wanted.package], log, advice)
  const installed = onPath()
  if (installed === null) throw new Error(advice)
  log(`Installed ${installed}`)
  return installed
}

/** The path of a program; null when there is none. */
export function findOnPath(program: string): string | null {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/bin', '/usr/local/bin', '/usr/sbin', '/sbin']
  for (const folder of folders) {
    const path = join(folder, program)
    if (folder !== '' && isExecutable(path)) return path
  }
  return null
}

export function isExecutable(path: string): boolean {
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

async function apt(prefix: string[], args: string[], log: (line: string) => void, advice: string): Promise<void> {
  // Another program that installs something has the lock for a while.
  const waiting = ['-o', 'DPkg::Lock::Timeout=120']
  const command = [...prefix, 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', '-q', ...waiting, ...args]
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
