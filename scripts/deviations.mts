// The register of deliberate differences from ioredis 6.0.0. docs/compatibility.md shows it, and a test keeps the two equal.

export interface Deviation {
  /** What a program sees, ioredis first. */
  readonly what: string
  readonly why: string
  /** How to get the old way, if there is one. */
  readonly restore?: string
}

export const deviations = {
  'pipeline-across-slots': {
    what: 'ioredis rejects a Cluster pipeline whose keys belong to different slot groups; slotwise runs it, each command on its own node, results in call order.',
    why: 'The refusal protects nothing: a pipeline is no transaction.',
  },
  'bounded-queue': {
    what: 'ioredis queues without a bound while Redis is away; in slotwise what waits is bounded by 32 MiB, and a command beyond that fails at once with code `SLOTWISE_QUEUE_FULL`.',
    why: 'The unbounded queue is what turned an outage of Redis into an outage of its users.',
    restore: '`slotwise: { maxQueuedBytes }`',
  },
  'silent-peer': {
    what: 'ioredis waits for ever for a peer that has stopped answering; slotwise pings a connection that has been silent for 10 s, and gives it up when a reply has been due for 30 s without a byte (time that a blocking command may rightly block not counted).',
    why: 'A half-open connection is found in seconds instead of a quarter of an hour.',
    restore: '`socketTimeout`, or `slotwise: { silenceTimeoutMs, pingIntervalMs }`',
  },
  'connect-deadline': {
    what: 'In ioredis `connectTimeout` ends with the TCP connection; in slotwise it covers name look-up, TCP, TLS and handshake.',
    why: 'A server that accepts and says nothing would otherwise be waited for without a limit.',
  },
  'always-settles': {
    what: 'ioredis leaves promises pending in some races (a second disconnect during the handshake, `autoResendUnfulfilledCommands: false`, `disconnect()` while reconnecting, `unsubscribe()` while a pattern is subscribed); in slotwise every command settles and every `disconnect()` leads to `end`.',
    why: 'Nobody can depend on a promise that never settles.',
  },
  'timed-out-in-queue': {
    what: 'ioredis still sends a command that has run into `commandTimeout` while it waited; slotwise does not.',
    why: 'Its caller has been told that it failed.',
  },
  'moved-one-slot': {
    what: 'A MOVED reply makes ioredis re-point the whole range that shares its slot list, and refresh once more; slotwise re-points the one slot, and asks for the topology at most once a second.',
    why: 'A resharding cluster is not asked more often the more it is used.',
  },
  'cluster-down-patience': {
    what: 'ioredis tries a command 16 times (`maxRedirections`) after CLUSTERDOWN and the like, which is 1.6 s; slotwise ten times as often.',
    why: 'A failover takes longer than that: a cluster notices the loss of a node after 15 s by default.',
    restore: '`commandTimeout` in `redisOptions`',
  },
  'waits-out-loading': {
    what: 'LOADING, READONLY and MASTERDOWN are errors of the caller in an ioredis Cluster; slotwise tries such a command again, as after CLUSTERDOWN.',
    why: 'They pass by themselves: a server that has restarted reads its data, a primary has become a replica, and the topology will tell who is the primary now.',
    restore: '`commandTimeout` in `redisOptions` bounds the wait',
  },
  'too-many-redirections-in-pipeline': {
    what: 'A command of a Cluster pipeline that was tried `maxRedirections` times has the last reply as its error in ioredis, and the error `Too many Cluster redirections` outside a pipeline; in slotwise it has that one in both, with the reply as `cause`.',
    why: 'A command of a pipeline is a command like any other.',
  },
  'node-error-cause': {
    what: "The event `node error` of a Cluster says `Connection is closed.` for a node that cannot be reached; slotwise gives the operating system's error (`connect ECONNREFUSED 127.0.0.1:7000`).",
    why: 'An operator wants to know why.',
  },
  'no-pipeline-queue': {
    what: '`autoPipelineQueueSize` is always 0.',
    why: 'Everything is pipelined, and nothing is kept back for it.',
  },
  'startup-node-options': {
    what: 'Options in the object of a startup node (a password, a name) are for that node alone in ioredis; in slotwise those of the first startup node are for all nodes, where `redisOptions` does not say otherwise.',
    why: 'A node that the cluster names later could not be logged in to otherwise.',
  },
  'nodes-are-redialled': {
    what: 'ioredis drops a node whose connection is lost (`clusterNodeRetryStrategy: null`); slotwise redials the nodes of a Cluster until the topology no longer names them, and takes no notice of that option.',
    why: 'A restarted node is of use again without waiting for an error.',
  },
  'periodic-comparison': {
    what: 'ioredis compares the topology only if `slotsRefreshInterval` is set; slotwise does it every 60 s on a connection it has.',
    why: 'A client without traffic notices a failover, too.',
    restore: '`slotwise: { refreshPeriodMs: 0 }`',
  },
  'cluster-sessions': {
    what: 'Commands that give a connection a state of its own (`multi` with `{pipeline: false}`, `watch`, `monitor`) are refused on a Cluster with code `SLOTWISE_SESSION_ONLY`; ioredis sends them to any node.',
    why: 'They would disturb everything else on the connection.',
    restore: 'Use a `Redis` of the node, for instance `cluster.nodes()[0].duplicate()`.',
  },
  'one-subscriber-a-node': {
    what: 'In slotwise one connection a node brings everything that is subscribed to there, named `ioredis-cluster(subscriber)`; ioredis has others for shard channels, named `ioredis-cluster(ssubscriber)`. Shard channels do not need the option `shardedSubscribers`, which decides on events only.',
    why: 'One is enough.',
  },
  'subscriptions-are-kept': {
    what: 'A subscription whose connection is lost before it was confirmed fails in ioredis with `retryDelayOnFailover: 0`; slotwise tries until it stands, or the server refuses it. After every interruption the event `gap` tells of which names messages may have been missed, and when.',
    why: 'What is wanted is a subscription, not a command.',
  },
  'library-name': {
    what: 'CLIENT SETINFO names `slotwise` where ioredis names itself.',
    why: 'CLIENT LIST is to tell the truth.',
    restore: '`disableClientInfo: true`',
  },
  'secrets-masked': {
    what: 'Where a password is refused, `error.command.args` of ioredis holds it; slotwise shows `?` in its place.',
    why: 'Errors are logged.',
  },
  'half-pipeline': {
    what: 'When the connection is lost after some replies of a pipeline, ioredis rejects the rest of it with AbortError; slotwise sends the rest again, like any other commands.',
    why: 'The commands of a pipeline have nothing to do with each other.',
    restore: '`autoResendUnfulfilledCommands: false`',
  },
  'broken-reply': {
    what: 'Bytes that are no reply make ioredis reject everything in flight with `Unknown RESP type …. Please report this.`; slotwise fails the command whose reply was due, with code `SLOTWISE_PROTOCOL`, and sends the others again on a new connection.',
    why: 'The others have done nothing wrong.',
  },
  'stray-reply': {
    what: 'A reply that no command asked for is an error event in ioredis; in slotwise it also ends the connection.',
    why: 'Whose reply comes next could no longer be told.',
  },
  'uint8array-is-bytes': {
    what: 'A Uint8Array that is no Buffer is sent as its bytes; ioredis sends `1,2,3`.',
    why: 'Nobody means the text.',
  },
  'reply-error-code': {
    what: "A ReplyError has a `code`, the first word of its message (`'WRONGTYPE'`), which is no own property; ioredis' has none.",
    why: 'Matching a code beats matching a text.',
  },
  'resp2-large-integers': {
    what: 'Under protocol 2 an integer beyond 2^53 may differ from the nearest number in its last digits.',
    why: 'redis-parser adds it up in parts. `stringNumbers` gives it exactly, and so does protocol 3 the nearest number.',
    restore: '`stringNumbers: true`',
  },
  'command-timers': {
    what: 'In ioredis a Command keeps time itself, from setTimeout() on; in slotwise its limit counts from the moment it is sent, and is kept by the client.',
    why: 'One wheel for all limits costs nothing for each of them.',
  },
  'private-members': {
    what: "Members that are private in ioredis' types are not there, such as `parseOptions`, `resetCommandQueue`, `connectionPool`, `fillResult`, `resolveMaster`.",
    why: 'They are how ioredis works inside.',
  },
  'internal-files': {
    what: "Deep paths answer for what other packages use: `built/utils`, `built/errors`, `built/classes`, `built/Redis`, `built/Command`, `built/Pipeline`, `built/ScanStream`, `built/Script`, `built/cluster`, `built/connectors`, their options and types. Other files of ioredis' inside do not exist.",
    why: 'They are how ioredis works inside.',
  },
  'tls-profiles': {
    what: 'The profile names `RedisCloudFixed` and `RedisCloudFlexible` for `tls` are refused with an error; in ioredis they stand for a certificate that it brings along.',
    why: 'They are deprecated, and a certificate that is older than its server helps nobody.',
    restore: '`tls: { ca }`',
  },
  himport: {
    what: '`himportFieldsets` is checked and kept, and not prepared on the server.',
    why: 'HIMPORT is experimental, and there is no released server to test it with.',
  },
  'trace-handshake': {
    what: 'The commands that a connection begins with are not published on `tracing:ioredis:command`.',
    why: 'They are the client’s own, and hold secrets.',
  },
  'trace-when-called': {
    what: 'A command that has to wait for a connection is published on `tracing:ioredis:command` when it is called; in ioredis when it is written.',
    why: 'The time it waits is what its caller waits.',
  },
  'stream-data': {
    what: 'Without TLS and without a connector `redis.stream` emits no `data` events: what it reads goes to the client alone.',
    why: 'All sockets of the process read into one buffer, instead of 64 KiB of its own for each read.',
  },
} satisfies Record<string, Deviation>
