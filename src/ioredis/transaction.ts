// Transaction: pipeline(), multi() and exec() on Redis and Cluster.
// Source: Redis "Transactions".

import { asCallback, type NodeCallback } from './callback.js'
import type { Method } from './methods.js'
import { Pipeline, type PipelineOwner, type PipelineResult } from './pipeline.js'
import { type BatchOperationContext, traceBatch } from './tracing.js'

type Commands = readonly (readonly unknown[])[]
interface MultiOptions {
  /** False: MULTI is sent at once, and so is each command after it. */
  pipeline?: boolean
}

interface Traced {
  _buildBatchContext?(batchSize: number): BatchOperationContext
}

/** `[[null, reply] | [error], …]` of EXEC's reply; null when a watched key had changed. */
function pairReplies(replies: unknown): PipelineResult[] | null {
  if (!Array.isArray(replies)) return null
  return replies.map(reply => (reply instanceof Error ? [reply] : [null, reply]))
}

/** Adds pipeline(), multi() and exec() to a prototype whose methods send commands. */
export function addTransactionSupport(prototype: object): void {
  const { multi: sendMulti, exec: sendExec } = prototype as { multi: Method; exec: Method }
  const methods = {
    pipeline(this: PipelineOwner, commands?: Commands): Pipeline {
      const pipeline = new Pipeline(this)
      if (Array.isArray(commands)) pipeline.addBatch(commands)
      return pipeline
    },

    multi(this: PipelineOwner, first?: Commands | MultiOptions, second?: MultiOptions): unknown {
      const [commands, options] =
        Array.isArray(first) || second !== undefined ? [first as Commands, second] : [null, first as MultiOptions]
      if (options?.pipeline === false) return (sendMulti as (this: unknown) => unknown).call(this)
      return transaction(this, commands)
    },

    exec(this: unknown, callback?: NodeCallback): Promise<unknown> {
      const promise = (sendExec as (this: unknown) => Promise<unknown>).call(this)
      return asCallback(
        promise.then(replies => (Array.isArray(replies) ? pairReplies(replies) : replies)),
        callback,
      )
    },
  }
  for (const [name, value] of Object.entries(methods)) {
    Object.defineProperty(prototype, name, { value, configurable: true, writable: true })
  }
}

/** A pipeline that begins with MULTI, and whose exec() ends with EXEC and gives EXEC's replies. */
function transaction(owner: PipelineOwner, commands: Commands | null): Pipeline {
  const pipeline = new Pipeline(owner)
  ;(pipeline as unknown as { multi(): void }).multi()
  if (commands !== null && commands !== undefined) pipeline.addBatch(commands)
  const execPipeline = pipeline.exec
  const exec = (callback?: NodeCallback): Promise<PipelineResult[] | null> => {
    // An empty EXEC of its own, where the caller has not put one.
    if (pipeline.transactions > 0) execPipeline.call(pipeline)
    const batchSize = pipeline.length - 2
    const run = () => execPipeline.call(pipeline).then(execOutcome)
    const { _buildBatchContext: context } = owner as Traced
    const promise = context === undefined ? run() : traceBatch(run, () => context.call(owner, batchSize))
    return asCallback(promise, callback)
  }
  Object.assign(pipeline, { exec, execBuffer: exec })
  return pipeline
}

function execOutcome(results: PipelineResult[]): PipelineResult[] | null {
  const last = results.at(-1)
  if (last === undefined) {
    throw new Error('Pipeline cannot be used to send any commands when the `exec()` has been called on it.')
  }
  const [error, replies] = last
  if (error !== null) {
    const previousErrors = results.slice(0, -1).flatMap(([previous]) => (previous === null ? [] : [previous]))
    throw Object.assign(error, { previousErrors })
  }
  return pairReplies(replies)
}
