// Renders the register of deviations into docs/compatibility.md, between its two marks. `--check` only tells whether it is current.

import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Deviation, deviations } from './deviations.mjs'

const page = fileURLToPath(new URL('../../docs/compatibility.md', import.meta.url))
const [begin, end] = ['<!-- deviations: begin -->', '<!-- deviations: end -->'] as const

const help = `npm run docs:compatibility [-- --check]

Writes the register of deliberate differences (scripts/deviations.mts) into docs/compatibility.md.
--check changes nothing, and ends with 1 when the page is not current.
`

/** The register as the page shows it. */
export function renderDeviations(register: Readonly<Record<string, Deviation>>): string {
  const sections = Object.entries(register).map(([id, { what, why, restore }]) =>
    [
      `### ${id}`,
      '',
      what,
      '',
      `_Why:_ ${why}`,
      ...(restore === undefined ? [] : ['', `_The old way:_ ${restore}`]),
    ].join('\n'),
  )
  return sections.join('\n\n')
}

/** The page with the register in its place. */
export function withDeviations(text: string): string {
  const [head] = text.split(begin)
  const [, tail] = text.split(end)
  return `${head}${begin}\n\n${renderDeviations(deviations)}\n\n${end}${tail}`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: { check: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } })
  if (values.help === true) process.stdout.write(help)
  else {
    const text = readFileSync(page, 'utf8')
    const current = withDeviations(text)
    if (values.check !== true) writeFileSync(page, current)
    else if (text !== current) {
      console.error('docs/compatibility.md is not current: npm run docs:compatibility')
      process.exitCode = 1
    }
  }
}
