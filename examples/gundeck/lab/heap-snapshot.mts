// heap-snapshot: what a heap holds, by constructor, from a snapshot file of V8. The file is read once, piece by piece; what is kept grows with
// the number of different constructors and the text of names, not with the number of objects.

import { createReadStream } from 'node:fs'

/** `[constructor, count, bytes of the objects themselves]`, greatest first. */
export type CensusRow = [constructor: string, count: number, bytes: number]

interface Meta {
  node_fields: string[]
  node_types: (string[] | string)[]
}

/** Nodes that are named after what they contain, not after what they are. */
const byTypeOnly = new Set([
  'string',
  'concatenated string',
  'sliced string',
  'number',
  'symbol',
  'bigint',
  'code',
  'array',
  'hidden',
  'regexp',
  'object shape',
  'synthetic',
])

const [quote, backslash, zero, nine, comma, closeBracket] = [...'"\\09,]'].map(c => c.charCodeAt(0)) as [
  number,
  number,
  number,
  number,
  number,
  number,
]

/** @throws Error when the file is no heap snapshot */
export async function censusOf(path: string): Promise<CensusRow[]> {
  const reader = new SnapshotReader()
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) reader.push(chunk as Buffer)
  return reader.end()
}

interface Tally {
  count: number
  bytes: number
}

/**
 * A snapshot is one JSON object: `snapshot` (with the layout of a node), `nodes` (numbers), `edges` (numbers, left out here), …, `strings`. V8 writes it in
 * this order, so that counting can go on before names are known.
 */
class SnapshotReader {
  #phase: 'head' | 'nodes' | 'between' | 'strings' | 'done' = 'head'
  #head = ''
  /** The last bytes, in which the next section's name is looked for. */
  #tail = ''
  #types: string[] = []
  #fieldCount = 0
  #typeField = 0
  #nameField = 0
  #sizeField = 0
  #field = 0
  #number = 0
  #inNumber = false
  #node: number[] = []
  readonly #byType = new Map<string, Tally>()
  /** Type number and name number of a node to its tally. */
  readonly #byName = new Map<number, Tally>()
  readonly #wantedNames = new Set<number>()
  readonly #names = new Map<number, string>()
  #stringIndex = 0
  #inString = false
  #escaped = false
  #text: number[] = []

  push(chunk: Buffer): void {
    let at = 0
    while (at < chunk.length) {
      switch (this.#phase) {
        case 'head':
          at = this.#readHead(chunk, at)
          break
        case 'nodes':
          at = this.#readNodes(chunk, at)
          break
        case 'between':
          at = this.#find(chunk, at, '"strings":[', 'strings')
          break
        case 'strings':
          at = this.#readStrings(chunk, at)
          break
        case 'done':
          return
      }
    }
  }

  #readHead(chunk: Buffer, from: number): number {
    this.#head += chunk.toString('latin1', from)
    const mark = '"nodes":['
    const found = this.#head.indexOf(mark)
    if (found === -1) return chunk.length
    const over = this.#head.length - (found + mark.length)
    const meta = metaOf(this.#head.slice(0, found))
    this.#head = ''
    this.#fieldCount = meta.node_fields.length
    this.#typeField = meta.node_fields.indexOf('type')
    this.#nameField = meta.node_fields.indexOf('name')
    this.#sizeField = meta.node_fields.indexOf('self_size')
    this.#types = meta.node_types[this.#typeField] as string[]
    this.#node = new Array(this.#fieldCount).fill(0)
    this.#phase = 'nodes'
    return chunk.length - over
  }

  #readNodes(chunk: Buffer, from: number): number {
    for (let i = from; i < chunk.length; i++) {
      const byte = chunk[i] as number
      if (byte >= zero && byte <= nine) {
        this.#number = this.#number * 10 + (byte - zero)
        this.#inNumber = true
      } else if (this.#inNumber && (byte === comma || byte === closeBracket)) {
        this.#node[this.#field] = this.#number
        this.#number = 0
        this.#inNumber = false
        if (++this.#field === this.#fieldCount) {
          this.#field = 0
          this.#count()
        }
      }
      if (byte === closeBracket) {
        this.#phase = 'between'
        return i + 1
      }
    }
    return chunk.length
  }

  #count(): void {
    const type = this.#node[this.#typeField] as number
    const name = this.#node[this.#nameField] as number
    const typeName = this.#types[type] as string
    let tally: Tally | undefined
    if (byTypeOnly.has(typeName)) {
      tally = this.#byType.get(typeName)
      if (tally === undefined) this.#byType.set(typeName, (tally = { count: 0, bytes: 0 }))
    } else {
      const key = name * this.#types.length + type
      tally = this.#byName.get(key)
      if (tally === undefined) {
        this.#byName.set(key, (tally = { count: 0, bytes: 0 }))
        this.#wantedNames.add(name)
      }
    }
    tally.count++
    tally.bytes += this.#node[this.#sizeField] as number
  }

  #find(chunk: Buffer, from: number, mark: string, next: 'strings'): number {
    const text = this.#tail + chunk.toString('latin1', from)
    const found = text.indexOf(mark)
    if (found === -1) {
      this.#tail = text.slice(-mark.length)
      return chunk.length
    }
    this.#phase = next
    return from + found + mark.length - this.#tail.length
  }

  #readStrings(chunk: Buffer, from: number): number {
    for (let i = from; i < chunk.length; i++) {
      const byte = chunk[i] as number
      if (this.#inString) {
        const wanted = this.#wantedNames.has(this.#stringIndex)
        if (this.#escaped) this.#escaped = false
        else if (byte === backslash) this.#escaped = true
        else if (byte === quote) {
          if (wanted)
            this.#names.set(this.#stringIndex, JSON.parse(`"${Buffer.from(this.#text).toString()}"`) as string)
          this.#text = []
          this.#inString = false
          this.#stringIndex++
          continue
        }
        if (wanted) this.#text.push(byte)
      } else if (byte === quote) this.#inString = true
      else if (byte === closeBracket) {
        this.#phase = 'done'
        return chunk.length
      }
    }
    return chunk.length
  }

  end(): CensusRow[] {
    if (this.#phase !== 'done') throw new Error(`the file is no whole heap snapshot: it ends in ${this.#phase}`)
    const rows = new Map<string, Tally>()
    const add = (name: string, { count, bytes }: Tally) => {
      const row = rows.get(name) ?? { count: 0, bytes: 0 }
      rows.set(name, { count: row.count + count, bytes: row.bytes + bytes })
    }
    for (const [type, tally] of this.#byType) add(`(${type})`, tally)
    for (const [key, tally] of this.#byName) {
      const type = this.#types[key % this.#types.length] as string
      const name = this.#names.get(Math.floor(key / this.#types.length)) ?? '?'
      add(type === 'closure' ? '(closure)' : type === 'native' ? `${name} (native)` : name, tally)
    }
    return [...rows]
      .map(([name, { count, bytes }]): CensusRow => [name, count, bytes])
      .sort((a, b) => b[2] - a[2] || b[1] - a[1])
  }
}

function metaOf(head: string): Meta {
  try {
    const text = `${head.trimEnd().replace(/,$/, '')}}`
    return (JSON.parse(text) as { snapshot: { meta: Meta } }).snapshot.meta
  } catch {
    throw new Error('the file is no heap snapshot')
  }
}
