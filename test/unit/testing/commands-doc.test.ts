import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { expect, it } from 'vitest'
import { knownCommands } from '../../../src/testing/command-table.js'

it('docs/testing.md names the commands that a fake server knows, and no others', () => {
  const page = readFileSync(resolve(import.meta.dirname, '../../../docs/testing.md'), 'utf8')
  const list = (page.split('\n## Commands\n')[1] ?? '').split('\n## ')[0] as string
  const named: string[] = []
  for (const [, words = ''] of list.matchAll(/^- \*\*\w+\*\* (.*)$/gm)) {
    for (const phrase of words.split(/ and (?=CLIENT)|^(?=CLUSTER)/)) {
      const [container, ...subcommands] = phrase.split(/,? /).filter(word => word !== '')
      const isContainer = container === 'CLIENT' || container === 'CLUSTER'
      named.push(
        ...(isContainer ? subcommands.map(word => `${container}|${word}`) : [container as string, ...subcommands]),
      )
    }
  }
  // PUBSUB stands for all of its subcommands.
  const known = knownCommands.filter(name => !name.startsWith('pubsub|'))
  expect(
    named
      .map(name => name.replace(',', '').toLowerCase())
      .filter(name => name !== 'pubsub')
      .sort(),
  ).toEqual(known)
})
