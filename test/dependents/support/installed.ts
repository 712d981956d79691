import { inject } from 'vitest'
import type { Installed } from './global-setup.js'

/** What the global setup has installed. */
export function installed(): Installed {
  const result = inject('installed')
  if ('problem' in result) throw new Error(result.problem)
  return result
}
