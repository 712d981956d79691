// Packed: the package under test as its users get it. `npm pack` makes the tarball, `npm install` puts it into folders of its own.
// SLOTWISE_COMPAT=ioredis packs the released ioredis instead: what these tests say of slotwise must hold of ioredis first.

import { execFile } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
export const root = fileURLToPath(new URL('../../../', import.meta.url))

/** The part of a package.json that matters here. */
export interface Manifest {
  name: string
  version: string
  dependencies?: Record<string, string>
  engines?: Record<string, string>
}

export interface Packed {
  readonly name: 'ioredis' | 'slotwise'
  readonly manifest: Manifest
  /** Path of the tarball. */
  readonly tarball: string
  /** What the tarball holds, relative to the package. */
  readonly files: readonly string[]
}

export function readJson<Content>(file: string): Content {
  return JSON.parse(readFileSync(file, 'utf8')) as Content
}

export async function npm(cwd: string, ...args: string[]): Promise<string> {
  try {
    return (await run('npm', args, { cwd, maxBuffer: 1e8, timeout: 240_000 })).stdout
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string }
    throw new Error(`npm ${args.join(' ')} failed in ${cwd}\n${stderr}\n${stdout}`, { cause: error })
  }
}

/** Packs what `npm run build` has built. */
export async function pack(into: string): Promise<Packed> {
  const name = process.env.SLOTWISE_COMPAT === 'ioredis' ? 'ioredis' : 'slotwise'
  const source = name === 'slotwise' ? root : join(root, 'node_modules/ioredis')
  const manifest = readJson<Manifest & { main: string }>(join(source, 'package.json'))
  if (!existsSync(join(source, manifest.main))) throw new Error(`${source}: not built. Run npm run build first.`)
  mkdirSync(into, { recursive: true })
  const said = await npm(source, 'pack', '--ignore-scripts', '--json', '--loglevel=error', `--pack-destination=${into}`)
  const [{ filename, files }] = JSON.parse(said) as [{ filename: string; files: { path: string }[] }]
  return { name, manifest, tarball: join(into, filename), files: files.map(({ path }) => path) }
}

/** Installs what the folder's package.json names. */
export async function install(folder: string, ...flags: string[]): Promise<void> {
  await npm(
    folder,
    'install',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--prefer-offline',
    '--loglevel=error',
    ...flags,
  )
}

const installFolder = join(root, 'test/dependents/install')

interface Lock {
  packages: Record<string, { version?: string }>
}

/**
 * A folder with all dependents, where `ioredis` is the package under test, and with the programs that use them. Versions below those are
 * locked; SLOTWISE_LOCK=write resolves them anew, and writes the lock file.
 */
export async function installDependents(folder: string, packed: Packed): Promise<void> {
  const lockFile = join(folder, 'package-lock.json')
  const kept = join(installFolder, 'package-lock.json')
  const writeLock = process.env.SLOTWISE_LOCK === 'write'
  mkdirSync(folder)
  cpSync(join(installFolder, 'package.json'), join(folder, 'package.json'))
  cpSync(packed.tarball, join(folder, 'ioredis.tgz'))
  cpSync(join(root, 'test/dependents/programs'), join(folder, 'programs'), { recursive: true })
  if (!writeLock) writeLockFor(packed, kept, lockFile)
  await install(folder)
  if (writeLock) writeLockFor(null, lockFile, kept)
}

/** The lock file with the package under test; with none, as it is kept: the tarball is another one after every build. */
function writeLockFor(packed: Packed | null, from: string, to: string): void {
  const lock = readJson<Lock>(from)
  const { name = 'slotwise', manifest } = packed ?? {}
  const { version = '0.0.0', dependencies = {}, engines = {} } = manifest ?? {}
  lock.packages['node_modules/ioredis'] = {
    name,
    version,
    resolved: 'file:ioredis.tgz',
    ...(packed === null ? {} : { dependencies, engines }),
  } as Lock['packages'][string]
  writeFileSync(to, `${JSON.stringify(lock, null, 2)}\n`)
}
