// The peer of the start: Fastify with one route, listening.
import fastify from 'fastify'

const app = fastify()
app.get('/', () => 'ok')
await app.listen({ port: 0, host: '127.0.0.1' })
console.log('ready')
process.on('SIGTERM', () => process.exit(0))
