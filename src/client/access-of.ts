// AccessOf: what asks a client's user for credentials and TLS options, where it gives functions.

import type { Issuer } from '../command/issuer.js'
import { Access } from '../connection/access.js'
import type { ClientConfig } from './options.js'

export function accessOf({ credentials, tls, connectTimeoutMs }: ClientConfig, issuer: Issuer): Access | null {
  const tlsProvider = typeof tls === 'function' ? tls : null
  if (credentials === null && tlsProvider === null) return null
  return new Access(credentials, tlsProvider, issuer, connectTimeoutMs)
}
