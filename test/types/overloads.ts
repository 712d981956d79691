// Overloads: source text that holds every overload of ioredis' command methods against ours.
//
// For each overload there is a function with its parameters and its return type that hands its arguments to our
// method. It compiles if ours takes all that ioredis' takes and returns what may be used in its place.

/** Overloads whose types in ioredis no reply can have, where ours say what the server does reply. */
const corrected = [
  // ADDSLOTS and the like reply OK; ioredis gives them the type of CLUSTER SLOTS.
  /^cluster\(.*'(ADDSLOTS|ADDSLOTSRANGE|DELSLOTS|DELSLOTSRANGE|FLUSHSLOTS|SYNCSLOTS)'/,
  // A number, not an array.
  /^command\(subcommand: 'COUNT'/,
  /^pubsub\(subcommand: 'NUMPAT'/,
  // A map, not a string.
  /^client(Buffer)?\(subcommand: 'TRACKINGINFO'/,
  // 0 or 1, not OK.
  /^msetnx\((object|map):/,
]

/** The overloads in ioredis' declarations, as text: `get(key: RedisKey, …): Result<string | null, Context>`. */
export function overloadsIn(declarations: string): string[] {
  // The few generic ones have replies that can be compared only for given arguments: see calls.ts.
  const lines = declarations.split('\n').filter(line => /^ {4}[a-zA-Z]+\(.*;$/.test(line))
  return lines.map(line => line.trim().replace(/;$/, '')).filter(line => !corrected.some(pattern => pattern.test(line)))
}

/** The arguments by which the parameters in the parentheses after `start` are handed on. */
function argumentsOf(overload: string, start: number): string {
  if (overload.startsWith('(...args:', start)) return '...args'
  const names: string[] = []
  let depth = 0
  for (let i = start; i < overload.length; i++) {
    const character = overload[i]!
    if ('([{<'.includes(character)) depth++
    if (')]}'.includes(character) || (character === '>' && overload[i - 1] !== '=')) depth--
    if (depth === 0) break
    if (depth === 1 && (character === '(' || character === ',')) {
      const name = /^\s*(\w+)\??:/.exec(overload.slice(i + 1))
      if (name) names.push(name[1]!)
    }
  }
  return names.join(', ')
}

/** Source text that compiles if `type` can stand for ioredis' RedisCommander. */
function renderChecks(overloads: string[], module: string, type: string, wrap: (overload: string) => string): string {
  const checks = overloads.map((overload, i) => {
    const name = /^\w+/.exec(overload)![0]
    const call = `ours.${name}(${argumentsOf(overload, overload.indexOf('('))})`
    return `export function f${i}${wrap(overload.slice(name.length))} { return ${call} } // ${name}`
  })
  return `import type { Callback } from 'ioredis'
import type { RedisKey, RedisValue, Resp2, Resp3, Resp3Double, Resp3Map, RespShape, VsimReply } from 'ioredis/built/utils/RedisCommander'
import type { ClientContext, RedisCommander } from '${module}'
type Result<T, Context> = Promise<T>
${type}
${checks.join('\n')}
`
}

/** Each overload, where the reply mapping is `mapping`. */
export function renderDirectChecks(overloads: string[], module: string, mapping: 'resp2' | 'resp3'): string {
  const type = `type Context = { type: 'default'; mapping: '${mapping}' }
declare const ours: RedisCommander<Context>`
  return renderChecks(overloads, module, type, signature => signature)
}

/** Each overload on what may be a client or a pipeline: TypeScript has to make one method of two. */
export function renderUnionChecks(overloads: string[], module: string, mapping: 'resp2' | 'resp3'): string {
  const type = `type Context = { type: 'default'; mapping: '${mapping}' }
declare const ours: RedisCommander<Context> | RedisCommander<{ type: 'pipeline'; mapping: '${mapping}' }>`
  return renderChecks(overloads, module, type, signature => signature.replace(/\): (Result|Promise)<.*$/, ')'))
}
