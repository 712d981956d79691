// CommandTypes: what a command is made with, and what its reply depends on.

export type CommandParameter = string | Buffer | number | unknown[]

export interface CommandOptions {
  /** `utf8` for strings, null or undefined for Buffers, or another encoding of Node's. */
  replyEncoding?: BufferEncoding | null
  /** Where the command was made, for the stack of its error. */
  errorStack?: Error
  keyPrefix?: string | Buffer
  /** May be sent to a replica. */
  readOnly?: boolean
}

/** What a reply depends on besides the command. */
export interface ReplyContext {
  protocol?: number
  replyMapping?: 'legacy' | 'resp3'
  stringNumbers?: boolean
}
