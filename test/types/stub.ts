// What the type tests take for ioredis: the package itself.

export * from '../../src/index.js'
