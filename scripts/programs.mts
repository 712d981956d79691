// Programs: finds what scripts run, and installs Debian's package where it is missing and that is allowed.

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

/**
 * The path of a program: the one on PATH, else one freshly installed through apt-get.
 * @param advice how to get it by hand; what the error says
 * @throws Error with one line
 */
export async function findProgram(
  program: string,
  debianPackage: string,
  advice: string,
  { install, log }: FindOptions,
): Promise<string> {
  const found = findOnPath(program)
  if (found !== null) return found
  if (!install || findOnPath('apt-get') === null) throw new Error(advice)
  const prefix = await rootPrefix()
  if (prefix === null) throw new Error(advice)
  log(`${program} is missing: installing Debian’s package ${debianPackage} with apt-get …`)
  await apt(prefix, ['update'], advice, log)
  await apt(prefix, ['install', '-y', '--no-install-recommends', debianPackage], advice, log)
  const installed = findOnPath(program)
  if (installed === null) throw new Error(advice)
  log(`Installed ${installed}`)
  return installed
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

async function apt(prefix: string[], args: string[], advice: string, log: (line: string) => void): Promise<void> {
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
