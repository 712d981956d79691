// NatMap: where servers are reached that announce themselves under addresses of another network. Pure.

import { type Endpoint, tcpEndpoint } from '../connection/endpoint.js'

/**
 * By the announced `host:port` (IPv6 without brackets) the address to dial. What it does not name, or a function answers with null, is dialled
 * as announced; so is what a function throws over, or answers with something that is no address.
 */
export type NatMap =
  | Record<string, { host: string; port: number }>
  | ((announced: string) => { host: string; port: number } | null)

/** The mapping as a function of endpoints that never throws. */
export function locator(natMap: NatMap): (announced: Endpoint) => Endpoint {
  return announced => {
    const key = `${announced.host}:${announced.port}`
    try {
      const found = typeof natMap === 'function' ? natMap(key) : Object.hasOwn(natMap, key) ? natMap[key] : undefined
      const port = Number(found?.port)
      if (typeof found?.host !== 'string' || found.host === '' || !isPort(port)) return announced
      return tcpEndpoint(found.host, port)
    } catch {
      return announced
    }
  }
}

export function isPort(port: unknown): port is number {
  return Number.isInteger(port) && (port as number) >= 1 && (port as number) <= 65535
}
