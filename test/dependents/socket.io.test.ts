import { describe, expect, it } from 'vitest'
import { runProgram } from './support/program.js'
import { useCluster, withServers } from './support/servers.js'

const said = ['hello', { deep: [1, null, 'é'] }]
const expected = {
  texts: [said, said],
  bytes: [0, 255, 13, 10, 128],
  answers: ['well!', 'well!'],
  serverSide: [1, 'two'],
  sums: [5],
  sockets: 3,
  remote: [true],
  heardOutside: ['annexed'],
  reason: 'io server disconnect',
}

async function expectConversation(scenario: string, addresses: string[]): Promise<void> {
  const result = await runProgram<{ closingMs: number }>('socket.io', scenario, addresses)
  expect(result).toMatchObject(expected)
  expect(result.closingMs).toBeLessThan(2000)
}

describe('@socket.io/redis-adapter', () => {
  it.each(['classic', 'sharded'])('carries what is said from server to server (%s)', async scenario => {
    await withServers(1, (_, addresses) => expectConversation(scenario, addresses))
  })

  describe('on a cluster', () => {
    const cluster = useCluster()

    it.each(['classicCluster', 'shardedCluster'])('carries what is said from server to server (%s)', scenario =>
      expectConversation(scenario, cluster().addresses),
    )
  })
})
