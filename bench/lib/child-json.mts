// ChildJson: a program that ends by itself, on core 0 where the machine lets us, and what it said last.

import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { pinned } from './pinned.mjs'

const run = promisify(execFile)
const limitMs = 60_000

/** @param file beside this one */
export async function childJson<Result>(file: string, job: object, nodeOptions: string[] = []): Promise<Result> {
  const [command, ...args] = [
    ...(pinned ? ['taskset', '-c', '0'] : []),
    process.execPath,
    ...nodeOptions,
    fileURLToPath(new URL(file, import.meta.url)),
    JSON.stringify(job),
  ]
  const { stdout } = await run(command as string, args, { timeout: limitMs })
  return JSON.parse(stdout.trim().split('\n').at(-1) as string) as Result
}
