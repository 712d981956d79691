// CommandReply: a reply, and an error, as the caller of a command is to see them. Pure.

import {
  builtinReplyTransformers,
  flattensOfResp3,
  hasBuffers,
  type ReplyTransformer,
  toPlain,
  toText,
} from './transformers.js'

/** What decides how a reply is shown. */
export interface Shown {
  readonly name: string
  readonly protocol: number
  readonly replyEncoding: BufferEncoding | null | undefined
  readonly replyMapping: 'legacy' | 'resp3'
  readonly stringNumbers: boolean
}

/** @param transformer that is in force for the command's name */
export function shownReply(
  { name, protocol, replyEncoding, replyMapping, stringNumbers }: Shown,
  reply: unknown,
  transformer: ReplyTransformer | undefined,
): unknown {
  let shown = reply
  if (replyMapping === 'resp3') shown = toPlain(shown, stringNumbers)
  if (replyEncoding && hasBuffers(shown)) shown = toText(shown, replyEncoding)
  if (transformer === undefined || (replyMapping === 'resp3' && transformer === builtinReplyTransformers[name])) {
    return shown
  }
  if (protocol === 2 && name !== 'vsim' && flattensOfResp3(transformer)) return shown
  return transformer(shown, { commandName: name, protocol, replyMapping })
}

/** The error with the stack of the place where its command was made. */
export function withStack(error: Error, made: Error): Error {
  const lines = (made.stack ?? '').split('\n').slice(1)
  const first = lines.findIndex(line => !line.includes(__dirname))
  const head = (error.stack ?? String(error)).split('\n')[0]
  error.stack = [head, ...lines.slice(Math.max(0, first))].join('\n')
  return error
}
