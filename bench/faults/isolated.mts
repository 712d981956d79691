// Isolated: one scenario in the network namespace in which this process has been started. Started by run(); tells the figures in a message.

import type { DriverName } from './drivers.mjs'
import { PacketFilter } from './network.mjs'
import { play } from './run.mjs'

const [name = '', drivers = ''] = process.argv.slice(2)
// The end of whoever started it is its own: servers go with it.
process.on('disconnect', () => process.exit())
try {
  const figures = await play(name, drivers.split(',') as DriverName[], await PacketFilter.open())
  process.send?.({ figures })
} catch (error) {
  process.send?.({ error: String((error as Error).stack) })
}
