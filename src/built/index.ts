// Deep path of ioredis, kept for those who import it: the package itself.

export * from '../index.js'
export { Redis as default } from '../index.js'

module.exports = require('../index.js')
