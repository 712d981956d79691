// Endpoint: where a server is. A value; compared by its key.

/** A TCP address or a Unix socket path. */
export interface Endpoint {
  /** Name or address, IPv6 without brackets; empty for a Unix socket. */
  readonly host: string
  /** 1 to 65535; 0 for a Unix socket. */
  readonly port: number
  /** Path of a Unix socket. */
  readonly path?: string
  /** With an address for a host: the name that the server goes by, for TLS (SNI, and what its certificate is made out to). */
  readonly servername?: string
  /** Identity: `host:port`, IPv6 in brackets, or the path. */
  readonly key: string
}

export function tcpEndpoint(host: string, port: number): Endpoint {
  return { host, port, key: host.includes(':') ? `[${host}]:${port}` : `${host}:${port}` }
}

export function unixEndpoint(path: string): Endpoint {
  return { host: '', port: 0, path, key: path }
}
