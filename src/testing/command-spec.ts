// CommandSpec: what has to be known about a command before it runs, and how it is written in the tables of `commands/`.

/** What a command is allowed to do, and where. */
export interface CommandSpec {
  /** In lower case; `client|id` for a subcommand. */
  readonly name: string
  /** Words, the name among them; negative for "at least". */
  readonly arity: number
  readonly writes: boolean
  /** Answered while the data is being loaded. */
  readonly whileLoading: boolean
  /** Answered on a RESP2 connection that is subscribed. */
  readonly whileSubscribed: boolean
  /** Runs at once where other commands would be queued by MULTI. */
  readonly neverQueued: boolean
  /** Concerns a shard channel: its keys are channels. */
  readonly shardChannel: boolean
  /** First and last key, counted as COMMAND counts (the name is 0, -1 is the last word), and the step between keys. */
  readonly keys: readonly [first: number, last: number, step: number] | null
}

/**
 * Reads the heading of a command: its name, arity, flags, and keys.
 *
 *     SET -3 w 1          writes; key at word 1
 *     MSET -3 w 1:-1/2    keys from word 1 to the last, each second word
 *     PING -1 p           may be said while subscribed; no keys
 *
 * Flags: `w` writes, `l` while loading, `p` while subscribed, `n` never queued, `s` keys are shard channels, `-` none.
 */
export function parseHeading(heading: string): CommandSpec {
  const [name, arity, flags, keys] = heading.split(' ') as [string, string, string, string?]
  const [range, step = '1'] = (keys ?? '').split('/') as [string, string?]
  const [first, last = first] = range.split(':') as [string, string?]
  return {
    name: name.toLowerCase(),
    arity: Number(arity),
    writes: flags.includes('w'),
    whileLoading: flags.includes('l'),
    whileSubscribed: flags.includes('p'),
    neverQueued: flags.includes('n'),
    shardChannel: flags.includes('s'),
    keys: keys === undefined ? null : [Number(first), Number(last), Number(step)],
  }
}

/** The keys among the words of a command. */
export function keysOf(spec: CommandSpec, words: readonly string[]): string[] {
  if (spec.keys === null) return []
  const [first, last, step] = spec.keys
  const end = last < 0 ? words.length + last : last
  const keys: string[] = []
  for (let i = first; i <= end && i < words.length; i += step) keys.push(words[i] as string)
  return keys
}
