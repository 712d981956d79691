// Gundeck: the example's service for a first look, with a Redis Cluster of its own; or alone, with a configuration.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { exampleFolder, prepareExample } from './example-packages.mjs'

const help = `The example examples/gundeck: a push service that keeps its presences in Redis. Installs and compiles it where that is needed.

  npm run gundeck                      with a Redis Cluster of its own, a Cannon, and a push through all of it; Ctrl-C ends it
  npm run gundeck -- --once            the same, and ends
  npm run gundeck -- --config FILE     the service alone, with your Redis
  npm run gundeck -- --help
`

const { values } = parseArgs({
  options: {
    config: { type: 'string' },
    once: { type: 'boolean', default: false },
    port: { type: 'string' },
    'cannon-port': { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  },
})

const signals = ['SIGINT', 'SIGTERM'] as const

/** Runs a program of the example in the foreground. It is ended by a signal to this one, and its exit code is this one's. */
async function runProgram(folder: string, name: string, args: string[]): Promise<void> {
  const child = spawn(process.execPath, [resolve(folder, 'dist', name), ...args], { stdio: 'inherit' })
  const end = () => child.kill('SIGTERM')
  // First: the servers of the cluster end with this process, and end it, at the same signals.
  for (const signal of signals) process.prependListener(signal, end)
  const [code] = (await once(child, 'exit')) as [number | null]
  for (const signal of signals) process.off(signal, end)
  process.exitCode = code ?? 1
}

async function main(): Promise<void> {
  const say = (line: string) => process.stdout.write(`${line}\n`)
  const folder = exampleFolder('gundeck')
  await prepareExample(folder, say)
  if (values.config !== undefined) {
    await runProgram(folder, 'main.js', ['--config', resolve(process.env.INIT_CWD ?? '.', values.config)])
    return
  }
  const { LocalCluster } = await import('./local-cluster.mjs')
  const cluster = await LocalCluster.start({ onProgress: say })
  try {
    const ports = (['port', 'cannon-port'] as const).flatMap(name => {
      const port = values[name]
      return port === undefined ? [] : [`--${name}`, port]
    })
    const args = ['--redis', cluster.addresses[0] as string, ...ports, ...(values.once ? ['--once'] : [])]
    await runProgram(folder, 'trial.js', args)
  } finally {
    await cluster.stop()
  }
}

if (values.help === true) process.stdout.write(help)
else await main()
