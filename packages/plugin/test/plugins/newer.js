export default { apiVersion: 2, name: 'newer', protocols: [{ name: 'n', delivery: 'queued' }], open() {} }
