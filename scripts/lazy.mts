// lazy: makes the built package load what few programs need when they first need it, and not before.
//
// TypeScript writes `const x_js_1 = require("./x.js")` and uses `x_js_1.Name` wherever the source says `Name`, so an object that loads the module
// when it is first asked for a name means the same. Run by `npm run build`, on dist/.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'

/** Modules of dist/ that are loaded on first use, by whichever of their importers. */
const lazy = [
  'cache/client-cache.js',
  'client/cache-options.js',
  'client/client.js',
  'client/fan-out-call.js',
  'client/scan.js',
  'client/session.js',
  'client/session-host.js',
  'client/split-call.js',
  'client/subscribe.js',
  'ioredis/cluster-reads.js',
  'ioredis/node-subscriber.js',
  'ioredis/sentinel-connector.js',
  'node/lane-pool.js',
  'pubsub/subscription.js',
  'pubsub/subscriptions.js',
  'resp/resp2-decoder.js',
  'routing/latency-probe.js',
]

/** The same of Node's own. */
const lazyBuiltins = ['node:tls']

const dist = resolve(process.argv[2] ?? 'dist')
const found = new Set<string>()

function lazyImport(name: string, target: string, names: readonly string[]): string {
  const getters = names.map(one => {
    const value = `require(${JSON.stringify(target)}).${one}`
    return `get ${one}() { return Object.defineProperty(this, "${one}", { value: ${value} }).${one}; }`
  })
  return `const ${name} = { ${getters.join(', ')} };`
}

for (const file of readdirSync(dist, { recursive: true, encoding: 'utf8' })) {
  if (!file.endsWith('.js')) continue
  const path = resolve(dist, file)
  const before = readFileSync(path, 'utf8')
  const imports = /^(const|var) (\w+_1) = require\("([^"]+)"\);$/gm
  const after = before.replace(imports, (line, _keyword: string, name: string, target: string) => {
    const module = resolve(path, '..', target)
    const isBuiltin = lazyBuiltins.includes(target)
    const known = lazy.find(one => resolve(dist, one) === module)
    if (known === undefined && !isBuiltin) return line
    if (known !== undefined) found.add(known)
    const uses = before.matchAll(new RegExp(`\\b${name}\\.(\\w+)`, 'g'))
    return lazyImport(name, target, [...new Set([...uses].map(match => match[1] as string))])
  })
  if (after !== before) writeFileSync(path, after)
}
const missing = lazy.filter(module => !found.has(module))
// A second run over the same files finds them changed already.
if (missing.length !== 0 && found.size !== 0) throw new Error(`Nobody imports ${missing.join(', ')}`)
