// slotwise/core: the native API. Re-exports only.

export type { NodeAddress } from './client/address.js'
// For APIs of another shape that are built on this one, such as the ioredis-shaped one: lower level, with fewer checks, and free to
// change in a minor version.
export { parseAddress } from './client/address.js'
export type { CallOptions } from './client/call-options.js'
export { type BatchItem, Client, createClient } from './client/client.js'
export { DirectClient } from './client/direct-client.js'
export type { DirectHooks, DirectOptions } from './client/direct-options.js'
export type { Inspection, NodeInspection } from './client/inspection.js'
export type { ClientObserver } from './client/observer.js'
export type { ClientOptions, CommonOptions } from './client/options.js'
export { type ClientConfig, resolveOptions } from './client/options.js'
export type { ClientState } from './client/states.js'
export { type Call, CallFlag, commandText, noTimeoutMs, type Outcome } from './command/call.js'
export type { Argument } from './command/command.js'
export {
  blockingTimeoutMs,
  CommandFlag,
  type CommandName,
  commandNames,
  isReadonly,
  keyIndexes,
  nameFor,
  resolveCommand,
} from './command/command.js'
export { slotOf } from './command/slot.js'
export { openSocket } from './connection/dial.js'
export { type Endpoint, tcpEndpoint, unixEndpoint } from './connection/endpoint.js'
export { type ErrorCode, errorCodes, type Phase, ReplyError, replyError, SlotwiseError } from './errors.js'
export type { Node } from './node/node.js'
export type { Reply } from './resp/decoder.js'
