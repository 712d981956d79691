// Url: the strings that may stand for a server. Pure.

export type ParsedUrl = Record<string, string | number | undefined>

/** True for what reads as a whole number of 32 bits. */
export function isInt(value: unknown): boolean {
  const number = Number.parseFloat(String(value))
  return !Number.isNaN(Number(value)) && (number | 0) === number
}

/**
 * Reads a port, `redis://…`, `rediss://…`, `//host…`, `host:port` or a socket's path into options. User and password are
 * percent-decoded; the path is the database; query parameters become options of that name.
 */
export function parseURL(url: string): ParsedUrl {
  if (isInt(url)) return { port: url }
  if (url.startsWith('/') && !url.startsWith('//')) {
    const [path = '', query = ''] = splitOnce(url, '?')
    return { ...queryOptions(new URLSearchParams(query)), path }
  }
  const hasScheme = /^rediss?:\/\//i.test(url)
  const isRelative = url.startsWith('//')
  const parsed = new URL(hasScheme ? url : isRelative ? `redis:${url}` : `redis://${url}`)
  const options: ParsedUrl = queryOptions(parsed.searchParams)
  if (parsed.username !== '' || parsed.password !== '') {
    options.username = decodeURIComponent(parsed.username)
    options.password = decodeURIComponent(parsed.password)
  }
  if (parsed.pathname.length > 1) {
    if (hasScheme || isRelative) options.db = parsed.pathname.slice(1)
    else options.path = parsed.pathname
  }
  if (parsed.hostname !== '') options.host = parsed.hostname.replace(/^\[|\]$/g, '')
  if (parsed.port !== '') options.port = parsed.port
  return options
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator)
  return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}

function queryOptions(query: URLSearchParams): ParsedUrl {
  const options: ParsedUrl = {}
  for (const [name, value] of query) {
    const number = Number.parseInt(value, 10)
    options[name] = name === 'family' && !Number.isNaN(number) ? number : value
  }
  return options
}
