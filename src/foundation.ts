// Foundation: what an API of another shape, such as the ioredis-shaped one, is built on. Lower level than the rest of the native API, with
// fewer checks, and free to change in a minor version. Re-exports only; published as part of slotwise/core.

export { TransactionReplies } from './batch/transaction.js'
export { parseAddress } from './client/address.js'
export { Client } from './client/client.js'
export { DirectClient } from './client/direct-client.js'
export type { DirectHooks, DirectOptions } from './client/direct-options.js'
export { Engine } from './client/engine.js'
export type { ClientObserver } from './client/observer.js'
export { type ClientConfig, resolveOptions } from './client/options.js'
export { type Call, CallFlag, commandText, noTimeoutMs, type Outcome } from './command/call.js'
export {
  blockingTimeoutMs,
  CommandFlag,
  type CommandName,
  commandNames,
  firstKeyIndex,
  isReadonly,
  keyIndexes,
  nameFor,
  resolveCommand,
} from './command/command.js'
export { endSocket, openSocket } from './connection/dial.js'
export { type Endpoint, tcpEndpoint, unixEndpoint } from './connection/endpoint.js'
export { type HandshakeOptions, type HandshakeStep, library } from './connection/handshake.js'
export { RedisError, replyError } from './errors.js'
export type { Node } from './node/node.js'
export type { Named, NamesGap, Sink } from './pubsub/entry.js'
export type { SubscriptionKind } from './pubsub/subscription-set.js'
export { owned, sameBytes } from './resp/text.js'
export { locator } from './topology/nat-map.js'
export { pause } from './turn.js'
