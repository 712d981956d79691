// KeyPrefix: what stands before every key. Pure.

/** The arguments with a prefix before those at the given positions; the ones given stay as they are. */
export function withPrefix(
  args: readonly (string | Buffer)[],
  indexes: readonly number[],
  prefix: string | Buffer,
): (string | Buffer)[] {
  const prefixed = [...args]
  for (const i of indexes) {
    const key = prefixed[i] as string | Buffer
    if (typeof key === 'string' && typeof prefix === 'string') prefixed[i] = prefix + key
    else prefixed[i] = Buffer.concat([Buffer.from(prefix as string), Buffer.from(key as string)])
  }
  return prefixed
}

/** Positions of the patterns of SORT, which name keys, too. */
export function sortPatterns(name: string, args: readonly (string | Buffer)[]): number[] {
  if (!/^sort(?:_ro)?$/i.test(name)) return []
  const found: number[] = []
  for (let i = 1; i + 1 < args.length; i++) {
    const word = String(args[i]).toUpperCase()
    if (word === 'LIMIT') i += 2
    else if (word === 'STORE') i++
    else if (word === 'BY' || word === 'GET') {
      i++
      if (String(args[i]) !== '#') found.push(i)
    }
  }
  return found
}
