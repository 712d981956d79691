// RoundsOptions: the options of programs that only repeat what they do.

import { parseArgs } from 'node:util'

/**
 * Reads `--rounds`, `--json` and `--help` from the command line.
 * @returns null when the program is to do nothing more: the help, or what is wrong, has been written
 */
export function roundsAndJson(help: string, rounds: number): { rounds: number; json: string | undefined } | null {
  const { values } = parseArgs({
    options: {
      help: { type: 'boolean', short: 'h' },
      rounds: { type: 'string', default: String(rounds) },
      json: { type: 'string' },
    },
  })
  const asked = Number(values.rounds)
  const wrong = !(Number.isInteger(asked) && asked > 0)
  if (values.help !== true && !wrong) return { rounds: asked, json: values.json }
  process.exitCode = wrong ? 2 : 0
  process[wrong ? 'stderr' : 'stdout'].write(wrong ? `Cannot use: --rounds\n\n${help}` : help)
  return null
}
