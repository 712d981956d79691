// slotwise/testing: a fake Redis server, a fake Redis Cluster, and time at a test's command. Re-exports only.

export {
  type Announcement,
  type FailoverOptions,
  FakeCluster,
  type FakeClusterOptions,
} from './testing/fake-cluster.js'
export { FakeConnection } from './testing/fake-connection.js'
export { FakeNode } from './testing/fake-node.js'
export { FakeServer, type FakeServerOptions, type Handler, type Layout } from './testing/fake-server.js'
export { keyInSlot } from './testing/key-in-slot.js'
export { type TakeOverTimeOptions, takeOverTime, type VirtualTime } from './testing/take-over-time.js'
export { array, ask, bulk, moved, silence } from './testing/wire.js'
