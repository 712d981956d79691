// The install itself: every dependent's `ioredis` is the package under test.

import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { expect, it } from 'vitest'
import { installed } from './support/installed.js'
import { type Manifest, readJson } from './support/packed.js'

const dependentNames = ['@fastify/redis', 'bull', 'bullmq', 'bullmq5', '@opentelemetry/instrumentation-ioredis']

/** Folders of a package's name in all `node_modules` below. */
function copies(modules: string, name: string): string[] {
  return readdirSync(modules, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isDirectory() && entry.name === name && basename(entry.parentPath) === 'node_modules')
    .map(entry => join(entry.parentPath, entry.name))
}

it.each(dependentNames)('%s gets the package under test when it requires ioredis', dependent => {
  const { dependents, packed } = installed()
  const from = createRequire(join(dependents, 'node_modules', dependent, 'package.json'))
  const file = from.resolve('ioredis')
  expect(dirname(from.resolve('ioredis/package.json'))).toBe(join(dependents, 'node_modules/ioredis'))
  expect(file.startsWith(join(dependents, 'node_modules/ioredis/'))).toBe(true)
  expect(from('ioredis/package.json')).toMatchObject({ name: packed.name, version: packed.manifest.version })
})

it('there is one ioredis, and it is the package under test', () => {
  const { dependents, packed } = installed()
  const modules = join(dependents, 'node_modules')
  expect(copies(modules, 'ioredis')).toEqual([join(modules, 'ioredis')])
  expect(copies(modules, 'slotwise')).toEqual([])
  expect(readJson<Manifest>(join(modules, 'ioredis/package.json')).name).toBe(packed.name)
})

it('the dependents have the versions that package.json names', () => {
  const { dependents } = installed()
  const { dependencies = {} } = readJson<Manifest>(join(dependents, 'package.json'))
  const versions = Object.keys(dependencies)
    .filter(name => name !== 'ioredis')
    .map(name => [
      name,
      readJson<Manifest>(join(dependents, 'node_modules', name, 'package.json')).version.replace(/^v/, ''),
    ])
  const wanted = Object.entries(dependencies)
    .filter(([name]) => name !== 'ioredis')
    .map(([name, range]) => [name, range.replace(/^npm:.*@/, '')])
  expect(versions).toEqual(wanted)
})
