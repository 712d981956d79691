// Results: what COMMAND DOCS cannot know, written by hand. Read by ../generate-command-types.mts.
//
// Replies: the type of each command's reply, in TypeScript, where `Text` stands for `string`, and for `Buffer` in the
// method's Buffer twin; the other names are those of src/ioredis/commander-types.ts. Sources: the page of each command on
// redis.io/docs, and what call sites written for ioredis 6.0.0 take for granted (test/types/calls.ts).
//
// Arguments, where given, replace those of COMMAND DOCS. The form is that of the command pages:
//   key  destination:key  count:integer     a value, by default of type string (a first word `key` is a key)
//   EX  'x'                                  a word sent as it is
//   [a b]  (a b)  a...                       optional, group, any number of
//   <a|b>  name:<A|B>                        one of, and with a name for the argument

// Where ioredis leaves out that a reply may be null, so do we, for callers rely on it: `lmove`, `rpoplpush`, `dump`,
// `geohash`, `set` with IFEQ and the like, `zadd` with GT or LT and INCR. Where it gives a type that no reply can have,
// ours is the right one; test/types/overloads.ts lists those.

export interface Overload {
  /** The arguments, where they differ from those of COMMAND DOCS. */
  args?: string
  /** Names of optional arguments of COMMAND DOCS that this overload goes without. */
  without?: string[]
  /** The type of the reply. */
  reply: string
  /** What the method returns, where it is not a Result. */
  returns?: string
}

/** The reply to every form of the command, or its overloads; `raw` ones are complete, with `$` after the name. */
export type Rule = string | (Overload | { raw: string })[]

/** A command that the captured server lacks. */
export interface AddedCommand {
  summary: string
  since?: string
  complexity?: string
  args?: string
  /** Left out where `replies` has it. */
  rule?: Rule
}

const ttl =
  'ttl:<EX seconds:integer|PX milliseconds:integer|EXAT unix-time-seconds:integer|PXAT unix-time-milliseconds:integer'
const ifValue = 'IFEQ value|IFNE value|IFDEQ digest|IFDNE digest'
const scored = 'ScoredMembers<Context, Text>'
const score = 'Score<Context, Text>'
const popped = `[key: Text, member: Text, score: ${score}] | null`
const scanned = '[cursor: Text, elements: Text[]]'
const entries = 'StreamEntry<Text>[]'
const slotRanges =
  '[startSlotRange: number, endSlotRange: number, ...nodes: [host: Text, port: number, nodeId: Text, info: unknown[]][]][]'
const trim = 'strategy:<MAXLEN|MINID> [operator:<=|~>] threshold [LIMIT count:integer]'
const combine = '[WEIGHTS weight:double...] [AGGREGATE aggregate:<SUM|MIN|MAX|COUNT>]'
const expireFields = '[condition:<NX|XX|GT|LT>] FIELDS numfields:integer field...'
const readStreams =
  '[COUNT count:integer] [MAXCOUNT count:integer] [MAXSIZE bytes:integer] [BLOCK milliseconds:integer]'

/** A command whose last word may be WITHSCORES, on which the reply depends. The arguments must not be of the same type
 * in both overloads (see ../generate-command-types.mts). */
function withScores(args: string): Overload[] {
  return [
    { args: 'numkeys:integer arg... WITHSCORES', reply: scored },
    { args: `numkeys:integer ${args}`, reply: 'Text[]' },
  ]
}

export const replies: Record<string, Rule> = {
  // Strings
  append: 'number',
  decr: 'number',
  decrby: 'number',
  get: 'Text | null',
  getdel: 'Text | null',
  getex: 'Text | null',
  getrange: 'Text',
  getset: 'Text | null',
  incr: 'number',
  incrby: 'number',
  incrbyfloat: 'Text',
  lcs: 'unknown',
  mget: '(Text | null)[]',
  mset: [{ args: 'entries:object', reply: "'OK'" }, { reply: "'OK'" }],
  msetnx: [{ args: 'entries:object', reply: 'number' }, { reply: 'number' }],
  psetex: "'OK'",
  set: [
    { args: `key value [${ttl}|KEEPTTL>]`, reply: "'OK'" },
    { args: `key value [condition:<${ifValue}>] [${ttl}|KEEPTTL>]`, reply: "'OK'" },
    { args: `key value [condition:<NX|XX>] [${ttl}|KEEPTTL>]`, reply: "'OK' | null" },
    { args: `key value [condition:<NX|XX|${ifValue}>] [${ttl}|KEEPTTL>] [GET]`, reply: 'Text | null' },
  ],
  setex: "'OK'",
  setnx: 'number',
  setrange: 'number',
  strlen: 'number',
  substr: 'Text',

  // Bits
  bitcount: 'number',
  bitfield: [{ args: "key operation:<'GET'|'SET'|'INCRBY'|'OVERFLOW'|value>...", reply: 'unknown' }],
  bitfield_ro: [{ args: "key operation:<'GET'|value>...", reply: 'unknown' }],
  bitop: [{ args: 'operation:<AND|OR|XOR|NOT|DIFF|DIFF1|ANDOR|ONE> destination:key key...', reply: 'number' }],
  bitpos: 'number',
  getbit: 'number',
  setbit: 'number',

  // Hashes
  hdel: 'number',
  hexists: 'number',
  hget: 'Text | null',
  hgetall: 'Record<string, Text>',
  hincrby: 'number',
  hincrbyfloat: 'Text',
  hkeys: 'Text[]',
  hlen: 'number',
  hmget: '(Text | null)[]',
  hmset: [{ args: 'key fields:object', reply: "'OK'" }, { reply: "'OK'" }],
  hrandfield: 'Text | unknown[] | null',
  hscan: [{ args: 'key cursor:integer [MATCH pattern:pattern] [COUNT count:integer] [NOVALUES]', reply: scanned }],
  hset: [{ args: 'key fields:object', reply: 'number' }, { reply: 'number' }],
  hsetnx: 'number',
  hstrlen: 'number',
  hvals: 'Text[]',

  // Lists
  blmove: 'Text | null',
  blmpop: '[key: Text, members: Text[]] | null',
  blpop: '[Text, Text] | null',
  brpop: '[Text, Text] | null',
  brpoplpush: 'Text | null',
  lindex: 'Text | null',
  linsert: 'number',
  llen: 'number',
  lmove: 'Text',
  lmpop: '[key: Text, members: Text[]] | null',
  lpop: [
    { args: 'key', reply: 'Text | null' },
    { args: 'key count:integer', reply: 'Text[] | null' },
  ],
  lpos: [
    { without: ['num-matches'], reply: 'number | null' },
    { args: 'key element [RANK rank:integer] COUNT num-matches:integer [MAXLEN len:integer]', reply: 'number[]' },
  ],
  lpush: 'number',
  lpushx: 'number',
  lrange: 'Text[]',
  lrem: 'number',
  lset: "'OK'",
  ltrim: "'OK'",
  rpop: [
    { args: 'key', reply: 'Text | null' },
    { args: 'key count:integer', reply: 'Text[] | null' },
  ],
  rpoplpush: 'Text',
  rpush: 'number',
  rpushx: 'number',

  // Sets
  sadd: 'number',
  scard: 'number',
  sdiff: 'Text[]',
  sdiffstore: 'number',
  sinter: 'Text[]',
  sintercard: 'number',
  sinterstore: 'number',
  sismember: 'number',
  smembers: 'Text[]',
  smismember: 'number[]',
  smove: 'number',
  spop: [
    { args: 'key', reply: 'Text | null' },
    { args: 'key count:integer', reply: 'Text[]' },
  ],
  srandmember: [
    { args: 'key', reply: 'Text | null' },
    { args: 'key count:integer', reply: 'Text[]' },
  ],
  srem: 'number',
  sscan: scanned,
  sunion: 'Text[]',
  sunionstore: 'number',

  // Sorted sets
  bzmpop: 'unknown',
  bzpopmax: popped,
  bzpopmin: popped,
  zadd: [
    { args: 'key [comparison:<GT|LT>] [CH] INCR (score:double member)...', reply: score },
    {
      args: 'key [condition:<NX|XX>] [comparison:<GT|LT>] [CH] INCR (score:double member)...',
      reply: `${score} | null`,
    },
    { args: 'key option:<NX|XX|GT|LT|CH|value>...', reply: 'number' },
  ],
  zcard: 'number',
  zcount: 'number',
  zdiff: withScores('key...'),
  zdiffstore: 'number',
  zincrby: score,
  zinter: withScores(`key... ${combine}`),
  zintercard: 'number',
  zinterstore: [{ args: `destination:key numkeys:integer key... ${combine}`, reply: 'number' }],
  zlexcount: 'number',
  zmpop: 'unknown',
  zmscore: `(${score} | null)[]`,
  zpopmax: [
    { args: 'key', reply: 'ByMapping<Context, Text[], [member: Text, score: number] | []>' },
    { args: 'key count:integer', reply: scored },
  ],
  zpopmin: [
    { args: 'key', reply: 'ByMapping<Context, Text[], [member: Text, score: number] | []>' },
    { args: 'key count:integer', reply: scored },
  ],
  zrandmember: [
    { args: 'key', reply: 'Text | null' },
    { args: 'key count:integer', reply: 'Text[]' },
    { args: 'key count:integer WITHSCORES', reply: scored },
  ],
  zrange: [{ without: ['withscores'], reply: 'Text[]' }, { reply: scored }],
  zrangebylex: 'Text[]',
  zrangebyscore: [{ without: ['withscores'], reply: 'Text[]' }, { reply: scored }],
  zrangestore: 'number',
  zrank: [
    { args: 'key member', reply: 'number | null' },
    { args: 'key member WITHSCORE', reply: `[rank: number, score: ${score}] | null` },
  ],
  zrem: 'number',
  zremrangebylex: 'number',
  zremrangebyrank: 'number',
  zremrangebyscore: 'number',
  zrevrange: [{ without: ['withscores'], reply: 'Text[]' }, { reply: scored }],
  zrevrangebylex: 'Text[]',
  zrevrangebyscore: [{ without: ['withscores'], reply: 'Text[]' }, { reply: scored }],
  zrevrank: [
    { args: 'key member', reply: 'number | null' },
    { args: 'key member WITHSCORE', reply: `[rank: number, score: ${score}] | null` },
  ],
  zscan: scanned,
  zscore: `${score} | null`,
  zunion: withScores(`key... ${combine}`),
  zunionstore: [{ args: `destination:key numkeys:integer key... ${combine}`, reply: 'number' }],

  // HyperLogLogs
  pfadd: 'number',
  pfcount: 'number',
  pfdebug: 'unknown',
  pfmerge: "'OK'",
  pfselftest: 'unknown',

  // Places
  geoadd: [{ args: 'key option:<NX|XX|CH|value>...', reply: 'number' }],
  geodist: 'Text | null',
  geohash: 'Text[]',
  geopos: '([longitude: Score<Context, Text>, latitude: Score<Context, Text>] | null)[]',
  georadius: [
    {
      args: "key longitude:double latitude:double radius:double option:<'M'|'KM'|'FT'|'MI'|'WITHCOORD'|'WITHDIST'|'WITHHASH'|'COUNT'|'ANY'|'ASC'|'DESC'|'STORE'|'STOREDIST'|value>...",
      reply: 'unknown[]',
    },
  ],
  georadius_ro: [
    {
      args: "key longitude:double latitude:double radius:double option:<'M'|'KM'|'FT'|'MI'|'WITHCOORD'|'WITHDIST'|'WITHHASH'|'COUNT'|'ANY'|'ASC'|'DESC'|value>...",
      reply: 'unknown[]',
    },
  ],
  georadiusbymember: [
    {
      args: "key member radius:double option:<'M'|'KM'|'FT'|'MI'|'WITHCOORD'|'WITHDIST'|'WITHHASH'|'COUNT'|'ANY'|'ASC'|'DESC'|'STORE'|'STOREDIST'|value>...",
      reply: 'unknown',
    },
  ],
  georadiusbymember_ro: [
    {
      args: "key member radius:double option:<'M'|'KM'|'FT'|'MI'|'WITHCOORD'|'WITHDIST'|'WITHHASH'|'COUNT'|'ANY'|'ASC'|'DESC'|value>...",
      reply: 'unknown[]',
    },
  ],
  geosearch: [
    {
      args: "key option:<'FROMMEMBER'|'FROMLONLAT'|'BYRADIUS'|'BYBOX'|'M'|'KM'|'FT'|'MI'|'ASC'|'DESC'|'COUNT'|'ANY'|'WITHCOORD'|'WITHDIST'|'WITHHASH'|value>...",
      reply: 'unknown[]',
    },
  ],
  geosearchstore: [
    {
      args: "destination:key source:key option:<'FROMMEMBER'|'FROMLONLAT'|'BYRADIUS'|'BYBOX'|'M'|'KM'|'FT'|'MI'|'ASC'|'DESC'|'COUNT'|'ANY'|'STOREDIST'|value>...",
      reply: 'number',
    },
  ],

  // Streams
  xack: 'number',
  xadd: [
    {
      args: "key option:<'*'|'NOMKSTREAM'|'MAXLEN'|'MINID'|'='|'~'|'LIMIT'|'KEEPREF'|'DELREF'|'ACKED'|value>...",
      reply: 'Text | null',
    },
  ],
  xautoclaim: 'unknown[]',
  xclaim: 'unknown[]',
  xdel: 'number',
  'xgroup|create': "'OK'",
  'xgroup|createconsumer': 'number',
  'xgroup|delconsumer': 'number',
  'xgroup|destroy': 'number',
  'xgroup|help': 'Text[]',
  'xgroup|setid': "'OK'",
  'xinfo|consumers': 'unknown',
  'xinfo|groups': 'unknown',
  'xinfo|help': 'Text[]',
  'xinfo|stream': 'unknown',
  xlen: 'number',
  xpending: 'unknown[]',
  xrange: entries,
  xread: [{ args: `${readStreams} STREAMS arg...`, reply: 'StreamReply<Context, Text, Text[]>' }],
  xreadgroup: [
    {
      args: `GROUP group consumer ${readStreams} [CLAIM min-idle-time:integer] [NOACK] STREAMS arg...`,
      reply: 'StreamReply<Context, Text, Text[] | null>',
    },
  ],
  xrevrange: entries,
  xsetid: "'OK'",
  xtrim: [{ args: `key ${trim} [references:<KEEPREF|DELREF|ACKED>]`, reply: 'number' }],

  // Keys
  copy: 'number',
  del: 'number',
  dump: 'Text',
  exists: 'number',
  expire: 'number',
  expireat: 'number',
  expiretime: 'number',
  keys: 'Text[]',
  migrate: [
    {
      args: "host port:integer argument:<'COPY'|'REPLACE'|'AUTH'|'AUTH2'|'KEYS'|value>...",
      reply: "'OK'",
    },
  ],
  move: 'number',
  'object|encoding': 'Text | null',
  'object|freq': 'number | null',
  'object|help': 'Text[]',
  'object|idletime': 'number | null',
  'object|refcount': 'number | null',
  persist: 'number',
  pexpire: 'number',
  pexpireat: 'number',
  pexpiretime: 'number',
  pttl: 'number',
  randomkey: 'Text | null',
  rename: "'OK'",
  renamenx: 'number',
  restore: "'OK'",
  'restore-asking': "'OK'",
  scan: scanned,
  sort: 'number | unknown[]',
  sort_ro: 'unknown[]',
  touch: 'number',
  ttl: 'number',
  type: 'Text',
  unlink: 'number',
  wait: 'number',

  // Channels
  psubscribe: 'number',
  publish: 'number',
  'pubsub|channels': 'Text[]',
  'pubsub|help': 'Text[]',
  'pubsub|numpat': 'number',
  'pubsub|numsub': 'unknown[]',
  'pubsub|shardchannels': 'Text[]',
  'pubsub|shardnumsub': 'unknown[]',
  punsubscribe: 'number',
  spublish: 'number',
  ssubscribe: 'number',
  subscribe: 'number',
  sunsubscribe: 'number',
  unsubscribe: 'number',

  // Transactions. MULTI is a method of Transaction in src/ioredis/commander.ts.
  discard: "'OK'",
  exec: [
    {
      reply: '[error: Error | null, result: unknown][] | null',
      returns: 'Promise<[error: Error | null, result: unknown][] | null>',
    },
  ],
  unwatch: "'OK'",
  watch: "'OK'",

  // Scripts
  eval: 'unknown',
  eval_ro: 'unknown',
  evalsha: 'unknown',
  evalsha_ro: 'unknown',
  fcall: 'unknown',
  fcall_ro: 'unknown',
  'function|delete': 'Text',
  'function|dump': 'Text',
  'function|flush': 'Text',
  'function|help': 'Text[]',
  'function|kill': 'Text',
  'function|list': 'unknown[]',
  'function|load': 'Text',
  'function|restore': 'Text',
  'function|stats': 'unknown',
  'script|debug': "'OK'",
  'script|exists': 'number[]',
  'script|flush': "'OK'",
  'script|help': 'Text[]',
  'script|kill': "'OK'",
  'script|load': 'Text',

  // Connections
  asking: "'OK'",
  auth: "'OK'",
  'client|caching': "'OK'",
  'client|getname': 'Text | null',
  'client|getredir': 'number',
  'client|help': 'Text[]',
  'client|id': 'number',
  'client|info': 'Text',
  'client|kill': [
    {
      args: "filter:<'ID'|'TYPE'|'USER'|'ADDR'|'LADDR'|'SKIPME'|'MAXAGE'|value>...",
      reply: "'OK' | number",
    },
  ],
  'client|list': 'Text',
  'client|no-evict': "'OK'",
  'client|no-touch': [{ args: 'enabled:<ON|OFF>', reply: "'OK'" }],
  'client|pause': "'OK'",
  'client|reply': 'unknown',
  'client|setinfo': [{ args: 'attribute:<LIB-NAME|LIB-VER> value', reply: 'Text' }],
  'client|setname': "'OK'",
  'client|tracking': [
    {
      args: "option:<'ON'|'OFF'|'REDIRECT'|'PREFIX'|'BCAST'|'OPTIN'|'OPTOUT'|'NOLOOP'|value>...",
      reply: "'OK'",
    },
  ],
  'client|trackinginfo': 'unknown',
  'client|unblock': 'number',
  'client|unpause': "'OK'",
  echo: 'Text',
  hello: 'ByMapping<Context, unknown[], Record<string, unknown>>',
  ping: [
    { args: '', reply: "'PONG'" },
    { args: 'message', reply: 'Text' },
  ],
  quit: "'OK'",
  readonly: "'OK'",
  readwrite: "'OK'",
  reset: "'OK'",
  select: "'OK'",

  // Cluster
  'cluster|addslots': "'OK'",
  'cluster|addslotsrange': "'OK'",
  'cluster|bumpepoch': "'BUMPED' | 'STILL'",
  'cluster|count-failure-reports': 'number',
  'cluster|countkeysinslot': 'number',
  'cluster|delslots': "'OK'",
  'cluster|delslotsrange': "'OK'",
  'cluster|failover': "'OK'",
  'cluster|flushslots': "'OK'",
  'cluster|forget': "'OK'",
  'cluster|getkeysinslot': 'Text[]',
  'cluster|help': 'Text[]',
  'cluster|info': 'Text',
  'cluster|keyslot': 'number',
  'cluster|links': 'unknown[]',
  'cluster|meet': "'OK'",
  'cluster|migration': [
    { args: 'operation:<CANCEL|STATUS> <ID task-id|ALL>', reply: 'unknown' },
    { args: 'IMPORT slot-range...', reply: 'unknown' },
    { args: 'STATUS', reply: 'unknown' },
  ],
  'cluster|myid': 'Text',
  'cluster|myshardid': 'Text',
  'cluster|nodes': 'Text',
  'cluster|replicas': 'Text[]',
  'cluster|replicate': "'OK'",
  'cluster|reset': "'OK'",
  'cluster|saveconfig': "'OK'",
  'cluster|set-config-epoch': "'OK'",
  'cluster|setslot': "'OK'",
  'cluster|shards': 'unknown',
  'cluster|slaves': 'Text[]',
  'cluster|slot-stats': [
    { args: 'SLOTSRANGE start-slot:integer end-slot:integer', reply: 'unknown' },
    { args: 'ORDERBY metric [LIMIT limit:integer] [order:<ASC|DESC>]', reply: 'unknown' },
  ],
  'cluster|slots': slotRanges,
  'cluster|syncslots': [{ args: 'arg...', reply: 'unknown' }],

  // Server
  'acl|cat': 'Text[]',
  'acl|deluser': 'number',
  'acl|dryrun': 'Text',
  'acl|genpass': 'Text',
  'acl|getuser': 'Text[] | null',
  'acl|help': 'Text[]',
  'acl|list': 'Text[]',
  'acl|load': "'OK'",
  'acl|log': 'unknown',
  'acl|save': "'OK'",
  'acl|setuser': "'OK'",
  'acl|users': 'Text[]',
  'acl|whoami': 'Text',
  bgrewriteaof: 'Text',
  bgsave: "'OK'",
  // ioredis gives an array for the container itself, too, which is what COMMAND alone replies.
  command: [{ args: '', reply: 'unknown[]' }],
  'command|count': 'number',
  'command|docs': 'unknown[]',
  'command|getkeys': [{ args: 'command arg...', reply: 'unknown[]' }],
  'command|getkeysandflags': [{ args: 'command arg...', reply: 'unknown[]' }],
  'command|help': 'Text[]',
  'command|info': 'unknown[]',
  'command|list': 'Text[]',
  'config|get': 'ByMapping<Context, Text[], Record<string, Text>>',
  'config|help': 'Text[]',
  'config|resetstat': "'OK'",
  'config|rewrite': "'OK'",
  'config|set': "'OK'",
  dbsize: 'number',
  debug: [{ args: 'subcommand arg...', reply: 'unknown' }],
  failover: "'OK'",
  flushall: "'OK'",
  flushdb: "'OK'",
  info: 'Text',
  lastsave: 'number',
  'latency|doctor': 'Text',
  'latency|graph': 'Text',
  'latency|help': 'Text[]',
  'latency|histogram': 'unknown',
  'latency|history': 'unknown[]',
  'latency|latest': 'unknown[]',
  'latency|reset': 'number',
  lolwut: 'Text',
  'memory|doctor': 'Text',
  'memory|help': 'Text[]',
  'memory|malloc-stats': 'Text',
  'memory|purge': "'OK'",
  'memory|stats': 'ByMapping<Context, unknown[], Record<string, unknown>>',
  'memory|usage': 'number | null',
  'module|help': 'Text[]',
  'module|list': 'unknown',
  'module|load': "'OK'",
  'module|loadex': [{ args: "path argument:<'CONFIG'|'ARGS'|value>...", reply: "'OK'" }],
  'module|unload': "'OK'",
  psync: 'unknown',
  replconf: [{ args: 'arg...', reply: 'unknown' }],
  replicaof: [{ args: '<host port:integer|NO ONE>', reply: "'OK'" }],
  role: 'unknown[]',
  save: "'OK'",
  shutdown: "'OK'",
  slaveof: [{ args: '<host port:integer|NO ONE>', reply: "'OK'" }],
  'slowlog|get': 'unknown',
  'slowlog|help': 'Text[]',
  'slowlog|len': 'number',
  'slowlog|reset': "'OK'",
  swapdb: "'OK'",
  sync: 'unknown',
  // The server sends strings. ioredis says numbers, and callers rely on it.
  time: 'number[]',
}

/** Commands, and subcommands, of newer servers and of Sentinel. */
export const added: Record<string, AddedCommand> = {
  // Redis 7.2
  'client|no-touch': { summary: 'Reads keys without changing when they were last used', since: '7.2.0' },
  'client|setinfo': { summary: 'Tells the server the name or version of the client library', since: '7.2.0' },
  'cluster|myshardid': { summary: "Gives the ID of the node's shard", since: '7.2.0' },
  waitaof: {
    summary: 'Waits until the writes so far are in the append-only files of this server and of replicas',
    since: '7.2.0',
    args: 'numlocal:integer numreplicas:integer timeout:integer',
    rule: 'number[]',
  },

  // Redis 7.4
  hexpire: {
    summary: 'Sets the time to live of fields of a hash, in seconds',
    since: '7.4.0',
    complexity: 'O(N) where N is the number of fields',
    args: `key seconds:integer ${expireFields}`,
    rule: 'number[]',
  },
  hexpireat: {
    summary: 'Sets the Unix time at which fields of a hash expire, in seconds',
    since: '7.4.0',
    complexity: 'O(N) where N is the number of fields',
    args: `key unix-time-seconds:integer ${expireFields}`,
    rule: 'number[]',
  },
  hexpiretime: {
    summary: 'Gives the Unix times at which fields of a hash expire, in seconds',
    since: '7.4.0',
    complexity: 'O(N) where N is the number of fields',
    args: 'key FIELDS numfields:integer field...',
    rule: 'number[]',
  },
  hpersist: {
    summary: 'Makes fields of a hash stay for ever',
    since: '7.4.0',
    complexity: 'O(N) where N is the number of fields',
    args: 'key FIELDS numfields:integer field...',
    rule: 'number[]',
  },
  hpexpire: {
    summary: 'Sets the time to live of fields of a hash, in milliseconds',
    since: '7.4.0',
    complexity: 'O(N) where N is the number of fields',
    args: `key milliseconds:integer ${expireFields}`,
    rule: 'number[]',
  },
  hpexpireat: {
    summary: 'Sets the Unix time at which fields of a hash expire, in milliseconds',
    since: '7.4.0',
    complexity: 'O(N) where N is the number of fields',
    args: `key unix-time-milliseconds:integer ${expireFields}`,
    rule: 'number[]',
  },
  hpexpiretime: {
    summary: 'Gives the Unix times at which fields of a hash expire, in milliseconds',
    since: '7.4.0',
    complexity: 'O(N) where N is the number of fields',
    args: 'key FIELDS numfields:integer field...',
    rule: 'number[]',
  },
  hpttl: {
    summary: 'Gives the times to live of fields of a hash, in milliseconds',
    since: '7.4.0',
    complexity: 'O(N) where N is the number of fields',
    args: 'key FIELDS numfields:integer field...',
    rule: 'number[]',
  },
  httl: {
    summary: 'Gives the times to live of fields of a hash, in seconds',
    since: '7.4.0',
    complexity: 'O(N) where N is the number of fields',
    args: 'key FIELDS numfields:integer field...',
    rule: 'number[]',
  },

  // Redis 8.0
  hgetdel: {
    summary: 'Gives the values of fields of a hash and deletes the fields',
    since: '8.0.0',
    complexity: 'O(N) where N is the number of fields',
    args: 'key FIELDS numfields:integer field...',
    rule: '(Text | null)[]',
  },
  hgetex: {
    summary: 'Gives the values of fields of a hash and may set when they expire',
    since: '8.0.0',
    complexity: 'O(N) where N is the number of fields',
    args: `key [${ttl}|PERSIST>] FIELDS numfields:integer field...`,
    rule: '(Text | null)[]',
  },
  hsetex: {
    summary: 'Sets fields of a hash and may set when they expire',
    since: '8.0.0',
    complexity: 'O(N) where N is the number of fields',
    args: `key [condition:<FNX|FXX>] [${ttl}|KEEPTTL>] FIELDS numfields:integer (field value)...`,
    rule: 'number',
  },
  vadd: {
    summary: 'Adds an element to a vector set, or changes its vector',
    since: '8.0.0',
    args: "key argument:<'REDUCE'|'FP32'|'VALUES'|'CAS'|'NOQUANT'|'Q8'|'BIN'|'EF'|'SETATTR'|'M'|value>...",
    rule: 'ByMapping<Context, number, boolean>',
  },
  vcard: { summary: 'Counts the elements of a vector set', since: '8.0.0', args: 'key', rule: 'number' },
  vdim: { summary: 'Gives the dimension of the vectors in a vector set', since: '8.0.0', args: 'key', rule: 'number' },
  vemb: {
    summary: 'Gives the vector of an element of a vector set',
    since: '8.0.0',
    args: 'key element [RAW]',
    rule: 'ByMapping<Context, Text[], number[]> | null',
  },
  vgetattr: {
    summary: 'Gives the JSON attributes of an element of a vector set',
    since: '8.0.0',
    args: 'key element',
    rule: 'Text | null',
  },
  vinfo: {
    summary: 'Describes a vector set',
    since: '8.0.0',
    args: 'key',
    rule: 'ByMapping<Context, (Text | number)[], Record<string, Text | number>> | null',
  },
  vlinks: {
    summary: 'Gives the neighbours of an element in the graph of a vector set',
    since: '8.0.0',
    args: 'key element [WITHSCORES]',
    rule: 'Text[][] | null',
  },
  vrandmember: {
    summary: 'Gives random elements of a vector set',
    since: '8.0.0',
    rule: [
      { args: 'key', reply: 'Text | null' },
      { args: 'key count:integer', reply: 'Text[]' },
    ],
  },
  vrem: {
    summary: 'Removes an element of a vector set',
    since: '8.0.0',
    args: 'key element',
    rule: 'ByMapping<Context, number, boolean>',
  },
  vsetattr: {
    summary: 'Sets the JSON attributes of an element of a vector set',
    since: '8.0.0',
    args: 'key element json',
    rule: 'ByMapping<Context, number, boolean>',
  },
  vsim: {
    summary: 'Gives the elements of a vector set that are most like a vector or an element',
    since: '8.0.0',
    rule: [
      {
        raw: 'vsim$<T extends RedisValue[]>(...args: [key: RedisKey, ...args: T, callback: Callback<SimilarReply<Context, Text, T>>]): Result<SimilarReply<Context, Text, T>, Context>',
      },
      {
        raw: 'vsim$<T extends RedisValue[]>(...args: [key: RedisKey, ...args: T]): Result<SimilarReply<Context, Text, T>, Context>',
      },
    ],
  },

  // Redis 8.2
  'cluster|slot-stats': { summary: 'Counts keys, time and traffic by slot', since: '8.2.0' },
  vismember: {
    summary: 'Tells whether an element is in a vector set',
    since: '8.2.0',
    args: 'key element',
    rule: 'ByMapping<Context, number, boolean>',
  },
  xackdel: {
    summary: 'Acknowledges entries of a stream and deletes them',
    since: '8.2.0',
    args: 'key group [references:<KEEPREF|DELREF|ACKED>] IDS numids:integer id...',
    rule: 'number[]',
  },
  xdelex: {
    summary: 'Deletes entries of a stream, minding the groups that have them',
    since: '8.2.0',
    args: 'key [references:<KEEPREF|DELREF|ACKED>] IDS numids:integer id...',
    rule: 'number[]',
  },

  // Redis 8.4
  'cluster|migration': { summary: 'Moves slots between nodes, as one task', since: '8.4.0' },
  'cluster|syncslots': { summary: 'Used between nodes while slots move', since: '8.4.0' },
  delex: {
    summary: 'Deletes a string if its value, or its digest, is the one expected',
    since: '8.4.0',
    args: `key [condition:<${ifValue}>]`,
    rule: 'number',
  },
  digest: { summary: 'Gives the digest of a string', since: '8.4.0', args: 'key', rule: 'Text | null' },
  msetex: {
    summary: 'Sets strings together, with one expiration for all',
    since: '8.4.0',
    complexity: 'O(N) where N is the number of keys',
    args: "numkeys:integer argument:<'NX'|'XX'|'EX'|'PX'|'EXAT'|'PXAT'|'KEEPTTL'|value>...",
    rule: 'number',
  },
  trimslots: {
    summary: 'Deletes the keys of slots. Used between nodes',
    args: 'arg...',
    rule: 'unknown',
  },
  vrange: {
    summary: 'Gives elements of a vector set in alphabetical order',
    since: '8.4.0',
    args: 'key start end [count:integer]',
    rule: 'Text[]',
  },

  // Redis 8.6 and later
  arcount: { summary: 'Counts the set elements of an array', since: '8.8.0', args: 'key', rule: 'number' },
  ardel: { summary: 'Deletes elements of an array', since: '8.8.0', args: 'key index:integer...', rule: 'number' },
  ardelrange: {
    summary: 'Deletes ranges of elements of an array',
    since: '8.8.0',
    args: 'key (start:integer end:integer)...',
    rule: 'number',
  },
  arget: { summary: 'Gives an element of an array', since: '8.8.0', args: 'key index:integer', rule: 'Text | null' },
  argetrange: {
    summary: 'Gives a range of elements of an array',
    since: '8.8.0',
    args: 'key start:integer end:integer',
    rule: '(Text | null)[]',
  },
  argrep: {
    summary: 'Finds the elements of an array that meet conditions',
    since: '8.8.0',
    rule: [
      {
        args: "key start:integer end:integer predicate:<'EXACT'|'MATCH'|'GLOB'|'RE'> value",
        reply: 'number[]',
      },
      {
        raw: "argrep$(...args: [key: RedisKey, start: Numeric, end: Numeric, predicate: 'EXACT' | 'MATCH' | 'GLOB' | 'RE', value: RedisValue, ...args: RedisValue[], callback: Callback<number[] | [index: number, value: Text][]>]): Result<number[] | [index: number, value: Text][], Context>",
      },
      {
        raw: "argrep$<T extends RedisValue[]>(...args: [key: RedisKey, start: Numeric, end: Numeric, predicate: 'EXACT' | 'MATCH' | 'GLOB' | 'RE', value: RedisValue, ...args: T]): Result<'WITHVALUES' extends T[number] ? [index: number, value: Text][] : number[], Context>",
      },
    ],
  },
  arinfo: { summary: 'Describes an array', since: '8.8.0', args: 'key [FULL]', rule: '(Text | number)[]' },
  arinsert: { summary: 'Puts values at the cursor of an array', since: '8.8.0', args: 'key value...', rule: 'number' },
  arlastitems: {
    summary: 'Gives the elements last put into an array',
    since: '8.8.0',
    args: 'key count:integer [REV]',
    rule: '(Text | null)[]',
  },
  arlen: { summary: 'Gives the length of an array', since: '8.8.0', args: 'key', rule: 'number' },
  armget: {
    summary: 'Gives elements of an array',
    since: '8.8.0',
    args: 'key index:integer...',
    rule: '(Text | null)[]',
  },
  armset: {
    summary: 'Sets elements of an array',
    since: '8.8.0',
    args: 'key (index:integer value)...',
    rule: 'number',
  },
  arnext: { summary: 'Gives the cursor of an array', since: '8.8.0', args: 'key', rule: 'number | null' },
  arop: {
    summary: 'Computes one value from a range of elements of an array',
    since: '8.8.0',
    rule: [
      { args: 'key start:integer end:integer operation:<SUM|MIN|MAX>', reply: 'Text | null' },
      { args: 'key start:integer end:integer operation:<AND|OR|XOR>', reply: 'number | null' },
      { args: 'key start:integer end:integer MATCH value', reply: 'number' },
      { args: 'key start:integer end:integer USED', reply: 'number' },
    ],
  },
  arring: {
    summary: 'Puts values into an array used as a ring',
    since: '8.8.0',
    args: 'key size:integer value...',
    rule: 'number',
  },
  arscan: {
    summary: 'Gives the set elements in a range of an array, with their indexes',
    since: '8.8.0',
    args: 'key start:integer end:integer [LIMIT limit:integer]',
    rule: '[index: number, value: Text][]',
  },
  arseek: { summary: 'Moves the cursor of an array', since: '8.8.0', args: 'key index:integer', rule: 'number' },
  arset: {
    summary: 'Sets elements of an array from an index on',
    since: '8.8.0',
    args: 'key index:integer value...',
    rule: 'number',
  },
  backup: { summary: 'Makes a backup', args: 'arg...', rule: 'unknown' },
  blmovem: {
    summary: 'Moves several elements from one list to another, waiting for them',
    since: '8.10.0',
    complexity: 'O(N) where N is the number of elements moved',
    args: 'source:key destination:key from:<LEFT|RIGHT> to:<LEFT|RIGHT> timeout:double [amount:<COUNT|EXACTLY> count:integer order:<OBO|BULK>]',
    rule: 'Text[] | null',
  },
  'himport|discard': { summary: 'Forgets a set of fields', since: '8.10.0', args: 'fieldset-name', rule: 'number' },
  'himport|discardall': { summary: 'Forgets all sets of fields', since: '8.10.0', args: '', rule: 'number' },
  'himport|prepare': {
    summary: 'Names a set of fields for later HIMPORT SET',
    since: '8.10.0',
    args: 'fieldset-name field...',
    rule: "'OK'",
  },
  'himport|set': {
    summary: 'Sets a hash whose fields were prepared',
    since: '8.10.0',
    args: 'key fieldset-name value...',
    rule: "'OK'",
  },
  hotkeys: { summary: 'Finds the keys that are used most', args: 'arg...', rule: 'unknown' },
  increx: {
    summary: 'Adds to a number and may set when it expires',
    since: '8.8.0',
    args: 'key option...',
    rule: 'ByMapping<Context, [value: number, increment: number] | [value: Text, increment: Text], [value: number, increment: number]>',
  },
  lmovem: {
    summary: 'Moves several elements from one list to another',
    since: '8.10.0',
    complexity: 'O(N) where N is the number of elements moved',
    args: 'source:key destination:key from:<LEFT|RIGHT> to:<LEFT|RIGHT> [amount:<COUNT|EXACTLY> count:integer order:<OBO|BULK>]',
    rule: 'Text[] | null',
  },
  sdiffcard: {
    summary: 'Counts the members of the difference of sets',
    since: '8.10.0',
    args: 'numkeys:integer key... [LIMIT limit:integer]',
    rule: 'number',
  },
  sunioncard: {
    summary: 'Counts the members of the union of sets',
    since: '8.10.0',
    args: 'numkeys:integer key... [APPROX] [LIMIT limit:integer]',
    rule: 'number',
  },
  xcfgset: { summary: 'Configures a stream', args: 'key option...', rule: 'unknown' },
  xidmprecord: { summary: 'Used between servers', args: 'key arg...', rule: 'unknown' },
  xnack: {
    summary: 'Gives entries of a stream back to their group without acknowledging them',
    since: '8.8.0',
    args: 'key group mode:<SILENT|FAIL|FATAL> IDS numids:integer id... [RETRYCOUNT count:integer] [FORCE]',
    rule: 'number',
  },

  // Sentinel
  sentinel: { summary: 'Asks a Sentinel', args: 'subcommand arg...', rule: 'unknown' },
}
