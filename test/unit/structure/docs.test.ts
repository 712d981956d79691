import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { optionDefaults } from '../../../src/client/options.js'

const root = resolve(import.meta.dirname, '../../..')
const read = (file: string) => readFileSync(join(root, file), 'utf8')
const pages = [
  ...readdirSync(root).filter(file => file.endsWith('.md')),
  ...['docs', 'bench'].flatMap(folder =>
    readdirSync(join(root, folder))
      .filter(file => file.endsWith('.md'))
      .map(file => `${folder}/${file}`),
  ),
]
const manifest = JSON.parse(read('package.json'))

describe('documents', () => {
  it('finds the pages', () => {
    expect(pages).toContain('README.md')
    expect(pages).toContain('docs/architecture.md')
  })

  it.each(pages)('%s names only npm scripts that exist', page => {
    const named = [...read(page).matchAll(/npm run ([a-z][a-z0-9:-]*)/g)].map(match => match[1] as string)
    expect(named.filter(script => !(script in manifest.scripts))).toEqual([])
  })

  it.each(pages)('%s links only to files that exist', page => {
    const links = [...read(page).matchAll(/\]\(([^)#:]+)\)/g)].map(match => match[1] as string)
    expect(links.filter(link => !existsSync(join(root, dirname(page), link)))).toEqual([])
  })

  it.each(pages)('%s names only source files that exist', page => {
    const named = [...read(page).matchAll(/`((?:src|scripts|bench|test)\/[\w./-]+\.m?ts)`/g)].map(
      match => match[1] as string,
    )
    expect(named.filter(file => !existsSync(join(root, file)))).toEqual([])
  })

  it('README names every option, with the default of the code', () => {
    const table = read('README.md').split('## Options')[1] ?? ''
    const rows = [...table.matchAll(/^\| (`[^|]+) \| ([^|]+) \|/gm)].map(([, names, defaults]) => ({
      names: [...(names as string).matchAll(/`(\w+)`/g)].map(match => match[1] as string),
      defaults: (defaults as string).split(', ').map(text => text.replaceAll('`', '').trim()),
    }))
    const documented = new Map(
      rows.flatMap(({ names, defaults }) => names.map((name, i) => [name, defaults[i] ?? defaults[0]])),
    )
    expect([...documented.keys()].sort()).toEqual(Object.keys(optionDefaults).sort())
    for (const [name, value] of Object.entries(optionDefaults)) {
      if (typeof value === 'number') expect(`${name}: ${toNumber(documented.get(name))}`).toBe(`${name}: ${value}`)
      else if (value !== null) expect(`${name}: ${documented.get(name)?.replaceAll("'", '')}`).toBe(`${name}: ${value}`)
    }
  })
})

function toNumber(text: string | undefined): number {
  const mebibytes = /^(\d+) MiB$/.exec(text ?? '')
  return mebibytes ? Number(mebibytes[1]) * 1024 * 1024 : Number((text ?? '').replaceAll(',', ''))
}
