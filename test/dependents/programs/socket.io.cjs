// socket.io with its Redis adapter: what is said on one server reaches the sockets of the other.

const { once } = require('node:events')
const { createServer } = require('node:http')
const Redis = require('ioredis')
const { createAdapter, createShardedAdapter } = require('@socket.io/redis-adapter')
const { Server } = require('socket.io')
const { io: connect } = require('socket.io-client')
const { connection, scenarios, timed, until } = require('./support.cjs')

const arrived = (socket, event) => new Promise(resolve => socket.once(event, (...args) => resolve(args)))

async function startServer(makeAdapter, makeClient) {
  const clients = [makeClient(), makeClient()]
  const http = createServer()
  const io = new Server(http, { adapter: makeAdapter(...clients), transports: ['websocket'] })
  io.on('connection', socket => {
    socket.on('join', async (room, done) => {
      await socket.join(room)
      done()
    })
  })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  const close = async () => {
    await io.close()
    await Promise.all(clients.map(client => client.quit()))
    return clients.map(client => client.status)
  }
  return { io, clients, close, port: http.address().port }
}

async function join({ port }, ...rooms) {
  const socket = connect(`http://127.0.0.1:${port}`, { transports: ['websocket'], reconnection: false })
  await arrived(socket, 'connect')
  socket.on('question', (text, answer) => answer(`${text}!`))
  for (const room of rooms) await socket.emitWithAck('join', room)
  return socket
}

async function conversation(makeAdapter, makeClient) {
  const servers = await Promise.all([startServer(makeAdapter, makeClient), startServer(makeAdapter, makeClient)])
  const [one, two] = servers
  // An adapter does not say when its subscriptions stand; a server that knows of both does.
  for (const { io } of servers) {
    await until(async () => (await io.of('/').adapter.serverCount()) === 2, 'the servers to see each other')
  }
  const here = await join(one, 'room')
  const there = await join(two, 'room')
  const outside = await join(two, 'elsewhere')
  const heardOutside = []
  outside.onAny(event => heardOutside.push(event))
  const roomIsKnown = async () => (await one.io.in('room').fetchSockets()).length === 2
  await until(roomIsKnown, 'the room to be known')

  const text = Promise.all([arrived(here, 'text'), arrived(there, 'text')])
  one.io.to('room').emit('text', 'hello', { deep: [1, null, 'é'] })
  const texts = await text
  const binary = arrived(there, 'binary')
  one.io.to('room').emit('binary', Buffer.from([0, 255, 13, 10, 128]))
  const [bytes] = await binary
  const back = arrived(here, 'back')
  two.io.to('room').except(there.id).emit('back', 1)
  await back
  const answers = await one.io.to('room').timeout(1500).emitWithAck('question', 'well')
  const told = arrived(two.io, 'from server')
  one.io.serverSideEmit('from server', 1, 'two')
  const serverSide = await told
  two.io.on('sum', (a, b, answer) => answer(a + b))
  const sums = await one.io.serverSideEmitWithAck('sum', 2, 3)
  const sockets = (await one.io.fetchSockets()).length
  const remote = (await one.io.in('elsewhere').fetchSockets()).map(({ id }) => id === outside.id)
  await one.io.in('elsewhere').socketsJoin('annex')
  await until(async () => (await two.io.in('annex').fetchSockets()).length === 1, 'the socket to have joined')
  const annex = arrived(outside, 'annexed')
  one.io.to('annex').emit('annexed')
  await annex
  const dropped = arrived(outside, 'disconnect')
  one.io.in('annex').disconnectSockets(true)
  const [reason] = await dropped
  here.disconnect()
  there.disconnect()
  let statuses
  const closingMs = await timed(async () => {
    statuses = await Promise.all(servers.map(server => server.close()))
  })
  return {
    texts,
    bytes: [...bytes],
    answers,
    serverSide,
    sums,
    sockets,
    remote,
    heardOutside,
    reason,
    statuses: statuses.flat(),
    closingMs,
  }
}

const onServer = address => () => new Redis(connection(address))
const onCluster = (addresses, options) => () => new Redis.Cluster(addresses.map(connection), options)

scenarios({
  classic: address => conversation(createAdapter, onServer(address)),
  sharded: address => conversation(createShardedAdapter, onServer(address)),
  classicCluster: (...addresses) => conversation(createAdapter, onCluster(addresses)),
  shardedCluster: (...addresses) =>
    conversation(createShardedAdapter, onCluster(addresses, { shardedSubscribers: true })),
})
