// HandshakePlan: what a connection says first, in the order and spelling that ioredis' users have on record. Pure.

import { type HandshakeOptions, type HandshakeStep, library } from '../core.js'

export function handshakePlan(options: HandshakeOptions, protocol: 2 | 3): HandshakeStep[] {
  const { username, password, name, database, clientInfoTag } = options
  const steps: HandshakeStep[] = []
  if (protocol === 3) {
    const auth = password === null ? [] : ['AUTH', username ?? 'default', password]
    steps.push({ name: 'hello', args: ['3', ...auth], onError: 'fallback' })
  } else if (password !== null) {
    steps.push({ name: 'auth', args: username === null ? [password] : [username, password], onError: 'auth' })
  }
  if (database !== 0) steps.push({ name: 'select', args: [String(database)], onError: 'report' })
  if (name !== null) steps.push({ name: 'client', args: ['setname', name], onError: 'ignore' })
  if (options.readOnly === true) steps.push({ name: 'readonly', args: [], onError: 'ignore' })
  if (options.clientInfo) {
    const tagged = clientInfoTag === undefined ? library.name : `${library.name}(${clientInfoTag})`
    steps.push({ name: 'client', args: ['SETINFO', 'LIB-VER', library.version], onError: 'ignore' })
    steps.push({ name: 'client', args: ['SETINFO', 'LIB-NAME', tagged], onError: 'ignore' })
  }
  return steps
}
