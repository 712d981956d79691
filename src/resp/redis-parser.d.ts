// redis-parser 3.0.0 ships no types. What Resp2Decoder uses of it.

declare module 'redis-parser' {
  interface ParserOptions {
    returnReply(reply: unknown): void
    /** Called for an error reply at top level. Nested ones are values of the array. */
    returnError(error: Error): void
    /** Called when the bytes are not RESP2. */
    returnFatalError(error: Error): void
    returnBuffers?: boolean
    stringNumbers?: boolean
  }

  class Parser {
    constructor(options: ParserOptions)
    execute(bytes: Buffer): void
    setReturnBuffers(returnBuffers: boolean): void
  }

  export = Parser
}
