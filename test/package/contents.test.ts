// The tarball: what is in it, and what the tools that look at packages say of it.

import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { installed } from '../dependents/support/installed.js'
import { Project } from './project.js'

const isSlotwise = process.env.SLOTWISE_COMPAT !== 'ioredis'

type Exports = string | { [condition: string]: Exports }

/** All files that an exports map leads to. */
function targets(exports: Exports): string[] {
  return typeof exports === 'string' ? [exports] : Object.values(exports).flatMap(targets)
}

// What is said of ioredis' tarball is not ours to change.
describe.runIf(isSlotwise)('the tarball', () => {
  let project: Project
  let manifest: { main: string; types: string; exports: Exports }
  beforeAll(async () => {
    project = await Project.create('tools', { publint: '0.3.25', '@arethetypeswrong/core': '0.18.5' })
    manifest = JSON.parse(readFileSync(project.path('node_modules/slotwise/package.json'), 'utf8'))
  })

  it('has a licence, a readme and a changelog, and no tests or benchmarks', () => {
    const { files } = installed().packed
    expect(files).toEqual(expect.arrayContaining(['LICENSE', 'README.md', 'CHANGELOG.md', 'package.json']))
    const folders = new Set(files.filter(file => file.includes('/')).map(file => file.split('/')[0]))
    expect([...folders].sort()).toEqual(['dist', 'docs', 'src'])
    expect(
      files.filter(file => /(^|\/)(tests?|bench|scripts|fixtures|node_modules)\/|\.tgz$|\.test\./.test(file)),
    ).toEqual([])
  })

  it('has all that its package.json leads to', () => {
    const { files } = installed().packed
    const named = [manifest.main, manifest.types, ...targets(manifest.exports)].map(file => file.replace(/^\.\//, ''))
    expect(named.filter(file => !file.includes('*') && !files.includes(file))).toEqual([])
    for (const pattern of named.filter(file => file.includes('*'))) {
      const [before, after] = pattern.split('*') as [string, string]
      expect(files.some(file => file.startsWith(before) && file.endsWith(after))).toBe(true)
    }
  })

  it('has the sources of its source maps', () => {
    const { files } = installed().packed
    const inPackage = (file: string) => project.path('node_modules/slotwise', file)
    const missing = files
      .filter(file => file.endsWith('.map'))
      .flatMap(file =>
        (JSON.parse(readFileSync(inPackage(file), 'utf8')) as { sources: string[] }).sources.map(source =>
          join(dirname(file), source),
        ),
      )
      .filter(source => !files.includes(source))
    expect(missing).toEqual([])
  })

  it('is as publint wants it', async () => {
    const program = `
      import { publint } from 'publint'
      const { messages } = await publint({ pkgDir: 'node_modules/slotwise', level: 'suggestion', strict: true, pack: false })
      console.log(JSON.stringify(messages))`
    expect(await project.evaluate('module', program)).toEqual([])
  })

  describe('to arethetypeswrong', () => {
    interface Problem {
      kind: string
      fileName?: string
      resolutionKind?: string
      resolutionOption?: string
    }
    let problems: Problem[]
    beforeAll(async () => {
      const program = `
        import { readFileSync } from 'node:fs'
        import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core'
        const tarball = readFileSync(${JSON.stringify(installed().packed.tarball)})
        const { types, problems } = await checkPackage(createPackageFromTarballData(tarball))
        console.log(JSON.stringify(types === false ? [{ kind: 'no types at all' }] : problems))`
      problems = (await project.evaluate('module', program)) as Problem[]
    })
    /** Resolution by folders, without exports maps. */
    const isOld = ({ resolutionKind, resolutionOption }: Problem) => (resolutionKind ?? resolutionOption) === 'node10'
    // ioredis' deep paths are CommonJS files with `exports.default`: whoever imports them reads `.default`, so it has to be there.
    const isAsInIoredis = ({ kind, fileName = '' }: Problem) =>
      kind === 'CJSOnlyExportsDefault' && fileName.startsWith('/node_modules/slotwise/dist/built/')

    it('has right types', () => {
      expect(problems.filter(problem => !isOld(problem) && !isAsInIoredis(problem))).toEqual([])
    })

    it('has right types for programs with the old module resolution, too, as ioredis has', () => {
      expect(problems.filter(isOld)).toEqual([])
    })
  })
})
