// CommandFlag: what is known about a command without looking at its arguments, one bit each.

/**
 * Bits of `CommandSpec.flags`. The first group is spelled as the server's `COMMAND` reply spells it (redis.io/docs,
 * "COMMAND", flags); the second group is worked out by this client.
 */
export const CommandFlag = {
  write: 1,
  readonly: 2,
  /** May hold its connection until data or a timeout comes; for XREAD and XREADGROUP see `isBlocking`. */
  blocking: 4,
  /** Changes the state of its connection, so it cannot be sent on one that other calls share. */
  session: 8,
  /** Has no keys: any node may be asked. */
  keyless: 16,
  pubsub: 32,
  admin: 64,
  fast: 128,
  noscript: 256,
  loading: 512,
  movablekeys: 1024,

  /** The first argument names a subcommand that has a spec of its own. */
  container: 2048,
  /** The first argument is the only key, whatever else follows: the fast path of `slotOfCommand`. */
  singleKey: 4096,
  /** Not in the table: a module's or a newer server's command, taken to have its key first. */
  unknown: 8192,
} as const

export type CommandFlagName = keyof typeof CommandFlag
