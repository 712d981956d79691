// Methods: one method for each command, and its Buffer twin, on whatever can send a Command.

import type { NodeCallback } from './callback.js'
import { Command, type CommandOptions } from './command.js'
import { methodNames } from './method-names.js'
import { Script } from './script.js'

export interface ScriptDefinition {
  lua: string
  /** Keys among the arguments; when left out the first argument of each call says it. */
  numberOfKeys?: number
  /** May run on a replica. */
  readOnly?: boolean
}

/** What the methods need of the object they stand on. */
export interface CommanderOptions {
  keyPrefix?: string | Buffer
  showFriendlyErrorStack?: boolean
}

/** What most commands are made with. */
const asText: CommandOptions = Object.freeze({ replyEncoding: 'utf8' as const })
const asBuffers: CommandOptions = Object.freeze({ replyEncoding: null })

export type Method = (this: Commander, ...args: unknown[]) => unknown

/** Takes the callback off the end of the arguments, where there is one. */
function takeCallback(args: unknown[]): NodeCallback | undefined {
  return typeof args[args.length - 1] === 'function' ? (args.pop() as NodeCallback) : undefined
}

function commandMethod(name: string, replyEncoding: BufferEncoding | null): Method {
  return function (...args) {
    const callback = takeCallback(args)
    return this.sendCommand(new Command(name, args, this.commandOptions(replyEncoding), callback))
  }
}

function callMethod(replyEncoding: BufferEncoding | null): Method {
  return function (...args) {
    const callback = takeCallback(args)
    // call(['set', 'k', 'v']) is call('set', 'k', 'v').
    const [name, ...rest] = Array.isArray(args[0]) ? args.flat() : args
    return this.sendCommand(new Command(String(name), rest, this.commandOptions(replyEncoding), callback))
  }
}

export abstract class Commander {
  options: CommanderOptions = {}
  /** Scripts defined on this object, by the name of their method. */
  scriptsSet: Record<string, Script> = {}
  /** Commands added by addBuiltinCommand(). */
  addedBuiltinSet = new Set<string>()

  /** Sends the command. Everything goes through here. */
  abstract sendCommand(command: Command, stream?: unknown, node?: unknown): unknown

  commandOptions(replyEncoding: BufferEncoding | null): CommandOptions {
    const { keyPrefix, showFriendlyErrorStack } = this.options
    if (!keyPrefix && !showFriendlyErrorStack) return replyEncoding === null ? asBuffers : asText
    const options: CommandOptions = { replyEncoding }
    if (keyPrefix) options.keyPrefix = keyPrefix
    if (showFriendlyErrorStack) options.errorStack = new Error()
    return options
  }

  /** Names of all commands that there are methods for. */
  getBuiltinCommands(): string[] {
    return [...methodNames]
  }

  /** The two methods of a command: for strings and for Buffers. */
  createBuiltinCommand(name: string): { string: Method; buffer: Method } {
    return { string: commandMethod(name, 'utf8'), buffer: commandMethod(name, null) }
  }

  /** Adds the methods of a command to this object. */
  addBuiltinCommand(name: string): void {
    this.addedBuiltinSet.add(name)
    const { string, buffer } = this.createBuiltinCommand(name)
    Object.assign(this, { [name]: string, [`${name}Buffer`]: buffer })
  }

  /**
   * Makes a method of a Lua script. It is sent whole once, then by its hash; a server that has forgotten it gets it again.
   * Source: EVALSHA command page.
   */
  defineCommand(name: string, { lua, numberOfKeys, readOnly }: ScriptDefinition): void {
    const script = new Script(lua, numberOfKeys ?? null, this.options.keyPrefix ?? '', readOnly === true)
    this.scriptsSet[name] = script
    const method = (replyEncoding: BufferEncoding | null): Method =>
      function (...args) {
        const callback = takeCallback(args)
        return script.execute(this, args, this.commandOptions(replyEncoding), callback)
      }
    Object.assign(this, { [name]: method('utf8'), [`${name}Buffer`]: method(null) })
  }
}

const prototype = Commander.prototype as unknown as Record<string, unknown>
// An object that a property was deleted from keeps a table of its properties. Without it V8 makes another shape of the prototype for each
// of these 600, which takes 10 ms, a sixth of loading the package; with it half a millisecond.
prototype.call = null
delete prototype.call
for (const name of methodNames) {
  prototype[name] = commandMethod(name, 'utf8')
  prototype[`${name}Buffer`] = commandMethod(name, null)
}
prototype.call = callMethod('utf8')
prototype.callBuffer = callMethod(null)
prototype.send_command = prototype.call
