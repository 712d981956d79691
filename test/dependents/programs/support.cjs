// What every program here needs. `scenarios` runs the one that the command line names, prints its result, and leaves it to the process
// to end: nothing here calls process.exit() unless the scenario failed.

const { setTimeout: delay } = require('node:timers/promises')

/** Has the test do something, and waits until it is done. */
function ask(request) {
  return new Promise(resolve => {
    process.once('message', resolve)
    process.send(request)
  })
}

/** Waits for what cannot be awaited otherwise. */
async function until(condition, what, limitMs = 15_000) {
  const deadline = performance.now() + limitMs
  for (;;) {
    const value = await condition()
    if (value) return value
    if (performance.now() > deadline) throw new Error(`waited ${limitMs} ms in vain for ${what}`)
    await delay(10)
  }
}

/** Milliseconds that it takes. */
async function timed(action) {
  const startedAt = performance.now()
  await action()
  return performance.now() - startedAt
}

/** How it fails. */
async function failure(action) {
  try {
    await action()
  } catch (error) {
    return error
  }
  throw new Error('did not fail')
}

function connection(address) {
  const [host, port] = address.split(':')
  return { host, port: Number(port) }
}

async function scenarios(all) {
  const [name, ...args] = process.argv.slice(2)
  try {
    const result = await all[name](...args)
    process.stdout.write(`result ${JSON.stringify(result)}\n`)
    // For the failure's message: what there is still, should the process not have ended by now.
    setTimeout(() => console.error('still there:', process.getActiveResourcesInfo().join(' ')), 3000).unref()
  } catch (error) {
    console.error(error)
    process.exit(1)
  }
}

module.exports = { ask, connection, delay, failure, scenarios, timed, until }
