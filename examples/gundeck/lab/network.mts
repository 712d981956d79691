// network: a network namespace of the lab's own, in which packets can be dropped without anybody else noticing.

import { execFile, spawn } from 'node:child_process'
import { promisify } from 'node:util'
import { findProgram } from '../../../scripts/programs.mjs'

const run = promisify(execFile)
const insideVariable = 'SLOTWISE_LAB_NAMESPACE'

export function insideNamespace(): boolean {
  return process.env[insideVariable] === '1'
}

async function find(name: string, debianPackage: string, log: (line: string) => void): Promise<string> {
  const advice = `--mode silent needs it (apt-get install ${debianPackage})`
  const variable = `LAB_${name.toUpperCase()}`
  return findProgram({ names: [name], package: debianPackage, variable, advice }, { install: true, log })
}

/**
 * Runs this program again in a new namespace.
 * @returns its exit status; null where there can be none, which has been logged
 */
export async function runInNamespace(log: (line: string) => void): Promise<number | null> {
  const root = process.getuid?.() === 0
  const flags = ['--net', ...(root ? [] : ['--map-root-user'])]
  try {
    const nft = await find('nft', 'nftables', log)
    const ip = await find('ip', 'iproute2', log)
    await run('unshare', [...flags, 'sh', '-c', `${ip} link set lo up && ${nft} list ruleset`])
  } catch (error) {
    log(`No network namespace here (${(error as Error).message.trim().split('\n').at(-1)}): proxies swallow instead.`)
    return null
  }
  const child = spawn('unshare', [...flags, process.execPath, ...process.argv.slice(1)], {
    stdio: 'inherit',
    env: { ...process.env, [insideVariable]: '1' },
  })
  // Ctrl-C reaches it, too; it ends by itself then.
  process.on('SIGINT', () => undefined)
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => resolve(code ?? (signal === null ? 1 : 2)))
  })
}

export async function raiseLoopback(): Promise<void> {
  await run('ip', ['link', 'set', 'lo', 'up'])
}

/** From now on, nothing reaches these ports and nothing comes from them; nobody is told. */
export async function dropPackets(ports: readonly number[]): Promise<void> {
  const set = `{ ${ports.join(', ')} }`
  await run('nft', [
    `add table inet lab; add chain inet lab in { type filter hook input priority 0; }; add rule inet lab in tcp dport ${set} drop; add rule inet lab in tcp sport ${set} drop`,
  ])
}

export async function letPacketsPass(): Promise<void> {
  await run('nft', ['delete table inet lab'])
}
