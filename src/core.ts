// slotwise/core: the native API. Re-exports only.

export type { CacheInspection } from './cache/inspection.js'
export type { CacheMode, CacheOptions } from './cache/options.js'
export type { NodeAddress } from './client/address.js'
export type { ClusterAddress } from './client/address-options.js'
export type { CallOptions } from './client/call-options.js'
export { type BatchItem, type ClientEvents, createClient } from './client/client.js'
export type { Inspection, NodeInspection } from './client/inspection.js'
export type { ClientOptions, CommonOptions } from './client/options.js'
export type { ScanOptions } from './client/scan.js'
export type { Session, SessionOptions } from './client/session.js'
export type { ClientState } from './client/states.js'
export type { Argument } from './command/command.js'
export { slotOf } from './command/slot.js'
export type { Credentials, CredentialsProvider, TlsProvider } from './connection/access.js'
export { type ErrorCode, errorCodes, type Phase, ReplyError, SlotwiseError } from './errors.js'
export * from './foundation.js'
export type {
  DialMessage,
  Origin,
  QueueMessage,
  RedirectMessage,
  RefreshedNode,
  RefreshMessage,
  SlotsMoved,
  SocketMessage,
  TopologyChange,
  TopologyMessage,
} from './observe.js'
export type { BufferMessage, Gap, Message, Subscription, SubscriptionOptions } from './pubsub/subscription.js'
export type { Reply } from './resp/decoder.js'
export type { ReadFrom, ZonePolicy } from './routing/read-policy.js'
export type { NatMap } from './topology/nat-map.js'
export type { ResolveSrv } from './topology/seeds.js'
export type { TopologyCommand } from './topology/source.js'
