// ScaleClients: whose behaviour in a big cluster is looked at.

/** `none` makes the same calls to nobody: what the measurement itself costs. */
export const scaleClients = ['none', 'slotwise', 'slotwise-api', 'ioredis', 'node-redis'] as const
export type ScaleClient = (typeof scaleClients)[number]
