// lab: installs and compiles what the outage lab needs, which lives in examples/gundeck/lab, and runs it.

import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { exampleFolder, labProject, prepareExample } from './example-packages.mjs'

const folder = exampleFolder('gundeck')
try {
  await prepareExample(folder, line => process.stdout.write(`${line}\n`), labProject)
} catch (error) {
  process.stderr.write(`lab: ${(error as Error).message}\n`)
  process.exit(2)
}
const program = join(folder, labProject.compiled)
const child = spawn(process.execPath, [program, ...process.argv.slice(2)], { stdio: 'inherit' })
// Ctrl-C reaches both; the lab ends its servers, and then this ends.
process.on('SIGINT', () => undefined)
process.on('SIGTERM', () => child.kill('SIGTERM'))
child.once('exit', (code, signal) => process.exit(code ?? (signal === null ? 2 : 130)))
