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
} satisfies Record<string, Deviation>
