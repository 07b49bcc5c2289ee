console.log('good morning')

export default {
  apiVersion: 1,
  name: 'speaks',
  protocols: [{ name: 'speaks_v1', delivery: 'queued' }],
  async open() {
    console.error('a cloud; password=abc')
    return { close: async () => {} }
  },
}
