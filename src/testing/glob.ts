// Glob: the patterns of KEYS, SCAN and PSUBSCRIBE (redis.io, KEYS: `*`, `?`, `[ae]`, `[^e]`, `[a-b]`, `\` before a character that stands for itself).

/** A test for a pattern, over byte strings. */
export function globToRegExp(pattern: string): RegExp {
  let source = ''
  for (let i = 0; i < pattern.length; i++) {
    const char = pattern[i] as string
    if (char === '*') source += '[^]*'
    else if (char === '?') source += '[^]'
    else if (char === '[') {
      const { text, end } = classOf(pattern, i + 1)
      source += text
      i = end
    } else if (char === '\\' && i + 1 < pattern.length) source += literal(pattern[++i] as string)
    else source += literal(char)
  }
  return new RegExp(`^${source}$`)
}

const literal = (char: string) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`

function classOf(pattern: string, start: number): { text: string; end: number } {
  let i = start
  const not = pattern[i] === '^'
  if (not) i++
  let inside = ''
  for (; i < pattern.length && pattern[i] !== ']'; i++) {
    if (pattern[i] === '\\' && i + 1 < pattern.length) inside += literal(pattern[++i] as string)
    else if (pattern[i + 1] === '-' && i + 2 < pattern.length) {
      const [low, high] = [pattern[i] as string, pattern[i + 2] as string].sort() as [string, string]
      inside += `${literal(low)}-${literal(high)}`
      i += 2
    } else inside += literal(pattern[i] as string)
  }
  // `[]` matches nothing, and `[^]` anything, in regular expressions as on the server.
  return { text: `[${not ? '^' : ''}${inside}]`, end: i }
}
