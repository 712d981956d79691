// Script: a Lua script as a method: EVAL where the server may not know it, EVALSHA where it does.
// Source: EVAL, EVALSHA command pages.

import { createHash } from 'node:crypto'
import { asCallback, type NodeCallback } from './callback.js'
import { Command, type CommandOptions } from './command.js'

/** What sends the commands of a script. */
interface ScriptSender {
  sendCommand(command: Command): unknown
  readonly isPipeline?: boolean
  readonly redis?: ScriptSender
}

/** A command that runs a script. Which of the two it is on the wire is decided when it is sent. */
export class ScriptCommand extends Command {
  readonly script: Script

  constructor(script: Script, args: readonly unknown[], options: CommandOptions) {
    super('evalsha', [script.sha, ...args], options)
    this.script = script
  }

  /** @param known the scripts the server is known to have, to which this one is added */
  choose(known: Set<string>): void {
    const { sha, lua } = this.script
    const isKnown = known.has(sha)
    known.add(sha)
    this.name = isKnown ? 'evalsha' : 'eval'
    this.args = [isKnown ? sha : lua, ...this.args.slice(1)]
  }
}

export class Script {
  readonly lua: string
  readonly sha: string
  readonly numberOfKeys: number | null
  readonly keyPrefix: string | Buffer
  readonly readOnly: boolean

  /**
   * @param numberOfKeys keys among the arguments; null when the first argument of each call says it
   * @param keyPrefix stands before each of its keys
   */
  constructor(lua: string, numberOfKeys: number | null = null, keyPrefix: string | Buffer = '', readOnly = false) {
    this.lua = lua
    this.sha = createHash('sha1').update(lua).digest('hex')
    this.numberOfKeys = numberOfKeys
    this.keyPrefix = keyPrefix
    this.readOnly = readOnly
  }

  execute(sender: ScriptSender, args: unknown[], options: CommandOptions, callback?: NodeCallback): unknown {
    const all = this.numberOfKeys === null ? args : [this.numberOfKeys, ...args]
    const own: CommandOptions = { ...options, readOnly: this.readOnly, keyPrefix: this.keyPrefix }
    const command = new ScriptCommand(this, all, own)
    const resender = sender.isPipeline === true && sender.redis !== undefined ? sender.redis : sender
    command.promise = command.promise.catch((error: Error) => {
      if (!error.message.includes('NOSCRIPT')) throw error
      // The server was restarted, or its scripts were flushed: this time the whole script.
      const again = new Command('eval', [this.lua, ...all], own)
      return resender.sendCommand(again)
    })
    asCallback(command.promise, callback)
    return sender.sendCommand(command)
  }
}
