// Address: the ways in which a user may name a server. Pure.

import { type Endpoint, tcpEndpoint, unixEndpoint } from '../connection/endpoint.js'
import { SlotwiseError } from '../errors.js'

/**
 * A server: `host`, `host:port`, `[::1]:port`, `redis://[[user]:password@]host[:port][/database]`, `rediss://…` for TLS,
 * `unix:///path`, `/path` (Unix socket), or an object. The port defaults to 6379.
 */
export type NodeAddress = string | { host?: string; port?: number } | { path: string }

export interface ParsedAddress {
  endpoint: Endpoint
  tls: boolean
  username: string | null
  password: string | null
  database: number | null
}

const defaultPort = 6379

/**
 * @param address what the user gave
 * @param option name of the option it came from, for the error
 * @throws SlotwiseError SLOTWISE_INVALID_OPTION
 */
export function parseAddress(address: unknown, option: string): ParsedAddress {
  if (typeof address === 'string') return parseText(address, option)
  if (typeof address !== 'object' || address === null) throw invalidOption(option, 'must be a string or an object')
  const { host, port, path, ...rest } = address as Record<string, unknown>
  const unknown = Object.keys(rest)[0]
  if (unknown !== undefined) throw invalidOption(`${option}.${unknown}`, 'is not known')
  if (path !== undefined) {
    if (typeof path !== 'string' || path === '') throw invalidOption(`${option}.path`, 'must be a path')
    if (host !== undefined || port !== undefined)
      throw invalidOption(option, 'must have a path, or host and port, not both')
    return plain(unixEndpoint(path))
  }
  if (host === undefined && port === undefined) throw invalidOption(option, 'must have a host, a port or a path')
  if (host !== undefined && (typeof host !== 'string' || host === ''))
    throw invalidOption(`${option}.host`, 'must be a host')
  return plain(tcpEndpoint(host ?? '127.0.0.1', checkPort(port ?? defaultPort, `${option}.port`)))
}

function parseText(address: string, option: string): ParsedAddress {
  if (address.startsWith('/')) return plain(unixEndpoint(address))
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(address)) return parseUrl(address, option)
  const match = /^(?:\[([0-9a-f:.%]+)\]|([^\s:/@[\]]+))(?::(\d+))?$/i.exec(address)
  if (match === null) throw invalidOption(option, 'must be host:port, a redis:// URL or a path')
  const port = match[3] === undefined ? defaultPort : Number(match[3])
  return plain(tcpEndpoint((match[1] ?? match[2]) as string, checkPort(port, option)))
}

function parseUrl(address: string, option: string): ParsedAddress {
  let url: URL
  try {
    url = new URL(address)
  } catch {
    throw invalidOption(option, 'is not a valid URL')
  }
  if (url.protocol === 'unix:') return plain(unixEndpoint(decodeURIComponent(url.pathname)))
  if (url.protocol !== 'redis:' && url.protocol !== 'rediss:')
    throw invalidOption(option, 'must be a redis://, rediss:// or unix:// URL')
  if (url.hostname === '') throw invalidOption(option, 'has no host')
  if (url.search !== '' || url.hash !== '') throw invalidOption(option, 'must not have a query: set options in code')
  const database = url.pathname.replace(/^\//, '')
  if (!/^\d*$/.test(database)) throw invalidOption(option, 'must have a number as its path: the database')
  const host = url.hostname.replace(/^\[|\]$/g, '')
  return {
    endpoint: tcpEndpoint(host, checkPort(url.port === '' ? defaultPort : Number(url.port), option)),
    tls: url.protocol === 'rediss:',
    username: url.username === '' ? null : decode(url.username, option),
    password: url.password === '' ? null : decode(url.password, option),
    database: database === '' ? null : Number(database),
  }
}

function decode(text: string, option: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw invalidOption(option, 'has credentials that are not percent-encoded')
  }
}

function checkPort(port: unknown, option: string): number {
  if (!Number.isInteger(port) || (port as number) < 1 || (port as number) > 65535)
    throw invalidOption(option, 'must have a port from 1 to 65535')
  return port as number
}

function plain(endpoint: Endpoint): ParsedAddress {
  return { endpoint, tls: false, username: null, password: null, database: null }
}

/** @param option name of the option; its value is never shown, it may be a secret */
export function invalidOption(option: string, problem: string): SlotwiseError {
  return new SlotwiseError('SLOTWISE_INVALID_OPTION', `Option ${option} ${problem}`)
}
