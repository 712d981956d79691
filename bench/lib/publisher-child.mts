// PublisherChild: publishes messages, never more than it was allowed, until the process that started it goes.

import { BareClient } from '../bare-client.mjs'

const [address, channel, bytes] = process.argv.slice(2) as [string, string, string]
const client = new BareClient([address])
const payload = 'm'.repeat(Number(bytes))
const maxUnanswered = 256

let allowed = 0
let published = 0
let unanswered = 0

function publish(): void {
  while (unanswered < maxUnanswered && published < allowed) {
    published++
    unanswered++
    void client.call('PUBLISH', [channel, payload]).then(() => {
      unanswered--
      publish()
    })
  }
}

process.on('message', count => {
  allowed = count as number
  publish()
})
process.on('disconnect', () => process.exit(0))
