// ScaleClients: whose behaviour in a big cluster is looked at.

export const scaleClients = ['slotwise', 'slotwise-api', 'ioredis', 'node-redis'] as const
export type ScaleClient = (typeof scaleClients)[number]
