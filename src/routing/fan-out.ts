// FanOut: which commands concern a whole cluster, whom they go to, and how the replies become one. Pure.
// Source: redis.io/docs, "Redis command tips" (request_policy, response_policy).

import { CommandFlag, type CommandSpec } from '../command/command.js'
import { SlotwiseError } from '../errors.js'
import type { Reply } from '../resp/decoder.js'
import { type Shard, slotCount } from '../topology/slot-map.js'
import { sumOf } from './split.js'

/**
 * How replies become one. `same`: they all say the same, any of them will do. `one`: any success will do. `sum`, `min`, `max`, `and`, `or`:
 * as numbers; of arrays, place by place. `concat`: one array of all elements. `some`: any that is not null.
 */
export type Merge = 'same' | 'one' | 'sum' | 'min' | 'max' | 'and' | 'or' | 'concat' | 'some'

export interface FanOut {
  /** `shards`: every primary that serves slots. `nodes`: their replicas, too. */
  readonly reach: 'shards' | 'nodes'
  readonly merge: Merge
}

const mergeByTip: Readonly<Record<string, Merge>> = {
  all_succeeded: 'same',
  one_succeeded: 'one',
  agg_sum: 'sum',
  agg_min: 'min',
  agg_max: 'max',
  agg_logical_and: 'and',
  agg_logical_or: 'or',
}

/** Where the tips of the table are not followed, or there are none. Null: the command goes to one node. */
const overrides: Readonly<Record<string, FanOut | null>> = {
  // Asks whether the client can reach a server; waiting for the slowest of all of them answers another question.
  PING: null,
  // Its tips leave open what to do with the replies: a list of random keys is not what the command is for.
  RANDOMKEY: { reach: 'shards', merge: 'some' },
  // Its tips say that all replies are alike, but each is the number of series reset on that server.
  'LATENCY|RESET': { reach: 'nodes', merge: 'sum' },
  // Without tips in the server that the table comes from; they follow up on CONFIG SET, which reaches every server.
  'CONFIG|REWRITE': { reach: 'nodes', merge: 'same' },
  'CONFIG|RESETSTAT': { reach: 'nodes', merge: 'same' },
}

const known = new Map<CommandSpec, FanOut | null>()

/**
 * What a keyless command wants of a cluster; null when one node is to be asked: it has no tips, or its response policy is `special`
 * (INFO, MEMORY STATS, LATENCY DOCTOR, …), so that no merged reply would mean anything.
 *
 * @param spec the subcommand's where there is one
 */
export function fanOutOf(spec: CommandSpec): FanOut | null {
  let fanOut = known.get(spec)
  if (fanOut === undefined) {
    fanOut = byPolicy(spec)
    // Names that are not in the table have a spec made for them each time; none of them is keyless.
    if ((spec.flags & CommandFlag.unknown) === 0) known.set(spec, fanOut)
  }
  return fanOut
}

function byPolicy({ name, flags, requestPolicy, responsePolicy }: CommandSpec): FanOut | null {
  if ((flags & CommandFlag.keyless) === 0) return null
  if (Object.hasOwn(overrides, name)) return overrides[name] as FanOut | null
  if (requestPolicy !== 'all_shards' && requestPolicy !== 'all_nodes') return null
  // "Command tips": without a response policy, the replies to a keyless command are gathered into one array, in any order.
  const merge = responsePolicy === null ? 'concat' : mergeByTip[responsePolicy]
  return merge === undefined ? null : { reach: requestPolicy === 'all_shards' ? 'shards' : 'nodes', merge }
}

// ---- whom it goes to

/** One server to ask. */
export interface Target<Node> {
  readonly node: Node
  /** The slots that its shard serves; null for a replica. */
  readonly slots: readonly number[] | null
}

type ShardOf<Node> = { readonly primary: Node; readonly replicas: readonly Node[] }

/**
 * The servers to ask, each once: primaries first.
 *
 * @param shardOf who serves a slot, 0 to 16383; null for nobody
 */
export function targetsOf<Node = Shard['primary']>(
  reach: FanOut['reach'],
  shardOf: (slot: number) => ShardOf<Node> | null,
): Target<Node>[] {
  const slotsOf = new Map<Node, number[]>()
  const replicas = new Set<Node>()
  for (let slot = 0; slot < slotCount; slot++) {
    const shard = shardOf(slot)
    if (shard === null) continue
    const slots = slotsOf.get(shard.primary)
    if (slots !== undefined) slots.push(slot)
    else {
      slotsOf.set(shard.primary, [slot])
      for (const replica of shard.replicas) replicas.add(replica)
    }
  }
  const targets: Target<Node>[] = [...slotsOf].map(([node, slots]) => ({ node, slots }))
  if (reach === 'nodes') for (const node of replicas) if (!slotsOf.has(node)) targets.push({ node, slots: null })
  return targets
}

/**
 * Who serves now what a target served when the command was made: itself as long as it serves any of it, else the first that is not asked
 * already; null when all of it has gone to servers that are.
 *
 * @param ownerOf the primary that serves a slot now; null for nobody, which leaves it with the target
 * @param asked servers that other parts of the command have gone to
 */
export function successorOf<Node>(
  { node, slots }: Target<Node>,
  ownerOf: (slot: number) => Node | null,
  asked: ReadonlySet<Node>,
): Node | null {
  if (slots === null) return node
  let successor: Node | null = null
  for (const slot of slots) {
    const owner = ownerOf(slot)
    if (owner === null || owner === node) return node
    if (successor === null && !asked.has(owner)) successor = owner
  }
  return successor
}

// ---- what the replies say together

/**
 * One reply out of several.
 *
 * @param replies at least one, none of them an error
 * @param random a number from 0 up to 1, for `some`
 * @throws SlotwiseError SLOTWISE_PROTOCOL when they are not of a shape that can be merged
 */
export function mergeReplies(merge: Merge, replies: readonly Reply[], random = Math.random()): Reply {
  switch (merge) {
    case 'same':
    case 'one':
      return replies[0] as Reply
    case 'concat':
      return replies.flatMap(elementsOf)
    case 'some': {
      const found = replies.filter(reply => reply !== null)
      return found[Math.floor(random * found.length)] ?? null
    }
    default:
      return placeByPlace(replies, reducers[merge])
  }
}

type Reducer = (values: readonly Reply[]) => Reply

const reducers: Readonly<Record<'sum' | 'min' | 'max' | 'and' | 'or', Reducer>> = {
  sum: sumOf,
  min: values => values.reduce((a, b) => (numeric(b) < numeric(a) ? b : a)),
  max: values => values.reduce((a, b) => (numeric(b) > numeric(a) ? b : a)),
  // Of ones and zeros, which is all that servers say.
  and: values => reducers.min(values),
  or: values => reducers.max(values),
}

function placeByPlace(replies: readonly Reply[], reduce: Reducer): Reply {
  const first = replies[0] as Reply
  if (!Array.isArray(first)) {
    for (const reply of replies) if (!isNumeric(reply)) throw unmergeable()
    return reduce(replies)
  }
  for (const reply of replies) if (!Array.isArray(reply) || reply.length !== first.length) throw unmergeable()
  return first.map((_, i) =>
    placeByPlace(
      replies.map(reply => (reply as Reply[])[i] as Reply),
      reduce,
    ),
  )
}

/** Numbers come as strings with the option `stringNumbers`. */
function isNumeric(reply: Reply): reply is number | bigint | boolean | string {
  if (typeof reply === 'string') return /^-?\d+$/.test(reply)
  return typeof reply === 'number' || typeof reply === 'bigint' || typeof reply === 'boolean'
}

function numeric(reply: Reply): number | bigint {
  return typeof reply === 'string' ? BigInt(reply) : typeof reply === 'bigint' ? reply : Number(reply)
}

function elementsOf(reply: Reply): Reply[] {
  if (Array.isArray(reply)) return reply
  if (reply instanceof Set) return [...reply]
  throw unmergeable()
}

function unmergeable(): SlotwiseError {
  return new SlotwiseError('SLOTWISE_PROTOCOL', 'The servers gave replies that cannot be merged', { phase: 'flight' })
}
