// Table: every command known by name, parsed from its line the first time it is used.
// Owns    the lines (generated from a server's COMMAND reply, then overrides.ts) and the specs parsed so far.
// Born    with the module; dies with the process. It grows to the size of the table and no further.
// Holds   one spec object per command or subcommand, so specs may be compared by identity.

import { CommandFlag, type CommandFlagName } from './flags.js'
import { overrideLines, sessionCommands } from './overrides.js'
import { commandLines } from './table.generated.js'

/** How the keys are found once the place to begin is known. */
export const FindKeys = {
  /** Keys lie at a fixed stride up to a last one. */
  range: 0,
  /** A count says how many keys follow. */
  count: 1,
  /** SORT: the specs leave its STORE out, because the word may be the value of another option. */
  sort: 2,
  /** MIGRATE: one key, or none there and a list after KEYS. */
  migrate: 3,
} as const

/** Where some keys of a command are (redis.io/docs, "Command key specifications"). Indexes leave the command name out. */
export interface KeySpec {
  /** Argument at which the search begins, or -1 to look for `keyword`. */
  readonly index: number
  /** Upper-case word after which the keys begin; '' when `index` says. */
  readonly keyword: string
  /** First argument compared with `keyword`; negative counts from the end and searches backwards. */
  readonly startFrom: number
  /** One of {@link FindKeys}. */
  readonly find: number
  /** range: the last key counted from the first, or, when negative, from the end of the arguments. */
  readonly last: number
  /** Distance between two keys. */
  readonly step: number
  /** range with a negative `last`: 2 means that keys stop half-way through what remains; 0 and 1 mean no limit. */
  readonly limit: number
  /** count: where the count is, counted from the beginning. */
  readonly countAt: number
  /** count: where the first key is, counted from the beginning. */
  readonly firstAt: number
}

/** What is known about a command, or about a subcommand such as `XGROUP|CREATE`. */
export interface CommandSpec {
  /** Upper case; subcommands as `CONTAINER|SUBCOMMAND`. */
  readonly name: string
  /** As in COMMAND: words including the name (and subcommand); negative means at least that many; 0 is unknown. */
  readonly arity: number
  /** Bits of {@link CommandFlag}. */
  readonly flags: number
  readonly keys: readonly KeySpec[]
  /** The server's tip on which nodes to ask (redis.io/docs, "Redis command tips"), such as `all_shards`; null when none. */
  readonly requestPolicy: string | null
  /** The server's tip on how to combine several answers, such as `agg_sum`; null when none. */
  readonly responsePolicy: string | null
}

const lines = new Map<string, string>()
for (const line of commandLines) lines.set(line.slice(0, line.indexOf(' ')), line)
for (const line of overrideLines) lines.set(line.slice(0, line.indexOf(' ')), line)

const specs = new Map<string, CommandSpec>()

/** The spec of a command or subcommand by its upper-case name (`GET`, `XGROUP|CREATE`); undefined when unknown. */
export function findSpec(name: string): CommandSpec | undefined {
  const known = specs.get(name)
  if (known !== undefined) return known
  const line = lines.get(name)
  if (line === undefined) return undefined
  const spec = parseCommandLine(line)
  specs.set(name, spec)
  return spec
}

/** Upper-case names of all known commands, without subcommands, sorted. */
export function commandNames(): string[] {
  return [...lines.keys()].filter(name => !name.includes('|')).sort()
}

/** Upper-case names of all known subcommands, as `CONTAINER|SUBCOMMAND`, sorted. */
export function subcommandNames(): string[] {
  return [...lines.keys()].filter(name => name.includes('|')).sort()
}

/**
 * Parses one line of the table: name, arity, flags joined by commas or `-`, then key specs and policies.
 *
 *     ZUNIONSTORE -4 write,movablekeys 1 2#      keys at word 1, and as many as word 2 says, from the word after it
 *     MSET -3 write 1:-1/2 >multi_shard          from word 1 to the last one, each second word
 *     XREAD -4 readonly STREAMS@1:-1/1/2         after the word STREAMS, searched from word 1; the first half of them
 *     SORT -2 write =sort                        found by code of its own
 *
 * A key spec is BEGIN (a word's index or KEYWORD@START), then `:LAST/STEP/LIMIT` or `#COUNT/FIRST/STEP`, each part with
 * a default. Indexes are those of COMMAND: the command name is word 0. `>` is a request policy and `<` a response policy.
 */
export function parseCommandLine(line: string): CommandSpec {
  const words = line.split(' ')
  const name = words[0] as string
  let flags = sessionCommands.has(name) ? CommandFlag.session : 0
  for (const flag of (words[2] as string).split(',')) {
    if (flag !== '-') flags |= CommandFlag[flag as CommandFlagName]
  }
  const keys: KeySpec[] = []
  let requestPolicy: string | null = null
  let responsePolicy: string | null = null
  for (let i = 3; i < words.length; i++) {
    const word = words[i] as string
    if (word[0] === '>') requestPolicy = word.slice(1)
    else if (word[0] === '<') responsePolicy = word.slice(1)
    // The server marks what its specs cannot express with '?'; overrides.ts says what to do about it.
    else if (word !== '?') keys.push(parseKeySpec(word))
  }
  if (keys.length === 0) flags |= CommandFlag.keyless
  else if (keys.length === 1 && isFirstArgumentOnly(keys[0] as KeySpec)) flags |= CommandFlag.singleKey
  return { name, arity: Number(words[1]), flags, keys, requestPolicy, responsePolicy }
}

function isFirstArgumentOnly(key: KeySpec): boolean {
  return key.index === 0 && key.find === FindKeys.range && key.last === 0
}

function parseKeySpec(word: string): KeySpec {
  if (word[0] === '=') {
    const find = FindKeys[word.slice(1) as keyof typeof FindKeys]
    return { index: 0, keyword: '', startFrom: 0, find, last: 0, step: 1, limit: 0, countAt: 0, firstAt: 0 }
  }
  const [, begin, start, mark, rest] = /^([^@:#]+)(?:@(-?\d+))?([:#]?)(.*)$/.exec(word) as unknown as string[]
  const startWord = Number(start)
  const numbers = rest === '' ? [] : (rest as string).split('/').map(Number)
  const isCount = mark === '#'
  return {
    index: start === undefined ? Number(begin) - 1 : -1,
    keyword: start === undefined ? '' : (begin as string),
    startFrom: start === undefined ? 0 : startWord > 0 ? startWord - 1 : startWord,
    find: isCount ? FindKeys.count : FindKeys.range,
    last: isCount ? 0 : (numbers[0] ?? 0),
    step: isCount ? (numbers[2] ?? 1) : (numbers[1] ?? 1),
    limit: isCount ? 0 : (numbers[2] ?? 0),
    countAt: isCount ? (numbers[0] ?? 0) : 0,
    firstAt: isCount ? (numbers[1] ?? 1) : 0,
  }
}
