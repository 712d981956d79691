// ExamplePackages: installs what an example needs, and compiles it. The package itself needs none of that, so nobody has it unasked.

import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

/** The folder of an example that is a package of its own. This program is two folders below the repository's. */
export function exampleFolder(name: string): string {
  return resolve(fileURLToPath(import.meta.url), `../../../examples/${name}`)
}

/** What is compiled of an example. Paths from its folder. */
export interface Project {
  /** Folder with tsconfig.json. */
  path: string
  sources: readonly string[]
  /** One of the files that the compiler writes. */
  compiled: string
}

const service: Project = { path: '.', sources: ['src'], compiled: 'dist/index.js' }

/** The outage lab of examples/gundeck, with what it uses of this folder. */
export const labProject: Project = {
  path: 'lab',
  sources: ['src', 'lab', '../../scripts'],
  compiled: 'dist/lab/examples/gundeck/lab/main.mjs',
}

/**
 * Installs the packages of an example where that has not been done since its package.json changed, and compiles it.
 * @param folder with package.json
 * @param log takes one line of progress at a time
 * @param project what is to be compiled
 * @throws Error with what npm or tsc said last
 */
export async function prepareExample(folder: string, log: (line: string) => void, project = service): Promise<void> {
  // Two programs may want it at the same time.
  const lock = join(folder, '.preparing')
  const unlock = await takeLock(lock)
  try {
    const installed = join(folder, 'node_modules/.package-lock.json')
    if (!existsSync(installed) || modifiedAt(installed) < modifiedAt(join(folder, 'package.json'))) {
      log(`installing the packages of ${folder} …`)
      await run('npm', ['install', '--no-audit', '--no-fund'], folder, log)
    }
    // Left alone where it is new: somebody may be running it.
    if (isOutdated(folder, project)) {
      await run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', project.path], folder, log)
    }
  } finally {
    unlock()
  }
}

/** Whether some source is newer than the last compilation, which writes every file. */
function isOutdated(folder: string, { sources, compiled: file }: Project): boolean {
  const compiled = join(folder, file)
  if (!existsSync(compiled)) return true
  const files = sources.flatMap(source => readdirSync(join(folder, source), { recursive: true, withFileTypes: true }))
  const newest = Math.max(...files.filter(one => one.isFile()).map(one => modifiedAt(join(one.parentPath, one.name))))
  return modifiedAt(compiled) < newest
}

function modifiedAt(path: string): number {
  return statSync(path).mtimeMs
}

/** A file with the process id of whoever holds it; a holder that has died does not count. */
async function takeLock(path: string): Promise<() => void> {
  for (;;) {
    try {
      writeFileSync(path, String(process.pid), { flag: 'wx' })
      return () => rmSync(path, { force: true })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    if (!isHeld(path)) rmSync(path, { force: true })
    await delay(100)
  }
}

function isHeld(path: string): boolean {
  try {
    const holder = Number(readFileSync(path, 'utf8'))
    // Written a moment after it was made.
    if (holder === 0) return Date.now() - modifiedAt(path) < 1000
    process.kill(holder, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

async function run(command: string, args: string[], cwd: string, log: (line: string) => void): Promise<void> {
  const child: ChildProcess = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  const startedAt = performance.now()
  const ticker = setInterval(() => {
    log(`  ${command === 'npm' ? 'npm install' : 'tsc'}: ${((performance.now() - startedAt) / 1000).toFixed(0)} s`)
  }, 2000)
  let said = ''
  const keep = (chunk: Buffer) => {
    said = (said + chunk).slice(-4000)
  }
  child.stdout?.on('data', keep)
  child.stderr?.on('data', keep)
  const code = await new Promise<number | null>((done, fail) => child.on('error', fail).on('close', done))
  clearInterval(ticker)
  if (code !== 0) throw new Error(`${command} ${args[0]} failed in ${cwd}:\n${said.trim()}`)
}
