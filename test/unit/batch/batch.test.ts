import { describe, expect, it } from 'vitest'
import { BatchCollector } from '../../../src/batch/batch.js'

describe('BatchCollector', () => {
  it('is done at once when there is nothing to wait for', () => {
    let results: unknown = null
    new BatchCollector(0, done => {
      results = done
    })
    expect(results).toEqual([])
  })

  it('is done with the last outcome, each in its place, whatever their order', () => {
    let results: unknown = null
    const collector = new BatchCollector(3, done => {
      results = done
    })
    const failure = new Error('no')
    collector.sink(2)('c')
    collector.sink(0)(failure)
    expect(results).toBeNull()
    collector.sink(1)(null)
    expect(results).toEqual([failure, null, 'c'])
  })
})
