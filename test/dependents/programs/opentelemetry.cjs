// OpenTelemetry's instrumentation for ioredis, and the diagnostics channels by which other agents see the same.

const { diag, DiagLogLevel, SpanKind, trace } = require('@opentelemetry/api')
const { isWrapped, registerInstrumentations } = require('@opentelemetry/instrumentation')
const { IORedisInstrumentation } = require('@opentelemetry/instrumentation-ioredis')
const { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } = require('@opentelemetry/sdk-trace-node')
const channels = require('node:diagnostics_channel')
const { connection, failure, scenarios } = require('./support.cjs')

const problems = []
const note = (...message) => problems.push(message.join(' '))
const silent = () => undefined
diag.setLogger({ error: note, warn: note, info: silent, debug: silent, verbose: silent }, DiagLogLevel.WARN)

/** Loads `ioredis` as an instrumented application does: after the instrumentation. */
function instrumented(config) {
  const exporter = new InMemorySpanExporter()
  const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
  provider.register()
  const instrumentation = new IORedisInstrumentation(config)
  registerInstrumentations({ tracerProvider: provider, instrumentations: [instrumentation] })
  const Redis = require('ioredis')
  // It takes a package of the right name by its version. Scenarios other than `hooks` do not depend on that.
  const hooked = isWrapped(Redis.prototype.sendCommand)
  if (!hooked) instrumentation._modules[0].patch(Redis, '6.0.0')
  return { Redis, provider, exporter, hooked }
}

const shown = span => ({
  name: span.name,
  kind: SpanKind[span.kind],
  statement: span.attributes['db.query.text'] ?? span.attributes['db.statement'],
  operation: span.attributes['db.operation.name'],
  status: span.status.code,
})

scenarios({
  async hooks() {
    const { hooked, provider } = instrumented({})
    await provider.shutdown()
    return { hooked, version: require('ioredis/package.json').version, problems }
  },

  async spans(address) {
    const { Redis, provider, exporter } = instrumented({
      responseHook: (span, name, _args, response) => name === 'get' && span.setAttribute('response', String(response)),
    })
    const tracer = trace.getTracer('test')
    const client = new Redis(connection(address))
    await new Promise(resolve => client.once('ready', resolve))
    await client.set('outside', 'of any span')
    const outside = exporter.getFinishedSpans().length

    let parentId
    let error
    const order = []
    await tracer.startActiveSpan('parent', async parent => {
      parentId = parent.spanContext().spanId
      await client.set('a', 'secret')
      order.push(exporter.getFinishedSpans().length)
      await client.get('a')
      order.push(exporter.getFinishedSpans().length)
      error = await failure(() => client.lpush('a', 'x'))
      await client.pipeline().set('b', '1').get('b').exec()
      await client.multi().incr('b').exec()
      await new Promise(resolve => client.get('b', resolve))
      client.defineCommand('echoed', { numberOfKeys: 1, lua: 'return redis.call("get", KEYS[1])' })
      await client.echoed('b')
      parent.end()
    })
    const spans = exporter.getFinishedSpans().filter(({ name }) => name !== 'parent')
    const get = spans.find(({ name }) => name === 'get')
    const lpush = spans.find(({ name }) => name === 'lpush')
    const result = {
      outside,
      order,
      spans: spans.map(shown),
      parents: spans.every(span => span.parentSpanContext?.spanId === parentId),
      lasted: spans.every(span => span.duration[0] > 0 || span.duration[1] > 0),
      response: get?.attributes.response,
      address: `${get?.attributes['server.address']}:${get?.attributes['server.port']}` === address,
      error: error.message,
      recorded: lpush?.events.map(({ name, attributes }) => [name, attributes['exception.message']]),
      problems,
    }
    await client.quit()
    await provider.shutdown()
    return result
  },

  /** With spans for everything: the connection's own, and those of a lazy client. */
  async connects(address) {
    const { Redis, provider, exporter } = instrumented({ requireParentSpan: false })
    const client = new Redis({ ...connection(address), lazyConnect: true })
    await client.connect()
    await client.ping()
    const names = exporter.getFinishedSpans().map(({ name }) => name)
    await client.quit()
    await provider.shutdown()
    return { connects: names.filter(name => name === 'connect').length, ping: names.includes('ping'), problems }
  },

  async cluster(...addresses) {
    const { Redis, provider, exporter } = instrumented({})
    const client = new Redis.Cluster(addresses.map(connection))
    await new Promise(resolve => client.once('ready', resolve))
    await trace.getTracer('test').startActiveSpan('parent', async parent => {
      for (const key of ['a', 'b', 'c', 'd']) await client.set(key, 'v')
      parent.end()
    })
    const spans = exporter.getFinishedSpans().filter(({ name }) => name === 'set')
    await client.quit()
    await provider.shutdown()
    return { statements: spans.map(span => span.attributes['db.query.text']), problems }
  },

  async channels(address) {
    const Redis = require('ioredis')
    const seen = { command: [], batch: [], connect: [] }
    for (const [name, list] of Object.entries(seen)) {
      const log =
        phase =>
        ({ command, args, batchMode, batchSize, serverAddress, serverPort, database, error, result }) =>
          list.push({
            phase,
            command,
            args,
            batchMode,
            batchSize,
            database,
            server: `${serverAddress}:${serverPort}` === address,
            error: error?.message,
            result: result === undefined ? undefined : typeof result,
          })
      const subscribers = Object.fromEntries(['start', 'asyncEnd', 'error'].map(phase => [phase, log(phase)]))
      channels.tracingChannel(`ioredis:${name}`).subscribe(subscribers)
    }
    const client = new Redis({
      ...connection(address),
      lazyConnect: true,
      enableReadyCheck: false,
      disableClientInfo: true,
    })
    await client.connect()
    seen.command.length = 0
    await client.set('channel', 'secret')
    await client.get('channel')
    await failure(() => client.lpush('channel', 'secret'))
    const single = seen.command.splice(0)
    await client.pipeline().set('channel', 'secret').get('channel').exec()
    const pipelined = seen.command.splice(0)
    await client.multi().incr('counted').exec()
    const { batch, connect } = seen
    const result = {
      single,
      pipelined: pipelined.filter(({ phase }) => phase === 'start'),
      batch: [...batch],
      connect: [...connect],
    }
    await client.quit()
    return result
  },
})
