// Lookup: the addresses of a name, and what it means when there are none.

import { lookup as systemLookup } from 'node:dns'
import { closeSync, openSync } from 'node:fs'
import { isIP, type LookupFunction } from 'node:net'
import { devNull } from 'node:os'

/**
 * Every address of a name, in the order in which they are told.
 *
 * @param lookup in place of Node's `dns.lookup`
 * @param family 4, 6, or 0 for either
 * @throws what the look-up fails with; an Error where it finds nothing
 */
export function addressesOf(name: string, lookup: LookupFunction | undefined, family = 0): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const ask = lookup ?? (systemLookup as unknown as LookupFunction)
    ask(name, { all: true, family }, (error, found) => {
      if (error !== null && error !== undefined) {
        reject(error)
        return
      }
      // One who looks up by himself may tell one address only.
      const told = Array.isArray(found) ? found.map(({ address }) => address) : [found]
      const addresses = [...new Set(told.filter(address => typeof address === 'string' && isIP(address) !== 0))]
      if (addresses.length === 0) reject(new Error(`${name} has no address`))
      else resolve(addresses)
    })
  })
}

/** The same function, which gives a list where one is asked for, even if it knows of one address only. */
export function listing(lookup: LookupFunction): LookupFunction {
  return (name, options, callback) =>
    lookup(name, options, (error, found, family) => {
      if (!options.all || Array.isArray(found) || typeof found !== 'string') callback(error, found, family)
      else callback(error, [{ address: found, family: isIP(found) }])
    })
}

/**
 * What has really failed. A process without a descriptor left cannot ask anybody for an address, and is told that the name does not exist:
 * the error is then the one of opening a file.
 */
export function failureOfLookup(error: unknown): unknown {
  if ((error as NodeJS.ErrnoException | undefined)?.syscall !== 'getaddrinfo') return error
  try {
    closeSync(openSync(devNull, 'r'))
    return error
  } catch (exhausted) {
    return exhausted
  }
}
