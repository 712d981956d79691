// One body, two implementations: the released ioredis and the built slotwise. Where slotwise differs on purpose, the test says so
// with `deviates('id')`, and the id must stand in the register (scripts/deviations.mts), which docs/compatibility.md shows.

import { createRequire } from 'node:module'
import { describe } from 'vitest'
import { deviations } from '../../../scripts/deviations.mjs'

const require = createRequire(import.meta.url)

// The module's shape is what is under test: neither package's types are asked to vouch for it.
// biome-ignore lint/suspicious/noExplicitAny: both packages are called as untyped JavaScript
export type Untyped = any

export interface Implementation {
  readonly name: 'ioredis' | 'slotwise'
  /** What `require` gives: the Redis constructor with everything else hung on it. */
  readonly module: Untyped
  readonly Redis: Untyped
  readonly Cluster: Untyped
  /** True in slotwise's run: the test then expects what the register describes under this id. Unknown ids throw. */
  deviates(id: keyof typeof deviations): boolean
}

export const implementations: readonly Implementation[] = (['ioredis', 'slotwise'] as const).map(name => {
  // By path, not by name: the built package, as `npm pack` would ship it.
  const module = require(name === 'ioredis' ? 'ioredis' : '../../../dist/index.js')
  return {
    name,
    module,
    Redis: module.Redis,
    Cluster: module.Cluster,
    deviates(id) {
      if (!(id in deviations)) throw new Error(`No deviation '${String(id)}' in the register`)
      return name === 'slotwise'
    },
  }
})

/** Registers the same tests for ioredis and for slotwise. `SLOTWISE_COMPAT=ioredis` (or slotwise) runs one of them only. */
export function describeBoth(title: string, body: (implementation: Implementation) => void): void {
  const only = process.env.SLOTWISE_COMPAT
  for (const implementation of implementations) {
    if (only !== undefined && only !== implementation.name) continue
    describe(`${title} [${implementation.name}]`, () => body(implementation))
  }
}
