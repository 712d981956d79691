import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { errorCodes } from '../../../src/errors.js'

const root = resolve(import.meta.dirname, '../../..')
const text = readFileSync(join(root, 'docs/errors.md'), 'utf8')
const sections = new Map(
  text
    .split(/^### /m)
    .slice(1)
    .map(section => [section.slice(0, section.indexOf('\n')).trim(), section.replace(/\s+/g, ' ')]),
)

describe('docs/errors.md', () => {
  it('lists exactly the codes of src/errors.ts', () => {
    expect([...sections.keys()].sort()).toEqual(Object.keys(errorCodes).sort())
  })

  it.each(Object.entries(errorCodes))('opens %s with the sentence of the code', (code, sentence) => {
    expect(sections.get(code)).toContain(sentence)
  })

  it('has every code raised somewhere', () => {
    const src = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
      .filter(file => file.endsWith('.ts') && file !== 'errors.ts')
      .map(file => readFileSync(join(root, 'src', file), 'utf8'))
      .join('\n')
    expect(Object.keys(errorCodes).filter(code => !src.includes(`'${code}'`))).toEqual([])
  })
})
