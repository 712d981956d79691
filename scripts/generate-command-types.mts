// Writes src/ioredis/commander.generated.ts: the types of the methods that stand for commands.
//
//   node .build/scripts/generate-command-types.mjs            writes the file
//   node .build/scripts/generate-command-types.mjs --check    fails when the file differs from what would be written
//
// Arguments come from scripts/data/command-docs.json (see capture-command-docs.mts), replies and corrections from
// scripts/data/command-results.ts. The names are those of ioredis' methods: the list of @ioredis/commands.
//
// How a command becomes signatures. Each argument gives its alternatives, and each alternative is a row of elements.
// A row of nothing but plain elements becomes parameters with an optional callback at the end:
//   get(key: RedisKey, callback?: Callback<string | null>)
// a few alternatives become as many overloads; many, or options that may come in any order, become one tuple:
//   set(key: RedisKey, value: RedisValue, ...args: Args<[...AnyOrder<…>], 'OK'>)
// and so does anything that may be repeated:
//   sadd(key: RedisKey, ...args: ListArgs<[...members: Many<RedisValue>], number>)
//
// TypeScript takes two overloads for the same when it calls a method of a union, such as Redis | Cluster, if they have
// as many parameters and the first of the tuple may be of the same types: it does not look further. The callback, which
// may be the first, tells them apart where the replies differ; test/types/overloads.ts tries all of them.

import { readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Docs, DocsArgument, DocsCommand } from './capture-command-docs.mjs'
import { type AddedCommand, added, type Overload, type Rule, replies } from './data/command-results.js'

const usage = `Usage: generate-command-types [--check] [--root PATH]

Writes src/ioredis/commander.generated.ts from scripts/data.

  --check        write nothing; fail when the file differs from what would be written
  --root PATH    the package's folder (default: the current one)
  --help         print this
`

/** Names of @ioredis/commands that are methods of something else: Redis, and Transaction in commander.ts. */
const elsewhere = ['monitor', 'multi']

/** One place in a row of arguments. */
interface Element {
  label: string
  /** TypeScript. A word that is sent as it is has a literal type, in single quotes. */
  type: string
  /** Any number of them. */
  rest?: boolean
}

type Row = Element[]

/** A part of the arguments: rows of which one applies, or groups that may be left out and come in any order. */
type Part = { rows: Row[] } | { groups: Row[][] }

const scalarTypes: Record<string, string> = {
  key: 'RedisKey',
  pattern: 'RedisKey',
  string: 'RedisValue',
  integer: 'Numeric',
  double: 'Numeric',
  'unix-time': 'Numeric',
  object: 'object',
}

// --- Argument syntax of command-results.ts ---------------------------------------------------------------------------

/** Reads the form described in command-results.ts into what COMMAND DOCS would say. */
export function parseArguments(text: string): DocsArgument[] {
  const words = text.match(/'[^']*'|\.\.\.|[[\]<>()|]|[^\s[\]<>()|.']+/g) ?? []
  let at = 0
  const isEnd = () => at >= words.length || /^[\])>|]$/.test(words[at]!)

  function sequence(): DocsArgument[] {
    const items: DocsArgument[] = []
    while (!isEnd()) items.push(item())
    return items
  }

  function item(): DocsArgument {
    const argument = atom()
    if (words[at] === '...') {
      at++
      argument.flags = [...(argument.flags ?? []), 'multiple']
    }
    return argument
  }

  function atom(): DocsArgument {
    const word = words[at++]!
    if (word === '[') return { ...group(sequence()), flags: ['optional'], ...closed(']') }
    if (word === '(') return { ...group(sequence()), ...closed(')') }
    if (word === '<') return oneOf('choice')
    if (word.startsWith("'") || /^[A-Z=~*$]/.test(word))
      return { name: nameOfToken(word), type: 'pure-token', token: bare(word) }
    // `name:type` or, when the type is a choice, `name:<…>`.
    if (word.endsWith(':')) {
      at++
      return oneOf(word.slice(0, -1))
    }
    const [name = '', type = name === 'key' ? 'key' : 'string'] = word.split(':')
    if (!(type in scalarTypes)) throw new Error(`no such type: ${word} in ${text}`)
    return { name, type }
  }

  function oneOf(name: string): DocsArgument {
    const choices = [group(sequence())]
    while (words[at] === '|') {
      at++
      choices.push(group(sequence()))
    }
    return { name, type: 'oneof', arguments: choices, ...closed('>') }
  }

  function group(items: DocsArgument[]): DocsArgument {
    const [first, second] = items
    if (first && items.length === 1) return first
    if (first && second && items.length === 2 && isWord(first) && second.type in scalarTypes && !second.flags)
      return { ...second, token: first.token! }
    return { name: first?.name ?? 'none', type: 'block', arguments: items }
  }

  function closed(bracket: string): object {
    if (words[at++] !== bracket) throw new Error(`expected ${bracket} in ${text}`)
    return {}
  }

  const isWord = ({ type, flags }: DocsArgument) => type === 'pure-token' && !flags
  const bare = (word: string) => (word.startsWith("'") ? word.slice(1, -1) : word)
  const nameOfToken = (word: string) => ({ "'*'": 'any', '=': 'equal', '~': 'about' })[word] ?? bare(word).toLowerCase()

  const items = sequence()
  if (at < words.length) throw new Error(`unexpected ${words[at]} in ${text}`)
  return items
}

// --- From arguments to parts -----------------------------------------------------------------------------------------

const isLiteral = (type: string) => type.startsWith("'")
const quoted = (word: string) => `'${word}'`
const literalsOf = (type: string) => type.split(' | ').filter(isLiteral)

/** An identifier: `min-idle-time` is minIdleTime. */
function camel(name: string): string {
  const words = name.split(/[^A-Za-z0-9]+/).filter(Boolean)
  const text = words.map((word, i) => (i === 0 ? word : word[0]!.toUpperCase() + word.slice(1))).join('')
  return ['arguments', 'function', 'import'].includes(text) ? text + 'Name' : text
}

const plural = (label: string) => (label.endsWith('s') ? label : label + (label.endsWith('x') ? 'es' : 's'))

/** The union of types; RedisValue takes in the others, and words beside it are kept as suggestions. */
function unionOf(types: string[]): string {
  const all = [...new Set(types.flatMap(type => type.split(' | ')))]
  const words = all.flatMap(type =>
    type.startsWith('Word<') ? literalsOf(type.slice(5, -1)) : isLiteral(type) ? [type] : [],
  )
  const others = all.filter(type => !isLiteral(type) && !type.startsWith('Word<'))
  const isOpen = others.includes('RedisValue') || all.some(type => type.startsWith('Word<'))
  if (isOpen) return words.length > 0 ? `Word<${[...new Set(words)].join(' | ')}>` : 'RedisValue'
  return [...new Set([...words, ...others])].join(' | ')
}

/** `Word<A | B>` is split at its bars by unionOf otherwise. */
function unionOfElements(elements: Element[]): string {
  const types = elements.map(({ type }) => type)
  const words = types.filter(type => type.startsWith('Word<'))
  if (words.length === 0) return unionOf(types)
  return unionOf([
    ...words.flatMap(type => literalsOf(type.slice(5, -1))),
    ...types.filter(type => !type.startsWith('Word<')),
    'RedisValue',
  ])
}

/** Brings rows together that differ in one place: EX seconds and PX milliseconds. */
function mergeRows(rows: Row[], name: string): Row[] {
  const merged: Row[] = []
  for (const row of rows) {
    const twin = merged.find(other => canMerge(other, row))
    if (!twin) {
      merged.push(row.map(element => ({ ...element })))
      continue
    }
    twin.forEach((element, i) => {
      const { label, type } = row[i]!
      if (element.label !== label) element.label = isLiteral(type) && row.length > 1 ? 'token' : camel(name)
      element.type = unionOf([element.type, type])
    })
  }
  return merged
}

function canMerge(a: Row, b: Row): boolean {
  if (a.length !== b.length || a.some((element, i) => element.rest !== b[i]!.rest)) return false
  const different = a.filter((element, i) => element.type !== b[i]!.type)
  if (different.length > 1) return false
  return a.length === 1 || different.every(element => isLiteral(element.type) && isLiteral(b[a.indexOf(element)]!.type))
}

/** Every row of a list of arguments that follow each other. */
function product(lists: Row[][]): Row[] {
  return lists.reduce<Row[]>((rows, list) => rows.flatMap(row => list.map(more => [...row, ...more])), [[]])
}

/** The rows that an argument may stand for, without the one of leaving it out. */
function rowsOf(argument: DocsArgument): Row[] {
  const { name, type, token, flags = [] } = argument
  const inner = argument.arguments ?? []
  let rows: Row[]
  if (type === 'pure-token') rows = [[{ label: camel(name) || 'token', type: quoted(token ?? '') }]]
  else if (type === 'oneof')
    rows = mergeRows(
      inner.flatMap(choice => rowsOf(choice)),
      name,
    )
  else if (type === 'block') rows = product(inner.map(part => optionalRowsOf(part)))
  else rows = [[{ label: camel(name), type: scalarTypes[type]! }]]
  const isMultiple = flags.includes('multiple')
  const lead: Row = token && type !== 'pure-token' ? [{ label: camel(name) + 'Token', type: quoted(token) }] : []
  if (isMultiple) {
    const elements = rows.flat()
    const label = plural(rows.length === 1 && rows[0]!.length > 1 ? 'items' : camel(name))
    if (!flags.includes('multiple_token')) return [[...lead, { label, type: unionOfElements(elements), rest: true }]]
    return [[{ label, type: unionOfElements([...lead, ...elements]), rest: true }]]
  }
  return rows.map(row => [...lead, ...row])
}

function optionalRowsOf(argument: DocsArgument): Row[] {
  const rows = rowsOf(argument)
  return isOptional(argument) && !rows.every(row => row.length === 1 && row[0]!.rest) ? [[], ...rows] : rows
}

const isOptional = (argument: DocsArgument) => argument.flags?.includes('optional') ?? false

/** The parts of the arguments. Options next to each other, each known by its first word, may come in any order. */
function partsOf(list: DocsArgument[]): Part[] {
  const parts: Part[] = []
  for (let i = 0; i < list.length; ) {
    let end = i
    while (end < list.length && isOption(list[end]!)) end++
    if (end - i >= 2) {
      parts.push(optionsOf(list.slice(i, end)))
      i = end
    } else parts.push({ rows: optionalRowsOf(list[i++]!) })
  }
  return parts
}

const isOption = (argument: DocsArgument) =>
  isOptional(argument) && rowsOf(argument).every(row => isLiteral(row[0]!.type))

function optionsOf(list: DocsArgument[]): Part {
  const groups = list.map(rowsOf)
  const elements = groups.flat(2)
  if (groups.length <= 4 && !elements.some(({ rest }) => rest)) return { groups }
  return {
    rows: [
      [
        {
          label: 'options',
          type: unionOf([...elements.flatMap(({ type }) => literalsOf(type)), 'RedisValue']),
          rest: true,
        },
      ],
    ],
  }
}

const elementsOf = (part: Part): Element[] => ('rows' in part ? part.rows.flat() : part.groups.flat(2))

/** A tuple has room for one repeated element: what lies between the first and the last becomes one. */
function joinRests(parts: Part[]): Part[] {
  const hasRest = (part: Part) => elementsOf(part).some(({ rest }) => rest)
  const first = parts.findIndex(hasRest)
  const last = parts.findLastIndex(hasRest)
  const isPlain = (part: Part) => 'rows' in part && part.rows.length === 1
  if (
    first === -1 ||
    (first === last && elementsOf(parts[first]!).filter(({ rest }) => rest).length === 1 && isPlain(parts[first]!))
  )
    return parts
  if (
    first === last &&
    'rows' in parts[first]! &&
    parts[first].rows.every(row => row.filter(({ rest }) => rest).length <= 1)
  )
    return parts
  const elements = parts.slice(first, last + 1).flatMap(elementsOf)
  const labels = [...new Set(elements.filter(({ rest }) => rest).map(({ label }) => label))]
  const joined: Element = {
    label: labels.length === 1 ? labels[0]! : 'args',
    type: unionOfElements(elements),
    rest: true,
  }
  return [...parts.slice(0, first), { rows: [[joined]] }, ...parts.slice(last + 1)]
}

// --- From parts to signatures ----------------------------------------------------------------------------------------

/** Names that differ: a word gives way to the value of the same name, and a second value gets a number. */
function withUniqueLabels(row: Row): Row {
  const named = row.map(element => {
    const isShared = row.some(other => other !== element && other.label === element.label)
    return isShared && /^'[^']*'$/.test(element.type) ? { ...element, label: element.label + 'Token' } : element
  })
  const labels = uniqueNames(named.map(({ label }) => label))
  return named.map((element, i) => ({ ...element, label: labels[i]! }))
}

function uniqueNames(names: string[]): string[] {
  return names.map((name, i) => {
    const before = names.slice(0, i).filter(other => other === name).length
    return before === 0 ? name : name + (before + 1)
  })
}

const renderElement = ({ label, type, rest }: Element) => (rest ? `...${label}: Many<${type}>` : `${label}: ${type}`)
const renderRow = (row: Row) => `[${withUniqueLabels(row).map(renderElement).join(', ')}]`
const renderRows = (rows: Row[]) => rows.map(renderRow).join(' | ')

const isPlainPart = (part: Part): part is { rows: [Row] } =>
  'rows' in part && part.rows.length === 1 && !part.rows[0]!.some(({ rest }) => rest)

/** The parameters before the tuple, and the tuple. */
function renderParts(lifted: Row, parts: Part[]): { texts: string[]; tuple: string } {
  const texts: string[] = []
  const row: Row = [...lifted]
  // Labels are made unique over all plain elements; those of alternatives have a tuple of their own.
  for (const part of parts) if ('rows' in part && part.rows.length === 1) row.push(...part.rows[0]!)
  const plain = withUniqueLabels(row)
  let at = lifted.length
  for (const part of parts) {
    if ('groups' in part) {
      texts.push(`...options: AnyOrder<${part.groups.map(renderRows).join(', ')}>`)
    } else if (part.rows.length === 1) {
      for (const element of plain.slice(at, at + part.rows[0]!.length)) texts.push(renderElement(element))
      at += part.rows[0]!.length
    } else texts.push(`...option: ${renderRows(part.rows)}`)
  }
  return {
    texts: plain.slice(0, lifted.length).map(renderElement),
    tuple:
      texts.length === 1 && texts[0]!.startsWith('...option')
        ? texts[0]!.replace(/^\S+ /, '')
        : `[${texts.join(', ')}]`,
  }
}

/** The parameter lists of one form of a command. */
function parametersOf(list: DocsArgument[], lead: Row): { text: string; render(reply: string): string }[] {
  const parts = joinRests([{ rows: [lead] }, ...partsOf(list)]).filter(
    part => !('rows' in part) || part.rows.some(row => row.length > 0),
  )
  const hasRest = parts.some(part => elementsOf(part).some(({ rest }) => rest))
  if (!hasRest && parts.every(part => 'rows' in part)) {
    const rows = product(parts.map(part => (part as { rows: Row[] }).rows))
    if (rows.length <= 3) {
      return rows.map(row => {
        const texts = withUniqueLabels(row).map(renderElement)
        return { text: texts.join(), render: reply => [...texts, `callback?: Callback<${reply}>`].join(', ') }
      })
    }
  }
  const lifted: Row = []
  for (let first = parts[0]; first && isPlainPart(first); first = parts[0]) {
    lifted.push(...first.rows[0])
    parts.shift()
  }
  const { texts, tuple } = renderParts(lifted, parts)
  const text = [...texts, tuple].join()
  return [
    { text, render: reply => [...texts, `...args: ${hasRest ? 'ListArgs' : 'Args'}<${tuple}, ${reply}>`].join(', ') },
  ]
}

/** The text of a reply for a method or its Buffer twin. */
const forTwin = (text: string, isTwin: boolean) => text.replace(/\bText\b/g, isTwin ? 'Buffer' : 'string')

function signaturesOf(method: string, rule: Rule, list: DocsArgument[], lead: Row, isTwin: boolean): string[] {
  const twin = isTwin ? 'Buffer' : ''
  const name = /^\w+$/.test(method) ? method + twin : quoted(method + twin)
  const overloads: (Overload | { raw: string })[] = typeof rule === 'string' ? [{ reply: rule }] : rule
  const known = new Set<string>()
  return overloads.flatMap(overload => {
    if ('raw' in overload) return [forTwin(overload.raw, isTwin).replace('$', twin)]
    const { args, without = [] } = overload
    for (const name of without)
      if (!list.some(argument => argument.name === name)) throw new Error(`${method} has no ${name}`)
    const all = args === undefined ? list.filter(argument => !without.includes(argument.name)) : parseArguments(args)
    const reply = forTwin(overload.reply, isTwin)
    const returns = overload.returns ?? `Result<${reply}, Context>`
    // An overload with an option that may be left out repeats the one without it.
    const fresh = parametersOf(all, lead).filter(({ text }) => !known.has(text) && known.add(text))
    return fresh.map(({ render }) => `${name}(${render(reply)}): ${returns}`)
  })
}

// --- From signatures to the file -------------------------------------------------------------------------------------

/** A command or subcommand, from wherever it is known. */
interface Source {
  /** As in COMMAND DOCS: `xgroup|create`. */
  name: string
  docs: Pick<DocsCommand, 'summary' | 'complexity' | 'arguments'> & { since?: string }
  rule: Rule
}

function sourcesOf(docs: Docs, method: string): Source[] {
  const own = docs.commands[method]
  const known = own?.subcommands ? { ...own.subcommands } : {}
  const extra = Object.keys(added).filter(name => name.startsWith(method + '|'))
  const names = [...new Set([...Object.keys(known), ...extra])].sort()
  // A container is called without a subcommand only where its reply is known.
  if (names.length === 0 || method in replies) names.unshift(method)
  return names.map(name => {
    const more: AddedCommand | undefined = added[name]
    const captured = name === method ? own : known[name]
    const rule = more?.rule ?? replies[name]
    if (rule === undefined || (!more && !captured)) throw new Error(`nothing is known of ${name}`)
    if (!more) return { name, docs: captured!, rule }
    const { summary, since, complexity, args } = more
    return {
      name,
      docs: {
        summary,
        ...(since && { since }),
        ...(complexity && { complexity }),
        arguments: parseArguments(args ?? ''),
      },
      rule,
    }
  })
}

function renderNote({ name, docs }: Source): string {
  const since = docs.since ? ` Since ${docs.since}.` : ''
  const cost = docs.complexity ? ` ${docs.complexity.replace(/\s+/g, ' ').replace(/\.*$/, '.')}` : ''
  const title = name.replace('|', ' ').toUpperCase()
  // What has no version has no page of its own.
  const link = docs.since ? ` [${title}](https://redis.io/commands/${name.replace('|', '-')}/)` : ''
  return `  /** ${docs.summary.trim().replace(/\.*$/, '.')}${since}${cost}${link} */`
}

function renderMethod(docs: Docs, method: string): string[] {
  const sources = sourcesOf(docs, method)
  const lines = (source: Source, isTwin: boolean) => {
    const subcommand = source.name.split('|')[1]
    const lead: Row = subcommand ? [{ label: 'subcommand', type: quoted(subcommand.toUpperCase()) }] : []
    return signaturesOf(method, source.rule, source.docs.arguments ?? [], lead, isTwin).map(text => '  ' + text)
  }
  const plain = sources.flatMap(source => [renderNote(source), ...lines(source, false)])
  const note = `  /** {@link ${method}} with Buffers in its reply. */`
  return [...plain, note, ...sources.flatMap(source => lines(source, true))]
}

/** The text of src/ioredis/commander.generated.ts. */
export function renderTypes(docs: Docs, names: readonly string[]): string {
  const methods = [...new Set([...names, 'sentinel'])].filter(name => !elsewhere.includes(name)).sort()
  const unused = Object.keys({ ...replies, ...added }).filter(name => !methods.includes(name.split('|')[0]!))
  if (unused.length > 0) throw new Error(`no methods for: ${unused.join(' ')}`)
  return `// Generated by scripts/generate-command-types.mts from the COMMAND DOCS reply of redis-server ${docs.version} and from
// scripts/data/command-results.ts. Do not edit: put corrections into the latter. Types that refer to the methods and to
// which the methods refer are here, too, so that no files import each other.

import type {
  AnyOrder,
  Args,
  ByMapping,
  Callback,
  ListArgs,
  Many,
  Numeric,
  RedisKey,
  RedisValue,
  Score,
  ScoredMembers,
  SimilarReply,
  StreamEntry,
  StreamReply,
  Word,
} from './commander-types.js'

/** What a method returns, by the type of what it stands on. Add to it to give another type of commander its results. */
export interface ResultTypes<Result, Context> {
  default: Promise<Result>
  pipeline: ChainableCommander<Context extends { mapping: 'resp3' } ? 'resp3' : 'resp2'>
}

/** What the methods stand on: mapping is resp3 where the option replyMapping is. */
export type ClientContext = { type: keyof ResultTypes<unknown, unknown>; mapping?: 'resp2' | 'resp3' }

/** What a method with a reply of type T returns. */
export type Result<T, Context extends ClientContext> = ResultTypes<T, Context>[Context['type']]

/** Commands that are collected until exec sends them; each method gives the pipeline back. */
export interface ChainableCommander<Mapping extends 'resp2' | 'resp3' = 'resp2'>
  extends RedisCommander<{ type: 'pipeline'; mapping: Mapping }> {
  /** The number of commands so far. */
  length: number
}

/** A method for each command, and its Buffer twin. Add to it, and so to every client and pipeline, by merging. */
export interface RedisCommander<Context extends ClientContext = { type: 'default' }> {
  /** Sends any command: \`call('SET', 'key', 'value')\`. */
  call(command: string, ...args: ListArgs<Many<RedisValue>, unknown>): Result<unknown, Context>
  /** {@link call} with Buffers in its reply. */
  callBuffer(command: string, ...args: ListArgs<Many<RedisValue>, unknown>): Result<unknown, Context>
${methods.flatMap(method => renderMethod(docs, method)).join('\n')}
}
`
}

const outputIn = (root: string) => join(root, 'src/ioredis/commander.generated.ts')

/** What the file in \`root\` should be. */
async function renderFor(root: string): Promise<string> {
  const docs = JSON.parse(await readFile(join(root, 'scripts/data/command-docs.json'), 'utf8')) as Docs
  const { list } = createRequire(join(root, 'package.json'))('@ioredis/commands') as { list: string[] }
  return renderTypes(docs, list)
}

/** True when the types in `root` are exactly what would be written. */
export async function areTypesCurrent(root: string): Promise<boolean> {
  return (await renderFor(root)) === (await readFile(outputIn(root), 'utf8'))
}

async function main(words: string[]): Promise<number> {
  const at = words.indexOf('--root')
  const unknown = words.filter(
    (word, i) => !['--check', '--root', '--help'].includes(word) && words[i - 1] !== '--root',
  )
  if (words.includes('--help') || unknown.length > 0) {
    process.stdout.write(usage)
    return unknown.length > 0 ? 2 : 0
  }
  const root = resolve(at === -1 ? '.' : (words[at + 1] ?? '.'))
  const output = outputIn(root)
  if (words.includes('--check')) {
    const isCurrent = await areTypesCurrent(root)
    console.log(isCurrent ? 'the command types are current' : `${output} differs from what scripts/data gives`)
    return isCurrent ? 0 : 1
  }
  const text = await renderFor(root)
  await writeFile(output, text)
  const methods = new Set(text.match(/^ {2}('[^']+'|\w+)(?=[(<])/gm))
  const signatures = text.match(/^ {2}('[^']+'|\w+)[(<]/gm)?.length
  console.log(`${methods.size} methods, ${signatures} signatures, ${text.length} bytes: ${output}`)
  return 0
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await main(process.argv.slice(2))
