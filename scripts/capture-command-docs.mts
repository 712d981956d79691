// Captures what a real server says about its commands' arguments: scripts/data/command-docs.json.
//
//   node .build/scripts/capture-command-docs.mjs            starts redis-server, asks it for COMMAND DOCS, writes the file
//
// generate-command-types.mts makes the types of the command methods from it.

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'

/** The release whose capture the types are made from. */
const version = '7.0.15'

const usage = `Usage: capture-command-docs [--server PATH] [--root PATH]

Starts redis-server ${version} and writes its COMMAND DOCS reply to scripts/data/command-docs.json.

  --server PATH  the redis-server to start (default: redis-server)
  --root PATH    the package's folder (default: the current one)
  --help         print this
`

/** One argument, or a group of them, as COMMAND DOCS describes it. */
export interface DocsArgument {
  name: string
  /** key, string, integer, double, pattern, unix-time, pure-token, oneof or block. */
  type: string
  /** The word before the argument; for a pure-token the argument itself. */
  token?: string
  /** optional, multiple (may be repeated), multiple_token (repeated with its token). */
  flags?: string[]
  arguments?: DocsArgument[]
}

/** The parts of a COMMAND DOCS entry that the types are made from. */
export interface DocsCommand {
  summary: string
  since: string
  complexity?: string
  arguments?: DocsArgument[]
  /** By full name, such as `xgroup|create`. */
  subcommands?: Record<string, DocsCommand>
}

export interface Docs {
  version: string
  commands: Record<string, DocsCommand>
}

/** Turns a flat RESP2 list of names and values into an object. */
function fieldsOf(list: unknown): Record<string, unknown> {
  const fields: Record<string, unknown> = {}
  const items = list as unknown[]
  for (let i = 0; i + 1 < items.length; i += 2) fields[String(items[i])] = items[i + 1]
  return fields
}

function readArgument(entry: unknown): DocsArgument {
  const fields = fieldsOf(entry)
  const argument: DocsArgument = { name: String(fields.name), type: String(fields.type) }
  // An empty token is a word that takes the place of the argument before it (MIGRATE); the types need not know.
  if (fields.token !== undefined) argument.token = String(fields.token)
  if (fields.flags !== undefined) argument.flags = (fields.flags as string[]).slice().sort()
  if (fields.arguments !== undefined) argument.arguments = (fields.arguments as unknown[]).map(readArgument)
  return argument
}

function readCommands(list: unknown): Record<string, DocsCommand> {
  // The server lists commands in the order of a hash table, which changes from one start to the next.
  const entries = Object.entries(fieldsOf(list)).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([name, entry]) => [name, readCommand(entry)]))
}

function readCommand(entry: unknown): DocsCommand {
  const fields = fieldsOf(entry)
  const command: DocsCommand = { summary: String(fields.summary), since: String(fields.since) }
  if (fields.complexity !== undefined) command.complexity = String(fields.complexity)
  if (fields.arguments !== undefined) command.arguments = (fields.arguments as unknown[]).map(readArgument)
  if (fields.subcommands !== undefined) command.subcommands = readCommands(fields.subcommands)
  return command
}

/** The capture as text: one command a line, so that a difference can be read. */
function renderDocs({ version, commands }: Docs): string {
  const lines = Object.entries(commands).map(([name, command]) => `${JSON.stringify(name)}:${JSON.stringify(command)}`)
  return `{"version":${JSON.stringify(version)},"commands":{\n${lines.join(',\n')}\n}}\n`
}

/** Starts a server in a temporary folder, asks it for COMMAND DOCS, and ends it. */
async function captureFrom(program: string): Promise<Docs> {
  const about = execFileSync(program, ['--version'], { encoding: 'utf8' })
  if (!about.includes(`v=${version} `))
    throw new Error(`the types are made from redis-server ${version}; this is: ${about}`)
  const folder = await mkdtemp(join(tmpdir(), 'slotwise-docs-'))
  // A socket in a folder of its own cannot collide with anybody else's port.
  const socket = join(folder, 'redis.sock')
  const server = spawn(program, ['--port', '0', '--unixsocket', socket, '--save', '', '--dir', folder])
  const ended = once(server, 'exit')
  try {
    for await (const line of createInterface({ input: server.stdout })) {
      if (line.toLowerCase().includes('ready to accept connections')) break
    }
    server.stdout.resume()
    const admin = new Redis({ path: socket, protocol: 2, retryStrategy: () => null })
    const reply = await admin.call('COMMAND', 'DOCS')
    admin.disconnect()
    return { version, commands: readCommands(reply) }
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
    return !['--server', '--root', '--help'].includes(word) && !/^--(server|root)$/.test(words[i - 1] ?? '')
  })
  if (words.includes('--help') || unknown.length > 0) {
    process.stdout.write(usage)
    return unknown.length > 0 ? 2 : 0
  }
  const path = join(resolve(value('--root', '.')), 'scripts/data/command-docs.json')
  const docs = await captureFrom(value('--server', 'redis-server'))
  await writeFile(path, renderDocs(docs))
  console.log(`${Object.keys(docs.commands).length} commands: ${path}`)
  return 0
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await main(process.argv.slice(2))
