// Pinned: whether this machine lets us keep clients on one core and servers on another.

import { spawnSync } from 'node:child_process'
import { cpus } from 'node:os'

/** True when clients run on core 0, and servers can have core 1. */
export const pinned = cpus().length > 1 && spawnSync('taskset', ['-c', '0,1', 'true']).status === 0
