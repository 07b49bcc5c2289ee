// Answers HTTP by its path: well, wrongly, late, or never.
const answers = {
  '/echo': (request) => ({
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...request, body: Buffer.from(request.body).toString() }),
  }),
  '/bytes': () => ({ status: 201, body: new Uint8Array([0, 255, 1]) }),
  '/empty': () => ({ status: 204, body: 'no one reads this' }),
  '/grabs': () => ({
    status: 200,
    headers: {
      'content-type': 'text/html',
      'x-mine': 'kept',
      'Set-Cookie': 'session=stolen',
      'Content-Security-Policy': 'default-src *',
      'Access-Control-Allow-Origin': '*',
      'Transfer-Encoding': 'chunked',
      'Content-Length': '1',
      'Service-Worker-Allowed': '/',
      'Clear-Site-Data': '"cookies"',
    },
    body: '<script>steal()</script>',
  }),
  '/splits': () => ({ status: 200, headers: { 'x-a': 'b\r\nset-cookie: c=d' }, body: '' }),
  '/status': () => ({ status: 99, body: '' }),
  '/shape': () => 'hello',
  '/headers': () => ({ status: 200, headers: [['a', 'b']] }),
  '/large': () => ({ status: 200, body: new Uint8Array(1024 * 1024 + 1) }),
  '/huge': () => ({ status: 200, body: new Uint8Array(3 * 1024 * 1024) }),
  '/class': () => ({ status: 200, headers: { a: new Date() } }),
  '/throws': () => {
    throw new Error('a secret of the plugin')
  },
  '/never': () => new Promise(() => {}),
  '/dies': () => process.exit(1),
}

export default {
  apiVersion: 1,
  name: 'web',
  protocols: [{ name: 'web_v1', delivery: 'queued' }],
  open: async () => ({
    http: async (request) => answers[request.path]?.(request) ?? { status: 404, body: 'nothing here' },
    close: async () => {},
  }),
}
