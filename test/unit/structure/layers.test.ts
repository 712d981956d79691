import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

const src = resolve(import.meta.dirname, '../../../src')

/** Lower layers first. A file may import from its own layer's folder and from those before it. */
const layers = [
  '.',
  'resp',
  'command',
  'connection',
  'node',
  'topology',
  'routing',
  'batch',
  'pubsub',
  'cache',
  'client',
  'sentinel',
  'core',
  'ioredis',
  'index',
  'built',
  'testing',
]
/** Files beside the folders: the entries stand above every layer, the others below. */
const entries: Record<string, string> = {
  'core.ts': 'core',
  'foundation.ts': 'core',
  'index.ts': 'index',
  'testing.ts': 'testing',
}
const packageImporters: Record<string, string> = {
  'redis-parser': 'resp/resp2-decoder.ts',
  denque: 'connection/call-queue.ts',
  'generic-pool': 'node/lane-pool.ts',
  'lru-cache': 'cache/store.ts',
}
const maxLines = 400

const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter(file => /(?<!\.d)\.ts$/.test(file))

function importsOf(file: string): string[] {
  const text = readFileSync(join(src, file), 'utf8')
  const statements =
    /^(?:import|export)\s+(?:type\s+)?(?:[\w*]+(?:\s+as\s+\w+)?\s*,?\s*)?(?:\{[^}]*\}\s*)?(?:from\s+)?'([^']+)'/gm
  return [...text.matchAll(statements)].map(match => match[1] as string)
}

function localImportsOf(file: string): string[] {
  return importsOf(file)
    .filter(name => name.startsWith('.'))
    .map(name => relative(src, resolve(src, dirname(file), name)).replace(/\.js$/, '.ts'))
}

function rank(file: string): number {
  return layers.indexOf(entries[file] ?? file.replace(/^(?:([^/]+)\/)?.*/, (_, folder) => folder ?? '.'))
}

describe('structure of src', () => {
  it('finds the files', () => {
    expect(files.length).toBeGreaterThan(30)
    expect(localImportsOf('client/engine.ts')).toContain('routing/router.ts')
  })

  it('has every file in a known layer', () => {
    expect(files.filter(file => rank(file) === -1)).toEqual([])
  })

  it('imports downwards only', () => {
    const upward = files.flatMap(file =>
      localImportsOf(file)
        .filter(target => rank(target) > rank(file))
        .map(target => `${file} -> ${target}`),
    )
    expect(upward).toEqual([])
  })

  it('lets the ioredis-shaped API stand on the core, and on nothing else', () => {
    const own = files.filter(file => file.startsWith('ioredis/'))
    const foreign = own.flatMap(file =>
      localImportsOf(file)
        .filter(target => target !== 'core.ts' && dirname(target) !== 'ioredis')
        .map(target => `${file} -> ${target}`),
    )
    expect(own.length).toBeGreaterThan(20)
    expect(foreign).toEqual([])
  })

  it('lets the ioredis-shaped API own no socket, timer or queue', () => {
    const owning =
      /(?<=[ (]|^)(?:setTimeout|setInterval)\((?!ms: )|new (?:Socket|Denque|CallQueue)\(|^import (?!type)[^\n]*'(?:node:(?:net|tls|timers|timers\/promises)|denque)'/m
    const owners = files.filter(
      file => file.startsWith('ioredis/') && owning.test(readFileSync(join(src, file), 'utf8')),
    )
    // isIP() is no socket.
    expect(owners.filter(file => file !== 'ioredis/cluster-options.ts')).toEqual([])
    expect(readFileSync(join(src, 'ioredis/cluster-options.ts'), 'utf8')).toContain("import { isIP } from 'node:net'")
  })

  it('lets the fake servers stand by themselves, loaded by nobody', () => {
    const isTesting = (file: string) => file === 'testing.ts' || file.startsWith('testing/')
    const used = new Set(
      files
        .filter(isTesting)
        .flatMap(localImportsOf)
        .filter(target => !isTesting(target)),
    )
    expect([...used].sort()).toEqual(['command/slot.ts', 'errors.ts'])
    expect(files.filter(file => !isTesting(file) && localImportsOf(file).some(isTesting))).toEqual([])
  })

  it('has no import cycle', () => {
    const done = new Set<string>()
    const cycles: string[] = []
    const visit = (file: string, path: string[]) => {
      if (path.includes(file)) cycles.push([...path.slice(path.indexOf(file)), file].join(' -> '))
      if (done.has(file) || path.includes(file)) return
      for (const target of localImportsOf(file)) visit(target, [...path, file])
      done.add(file)
    }
    for (const file of files) visit(file, [])
    expect(cycles).toEqual([])
  })

  it('imports each production package in exactly one file, and no other package', () => {
    const manifest = JSON.parse(readFileSync(resolve(src, '../package.json'), 'utf8'))
    expect(Object.keys(manifest.dependencies).sort()).toEqual(Object.keys(packageImporters).sort())
    const importers = files.flatMap(file =>
      importsOf(file)
        .filter(name => !name.startsWith('.') && !name.startsWith('node:'))
        .map(name => [name, file]),
    )
    expect(Object.fromEntries(importers)).toEqual(packageImporters)
    expect(importers.length).toBe(Object.keys(packageImporters).length)
  })

  it('keeps files short', () => {
    const long = files.filter(
      file => !file.includes('.generated.') && readFileSync(join(src, file), 'utf8').split('\n').length > maxLines,
    )
    expect(long).toEqual([])
  })
})
