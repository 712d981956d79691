// App: what HTTP servers here have in common: bodies, request ids, durations, errors.

import { randomUUID } from 'node:crypto'
import { promisify } from 'node:util'
import { createGunzip, gzip } from 'node:zlib'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest, LogController } from 'fastify'
import type { Logger } from 'pino'
import type { Histogram } from 'prom-client'
import type { z } from 'zod'
import { describeIssues } from '../scalars.js'
import { RequestError, ServiceError, serviceErrorOf } from './errors.js'

const compress = promisify(gzip)
const compressFromBytes = 1024
/** For a caller to send his request. */
const receiveTimeoutMs = 30_000

export interface AppOptions {
  log: Logger
  duration: Histogram<'method' | 'handler' | 'status_code'>
  maxRequestBytes: number
  /** Tells of a failure that a caller is answered with 500 or 503. */
  onFailure(error: Error, request: FastifyRequest): void
}

export function createApp({ log, duration, maxRequestBytes, onFailure }: AppOptions): FastifyInstance {
  const app = Fastify({
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'request' }),
    requestIdHeader: 'request-id',
    genReqId: () => randomUUID(),
    bodyLimit: maxRequestBytes,
    requestTimeout: receiveTimeoutMs,
    routerOptions: { maxParamLength: 4096 },
  }) as unknown as FastifyInstance

  // Bodies are read by the routes: some of them care about the content type, others do not.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  app.addHook('preParsing', async (request, _reply, payload) => {
    if (request.headers['content-encoding'] !== 'gzip') return payload
    const plain = Object.assign(payload.pipe(createGunzip()), { receivedEncodedLength: 0 })
    payload.on('data', chunk => {
      plain.receivedEncodedLength += chunk.length
    })
    return plain
  })
  let closing = false
  app.addHook('preClose', async () => {
    closing = true
  })
  app.addHook('onSend', async (request, reply, payload) => {
    // Or the end of the server would wait until the caller no longer keeps the connection.
    if (closing) reply.header('connection', 'close')
    const accepts = /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''))
    if (!accepts || typeof payload !== 'string' || payload.length < compressFromBytes) return payload
    reply.header('content-encoding', 'gzip').removeHeader('content-length')
    return compress(payload)
  })
  app.addHook('onResponse', async (request, reply) => {
    const handler = request.routeOptions.url ?? 'none'
    duration.observe({ method: request.method, handler, status_code: reply.statusCode }, reply.elapsedTime / 1000)
  })

  app.setErrorHandler((error: Error & { statusCode?: number }, request, reply) => {
    const plain = error instanceof RequestError || (error.statusCode !== undefined && error.statusCode < 500)
    if (plain && !(error instanceof ServiceError)) {
      reply.code(error.statusCode as number).type('text/plain; charset=utf-8')
      return reply.send(error.message)
    }
    const shown = serviceErrorOf(error)
    if (shown !== error) onFailure(error, request)
    return sendServiceError(reply, shown)
  })
  app.setNotFoundHandler((request, reply) => {
    if (/^\/v\d+\/i\//.test(request.url)) {
      return sendServiceError(
        reply,
        new ServiceError(404, 'unsupported-version', 'Internal endpoints have no versions'),
      )
    }
    return sendServiceError(reply, new ServiceError(404, 'no-endpoint', 'The requested endpoint does not exist'))
  })
  refuseOtherMethods(app)
  return app
}

function sendServiceError(reply: FastifyReply, { statusCode, label, message }: ServiceError): FastifyReply {
  if (statusCode === 503) reply.header('retry-after', '1')
  return reply.code(statusCode).send({ code: statusCode, label, message })
}

const methods = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH'] as const

/** A path that exists, with a method that does not: 405. */
function refuseOtherMethods(app: FastifyInstance): void {
  const allowed = new Map<string, Set<string>>()
  app.addHook('onRoute', ({ url, method }) => {
    const known = allowed.get(url) ?? new Set()
    for (const one of [method].flat()) known.add(one)
    allowed.set(url, known)
  })
  app.register(async scope => {
    // Registered last: plugins load in order, after the routes of the app itself.
    const paths = Array.from(allowed, ([url, known]) => [url, [...known]] as const)
    for (const [url, known] of paths) {
      const others = methods.filter(method => !known.includes(method))
      scope.route({
        method: others,
        url,
        handler: (_request, reply) => {
          reply.header('allow', known.join(', '))
          return sendServiceError(reply, new ServiceError(405, 'method-not-allowed', 'Method not allowed'))
        },
      })
    }
  })
}

/** Reads a body as JSON of a schema. */
export function readBody<Schema extends z.ZodType>(request: FastifyRequest, schema: Schema): z.output<Schema> {
  let body: unknown
  try {
    body = JSON.parse(String(request.body ?? ''))
  } catch {
    throw new RequestError(400, 'Error in $: the body is not JSON')
  }
  return read(schema, body)
}

/**
 * Aborted when the caller goes before he has his reply. Not Fastify's own signal: with Node 20 that is aborted as soon as the body of the
 * request has been read.
 */
export function callerSignal({ raw }: FastifyReply): AbortSignal {
  const caller = new AbortController()
  raw.once('close', () => {
    if (!raw.writableFinished) caller.abort(new Error('the caller has gone'))
  })
  return caller.signal
}

export function requireJson(request: FastifyRequest): void {
  const type = request.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase()
  if (type !== 'application/json') throw new RequestError(415, 'Content-Type must be application/json')
}

/** @throws RequestError 400 */
export function read<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const parsed = schema.safeParse(value)
  if (!parsed.success) throw new RequestError(400, `Error in $: ${describeIssues(parsed.error)}`)
  return parsed.data
}
