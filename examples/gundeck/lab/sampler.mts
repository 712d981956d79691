// sampler: what the kernel knows of another process: memory, descriptors, sockets by state. Reads /proc; asks the process nothing, so
// that one that is too busy to answer is measured all the same.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

export interface ProcessSample {
  residentBytes: number
  descriptors: number
  socketsConnecting: number
  socketsOpen: number
  socketsClosing: number
  socketsHttp: number
}

const pageBytes = 4096

/** Source: Linux, include/net/tcp_states.h */
const states = { established: '01', synSent: '02', synReceived: '03' }

/**
 * Null when the process is gone.
 * @param redisPorts sockets to these ports count as sockets to Redis; all other TCP sockets as HTTP's
 */
export function sampleProcess(pid: number, redisPorts: ReadonlySet<number>): ProcessSample | null {
  try {
    const residentPages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1])
    const { descriptors, inodes } = readDescriptors(pid)
    const sample: ProcessSample = {
      residentBytes: residentPages * pageBytes,
      descriptors,
      socketsConnecting: 0,
      socketsOpen: 0,
      socketsClosing: 0,
      socketsHttp: 0,
    }
    for (const { remotePort, state, inode } of tcpSockets(readFileSync(`/proc/${pid}/net/tcp`, 'latin1'))) {
      if (!inodes.has(inode)) continue
      if (!redisPorts.has(remotePort)) sample.socketsHttp++
      else if (state === states.established) sample.socketsOpen++
      else if (state === states.synSent || state === states.synReceived) sample.socketsConnecting++
      else sample.socketsClosing++
    }
    return sample
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) return null
    throw error
  }
}

function readDescriptors(pid: number): { descriptors: number; inodes: Set<string> } {
  const names = readdirSync(`/proc/${pid}/fd`)
  const inodes = new Set<string>()
  for (const name of names) {
    try {
      const target = readlinkSync(`/proc/${pid}/fd/${name}`)
      if (target.startsWith('socket:[')) inodes.add(target.slice(8, -1))
    } catch {
      // Closed since it was listed.
    }
  }
  return { descriptors: names.length, inodes }
}

export interface TcpSocket {
  remotePort: number
  state: string
  inode: string
}

/** The lines of /proc/net/tcp. */
export function* tcpSockets(text: string): Generator<TcpSocket> {
  const lines = text.split('\n')
  for (let i = 1; i < lines.length; i++) {
    const fields = (lines[i] as string).trim().split(/\s+/)
    const remote = fields[2]
    if (remote === undefined) continue
    yield {
      remotePort: Number.parseInt(remote.slice(remote.indexOf(':') + 1), 16),
      state: fields[3] as string,
      inode: fields[9] as string,
    }
  }
}
