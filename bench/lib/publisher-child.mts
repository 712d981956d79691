// PublisherChild: publishes messages until the process that started it goes. It is told how many have been received, and is never
// more than so many ahead.

import { BareClient } from '../bare-client.mjs'

const [address, channel, bytes, ahead] = process.argv.slice(2) as [string, string, string, string]
const client = new BareClient([address])
const payload = 'm'.repeat(Number(bytes))
const maxUnanswered = 256

let received = 0
let published = 0
let unanswered = 0

function publish(): void {
  while (unanswered < maxUnanswered && published - received < Number(ahead)) {
    published++
    unanswered++
    void client.call('PUBLISH', [channel, payload]).then(() => {
      unanswered--
      publish()
    })
  }
}

process.on('message', count => {
  received = count as number
  publish()
})
process.on('disconnect', () => process.exit(0))
