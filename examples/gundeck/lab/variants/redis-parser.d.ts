declare module 'redis-parser' {
  export default class RedisParser {
    constructor(options: { returnReply(reply: unknown): void; returnError(error: Error): void })
    execute(chunk: Buffer): void
  }
}
