// slotwise/core: the native API. Re-exports only.

export type { NodeAddress } from './client/address.js'
export type { CallOptions } from './client/call-options.js'
export { type BatchItem, createClient } from './client/client.js'
export type { Inspection, NodeInspection } from './client/inspection.js'
export type { ClientOptions, CommonOptions } from './client/options.js'
export type { Session, SessionOptions } from './client/session.js'
export type { ClientState } from './client/states.js'
export type { Argument } from './command/command.js'
export { slotOf } from './command/slot.js'
export { type ErrorCode, errorCodes, type Phase, ReplyError, SlotwiseError } from './errors.js'
export * from './foundation.js'
export type { Reply } from './resp/decoder.js'
