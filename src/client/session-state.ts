// SessionState: what the commands of a session have made of its connection. Pure notes; nothing is sent here.
// Source: Redis "Transactions"; WATCH, UNWATCH, DISCARD, CLIENT REPLY command pages.

import type { Argument } from '../command/command.js'

/** Commands whose effect on the connection UNWATCH or DISCARD undoes. */
const undone = new Set(['MULTI', 'EXEC', 'DISCARD', 'WATCH', 'UNWATCH'])

/** Others that leave something behind on it: the connection is not used again. */
const spoiling = new Set(
  `ASKING AUTH HELLO MONITOR PSUBSCRIBE PSYNC PUNSUBSCRIBE QUIT READONLY READWRITE RESET SELECT SSUBSCRIBE SUBSCRIBE SUNSUBSCRIBE SYNC
  UNSUBSCRIBE`.split(/\s+/),
)

/** Of CLIENT, those that only look or concern others. */
const harmlessClient = new Set([
  'GETNAME',
  'GETREDIR',
  'ID',
  'INFO',
  'KILL',
  'LIST',
  'PAUSE',
  'TRACKINGINFO',
  'UNBLOCK',
  'UNPAUSE',
])

export class SessionState {
  #inMulti = false
  #watching = false
  #spoiled = false
  #replies: 'on' | 'off' | 'skip' = 'on'

  /**
   * Notes a command that is being sent.
   * @param name its name in upper case, with the subcommand where it has one (`CLIENT|REPLY`)
   * @returns true when the server will not reply to it
   */
  note(name: string, args: readonly Argument[]): boolean {
    const [first, subcommand] = name.split('|') as [string, string | undefined]
    if (undone.has(first)) this.#noteTransaction(first)
    else if (spoiling.has(first)) this.#spoiled = true
    else if (first === 'CLIENT' && !harmlessClient.has(subcommand ?? String(args[0]).toUpperCase()))
      this.#spoiled = true
    if (first === 'CLIENT' && (subcommand ?? String(args[0]).toUpperCase()) === 'REPLY') {
      return this.#noteReply(String(args.at(-1)).toUpperCase())
    }
    if (this.#replies === 'on') return false
    if (this.#replies === 'skip') this.#replies = 'on'
    return true
  }

  #noteTransaction(name: string): void {
    if (name === 'MULTI') this.#inMulti = true
    else if (name === 'WATCH') this.#watching = true
    else {
      if (name !== 'UNWATCH') this.#inMulti = false
      this.#watching = false
    }
  }

  /** ON is answered, OFF and SKIP are not. */
  #noteReply(mode: string): boolean {
    if (mode === 'ON') this.#replies = 'on'
    else if (mode === 'OFF') this.#replies = 'off'
    else if (mode === 'SKIP' && this.#replies === 'on') this.#replies = 'skip'
    else return this.#replies === 'off'
    return mode !== 'ON'
  }

  spoil(): void {
    this.#spoiled = true
  }

  get isClean(): boolean {
    return !this.#spoiled && !this.#inMulti && !this.#watching
  }

  /** The command that undoes what was left open; null when there is none, or when it would be of no use. */
  cleaning(): 'DISCARD' | 'UNWATCH' | null {
    if (this.#spoiled) return null
    return this.#inMulti ? 'DISCARD' : this.#watching ? 'UNWATCH' : null
  }
}
