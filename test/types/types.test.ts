import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { areTypesCurrent, parseArguments, renderTypes } from '../../scripts/generate-command-types.mjs'
import { overloadsIn, renderDirectChecks, renderUnionChecks } from './overloads.js'

const root = resolve(import.meta.dirname, '../..')
const read = (path: string) => readFile(join(root, path), 'utf8')

/** What the compiler has to say. */
async function tsc(...words: string[]): Promise<string> {
  const program = join(root, 'node_modules/typescript/bin/tsc')
  const ran = promisify(execFile)(process.execPath, [program, ...words], { cwd: root })
  return ran.then(
    () => '',
    ({ stdout, stderr }: { stdout: string; stderr: string }) => stdout + stderr,
  )
}

describe('the types of commands', { timeout: 120_000 }, () => {
  it('take the calls that ioredis takes, and give what it gives', async () => {
    expect(await tsc('-p', 'test/types/tsconfig.json')).toBe('')
  })

  it('are compared with ioredis 6 itself', async () => {
    expect(await tsc('-p', 'test/types/tsconfig.ioredis.json')).toBe('')
  })
})

describe('every overload of ioredis', { timeout: 120_000 }, () => {
  let folder: string
  let overloads: string[]
  const compiler = ['--ignoreConfig', '--noEmit', '--strict', '--exactOptionalPropertyTypes', '--skipLibCheck']
  compiler.push('--target', 'es2022', '--module', 'nodenext', '--types', 'node')

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'slotwise-types-'))
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
    overloads = overloadsIn(await read('node_modules/ioredis/built/utils/RedisCommander.d.ts'))
  })

  afterAll(() => rm(folder, { recursive: true, force: true }))

  async function check(text: string): Promise<string> {
    const path = join(folder, 'checks.ts')
    await writeFile(path, text)
    return tsc(path, ...compiler)
  }

  it('is found', () => {
    expect(overloads.length).toBeGreaterThan(2800)
  })

  for (const mapping of ['resp2', 'resp3'] as const) {
    it(`has one of ours to stand for it (${mapping})`, async () => {
      expect(await check(renderDirectChecks(overloads, join(root, 'src/ioredis/commander.js'), mapping))).toBe('')
    })

    it(`may be called on what is a client or a pipeline (${mapping})`, async () => {
      expect(await check(renderUnionChecks(overloads, join(root, 'src/ioredis/commander.js'), mapping))).toBe('')
    })
  }

  it('would be missed', async () => {
    const wrong = ['get(key: RedisKey, callback?: Callback<string>): Result<string, Context>']
    const said = await check(renderDirectChecks(wrong, join(root, 'src/ioredis/commander.js'), 'resp2'))
    expect(said).toContain('checks.ts')
  })
})

describe('the generator', () => {
  it('finds the types current (--check)', async () => {
    expect(await areTypesCurrent(root)).toBe(true)
  })

  it('would notice a change of the server', async () => {
    const docs = JSON.parse(await read('scripts/data/command-docs.json')) as Parameters<typeof renderTypes>[0]
    const { list } = createRequire(import.meta.url)('@ioredis/commands') as { list: string[] }
    const text = await read('src/ioredis/commander.generated.ts')
    expect(renderTypes(docs, list)).toBe(text)
    docs.commands.get!.arguments!.push({ name: 'more', type: 'integer' })
    expect(renderTypes(docs, list)).not.toBe(text)
  })

  it('gives every command of ioredis a method and a Buffer twin', async () => {
    const { list } = createRequire(import.meta.url)('@ioredis/commands') as { list: string[] }
    const text = await read('src/ioredis/commander.generated.ts')
    const methods = new Set(text.match(/^ {2}(?:'[^']+'|\w+)(?=[(<])/gm)?.map(name => name.trim().replaceAll("'", '')))
    const missing = list.flatMap(name => [name, `${name}Buffer`]).filter(name => !methods.has(name))
    // Methods of Redis and of Transaction.
    expect(missing).toEqual(['monitor', 'monitorBuffer', 'multi', 'multiBuffer'])
  })

  it('reads the arguments of a command page', () => {
    expect(parseArguments('key [NX] when:<EX seconds:integer|KEEP> FIELDS (field value)...')).toEqual([
      { name: 'key', type: 'key' },
      { name: 'nx', type: 'pure-token', token: 'NX', flags: ['optional'] },
      {
        name: 'when',
        type: 'oneof',
        arguments: [
          { name: 'seconds', type: 'integer', token: 'EX' },
          { name: 'keep', type: 'pure-token', token: 'KEEP' },
        ],
      },
      { name: 'fields', type: 'pure-token', token: 'FIELDS' },
      {
        name: 'field',
        type: 'block',
        flags: ['multiple'],
        arguments: [
          { name: 'field', type: 'string' },
          { name: 'value', type: 'string' },
        ],
      },
    ])
    expect(() => parseArguments('key [NX')).toThrow('expected ]')
    expect(() => parseArguments('key:word')).toThrow('no such type')
    expect(() => parseArguments('key ]')).toThrow('unexpected ]')
  })
})
