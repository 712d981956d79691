// The service's packages are installed when its tests are first run.

import { resolve } from 'node:path'
import { prepareExample } from '../../../../scripts/example-packages.mjs'

export default function setup(): Promise<void> {
  return prepareExample(resolve(import.meta.dirname, '../..'), line => process.stderr.write(`${line}\n`))
}
