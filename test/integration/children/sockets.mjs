// Counts this process's sockets, for the children that compare them with the ledger.

import { readdirSync, readlinkSync } from 'node:fs'

export function socketFds() {
  return readdirSync('/proc/self/fd').filter(fd => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:')
    } catch {
      return false
    }
  }).length
}
