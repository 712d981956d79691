// Writes src/command/table.generated.ts from what a real server says about its commands.
//
//   node .build/scripts/generate-command-table.mjs            starts redis-server, captures COMMAND, writes the table
//   node .build/scripts/generate-command-table.mjs --check    no server: fails when the table differs from the capture
//
// The capture is kept under scripts/data, so that a change of the table can be told from a change of the server.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'

/** The release whose capture the table is made from. */
const version = '7.0.15'

const usage = `Usage: generate-command-table [--check] [--server PATH] [--root PATH]

Starts redis-server ${version}, captures its COMMAND reply and writes src/command/table.generated.ts.

  --check        start no server; fail when the table differs from what the stored capture gives
  --server PATH  the redis-server to start (default: redis-server)
  --root PATH    the package's folder (default: the current one)
  --help         print this
`

/** One entry of the capture: the parts of a COMMAND entry that the table is made from. */
export interface CapturedCommand {
  name: string
  arity: number
  flags: string[]
  tips: string[]
  keys: CapturedKeySpec[]
  subcommands: CapturedCommand[]
}

interface CapturedKeySpec {
  flags: string[]
  begin: { type: string; [field: string]: string | number }
  find: { type: string; [field: string]: string | number }
}

export interface Capture {
  version: string
  commands: CapturedCommand[]
}

/** Flags that src/command/flags.ts has a bit for; the others do not steer a client. */
const keptFlags = ['write', 'readonly', 'blocking', 'pubsub', 'admin', 'fast', 'noscript', 'loading', 'movablekeys']

const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)

/** Turns a flat RESP2 list of names and values into an object. */
function fieldsOf(list: unknown): Record<string, unknown> {
  const fields: Record<string, unknown> = {}
  const items = list as unknown[]
  for (let i = 0; i + 1 < items.length; i += 2) fields[String(items[i])] = items[i + 1]
  return fields
}

function captureKeySpec(entry: unknown): CapturedKeySpec {
  const fields = fieldsOf(entry)
  const part = (value: unknown) => {
    const { type, spec } = fieldsOf(value)
    return { type: String(type), ...(fieldsOf(spec) as Record<string, string | number>) }
  }
  return { flags: fields.flags as string[], begin: part(fields.begin_search), find: part(fields.find_keys) }
}

function captureCommand(entry: unknown): CapturedCommand {
  const [name, arity, flags, , , , , tips, keys, subcommands] = entry as [string, number, string[], ...unknown[]]
  return {
    name,
    arity,
    flags: [...flags].sort(),
    tips: [...(tips as string[])].sort(),
    keys: (keys as unknown[]).map(captureKeySpec),
    // The server lists commands in the order of a hash table, which changes from one start to the next.
    subcommands: (subcommands as unknown[]).map(captureCommand).sort(byName),
  }
}

/** The capture as text: one command a line, so that a difference can be read. */
export function renderCapture(capture: Capture): string {
  const lines = capture.commands.map(command => JSON.stringify(command))
  return `{"version":${JSON.stringify(capture.version)},"commands":[\n${lines.join(',\n')}\n]}\n`
}

/** One key spec as src/command/table.ts reads it (see parseCommandLine there); '?' when the server does not know. */
function renderKeySpec({ begin, find }: CapturedKeySpec): string {
  if (begin.type === 'unknown' || find.type === 'unknown') return '?'
  const place = begin.type === 'keyword' ? `${begin.keyword}@${begin.startfrom}` : String(begin.index)
  if (find.type === 'keynum') return place + withDefaults('#', [find.keynumidx, find.firstkey, find.keystep], [0, 1, 1])
  const range = withDefaults(':', [find.lastkey, find.keystep, find.limit], [0, 1, 0])
  return range === ':' ? place : place + range
}

/** Joins numbers with slashes after a mark and leaves out those at the end that equal their defaults. */
function withDefaults(mark: string, values: unknown[], defaults: number[]): string {
  let length = values.length
  while (length > 0 && values[length - 1] === defaults[length - 1]) length--
  return mark + values.slice(0, length).join('/')
}

function renderCommand(command: CapturedCommand): string[] {
  const flags = keptFlags.filter(flag => command.flags.includes(flag))
  if (command.subcommands.length > 0) flags.push('container')
  const words = [command.name.toUpperCase(), command.arity, flags.join(',') || '-', ...command.keys.map(renderKeySpec)]
  for (const tip of command.tips) {
    const [kind, policy] = tip.split(':')
    if (kind === 'request_policy') words.push('>' + policy)
    if (kind === 'response_policy') words.push('<' + policy)
  }
  return [words.join(' '), ...command.subcommands.flatMap(renderCommand)]
}

/** The text of src/command/table.generated.ts for a capture. */
export function renderTable(capture: Capture): string {
  const lines = capture.commands.flatMap(renderCommand).sort()
  return `// Generated by scripts/generate-command-table.mts from the COMMAND reply of redis-server ${capture.version}, as kept in
// scripts/data. Do not edit: put corrections into overrides.ts. parseCommandLine in table.ts explains the lines.

export const commandLines: readonly string[] = [
${lines.map(line => `  '${line}',`).join('\n')}
]
`
}

function pathsIn(root: string) {
  return {
    capture: join(root, `scripts/data/command-${version}.generated.json`),
    table: join(root, 'src/command/table.generated.ts'),
  }
}

/** True when the table in `root` is exactly what the stored capture gives. */
export async function isTableCurrent(root: string): Promise<boolean> {
  const paths = pathsIn(root)
  const capture = JSON.parse(await readFile(paths.capture, 'utf8')) as Capture
  return renderTable(capture) === (await readFile(paths.table, 'utf8'))
}

async function whenReady(server: ChildProcess): Promise<void> {
  for await (const line of createInterface({ input: server.stdout as NodeJS.ReadableStream })) {
    if (line.toLowerCase().includes('ready to accept connections')) return
  }
  throw new Error('redis-server ended before it was ready')
}

/** Starts a server in a temporary folder, asks it for COMMAND, and ends it. */
async function captureFrom(program: string): Promise<Capture> {
  const about = execFileSync(program, ['--version'], { encoding: 'utf8' })
  if (!about.includes(`v=${version} `))
    throw new Error(`the table is made from redis-server ${version}; this is: ${about}`)
  const folder = await mkdtemp(join(tmpdir(), 'slotwise-command-'))
  // A socket in a folder of its own cannot collide with anybody else's port.
  const socket = join(folder, 'redis.sock')
  const server = spawn(program, ['--port', '0', '--unixsocket', socket, '--save', '', '--dir', folder])
  const ended = once(server, 'exit')
  try {
    await whenReady(server)
    server.stdout.resume()
    const admin = new Redis({ path: socket, retryStrategy: () => null })
    const entries = (await admin.call('COMMAND')) as unknown[]
    admin.disconnect()
    return { version, commands: entries.map(captureCommand).sort(byName) }
  } finally {
    server.kill()
    await ended
    await rm(folder, { recursive: true, force: true })
  }
}

async function main(words: string[]): Promise<number> {
  const value = (option: string, otherwise: string) => {
    const at = words.indexOf(option)
    return at === -1 ? otherwise : (words[at + 1] ?? otherwise)
  }
  const unknown = words.filter((word, i) => {
    return !['--check', '--server', '--root', '--help'].includes(word) && !/^--(server|root)$/.test(words[i - 1] ?? '')
  })
  if (words.includes('--help') || unknown.length > 0) {
    process.stdout.write(usage)
    return unknown.length > 0 ? 2 : 0
  }
  const root = resolve(value('--root', '.'))
  const paths = pathsIn(root)
  if (words.includes('--check')) {
    const isCurrent = await isTableCurrent(root)
    console.log(isCurrent ? 'the command table is current' : `${paths.table} differs from what ${paths.capture} gives`)
    return isCurrent ? 0 : 1
  }
  const capture = await captureFrom(value('--server', 'redis-server'))
  await writeFile(paths.capture, renderCapture(capture))
  const table = renderTable(capture)
  await writeFile(paths.table, table)
  console.log(`${table.split('\n').length - 6} commands and subcommands, ${table.length} bytes: ${paths.table}`)
  return 0
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await main(process.argv.slice(2))
