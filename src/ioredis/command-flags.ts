// CommandFlags: the kinds of commands that ioredis' users ask about.

export const commandFlags = {
  VALID_IN_SUBSCRIBER_MODE: [
    'subscribe',
    'psubscribe',
    'ssubscribe',
    'unsubscribe',
    'punsubscribe',
    'sunsubscribe',
    'ping',
    'quit',
  ],
  VALID_IN_MONITOR_MODE: ['monitor', 'auth'],
  ENTER_SUBSCRIBER_MODE: ['subscribe', 'psubscribe', 'ssubscribe'],
  EXIT_SUBSCRIBER_MODE: ['unsubscribe', 'punsubscribe', 'sunsubscribe'],
  WILL_DISCONNECT: ['quit'],
  HANDSHAKE_COMMANDS: ['auth', 'hello', 'select', 'client', 'readonly', 'info'],
  IGNORE_RECONNECT_ON_ERROR: ['client'],
  BLOCKING_COMMANDS: [
    'blpop',
    'brpop',
    'brpoplpush',
    'blmove',
    'blmovem',
    'blmpop',
    'bzpopmin',
    'bzpopmax',
    'bzmpop',
    'xread',
    'xreadgroup',
  ],
  LAST_ARG_TIMEOUT_COMMANDS: ['blpop', 'brpop', 'brpoplpush', 'blmove', 'bzpopmin', 'bzpopmax'],
  FIRST_ARG_TIMEOUT_COMMANDS: ['bzmpop', 'blmpop'],
  BLOCK_OPTION_COMMANDS: ['xread', 'xreadgroup'],
}

/** Each list of names as an object of them. */
export function byName(lists: Readonly<Record<string, readonly string[]>>): Record<string, Record<string, true>> {
  const names = (list: readonly string[]) => Object.fromEntries(list.map(name => [name, true as const]))
  return Object.fromEntries(Object.entries(lists).map(([flag, list]) => [flag, names(list)]))
}

/** Milliseconds a command blocks on the server: 0 for ever, null when it names none, undefined when it is no blocking command. */
export function blockingTimeoutOf(commandName: string, args: readonly (string | Buffer)[]): number | null | undefined {
  if (args.length === 0) return undefined
  const name = commandName.toLowerCase()
  if (name === 'blmovem') return seconds(args[4])
  if (commandFlags.LAST_ARG_TIMEOUT_COMMANDS.includes(name)) return seconds(args.at(-1))
  if (commandFlags.FIRST_ARG_TIMEOUT_COMMANDS.includes(name)) return seconds(args[0])
  if (!commandFlags.BLOCK_OPTION_COMMANDS.includes(name)) return undefined
  for (let i = 0; i + 1 < args.length; i++) {
    const word = String(args[i]).toUpperCase()
    if (word === 'STREAMS') break
    if (word === 'BLOCK') return duration(args[i + 1], 1)
  }
  return null
}

function seconds(arg: string | Buffer | undefined): number | undefined {
  return duration(arg, 1000)
}

function duration(arg: string | Buffer | undefined, unitMs: number): number | undefined {
  const value = arg === undefined || String(arg).trim() === '' ? Number.NaN : Number(String(arg))
  if (!Number.isFinite(value)) return undefined
  return value <= 0 ? 0 : value * unitMs
}
