import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, it } from 'vitest'
import { deviations } from '../../../scripts/deviations.mjs'
import { withDeviations } from '../../../scripts/render-compatibility.mjs'

const root = resolve(import.meta.dirname, '../../..')

it('docs/compatibility.md shows the register of deviations', () => {
  const page = readFileSync(join(root, 'docs/compatibility.md'), 'utf8')
  expect(page).toBe(withDeviations(page))
  for (const id of Object.keys(deviations)) expect(page).toContain(`### ${id}\n`)
})

it('tests know no deviation but those of the register', () => {
  const folder = join(root, 'test/compat')
  const files = readdirSync(folder).filter(file => file.endsWith('.test.ts'))
  const used = files.flatMap(file =>
    [...readFileSync(join(folder, file), 'utf8').matchAll(/deviates\('([^']+)'\)/g)].map(match => match[1] as string),
  )
  expect(used.length).toBeGreaterThan(10)
  expect(used.filter(id => !Object.hasOwn(deviations, id))).toEqual([])
})
