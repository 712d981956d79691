// Deep path of ioredis, kept for those who import it.

export {
  AbortError,
  AbstractConnector,
  Cluster,
  ClusterAllFailedError,
  Command,
  MaxRetriesPerRequestError,
  Pipeline,
  Redis,
  ReplyError,
  ScanStream,
  SentinelConnector,
  SentinelIterator,
} from '../index.js'
