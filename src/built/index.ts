// Deep path of ioredis, kept for those who import it.

import * as slotwise from '../index.js'

export = slotwise
