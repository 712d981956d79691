// ScanStream: the batches of SCAN and its kin as a stream of arrays.
// Source: SCAN command page.

import { Readable, type ReadableOptions } from 'node:stream'

export interface ScanStreamOptions extends ReadableOptions {
  /** Only names that match this pattern. */
  match?: string
  /** Only keys of this type. */
  type?: string
  /** How many elements the server looks at for one batch. */
  count?: number | string
  /** Fields without their values (HSCAN). */
  noValues?: boolean
}

interface ScanStreamSettings extends ScanStreamOptions {
  key?: string | Buffer
  command: string
  redis: object
}

type Scan = (...args: unknown[]) => Promise<[cursor: string | Buffer, batch: unknown[]]>

export class ScanStream extends Readable {
  private cursor = '0'
  private finished = false
  /** What it was made with. */
  readonly opt: ScanStreamSettings

  constructor(settings: ScanStreamSettings) {
    super({ objectMode: true, ...settings })
    this.opt = { objectMode: true, ...settings }
  }

  override _read(): void {
    if (this.finished) {
      this.push(null)
      return
    }
    const { key, match, type, count, noValues, command, redis } = this.opt
    const args: unknown[] = key === undefined ? [this.cursor] : [key, this.cursor]
    if (match) args.push('MATCH', match)
    if (type) args.push('TYPE', type)
    if (count) args.push('COUNT', String(count))
    if (noValues) args.push('NOVALUES')
    const scan = (redis as Record<string, Scan>)[command] as Scan
    scan.apply(redis, args).then(
      ([cursor, batch]) => {
        this.cursor = String(cursor)
        if (this.cursor === '0') this.finished = true
        this.push(batch)
      },
      (error: Error) => this.destroy(error),
    )
  }

  /** Ends the stream after the batch that is under way. */
  close(): void {
    this.finished = true
  }
}

/** Adds `scanStream`, `scanBufferStream` and their kin to a prototype. */
export function addScanStreams(prototype: object, commands: readonly string[]): void {
  for (const command of commands) {
    for (const variant of ['', 'Buffer']) {
      const open = (redis: object, key: string | Buffer | undefined, options: ScanStreamOptions | undefined) =>
        new ScanStream({ ...options, ...(key !== undefined && { key }), command: command + variant, redis })
      const method =
        command === 'scan'
          ? function (this: object, options?: ScanStreamOptions) {
              return open(this, undefined, options)
            }
          : function (this: object, key: string | Buffer, options?: ScanStreamOptions) {
              return open(this, key, options)
            }
      Object.defineProperty(prototype, `${command}${variant}Stream`, {
        value: method,
        configurable: true,
        writable: true,
      })
    }
  }
}
