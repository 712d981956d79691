// One install for all files of this project: packed once, installed once, removed afterwards.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { installDependents, type Packed, pack } from './packed.js'

export interface Installed {
  /** Everything is in here. */
  readonly folder: string
  readonly packed: Packed
  /** The folder with the dependents and the programs that use them. */
  readonly dependents: string
}

declare module 'vitest' {
  interface ProvidedContext {
    /** Why it could not be installed, if so: that is these tests' failure and nobody else's. */
    installed: Installed | { problem: string }
  }
}

export default async function setup(project: TestProject): Promise<() => void> {
  const folder = mkdtempSync(join(tmpdir(), 'slotwise-dependents-'))
  const remove = () => rmSync(folder, { recursive: true, force: true })
  process.once('exit', remove)
  try {
    const packed = await pack(join(folder, 'packed'))
    const dependents = join(folder, 'dependents')
    await installDependents(dependents, packed)
    project.provide('installed', { folder, packed, dependents })
  } catch (error) {
    project.provide('installed', { problem: (error as Error).message })
  }
  return () => {
    process.off('exit', remove)
    remove()
  }
}
