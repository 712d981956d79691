// Child: runs a program of test/integration/fixtures in a process of its own, with the compiled package.

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)
const root = new URL('../../', import.meta.url).pathname

/** Runs `node [flags] test/integration/fixtures/<name>`, under a limit of descriptors if one is given; gives the JSON it prints last. */
export async function runChild<Result>(
  name: string,
  args: readonly (string | number)[],
  { flags = [], maxFds }: { flags?: string[]; maxFds?: number } = {},
): Promise<Result> {
  const command = [process.execPath, ...flags, `test/integration/fixtures/${name}`, ...args.map(String)]
  const shell = `${maxFds === undefined ? '' : `ulimit -n ${maxFds}; `}exec "$@"`
  const { stdout } = await run('sh', ['-c', shell, 'sh', ...command], { cwd: root, timeout: 100_000 })
  return JSON.parse(stdout.trim().split('\n').at(-1) as string) as Result
}
